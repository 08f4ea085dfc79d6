"""Names of tests say what is tested and how it behaves: ``test_<thing>_<behaviour>``, in at most 50 characters."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [*sorted((ROOT / "tests").rglob("test_*.py")), *sorted((ROOT / "benchmarks").glob("test_*.py"))]
MAX_NAME_LENGTH = 50


def names_by_scope(source: str) -> dict[str, list[str]]:
    """Return the names of the tests of a module, by the class that holds them."""
    found: dict[str, list[str]] = {}

    def collect(node: ast.AST, scope: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef) and child.name.startswith("test_"):
                found.setdefault(scope, []).append(child.name)
            elif isinstance(child, ast.ClassDef):
                collect(child, f"{scope}{child.name}.")
            elif isinstance(child, ast.stmt | ast.excepthandler):
                collect(child, scope)

    collect(ast.parse(source), "")
    return found


def faults(source: str) -> list[str]:
    """Return what is wrong with the names of the tests of a module."""
    found = []
    for names in names_by_scope(source).values():
        found += [f"{name} is longer than {MAX_NAME_LENGTH}" for name in names if len(name) > MAX_NAME_LENGTH]
        found += [f"{name} holds a condition" for name in names if "_when_" in name or "_then_" in name]
        # The second function of a name replaces the first one, which then never runs.
        found += [f"{name} is defined twice" for name, count in Counter(names).items() if count > 1]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_names_of_tests_follow_the_rule(path: Path) -> None:
    assert not faults(path.read_text(encoding="utf-8"))


def test_name_check_finds_every_kind_of_fault() -> None:
    long = "test_" + "x" * MAX_NAME_LENGTH
    source = (
        f"def {long}(): pass\ntry:\n    pass\nexcept E:\n    def test_a_when_b(): pass\n" + "def test_a(): pass\n" * 2
    )
    assert faults(source + "class TestA:\n    def test_a(self): pass\n    def test_then_b(self): pass\n") == [
        f"{long} is longer than 50",
        "test_a_when_b holds a condition",
        "test_a is defined twice",
        "test_then_b holds a condition",
    ]
