"""The start of a process: a source tree without the compiled core, ``python -OO``, and what is not imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import click
import pytest
from support.command import Cli, needs_posix

import cfdns_fast

PACKAGE = Path(cfdns_fast.__file__).parent


def run_python(*arguments: str, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, "-B", *arguments],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


# A source tree without the compiled core


@pytest.fixture(scope="module")
def unbuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds the package without its compiled module."""
    folder = tmp_path_factory.mktemp("unbuilt")
    shutil.copytree(PACKAGE, folder / "cfdns_fast", ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.pyd"))
    return folder


def run_unbuilt(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in `folder` without the hook of an editable installation, which would find the compiled core."""
    return run_python("-S", *arguments, folder=folder, PYTHONPATH=str(Path(click.__file__).parents[1]))


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "import cfdns_fast"],
        ["-c", "from cfdns_fast import Normalizer"],
        ["-c", "from cfdns_fast.formats.select import AutoFormat"],
        ["-c", "import cfdns_fast.formats.documents"],
        ["-m", "cfdns_fast", "convert"],
    ],
    ids=["import", "from", "select", "documents", "command"],
)
def test_import_of_an_unbuilt_tree_says_what_to_do(unbuilt: Path, arguments: list[str]) -> None:
    run = run_unbuilt(unbuilt, *arguments)
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert last.startswith("ImportError: the compiled core of cfdns_fast is not built in ")
    assert "`python -m pip install -e .`" in last
    assert str(unbuilt / "cfdns_fast") in last
    assert "circular" not in run.stderr
    assert "During handling" not in run.stderr


def test_import_of_a_broken_core_keeps_its_own_error(unbuilt: Path, tmp_path: Path) -> None:
    """The core may be built and fail to import something else."""
    shutil.copytree(unbuilt, tmp_path, dirs_exist_ok=True)
    (tmp_path / "cfdns_fast" / "_core" / "boundary.py").write_text("import no_such_module")
    run = run_unbuilt(tmp_path, "-c", "from cfdns_fast import Normalizer")
    assert run.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'no_such_module'"


def test_command_with_a_broken_core_is_one_line(unbuilt: Path, tmp_path: Path) -> None:
    shutil.copytree(unbuilt, tmp_path, dirs_exist_ok=True)
    (tmp_path / "cfdns_fast" / "_core" / "boundary.py").write_text("raise ImportError('x.so: undefined symbol: y')")
    run = run_unbuilt(tmp_path, "-m", "cfdns_fast", "convert")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "cfdns-fast: x.so: undefined symbol: y (CFDNS_DEBUG=1 shows where)\n"


# Without docstrings


@pytest.mark.parametrize("arguments", [["--help"], ["convert", "--help"]], ids=" ".join)
def test_help_is_the_same_without_docstrings(cli: Cli, arguments: list[str]) -> None:
    expected = cli(*arguments)
    run = cli(*arguments, env={"PYTHONOPTIMIZE": "2"})
    assert (run.code, run.output, run.errors) == (0, expected.output, "")
    assert b"Usage: cfdns-fast" in run.output


def test_help_of_the_group_has_a_text_for_each_command(cli: Cli) -> None:
    run = cli("--help", env={"PYTHONOPTIMIZE": "2"})
    assert b"Turn Cloudflare DNS query logs" in run.output
    assert b"convert  Convert files of records to events" in run.output


# What is not imported


def test_version_is_printed_without_click() -> None:
    code = (
        "import atexit, sys; atexit.register(lambda: print('click' in sys.modules)); "
        "from cfdns_fast.__main__ import main; main()"
    )
    run = run_python("-c", code, "--version")
    assert (run.returncode, run.stdout, run.stderr) == (0, f"cfdns-fast {cfdns_fast.__version__}\nFalse\n", "")


#: Modules that some runs need.
RARE = {"cfdns_fast.cli.convert", "cfdns_fast._core", "isal", "json", "tomllib", "traceback", "difflib", "csv"}


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["convert", "--quiet", os.devnull], {"cfdns_fast.cli.convert", "cfdns_fast._core", "json", "tomllib"}),
    ],
    ids=["help", "convert"],
)
def test_command_imports_what_it_needs(arguments: list[str], allowed: set[str]) -> None:
    code = (
        "import atexit, sys; before = set(sys.modules);"
        f"atexit.register(lambda: print(*sorted((set(sys.modules) - before).intersection({RARE}))));"
        "from cfdns_fast.__main__ import main; main()"
    )
    run = run_python("-c", code, *arguments)
    assert (run.returncode, run.stderr) == (0, "")
    assert set(run.stdout.splitlines()[-1].split()) == allowed


def test_version_without_metadata_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters may get the folder of the package alone, and Parquet files name the version."""

    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", absent)
    assert cfdns_fast.__version__ == "0+unknown"


def test_version_is_the_one_click_prints(cli: Cli) -> None:
    expected = cli("--version", "convert")
    assert (expected.code, expected.output, expected.errors) == (0, cli("--version").output, "")


@needs_posix
def test_unwritable_version_is_one_line(cli: Cli) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "wb") as full:
        run = cli("--version", stdout=full)
    assert (run.code, run.errors) == (1, "cfdns-fast: No space left on device\n")


@needs_posix
def test_version_without_standard_output_exits_0(cli: Cli) -> None:
    process = cli.shell('"$0" -m cfdns_fast --version >&-')
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, b"")
