"""What names of inputs and outputs mean, and which cannot be meant together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cfdns_fast.paths import PathError, check_outputs, total_bytes

needs_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX file kinds and permissions")


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_total_bytes_when_all_are_files_then_their_sum_else_none(tmp_path: Path) -> None:
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


def test_check_outputs_when_all_differ_then_accepted(tmp_path: Path) -> None:
    path = written(tmp_path / "in", b"")
    written(tmp_path / "out", b"")
    assert conflict([path, path], [tmp_path / "out", tmp_path / "rejects"]) is None


def test_check_outputs_when_output_is_an_input_then_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "in", b"")
    os.link(path, tmp_path / "hard")
    (tmp_path / "soft").symlink_to(path)
    for output in (path, tmp_path / "hard", tmp_path / "soft", f"{tmp_path}/./in"):
        assert conflict([tmp_path / "other", path], [output]) == f"{output}: is the same file as the input {path}"
        assert conflict([path], [tmp_path / "out", output]) == f"{output}: is the same file as the input {path}"


def test_check_outputs_when_both_outputs_are_one_then_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "out")
    output = tmp_path / "out"
    for rejects in (output, tmp_path / "link"):
        assert conflict(["-"], [output, rejects]) == f"{rejects}: is the same file as the output {output}"
    assert conflict([tmp_path / "in"], ["-", "-"]) == "-: is the same file as the output -"


def test_check_outputs_when_missing_input_is_the_output_then_refused(tmp_path: Path) -> None:
    name = tmp_path / "in"
    assert conflict([name], [name]) == f"{name}: is the same file as the input {name}"


@needs_posix
def test_check_outputs_when_device_then_it_may_be_everything_at_once() -> None:
    assert conflict(["/dev/null"], ["/dev/null", "/dev/null"]) is None


@needs_posix
def test_check_outputs_when_fifo_is_input_and_output_then_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert conflict([tmp_path / "fifo"], [tmp_path / "fifo"]) is not None


def test_check_outputs_when_there_is_no_place_for_the_file_then_refused(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert conflict(["-"], [tmp_path]) == f"{tmp_path}: is a directory"
    assert conflict(["-"], [f"{missing}{os.sep}"]) == f"{missing}{os.sep}: is a directory"
    assert conflict(["-"], [missing / "out"]) == f"{missing / 'out'}: there is no directory {missing}"
