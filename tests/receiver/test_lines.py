"""Files of lines: limits, rotation, and the removal of lines that come again."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("xxhash", reason="the extra receiver is not installed")

from support.command import needs_posix

from cfdns_fast.receiver.lines import LineFiles
from cfdns_fast.receiver.marks import Mark, Marks
from cfdns_fast.sinks import SinkFault

pytestmark = needs_posix


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lines"


def content(lines: LineFiles) -> list[bytes]:
    return [path.read_bytes() for path in lines.files()]


def test_lines_rotate_by_size(folder: Path) -> None:
    lines = LineFiles(folder, 1000, file_bytes=10)
    for number in range(5):
        lines.write([b"line%d\n" % number])
    assert content(lines) == [b"line0\nline1\n", b"line2\nline3\n", b"line4\n"]
    lines.close()


def test_full_files_are_a_fault_until_one_is_removed(folder: Path) -> None:
    lines = LineFiles(folder, 12, file_bytes=6)
    lines.write([b"first\n"])
    lines.write([b"second\n"])
    with pytest.raises(SinkFault, match="maximum size") as caught:
        lines.write([b"third\n"])
    assert caught.value.reason == "disk"
    lines.files()[0].unlink()
    lines.write([b"third\n"])
    assert content(lines) == [b"second\n", b"third\n"]
    lines.close()


def test_line_that_fails_leaves_nothing(folder: Path) -> None:
    lines = LineFiles(folder, 1000)
    lines.write([b"whole\n"])

    def pieces() -> Iterator[bytes]:
        yield b"begin"
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(SinkFault):
        lines.write(pieces())
    lines.write([b"next\n"])
    assert content(lines) == [b"whole\nnext\n"]
    lines.close()


def test_removed_file_gets_no_further_lines(folder: Path) -> None:
    lines = LineFiles(folder, 1000)
    lines.write([b"first\n"])
    lines.files()[0].unlink()
    lines.write([b"second\n"])
    assert content(lines) == [b"second\n"]
    lines.close()


def test_numbers_of_files_are_not_used_again(folder: Path) -> None:
    lines = LineFiles(folder, 1000)
    lines.write([b"first\n"])
    lines.mark(1, 0)
    lines.close()
    name = lines.files()[0].name
    lines.files()[0].unlink()
    lines.write([b"second\n"])
    assert lines.files()[0].name > name
    lines.close()


def test_torn_line_is_cut(folder: Path) -> None:
    folder.mkdir()
    (folder / "000000000001.ndjson").write_bytes(b"whole\n" + b"x" * 200_000)
    lines = LineFiles(folder, 1000)
    lines.cut_torn_line()
    assert content(lines) == [b"whole\n"]


def restarted(folder: Path, after: int, next_seq: int | None = None) -> LineFiles:
    lines = LineFiles(folder, 1000, file_bytes=10)
    lines.rewind(after, after + 1 if next_seq is None else next_seq)
    return lines


def test_rewind_keeps_the_lines_up_to_the_cursor(folder: Path) -> None:
    lines = restarted(folder, 0)
    lines.write([b"batch1\n"])
    lines.mark(1, 0)
    lines.write([b"batch2\n"])
    lines.mark(2, 0)
    lines.write([b"batch3\n"])
    lines.write([b"batch4\n"])
    lines.close()
    # The mark of batch 2 is on disk, but the cursor did not move to it.
    assert content(restarted(folder, 1)) == [b"batch1\n"]


def test_rewind_uses_the_newest_mark(folder: Path) -> None:
    lines = restarted(folder, 0)
    for number in (1, 2, 3):
        lines.write([b"batch%d\n" % number])
        lines.mark(number, number - 1)
    lines.write([b"batch4\n"])
    lines.close()
    assert b"".join(content(restarted(folder, 3))) == b"batch1\nbatch2\nbatch3\n"


def test_rewind_keeps_lines_of_dropped_batches(folder: Path) -> None:
    lines = restarted(folder, 0)
    lines.write([b"batch1\n"])
    lines.mark(1, 0)
    lines.write([b"batch2\n"])
    lines.mark(2, 1)
    lines.close()
    # The segment of batch 2 was dropped, but the cursor did not move to it.
    assert b"".join(content(restarted(folder, 1, 3))) == b"batch1\nbatch2\n"


def test_rewind_without_marks_keeps_all(folder: Path) -> None:
    folder.mkdir()
    (folder / "000000000001.ndjson").write_bytes(b"line\n")
    lines = restarted(folder, 5)
    assert content(lines) == [b"line\n"]
    lines.write([b"later\n"])
    lines.close()
    assert content(restarted(folder, 5)) == [b"line\n"]


def test_rewind_without_lines_needs_no_space(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk, a sink without rejects frees space."""

    def replace(self: Marks, marks: list[Mark]) -> None:
        raise SinkFault("disk", "no space")

    monkeypatch.setattr(Marks, "replace", replace)
    restarted(folder, 5)
    folder.mkdir()
    (folder / "000000000001.ndjson").write_bytes(b"line\n")
    with pytest.raises(SinkFault):
        restarted(folder, 5)


def test_replay_keeps_earlier_lines(folder: Path) -> None:
    lines = restarted(folder, 0)
    lines.write([b"batch1\n"])
    lines.mark(1, 0)
    lines.restart_marks(0)
    lines.write([b"again1\n"])
    lines.close()
    assert content(restarted(folder, 0)) == [b"batch1\n"]


def test_files_are_private(folder: Path) -> None:
    lines = LineFiles(folder, 1000)
    lines.write([b"line\n"])
    assert os.stat(lines.files()[0]).st_mode & 0o077 == 0
    lines.close()
