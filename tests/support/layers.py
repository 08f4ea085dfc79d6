"""The floors of the package, and the checks that every import and every include goes downwards."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import cfdns_fast
from cfdns_fast import options

__all__ = [
    "CPP_FLOORS",
    "CPP_SUFFIXES",
    "CYTHON_SUFFIXES",
    "EXCEPTIONS",
    "FLOORS",
    "Import",
    "Include",
    "circle",
    "dynamic_imports",
    "imports_of",
    "includes_of",
    "misplaced_files",
    "module_files",
    "private_imports",
    "upward_imports",
    "upward_includes",
]

#: Floors of the package, from the highest to the lowest. A room imports from itself and from lower floors only.
FLOORS = (
    ("__main__",),
    ("cli",),
    ("inspect", "jobs", "mapping_tools", "receiver", "spark"),
    ("detect", "sinks", "spool"),
    ("files",),
    ("__init__",),  # the public line
    ("normalizer",),
    ("formats",),
    ("arrow",),
    ("reference",),
    ("matching",),
    ("plan",),
    ("_core", "mapping"),
    ("domains", "options", "results", "signatures"),
    ("io", "suffix_list"),
    ("errors", "lazy"),
)

#: The same for the folders of C++, with the headers in `_core`.
CPP_FLOORS = (
    ("_core",),
    ("_core/dicts",),
    ("batch",),
    ("framing", "output"),
    ("events",),
    ("plan",),
    ("matching",),
    ("values",),
    ("json",),
    ("support",),
)
CPP_LIBRARIES = {"Python.h", "simdjson.cpp", "simdjson.h"}

#: The suffixes of the files that these checks read, and those of other files, which import and include nothing.
CPP_SUFFIXES = (".hpp", ".cpp")
CYTHON_SUFFIXES = (".pyx", ".pxd", ".pxi")
PYTHON_SUFFIXES = (".py", ".pyi")
OTHER_SUFFIXES = (".map", ".so", ".pyd", ".pyc", ".toml", ".gz", ".md", ".typed", ".yml", ".html", ".css")

#: Rooms above the public line may import public names, also from the modules that define these, and `cfdns_fast.io`.
#: The room `detect` may also import what `cfdns_fast.matching` exports.
ABOVE_THE_LINE = {room for floor in FLOORS[: FLOORS.index(("__init__",))] for room in floor}
DEFINE_PUBLIC_NAMES = {"__init__", "domains", "errors", "normalizer", "results"}
PUBLIC_NAMES = {*cfdns_fast.__all__, "__version__"}
#: The command may also import these names, by module.
FOR_THE_COMMAND = {"mapping": {"bundled", "is_path", "load"}, "options": {*options.__all__}}
#: The receiver stands on these rooms, and uses what their packages export.
FOR_THE_RECEIVER = {"detect", "sinks", "spool"}
#: These rooms stand on `files`, and use its modules.
ON_FILES = {"inspect", "sinks", "spark"}
#: The tools for mapping files use the modules of these rooms below the public line: they show what a mapping is and why
#: the reference makes what it makes, which a conversion does not tell.
FOR_THE_MAPPING_TOOLS = {"errors", "mapping", "options", "reference"}
#: These modules import by name, to import public modules on first use. No check could read such an import elsewhere.
DYNAMIC_IMPORTERS = {"__init__.py", "lazy.py"}
#: Packages only may call this function: the block for type checkers has each of their imports, which these checks read.
LAZY_FUNCTION = "lazy_names"

#: Importer, module and name (or "*"). The core creates results, and results hold two of its types.
EXCEPTIONS = {("results", "_core", "Rejects"), ("results", "_core", "Detections")}


class Import(NamedTuple):
    """One name that a module imports from another module of the package; both without the package's name."""

    importer: str
    module: str
    name: str


class Include(NamedTuple):
    """One include of a C++ header, by paths below the package or names of other libraries."""

    includer: str
    header: str


def module_files(package: Path) -> dict[str, list[Path]]:
    """Return the files of each module; the stub, the Cython source and the files that it includes are one module."""
    files: dict[str, list[Path]] = {}
    for path in sorted(package.rglob("*")):
        parts = path.relative_to(package).with_suffix("").parts
        if path.suffix == ".pxi":
            parts = (*parts[:-1], "boundary")
        elif path.suffix not in (*PYTHON_SUFFIXES, *CYTHON_SUFFIXES):
            continue
        if len(parts) > 1 and parts[-1] == "__init__":
            parts = parts[:-1]
        files.setdefault(".".join(parts), []).append(path)
    return files


def imports_of(module: str, path: Path, modules: Iterable[str], package: str = "cfdns_fast") -> Iterator[Import]:
    """Yield what a module imports from the package, also in functions and under TYPE_CHECKING."""
    text = path.read_text(encoding="utf-8")
    if path.suffix in CYTHON_SUFFIXES:
        statement = re.compile(r"^[ ]*(from [\w.]+ c?import (?:\([^)]*\)|.*)|c?import [\w., ]+)$", re.MULTILINE)
        text = "\n".join(re.sub(r"\bcimport\b", "import", found[1]) for found in statement.finditer(text))
    own = [package, *module.split(".")]
    folder = own if path.stem == "__init__" and module != "__init__" else own[:-1]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == package:
                    yield Import(module, alias.name.partition(".")[2] or "__init__", "*")
        elif isinstance(node, ast.ImportFrom):
            start = folder[: len(folder) - node.level + 1] if node.level else []
            target = [*start, *(node.module.split(".") if node.module else [])]
            if target[:1] != [package]:
                continue
            for alias in node.names:
                inner = ".".join([*target[1:], alias.name])
                if inner in modules:
                    yield Import(module, inner, "*")
                else:
                    yield Import(module, ".".join(target[1:]) or "__init__", alias.name)


def dynamic_imports(package: Path) -> list[str]:
    """Return the files that import modules by name, without those that may."""
    found = set()
    for path in package.rglob("*"):
        if path.suffix in (*PYTHON_SUFFIXES, *CYTHON_SUFFIXES):
            pattern = r"\bimport_module\b|__import__" + ("" if path.name == "__init__.py" else rf"|\b{LAZY_FUNCTION}\b")
            if re.search(pattern, path.read_text(encoding="utf-8")):
                found.add(path.relative_to(package).as_posix())
    return sorted(found - DYNAMIC_IMPORTERS)


def includes_of(path: Path, package: Path) -> Iterator[Include]:
    """Yield what a C++ or Cython file includes: files of the package, and all other names in quotes or of macros."""
    includer = path.relative_to(package).as_posix()
    text = path.read_text(encoding="utf-8")
    pattern = r'^\s*#\s*include\s*("[^"\n]+"|<[^>\n]+>|\w+)|^cdef extern from "([^"\n]+)"'
    for directive, extern in re.findall(pattern, text, re.MULTILINE):
        written = directive or extern
        name = written.strip('"<>')
        candidates = (path.parent / name, package / "_native" / name, package.parent / name)
        found = next((Path(os.path.normpath(each)) for each in candidates if each.is_file()), None)
        if found is not None and found.is_relative_to(package):
            yield Include(includer, found.relative_to(package).as_posix())
        elif not written.startswith("<"):
            yield Include(includer, name)


def misplaced_files(package: Path) -> list[str]:
    """Return the files with an unknown suffix, and those that are in no room or folder with a floor."""
    rooms, folders = floors_by_room(FLOORS), floors_by_room(CPP_FLOORS)
    found = []
    for path in sorted(path for path in package.rglob("*") if path.is_file()):
        name = path.relative_to(package)
        if path.suffix in CPP_SUFFIXES:
            is_placed = cpp_room_of(name.as_posix()) in folders
        elif path.suffix in (*PYTHON_SUFFIXES, *CYTHON_SUFFIXES):
            is_placed = room_of(name.with_suffix("").parts[0]) in rooms
        else:
            is_placed = path.suffix in OTHER_SUFFIXES
        if not is_placed:
            found.append(name.as_posix())
    return found


def room_of(module: str) -> str:
    return module.partition(".")[0]


def cpp_room_of(file: str) -> str:
    return os.path.dirname(file).removeprefix("_native/")


def floors_by_room(floors: tuple[tuple[str, ...], ...]) -> dict[str, int]:
    """Return the number of each room's floor, from 0 for the lowest."""
    return {room: number for number, rooms in enumerate(reversed(floors)) for room in rooms}


def _floor_of(room: str, floors: tuple[tuple[str, ...], ...], name: str) -> int:
    found = floors_by_room(floors).get(room)
    assert found is not None, f"{name} is in no room with a floor"
    return found


def upward_imports(imports: Iterable[Import]) -> list[Import]:
    """Return the imports that go neither downwards nor to their own room."""

    def floor(module: str) -> int:
        return _floor_of(room_of(module), FLOORS, module)

    return [
        each
        for each in imports
        if room_of(each.importer) != room_of(each.module) and floor(each.importer) <= floor(each.module)
    ]


def upward_includes(includes: Iterable[Include]) -> list[Include]:
    """Return the includes that go neither downwards nor to their own folder."""

    def floor(file: str) -> int:
        return _floor_of(cpp_room_of(file), CPP_FLOORS, file)

    return [
        each
        for each in includes
        if each.header not in CPP_LIBRARIES
        and cpp_room_of(each.includer) != cpp_room_of(each.header)
        and floor(each.includer) <= floor(each.header)
    ]


def private_imports(imports: Iterable[Import]) -> list[Import]:
    """Return the imports above the public line of anything that is not public."""
    found = []
    for each in imports:
        room, module_room = room_of(each.importer), room_of(each.module)
        is_public = module_room in DEFINE_PUBLIC_NAMES and "." not in each.module and each.name in PUBLIC_NAMES
        is_for_the_receiver = room == "receiver" and each.module in FOR_THE_RECEIVER
        is_for_the_command = room == "cli" and each.name in FOR_THE_COMMAND.get(each.module, ())
        if (
            room in ABOVE_THE_LINE
            and module_room not in (room, "io")
            and not (room == "detect" and each.module == "matching")
            and not is_public
            and not is_for_the_command
            and not is_for_the_receiver
            and (each.module, each.name) != ("lazy", LAZY_FUNCTION)
            and not (room in ON_FILES and module_room == "files")
            and not (room == "mapping_tools" and module_room in FOR_THE_MAPPING_TOOLS)
            and not (room in ("__main__", "cli") and module_room in ABOVE_THE_LINE)
        ):
            found.append(each)
    return found


def circle(edges: Iterable[tuple[str, str]]) -> list[str]:
    """Return nodes that lead to each other in a circle, in order; empty if there is no circle."""
    targets: dict[str, list[str]] = {}
    for source, target in edges:
        targets.setdefault(source, []).append(target)
    done: set[str] = set()

    def search(node: str, way: list[str]) -> list[str]:
        if node in way:
            return way[way.index(node) :]
        if node in done:
            return []
        for target in targets.get(node, ()):
            if target != node and (found := search(target, [*way, node])):
                return found
        done.add(node)
        return []

    return next((found for node in list(targets) if (found := search(node, []))), [])
