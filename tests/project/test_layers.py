"""The layers of the package: every import and every include goes downwards, and no imports make a circle."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import cfdns_fast

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="no source tree around the tests")

#: Floors of the package, from the highest to the lowest. A room imports from itself and from lower floors only.
FLOORS = (
    ("__main__",),
    ("cli",),
    ("clusters", "detect", "files", "inspect", "jobs", "receiver", "sinks", "spark"),
    ("__init__",),  # the public line
    ("normalizer",),
    ("formats",),
    ("arrow",),
    ("plan", "reference"),
    ("_core", "io", "mapping"),
    ("domains", "options", "results", "signatures"),
    ("errors", "suffix_list"),
)

#: The same for the folders of C++, with the headers in `_core`.
CPP_FLOORS = (
    ("_core",),
    ("_core/dicts",),
    ("batch",),
    ("framing", "output"),
    ("events",),
    ("plan",),
    ("values",),
    ("json",),
    ("support",),
)
CPP_LIBRARIES = {"Python.h", "simdjson.cpp", "simdjson.h"}

#: Rooms above the public line may import public names, also from the modules that define these, and `cfdns_fast.io`.
ABOVE_THE_LINE = {*FLOORS[1], *FLOORS[2]}
DEFINE_PUBLIC_NAMES = {"__init__", "domains", "errors", "normalizer", "results"}
PUBLIC_NAMES = {*cfdns_fast.__all__, "__version__"}
#: The command may also import these modules.
FOR_THE_COMMAND = {"mapping", "options"}

#: Importer, module and name (or "*"). The core creates results, and results hold its type `Rejects`. The reports write
#: names of files as rejects do.
EXCEPTIONS = {("results", "_core", "Rejects"), ("cli.report", "results", "text_of")}


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
        elif path.suffix not in (".py", ".pyi", ".pyx", ".pxd"):
            continue
        if len(parts) > 1 and parts[-1] == "__init__":
            parts = parts[:-1]
        files.setdefault(".".join(parts), []).append(path)
    return files


def imports_of(module: str, path: Path, modules: Iterable[str], package: str = "cfdns_fast") -> Iterator[Import]:
    """Yield what a module imports from the package, also in functions and under TYPE_CHECKING."""
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".pyx", ".pxi", ".pxd"):
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


def includes_of(path: Path, package: Path) -> Iterator[Include]:
    """Yield what a C++ or Cython file includes in quotes."""
    includer = path.relative_to(package).as_posix()
    text = path.read_text(encoding="utf-8")
    for header in re.findall(r'^\s*#\s*include\s+"([^"]+)"|^cdef extern from "([^"<]+)"', text, re.MULTILINE):
        name = next(filter(None, header))
        candidates = (path.parent / name, package / "_native" / name, package.parent / name)
        found = next((candidate for candidate in candidates if candidate.is_file()), None)
        yield Include(includer, found.relative_to(package).as_posix() if found else name)


def room_of(module: str) -> str:
    return module.partition(".")[0]


def cpp_room_of(file: str) -> str:
    return os.path.dirname(file).removeprefix("_native/")


def floors_by_room(floors: tuple[tuple[str, ...], ...]) -> dict[str, int]:
    """Return the number of each room's floor, from 0 for the lowest."""
    return {room: number for number, rooms in enumerate(reversed(floors)) for room in rooms}


def upward_imports(imports: Iterable[Import]) -> list[Import]:
    """Return the imports that go neither downwards nor to their own room."""
    floor = floors_by_room(FLOORS)
    return [
        each
        for each in imports
        if room_of(each.importer) != room_of(each.module)
        and floor[room_of(each.importer)] <= floor[room_of(each.module)]
    ]


def upward_includes(includes: Iterable[Include]) -> list[Include]:
    """Return the includes that go neither downwards nor to their own folder."""
    floor = floors_by_room(CPP_FLOORS)
    return [
        each
        for each in includes
        if each.header not in CPP_LIBRARIES
        and cpp_room_of(each.includer) != cpp_room_of(each.header)
        and floor[cpp_room_of(each.includer)] <= floor[cpp_room_of(each.header)]
    ]


def private_imports(imports: Iterable[Import]) -> list[Import]:
    """Return the imports above the public line of anything that is not public."""
    found = []
    for each in imports:
        room, module_room = room_of(each.importer), room_of(each.module)
        is_public = module_room in DEFINE_PUBLIC_NAMES and "." not in each.module and each.name in PUBLIC_NAMES
        is_for_the_command = room == "cli" and module_room in FOR_THE_COMMAND and "." not in each.module
        if (
            room in ABOVE_THE_LINE
            and module_room not in (room, "io")
            and not is_public
            and not is_for_the_command
            and not (room == "cli" and module_room in ABOVE_THE_LINE)
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


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    files = module_files(ROOT / "cfdns_fast")
    return [found for module, paths in files.items() for path in paths for found in imports_of(module, path, files)]


@pytest.fixture(scope="module")
def includes() -> list[Include]:
    package = ROOT / "cfdns_fast"
    paths = [path for suffix in ("*.hpp", "*.cpp", "*.p[xy][dxi]") for path in package.rglob(suffix)]
    return [found for path in paths for found in includes_of(path, package)]


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(module) for module in module_files(ROOT / "cfdns_fast")}
    folders = {path.name for path in (ROOT / "cfdns_fast" / "_native").iterdir() if path.is_dir()}
    assert rooms - floors_by_room(FLOORS).keys() == set()
    assert folders - floors_by_room(CPP_FLOORS).keys() == set()


def test_imports_run_downwards(imports: list[Import]) -> None:
    assert set(upward_imports(imports)) - EXCEPTIONS == set()


def test_imports_make_no_circle(imports: list[Import]) -> None:
    kept = [each for each in imports if each not in EXCEPTIONS]
    assert circle((each.importer, each.module) for each in kept) == []


def test_imports_above_the_public_line_are_public(imports: list[Import]) -> None:
    assert set(private_imports(imports)) - EXCEPTIONS == set()


def test_exceptions_are_in_use(imports: list[Import]) -> None:
    unneeded = EXCEPTIONS - {*upward_imports(imports), *private_imports(imports)}
    assert unneeded == set()


def test_includes_run_downwards(includes: list[Include]) -> None:
    assert upward_includes(includes) == []


def test_includes_make_no_circle(includes: list[Include]) -> None:
    assert circle(includes) == []


def test_native_code_does_not_include_python() -> None:
    sources = [path for path in (ROOT / "cfdns_fast" / "_native").rglob("*.[ch]pp")]
    assert len(sources) > 20
    assert [path.name for path in sources if "Python.h" in path.read_text(encoding="utf-8")] == []


# Tests of the checks


def source(folder: Path, files: dict[str, str]) -> Path:
    """Write a made-up package and return its folder."""
    package = folder / "cfdns_fast"
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return package


def made_up_imports(folder: Path, files: dict[str, str]) -> list[Import]:
    found = module_files(source(folder, files))
    return [each for module, paths in found.items() for path in paths for each in imports_of(module, path, found)]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("errors.py", "from .normalizer import parse", Import("errors", "normalizer", "parse")),
        ("errors.py", "from . import mapping", Import("errors", "mapping", "*")),
        ("errors.py", "import cfdns_fast.mapping", Import("errors", "mapping", "*")),
        ("io/paths.py", "def run():\n    from ..plan.steps import merge", Import("io.paths", "plan.steps", "merge")),
        (
            "io/paths.py",
            "if TYPE_CHECKING:\n    from .. import Normalizer",
            Import("io.paths", "__init__", "Normalizer"),
        ),
        ("plan/steps.py", "from cfdns_fast.reference import parse", Import("plan.steps", "reference", "parse")),
        ("_core/boundary.pyi", "from ..plan.steps import x", Import("_core.boundary", "plan.steps", "x")),
        ("_core/rejects.pxi", "    from ..normalizer import (\n  a)", Import("_core.boundary", "normalizer", "a")),
        ("mapping/__init__.py", "from ..plan import x", Import("mapping", "plan", "x")),
    ],
)
def test_upward_import_is_found(tmp_path: Path, name: str, text: str, expected: Import) -> None:
    rest = dict.fromkeys(("__init__.py", "normalizer.py", "mapping/loader.py", "plan/__init__.py"), "")
    rest |= dict.fromkeys(("plan/steps.py", "mapping/__init__.py", "reference/__init__.py"), "")
    assert upward_imports(made_up_imports(tmp_path, {**rest, name: text})) == [expected]


def test_import_circle_is_found(tmp_path: Path) -> None:
    found = made_up_imports(tmp_path, {"io/a.py": "from .b import x", "io/b.py": "def f():\n    from . import a"})
    assert upward_imports(found) == []
    assert sorted(circle((each.importer, each.module) for each in found)) == ["io.a", "io.b"]


@pytest.mark.parametrize(
    ("text", "is_private"),
    [
        ("from .. import Normalizer, __version__", False),
        ("from ..errors import CfdnsError", False),
        ("from ..io.outputs import Output", False),
        ("from .other import x", False),
        ("from ..errors import REJECT_CODES", True),
        ("from .. import _core", True),
        ("from ..mapping import load", True),
        ("from ..cli.app import main", True),
    ],
)
def test_private_import_is_found(tmp_path: Path, text: str, is_private: bool) -> None:
    modules = dict.fromkeys(("__init__.py", "_core/__init__.py", "sinks/other.py"), "")
    found = made_up_imports(tmp_path, {**modules, "sinks/__init__.py": "", "sinks/kafka.py": text})
    assert bool(private_imports(found)) == is_private


def test_upward_include_is_found(tmp_path: Path) -> None:
    package = source(
        tmp_path,
        {"_native/json/token.hpp": '#pragma once\n#include "plan/plan.hpp"\n', "_native/plan/plan.hpp": ""},
    )
    found = list(includes_of(package / "_native/json/token.hpp", package))
    assert upward_includes(found) == [Include("_native/json/token.hpp", "_native/plan/plan.hpp")]


def test_include_circle_is_found() -> None:
    assert circle([Include("json/a.hpp", "json/b.hpp"), Include("json/b.hpp", "json/a.hpp")])
