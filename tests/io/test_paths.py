"""Names of inputs and outputs, and the combinations that raise PathError."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cfdns_fast.io.paths import PathError, check_outputs, total_bytes

needs_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX file kinds and permissions")


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_total_bytes_is_the_sum_of_files_or_none(tmp_path: Path) -> None:
    one, two = written(tmp_path / "a", b"123"), written(tmp_path / "b", b"4567")
    assert total_bytes([str(one), str(two)]) == 7
    assert total_bytes([str(one), str(tmp_path)]) is None
    assert total_bytes([str(one), str(tmp_path / "nowhere")]) is None


def conflict(inputs: list[Path | str], outputs: list[Path | str]) -> str | None:
    try:
        check_outputs([os.fspath(name) for name in inputs], [os.fspath(name) for name in outputs])
    except PathError as error:
        return str(error)
    return None


def test_check_outputs_accepts_different_files(tmp_path: Path) -> None:
    path = written(tmp_path / "in", b"")
    written(tmp_path / "out", b"")
    assert conflict([path, path], [tmp_path / "out", tmp_path / "rejects"]) is None


def test_check_outputs_rejects_an_input(tmp_path: Path) -> None:
    path = written(tmp_path / "in", b"")
    os.link(path, tmp_path / "hard")
    (tmp_path / "soft").symlink_to(path)
    for output in (path, tmp_path / "hard", tmp_path / "soft", f"{tmp_path}/./in"):
        assert conflict([tmp_path / "other", path], [output]) == f"{output}: is the same file as the input {path}"
        assert conflict([path], [tmp_path / "out", output]) == f"{output}: is the same file as the input {path}"


def test_check_outputs_rejects_the_same_file_twice(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "out")
    output = tmp_path / "out"
    for rejects in (output, tmp_path / "link"):
        assert conflict(["-"], [output, rejects]) == f"{rejects}: is the same file as the output {output}"
    text = conflict([tmp_path / "in"], ["-", "-"])
    assert text is not None and text.startswith("two outputs would both go to standard output")


def test_check_outputs_rejects_a_missing_input(tmp_path: Path) -> None:
    name = tmp_path / "in"
    assert conflict([name], [name]) == f"{name}: is the same file as the input {name}"


@needs_posix
def test_check_outputs_accepts_a_device_in_every_role() -> None:
    assert conflict(["/dev/null"], ["/dev/null", "/dev/null"]) is None


@needs_posix
def test_check_outputs_rejects_a_fifo_for_both(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert conflict([tmp_path / "fifo"], [tmp_path / "fifo"]) is not None


def test_check_outputs_rejects_an_impossible_path(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert conflict(["-"], [tmp_path]) == f"{tmp_path}: is a directory"
    assert conflict(["-"], [f"{missing}{os.sep}"]) == f"{missing}{os.sep}: names a directory"
    assert conflict(["-"], [missing / "out"]) == f"{missing / 'out'}: there is no directory {missing}"


@needs_posix
def test_check_outputs_rejects_stdout_as_input() -> None:
    """The input may be the same descriptor under another name."""
    assert conflict(["/dev/fd/1"], ["-"]) == "standard output: is the same file as the input /dev/fd/1"


@needs_posix
def test_check_outputs_accepts_a_loop_or_a_long_name(tmp_path: Path) -> None:
    """Such a name is no wrong usage: opening the output reports its fault."""
    (tmp_path / "loop").symlink_to("loop")
    assert conflict(["-"], [tmp_path / "loop"]) is None
    assert conflict(["-"], [tmp_path / ("n" * 300)]) is None


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="names of descriptors as Linux has them")
def test_check_outputs_accepts_a_foreign_input(tmp_path: Path) -> None:
    """A descriptor of another process may be an input, but not an output."""
    name = f"/proc/{os.getppid()}/fd/0"
    assert conflict([name], [tmp_path / "out"]) is None
    assert conflict([tmp_path / "in"], [name]) == f"{name}: is a descriptor of another process"
