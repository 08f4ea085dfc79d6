"""The layers of the package: every import and every include goes downwards, and no imports make a circle."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.layers import (
    CPP_SUFFIXES,
    CYTHON_SUFFIXES,
    EXCEPTIONS,
    Import,
    Include,
    circle,
    dynamic_imports,
    imports_of,
    includes_of,
    misplaced_files,
    module_files,
    private_imports,
    upward_imports,
    upward_includes,
)

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="no source tree around the tests")


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    files = module_files(ROOT / "cfdns_fast")
    return [found for module, paths in files.items() for path in paths for found in imports_of(module, path, files)]


@pytest.fixture(scope="module")
def includes() -> list[Include]:
    package = ROOT / "cfdns_fast"
    paths = [path for path in package.rglob("*") if path.suffix in (*CPP_SUFFIXES, *CYTHON_SUFFIXES)]
    return [found for path in paths for found in includes_of(path, package)]


def test_every_file_has_a_floor() -> None:
    assert misplaced_files(ROOT / "cfdns_fast") == []


def test_no_module_imports_by_name() -> None:
    assert dynamic_imports(ROOT / "cfdns_fast") == []


def test_imports_run_downwards(imports: list[Import]) -> None:
    assert set(upward_imports(imports)) - EXCEPTIONS == set()


def test_imports_make_no_circle(imports: list[Import]) -> None:
    kept = [each for each in imports if each not in EXCEPTIONS]
    assert circle((each.importer, each.module) for each in kept) == []


def test_imports_above_the_public_line_are_public(imports: list[Import]) -> None:
    assert set(private_imports(imports)) == set()


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


@pytest.mark.parametrize(
    ("text", "is_private"),
    [
        ("from ..options import THREADS, option", False),
        ("from ..mapping import bundled, is_path", False),
        ("from ..options import _is_whole", True),
        ("from .. import options", True),
        ("from ..mapping import Field", True),
        ("from ..mapping.loader import load", True),
    ],
)
def test_command_imports_listed_names(tmp_path: Path, text: str, is_private: bool) -> None:
    modules = dict.fromkeys(("options.py", "mapping/__init__.py", "mapping/loader.py", "cli/__init__.py"), "")
    assert bool(private_imports(made_up_imports(tmp_path, {**modules, "cli/app.py": text}))) == is_private


@pytest.mark.parametrize(
    ("text", "is_private"),
    [
        ("from . import __version__", False),
        ("def f():\n    from .cli.app import main", False),
        ("from . import _core", True),
        ("from .options import option", True),
        ("from ._core.boundary import Plan", True),
    ],
)
def test_main_imports_the_command_only(tmp_path: Path, text: str, is_private: bool) -> None:
    modules = dict.fromkeys(("__init__.py", "options.py", "_core/__init__.py", "cli/app.py"), "")
    assert bool(private_imports(made_up_imports(tmp_path, {**modules, "__main__.py": text}))) == is_private


@pytest.mark.parametrize(
    "text",
    [
        "from importlib import import_module\nimport_module('cfdns_fast._core')",
        "import importlib\nimportlib.import_module('cfdns_fast._core')",
        "__import__('cfdns_fast._core')",
    ],
)
def test_import_by_name_is_found(tmp_path: Path, text: str) -> None:
    package = source(tmp_path, {"__init__.py": text, "io/__init__.py": text, "io/paths.py": text})
    assert dynamic_imports(package) == ["io/__init__.py", "io/paths.py"]


def test_lazy_names_outside_of_a_package_are_found(tmp_path: Path) -> None:
    text = "from ..lazy import lazy_names"
    package = source(tmp_path, {"__init__.py": "", "io/__init__.py": text, "io/paths.py": text})
    assert dynamic_imports(package) == ["io/paths.py"]


@pytest.mark.parametrize("written", ['"plan/plan.hpp"', "<plan/plan.hpp>", '"../plan/plan.hpp"'])
def test_upward_include_is_found(tmp_path: Path, written: str) -> None:
    package = source(
        tmp_path,
        {"_native/json/token.hpp": f"#pragma once\n#  include {written}\n", "_native/plan/plan.hpp": ""},
    )
    found = list(includes_of(package / "_native/json/token.hpp", package))
    assert upward_includes(found) == [Include("_native/json/token.hpp", "_native/plan/plan.hpp")]


def test_library_include_is_skipped(tmp_path: Path) -> None:
    package = source(tmp_path, {"_native/json/token.hpp": '#include <vector>\n#include "simdjson.h"\n'})
    assert upward_includes(includes_of(package / "_native/json/token.hpp", package)) == []


@pytest.mark.parametrize(
    ("includer", "written", "named"),
    [
        ("_native/json/token.hpp", '"missing/plan.hpp"', "missing/plan.hpp"),
        ("_native/json/token.hpp", "TOKEN_HEADER", "TOKEN_HEADER"),
        ("_native/json/token.hpp", '"loose.hpp"', "_native/loose.hpp"),
        ("_native/json/deep/token.hpp", '"support/bytes.hpp"', "_native/json/deep/token.hpp"),
    ],
)
def test_include_without_a_floor_is_named(tmp_path: Path, includer: str, written: str, named: str) -> None:
    rest = {"_native/loose.hpp": "", "_native/support/bytes.hpp": ""}
    package = source(tmp_path, {**rest, includer: f"#include {written}\n"})
    with pytest.raises(AssertionError, match=f"^{named} is in no room with a floor"):
        upward_includes(includes_of(package / includer, package))


@pytest.mark.parametrize(
    "name",
    ["_native/json/a.h", "_core/a.cc", "_native/a.hpp", "_native/json/deep/a.hpp", "_native/new/a.cpp", "new/a.py"],
)
def test_misplaced_file_is_found(tmp_path: Path, name: str) -> None:
    package = source(tmp_path, {"errors.py": "", "_native/json/b.hpp": "", "_core/a.pyx": "", name: ""})
    assert misplaced_files(package) == [name]


def test_include_circle_is_found() -> None:
    assert circle([Include("json/a.hpp", "json/b.hpp"), Include("json/b.hpp", "json/a.hpp")])
