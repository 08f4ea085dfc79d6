"""Public types: the examples pass strict type checkers, and the stub agrees with the compiled module.

`typing_examples.py` holds code that must pass and, marked as ignored, code that must fail. A needless ignore fails.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import pytest

import cfdns_fast

TESTS = Path(__file__).parent
PACKAGE = Path(cfdns_fast.__file__).parent
TIMEOUT_S = 300

needs_mypy = pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
# Without node, pyright would download it.
needs_pyright = pytest.mark.skipif(
    find_spec("pyright") is None or shutil.which("node") is None, reason="pyright or node is not installed"
)


def search_path() -> list[str]:
    """Return the folder of the package if checkers do not search it: they do not follow an editable install."""
    parent = PACKAGE.parent
    return [] if parent in (Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")) else [str(parent)]


def run(folder: Path, *arguments: str) -> None:
    """Run a module with this Python. Raises AssertionError with the output if the module fails."""
    environment = {**os.environ, "MYPYPATH": os.pathsep.join(search_path()), "NO_COLOR": "1"}
    command = [sys.executable, "-P", "-m", *arguments]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@needs_mypy
def test_typing_examples_pass_strict_mypy(tmp_path: Path) -> None:
    shutil.copy(TESTS / "typing_examples.py", tmp_path)
    options = ["--strict", "--warn-unreachable", "--follow-imports=silent", "--config-file=", "--cache-dir=cache"]
    run(tmp_path, "mypy", *options, "typing_examples.py")


@pytest.mark.slow
@needs_pyright
def test_typing_examples_pass_strict_pyright(tmp_path: Path) -> None:
    shutil.copy(TESTS / "typing_examples.py", tmp_path)
    configuration = {
        "include": ["."],
        "extraPaths": search_path(),
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(configuration), encoding="utf-8")
    run(tmp_path, "pyright", "--project", ".", "--pythonpath", sys.executable)


@pytest.mark.slow
@needs_mypy
def test_stub_agrees_with_the_compiled_module(tmp_path: Path) -> None:
    # This is the only module with a stub.
    configuration = "[mypy]\ncache_dir = cache\nignore_missing_imports = true\n"
    (tmp_path / "mypy.ini").write_text(configuration, encoding="utf-8")
    allowed = TESTS / "stubtest_allowed.txt"
    run(
        tmp_path,
        "mypy.stubtest",
        "cfdns_fast._core.boundary",
        "--allowlist",
        str(allowed),
        "--mypy-config-file",
        "mypy.ini",
    )


def test_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert (PACKAGE / "_core" / "boundary.pyi").exists()
