"""Segments: the rules that keep a WAL from being copied or lost while it is written."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("xxhash", reason="the extra receiver")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the receiver needs POSIX")

from support.processes import run_python  # noqa: E402
from support.spool import WriterProcess, arrival, arrivals, new_state, read_all, wait_until, writer  # noqa: E402

from cfdns_fast.spool import SpoolReader, StateFolder  # noqa: E402
from cfdns_fast.spool import writer as writer_module  # noqa: E402
from cfdns_fast.spool.numbers import Reservation  # noqa: E402
from cfdns_fast.spool.rows import row_of  # noqa: E402
from cfdns_fast.spool.segment import ActiveSegment, SegmentChanged, empty_segment  # noqa: E402
from cfdns_fast.spool.segment_file import PAGE_BYTES, SegmentFile, list_segments, open_to_read  # noqa: E402

Files = tuple[bytes, bytes]


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return new_state(tmp_path)


@pytest.fixture
def segment(state: StateFolder) -> Iterator[ActiveSegment]:
    opened = ActiveSegment(state.spool, 1, empty_segment(state.path))
    yield opened
    opened.close_unchanged()


def store(segment: ActiveSegment, count: int, first: int = 1, size: int = 300) -> None:
    segment.store([row_of(number, 0, arrival(number, size=size)) for number in range(first, first + count)])


def status(path: Path) -> tuple[int, int, int]:
    """Return what a write changes. The file is not opened, because a close drops the locks of this process."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def content(file: SegmentFile) -> Files:
    """Return main file and WAL, when no connection of this process is open."""
    return file.path.read_bytes(), file.wal.read_bytes()


def test_main_file_is_unchanged_while_written(state: StateFolder, segment: ActiveSegment) -> None:
    before = status(segment.file.path)
    wal_bytes = 0
    for group in range(30):
        store(segment, 20, 1 + 20 * group, size=30_000)
        assert len(read_all(state, 20 * group)) == 20
        assert status(segment.file.path) == before
        assert segment.file.wal.stat().st_size > wal_bytes
        wal_bytes = segment.file.wal.stat().st_size
    # The default limit at which SQLite checkpoints by itself is 1,000 pages.
    assert wal_bytes > 1000 * PAGE_BYTES


def test_reader_of_another_process_changes_nothing(state: StateFolder, segment: ActiveSegment) -> None:
    store(segment, 50)
    before = status(segment.file.path), status(segment.file.wal)
    assert _count_elsewhere(state) == 50
    assert (status(segment.file.path), status(segment.file.wal)) == before
    store(segment, 1, 51)
    assert len(read_all(state)) == 51


def test_last_reader_after_a_kill_changes_nothing(state: StateFolder) -> None:
    process = WriterProcess(state, 1, 300, segment_bytes=1 << 30)
    assert process.read_until(200)
    (file,) = list_segments(state)
    with SpoolReader(state, 0) as reader:
        assert reader.next(1) is not None
        process.kill()
        before = status(file.path), status(file.wal)
    assert (status(file.path), status(file.wal)) == before
    assert _count_elsewhere(state) >= 200
    assert (status(file.path), status(file.wal)) == before


def test_close_unchanged_keeps_the_wal(state: StateFolder, segment: ActiveSegment) -> None:
    store(segment, 50)
    before = status(segment.file.path), status(segment.file.wal)
    segment.close_unchanged()
    assert (status(segment.file.path), status(segment.file.wal)) == before
    assert len(read_all(state)) == 50
    assert (status(segment.file.path), status(segment.file.wal)) == before


def test_close_compact_leaves_one_file(state: StateFolder, segment: ActiveSegment) -> None:
    store(segment, 50)
    segment.close_compact()
    assert [path.name for path in state.spool.iterdir()] == [segment.file.name]
    assert [batch.arrival for batch in read_all(state)] == arrivals(50)


def test_close_compact_beside_an_open_read_keeps_all(state: StateFolder, segment: ActiveSegment) -> None:
    """A reader in the middle of a statement makes the copy impossible; the WAL stays."""
    store(segment, 50)
    connection = open_to_read(segment.file.path)
    try:
        rows = connection.execute("SELECT seq FROM batch ORDER BY seq")
        rows.fetchone()
        segment._connection.execute("PRAGMA busy_timeout=1")
        segment.close_compact()
        rows.close()
    finally:
        connection.close()
    assert len(read_all(state)) == 50


def test_closed_segment_is_not_written(segment: ActiveSegment) -> None:
    segment.close_unchanged()
    with pytest.raises(AssertionError, match="a closed segment is written"):
        store(segment, 1)


def test_existing_segment_is_not_opened(state: StateFolder, segment: ActiveSegment) -> None:
    with pytest.raises(AssertionError, match="a segment is opened again"):
        ActiveSegment(state.spool, 1, empty_segment(state.path))


def test_start_appends_to_no_segment(state: StateFolder) -> None:
    process = WriterProcess(state, 1, 100, segment_bytes=1 << 30)
    assert process.read_until(50)
    process.kill()
    (file,) = list_segments(state)
    before = content(file)
    with writer(state, sink_names=["one"]) as opened:
        assert opened.recovery.last_seq >= 50
        opened.store(arrivals(20, 1000))
        wait_until(lambda: opened.spool.status().bytes > 0)
    assert len(list_segments(state)) == 2
    assert content(file) == before


def test_foreign_checkpoint_is_detected(segment: ActiveSegment) -> None:
    store(segment, 50)
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint').fetchall()"
    subprocess.run([sys.executable, "-c", program, segment.file.path], check=True)
    with pytest.raises(SegmentChanged, match="the main file changed while the segment was written"):
        store(segment, 1, 51)


@pytest.mark.parametrize("name", ["path", "wal"])
def test_removed_file_is_detected(segment: ActiveSegment, name: str) -> None:
    """Rows in a file without a name are lost when the process ends."""
    store(segment, 5)
    getattr(segment.file, name).unlink()
    with pytest.raises(SegmentChanged, match="a file of the active segment is missing"):
        store(segment, 1, 6)


def test_cut_wal_is_detected(segment: ActiveSegment) -> None:
    store(segment, 5)
    os.truncate(segment.file.wal, segment.wal_bytes // 2)
    with pytest.raises(SegmentChanged, match="the WAL was replaced or cut"):
        store(segment, 1, 6)


def test_writer_goes_on_after_a_foreign_change(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_TICK_S", 60)
    with writer(state) as opened:
        assert opened.codes(arrivals(3)) == ["stored"] * 3
        list_segments(state)[0].wal.unlink()
        assert opened.codes([arrival(4)]) == ["failed"]
        assert opened.spool.status().failed
        assert opened.codes([arrival(4)]) == ["stored"]
        assert not opened.spool.status().failed


def test_failed_transaction_stores_nothing(state: StateFolder, segment: ActiveSegment) -> None:
    store(segment, 5)
    with pytest.raises(sqlite3.IntegrityError):
        segment.store([row_of(6, 0, arrival(6)), row_of(6, 0, arrival(6))])
    segment.close_unchanged()
    assert [batch.seq for batch in read_all(state)] == [1, 2, 3, 4, 5]


# A WAL that ends anywhere


def torn_segments(folder: Path, count: int, seed: int) -> None:
    """Cut a WAL at random places, add zeros or random bytes or nothing, and read what is left."""
    random_ = random.Random(seed)
    state = new_state(folder)
    segment = ActiveSegment(state.spool, 1, empty_segment(state.path))
    commits: list[tuple[int, int]] = []  # the size of the WAL after each commit, and the last batch
    try:
        last = 0
        while last < 60:
            size = random_.choice([1, 1, 3, 8])
            store(segment, size, last + 1, random_.choice([100, 3000, 10_000]))
            last += size
            commits.append((segment.file.wal.stat().st_size, last))
    finally:
        segment.close_unchanged()
    main, wal = content(segment.file)
    expected = {batch.seq: batch for batch in read_all(state)}
    assert list(expected) == list(range(1, last + 1))
    segment.file.shm.unlink()
    for _ in range(count):
        cut = random_.randrange(len(wal) + 1)
        tail = random_.choice([b"", bytes(random_.randrange(50_000)), random_.randbytes(random_.randrange(50_000))])
        segment.file.path.write_bytes(main)
        segment.file.wal.write_bytes(wal[:cut] + tail)
        found = read_all(state)
        complete = max((number for size, number in commits if size <= cut), default=0)
        # A commit that lacks zeros only can be completed by zeros.
        following = min((number for size, number in commits if size > cut), default=0) if tail else 0
        assert len(found) in {complete, following}, f"cut {cut}, seed {seed}"
        assert found == [expected[seq] for seq in range(1, len(found) + 1)], f"cut {cut}, seed {seed}"
        segment.file.shm.unlink(missing_ok=True)
    assert list(state.corrupt.iterdir()) == []


def test_cut_wal_keeps_all_complete_commits(tmp_path: Path) -> None:
    torn_segments(tmp_path, 300, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_cut_wal_keeps_all_complete_commits_often(tmp_path: Path, seed: int) -> None:
    torn_segments(tmp_path, 1000, 100 + seed)


@pytest.mark.parametrize(("frames_from_end", "is_damage"), [(1, False), (3, False), (30, True), (100, True)])
def test_damage_inside_a_wal_is_reported(state: StateFolder, frames_from_end: int, is_damage: bool) -> None:
    """SQLite stops at the damage, as it does at a commit that was not finished."""
    Reservation(state).cover(1)
    segment = ActiveSegment(state.spool, 1, empty_segment(state.path))
    try:
        for seq in range(1, 41):
            store(segment, 1, seq, size=40_000)
    finally:
        segment.close_unchanged()
    _, wal = content(segment.file)
    frame_bytes = 24 + PAGE_BYTES
    position = len(wal) - frames_from_end * frame_bytes + 5000
    segment.file.wal.write_bytes(wal[:position] + bytes([wal[position] ^ 1]) + wal[position + 1 :])
    segment.file.shm.unlink()
    found = [batch.seq for batch in read_all(state)]
    assert 1 < len(found) < 40
    with writer(state) as opened:
        assert opened.recovery.corrupt == [segment.file.name] * is_damage
        (outcome,) = opened.store([arrival(99)])
        assert outcome.seq > 40 or not is_damage
    assert [batch.seq for batch in read_all(state)] == [*found, outcome.seq]
    assert segment.file.damage_mark.exists() == is_damage
    assert content(segment.file)[1][position] == wal[position] ^ 1


def _count_elsewhere(state: StateFolder) -> int:
    done = run_python(
        "import sys; from support.spool import read_all; from cfdns_fast.spool import StateFolder\n"
        "print(len(read_all(StateFolder(sys.argv[1]))))",
        str(state.path),
    )
    assert done.stderr == ""
    return int(done.stdout)
