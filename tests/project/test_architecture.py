"""docs/architecture.md names every room of the package, and its picture is the one that docs/architecture.py draws."""

from __future__ import annotations

import importlib.util
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from support.layers import CPP_FLOORS, FLOORS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="no documentation around the tests")


def rooms() -> list[str]:
    """Return the paths that the table of rooms names."""
    rows = re.findall(r"^\| (`cfdns_fast/[^|]*) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def drawing() -> Any:
    """Return docs/architecture.py as a module."""
    path = ROOT / "docs" / "architecture.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rooms_name_every_folder_and_module() -> None:
    package = ROOT / "cfdns_fast"
    sources = [path for path in package.rglob("*") if path.suffix in (".py", ".pyx", ".hpp", ".toml")]
    folders = {folder for path in sources for folder in path.parents if package in folder.parents}
    expected = {f"{folder.relative_to(ROOT).as_posix()}/" for folder in folders}
    expected |= {path.relative_to(ROOT).as_posix() for path in package.glob("[a-z]*.py")}
    assert set(rooms()) == expected
    assert len(rooms()) == len(expected), "a room is named twice"


def test_picture_is_what_the_script_draws() -> None:
    made = drawing()
    assert made.PICTURE.read_text(encoding="utf-8") == made.render(), "run: python docs/architecture.py"


def test_picture_has_every_package_and_no_other() -> None:
    made = drawing()
    packages = {path.parent.name for path in (ROOT / "cfdns_fast").glob("*/__init__.py")}
    drawn = {name for floor in made.FLOORS for name, _ in floor}
    assert packages - drawn == set()
    names = [name for floor in made.FLOORS for name, _ in floor if name and "," not in name]
    native = [f"_native/{name}" for floor in made.NATIVE for name in floor]
    for name in names + native:
        assert (ROOT / "cfdns_fast" / name).exists(), name


def test_picture_has_the_floors_that_the_imports_have() -> None:
    made = drawing()
    level = {room: number for number, floor in enumerate(FLOORS) for room in floor}
    drawn = [[level.get(name.removesuffix(".py")) for name, _ in floor] for floor in made.FLOORS]
    known = [[number for number in floor if number is not None] for floor in drawn]
    for above, below in itertools.pairwise(filter(None, known)):
        assert max(above) < min(below)
    native = tuple(floor for floor in CPP_FLOORS if not floor[0].startswith("_core"))
    assert native == made.NATIVE
