"""Readers: order, segments that come and go, and damage."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("xxhash", reason="the extra receiver")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the receiver needs POSIX")

from support.spool import (  # noqa: E402
    WriterProcess,
    arrival,
    arrivals,
    new_state,
    read_all,
    store_segments,
    wait_until,
    writer,
)

from cfdns_fast.spool import Batch, Cursor, SpoolReader, StateError, StateFolder  # noqa: E402
from cfdns_fast.spool import reader as reader_module  # noqa: E402
from cfdns_fast.spool import writer as writer_module  # noqa: E402
from cfdns_fast.spool.rows import row_of  # noqa: E402
from cfdns_fast.spool.segment_file import PAGE_BYTES, SegmentFile, list_segments, open_to_read  # noqa: E402


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return new_state(tmp_path)


def test_reader_waits_for_the_next_batch(state: StateFolder) -> None:
    found: list[Batch | None] = []
    with writer(state) as opened, SpoolReader(state, 0) as reader:
        assert reader.next(0) is None
        thread = threading.Thread(target=lambda: found.append(reader.next(30)))
        thread.start()
        opened.store([arrival(1)])
        thread.join()
        assert reader.next(0.01) is None
        opened.store([arrival(2)])
        assert reader.next(0).seq == 2  # type: ignore[union-attr]
    assert [batch.seq for batch in found if batch] == [1]


def test_reader_starts_anywhere(state: StateFolder) -> None:
    store_segments(state, 3, 10)
    for after in (0, 1, 9, 10, 11, 19, 20, 29):
        assert [batch.seq for batch in read_all(state, after)] == list(range(after + 1, 31))
    assert read_all(state, 30) == read_all(state, 1000) == []


def test_reader_sees_segments_come_and_go(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sink's own process drops what it delivered, while the receiver writes."""
    monkeypatch.setattr(writer_module, "_TICK_S", 0.02)
    process = WriterProcess(state, 1, 400, segment_bytes=60_000)
    process.read_until(1)
    cursor = Cursor(state, "one")
    names = set()
    with SpoolReader(state, 0) as reader:
        for seq in range(1, 401):
            batch = reader.next(30)
            assert batch is not None
            assert batch.seq == seq
            assert batch.arrival == arrival(seq, size=2000)
            names.update(file.name for file in list_segments(state))
            if seq % 10 == 0:
                cursor.store(after=seq)
    assert len(names) > 3
    assert len(list_segments(state)) < len(names)
    process.finish()


def test_several_readers_read_all(state: StateFolder) -> None:
    found: list[list[int]] = []

    def read() -> None:
        with SpoolReader(state, 0) as reader:
            found.append([reader.next(30).seq for _ in range(300)])  # type: ignore[union-attr]

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    with writer(state, segment_bytes=100_000) as opened:
        for first in range(1, 301, 20):
            opened.store(arrivals(20, first))
        for thread in threads:
            thread.join()
    assert found == [list(range(1, 301))] * 3


def test_dropped_segment_counts_as_delivered(state: StateFolder) -> None:
    files = store_segments(state, 3, 10)
    with SpoolReader(state, 0) as reader:
        assert [reader.next(0).seq for _ in range(5)] == [1, 2, 3, 4, 5]  # type: ignore[union-attr]
        for file in files[:2]:
            for path in (file.path, file.wal, file.shm):
                path.unlink(missing_ok=True)
        rest = [batch.seq for batch in iter(lambda: reader.next(0), None)]
    # The open file is read to its end.
    assert rest == [*range(6, 11), *range(21, 31)]
    assert [batch.seq for batch in read_all(state)] == list(range(21, 31))


def test_rows_of_a_failed_commit_stay_hidden(state: StateFolder) -> None:
    """A commit whose sync failed can be in the WAL after all, when it is read again."""
    store_segments(state, 1, 10)
    with writer(state) as opened:
        opened.spool._last_seq += 5
        assert [outcome.seq for outcome in opened.store(arrivals(5, 11))] == [16, 17, 18, 19, 20]
    first, second = list_segments(state)
    assert (first.first, second.first) == (1, 11)
    connection = sqlite3.connect(first.path)
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.execute(
        "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row_of(11, time.time_ns(), arrival(50))
    )
    connection.commit()
    connection.close()
    with SpoolReader(state, 0) as reader:
        found = [batch.seq for batch in iter(lambda: reader.next(0), None)]
        assert found == [*range(1, 11), *range(16, 21)]
        # Numbers that were never stored are no damage.
        assert (reader.corrupt, reader.skipped) == ([], 0)
    (state.path / "state.db").unlink()
    with writer(state) as opened:
        assert (opened.recovery.last_seq, opened.recovery.batches) == (20, 20)
        assert opened.recovery.corrupt == []
        # A batch that no reader sees must be stored when it is sent again.
        assert opened.codes([arrival(10, size=3000), arrival(50)]) == ["duplicate", "stored"]


@pytest.mark.parametrize("gone", ["seq < 14", "seq > 17", "seq = 15", "seq > 0"])
def test_vanished_rows_are_noticed(state: StateFolder, gone: str) -> None:
    """Damage of a page can look like fewer rows."""
    files = store_segments(state, 3, 10)
    connection = sqlite3.connect(files[1].path, isolation_level=None)
    (count,) = connection.execute(f"SELECT count(*) FROM batch WHERE {gone}").fetchone()
    connection.execute(f"DELETE FROM batch WHERE {gone}")
    connection.close()
    with SpoolReader(state, 0) as reader:
        assert len(list(iter(lambda: reader.next(0), None))) == 30 - count
        assert (reader.corrupt, reader.skipped) == ([files[1].name], count)
    deliver_all(state, 30)
    assert (state.corrupt / files[1].name).exists()


def test_calm_reader_looks_seldom(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    now_s = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now_s
        waits.append(seconds)
        now_s += seconds

    monkeypatch.setattr(reader_module.time, "sleep", sleep)
    monkeypatch.setattr(reader_module.time, "monotonic", lambda: now_s)
    with SpoolReader(state, 0) as reader:
        assert reader.next(60) is None
    assert len(waits) < 620
    assert waits[0] < 0.01


# Damage


def damaged_copy(file: SegmentFile, change: Callable[[bytearray], object]) -> bytes:
    content = bytearray(file.path.read_bytes())
    change(content)
    file.path.write_bytes(content)
    return bytes(content)


def deliver_all(state: StateFolder, last: int) -> None:
    Cursor(state, "one").store(after=last)


def test_damaged_bodies_are_skipped(state: StateFolder) -> None:
    """SQLite notices no damage in the pages of a body; the checksum does."""
    files = store_segments(state, 3, 10, size=50_000)
    body = arrival(14, size=50_000).body
    content = damaged_copy(files[1], lambda data: flip(data, data.index(body[30_000:30_100])))
    with SpoolReader(state, 0) as reader:
        found = [batch.seq for batch in iter(lambda: reader.next(0), None)]
        assert found == [seq for seq in range(1, 31) if seq != 14]
        assert (reader.corrupt, reader.skipped) == ([files[1].name], 1)
    assert files[1].damage_mark.exists()
    # Another sink still reads the rest; the file is kept when all have passed.
    assert len(read_all(state)) == 29
    deliver_all(state, 30)
    assert list_segments(state) == files[2:]
    assert (state.corrupt / files[1].name).read_bytes() == content
    assert not files[1].damage_mark.exists()


def flip(data: bytearray, position: int) -> None:
    data[position] ^= 0x10


@pytest.mark.parametrize("column", ["key_name", "path", "records", "received_ns", "hash"])
def test_damaged_columns_are_skipped(state: StateFolder, column: str) -> None:
    (file,) = store_segments(state, 1, 5)
    connection = sqlite3.connect(file.path)
    value = {"key_name": "kez", "path": b"\xff\xfe", "records": 11, "received_ns": 5, "hash": b"x" * 16}[column]
    if column == "path":
        connection.execute("UPDATE batch SET path = CAST(? AS TEXT) WHERE seq = 3", (value,))
    else:
        connection.execute(f"UPDATE batch SET {column} = ? WHERE seq = 3", (value,))
    connection.commit()
    connection.close()
    with SpoolReader(state, 0) as reader:
        assert [batch.seq for batch in iter(lambda: reader.next(0), None)] == [1, 2, 4, 5]
        assert reader.skipped == 1


def test_damaged_number_hides_no_other_batch(state: StateFolder) -> None:
    store_segments(state, 2, 5)
    connection = sqlite3.connect(list_segments(state)[0].path)
    connection.execute("UPDATE batch SET seq = 1000000 WHERE seq = 5")
    connection.commit()
    connection.close()
    assert [batch.seq for batch in read_all(state)] == [1, 2, 3, 4, 6, 7, 8, 9, 10]


def test_random_damage_is_skipped(state: StateFolder) -> None:
    """Whatever is damaged: what is read is right and in order, and other segments are complete."""
    random_ = random.Random(5)
    files = store_segments(state, 3, 40, size=3000)
    expected = {batch.seq: batch for batch in read_all(state)}
    whole = files[1].path.read_bytes()
    counts = []
    for _ in range(40):
        content = bytearray(whole)
        kind = random_.choice(["page", "bytes", "cut", "zeros"])
        if kind == "page":
            start = random_.randrange(len(content) // PAGE_BYTES) * PAGE_BYTES
            content[start : start + PAGE_BYTES] = random_.randbytes(PAGE_BYTES)
        elif kind == "bytes":
            for _ in range(random_.choice([1, 5, 100])):
                content[random_.randrange(len(content))] = random_.randrange(256)
        elif kind == "cut":
            del content[random_.randrange(len(content)) :]
        else:
            start = random_.randrange(len(content))
            content[start : start + 20_000] = bytes(len(content[start : start + 20_000]))
        files[1].path.write_bytes(content)
        with SpoolReader(state, 0) as reader:
            found = list(iter(lambda: reader.next(0), None))
        numbers = [batch.seq for batch in found]
        assert numbers == sorted(set(numbers))
        assert found == [expected[seq] for seq in numbers]
        assert {*range(1, 41), *range(81, 121)} <= set(numbers)
        assert len(found) == 120 or reader.corrupt == [files[1].name]
        counts.append(len(found))
        files[1].damage_mark.unlink(missing_ok=True)
    # Some of the damage costs some batches only.
    assert min(counts) == 80
    assert len(set(counts)) > 5


@pytest.mark.parametrize("position", [0, 1, 2])
def test_unreadable_segment_is_skipped(state: StateFolder, position: int) -> None:
    files = store_segments(state, 3, 10)
    files[position].path.write_bytes(random.Random(1).randbytes(100_000))
    missing = range(1 + 10 * position, 11 + 10 * position)
    expected = [seq for seq in range(1, 31) if seq not in missing]
    with SpoolReader(state, 0) as reader:
        assert [batch.seq for batch in iter(lambda: reader.next(0), None)] == expected
        assert reader.corrupt == [files[position].name]
        # The next batch comes in a new segment.
        with writer(state) as opened:
            assert opened.recovery.corrupt == [files[position].name]
            assert opened.spool.status().corrupt_total <= 1
            (outcome,) = opened.store([arrival(99)])
        batch = reader.next(0)
        assert batch is not None
        assert batch.arrival == arrival(99)
        assert batch.seq == outcome.seq > 30
    assert [path.name for path in state.corrupt.iterdir()] == [files[position].name]
    assert files[position] not in list_segments(state)


def test_damage_is_counted_after_a_restart(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_TICK_S", 0.02)
    (file,) = store_segments(state, 1, 40)
    # The first pages stay, so that the numbers are known.
    damaged_copy(file, lambda data: flip(data, len(data) - 9000))
    with SpoolReader(state, 0) as reader:
        assert len(list(iter(lambda: reader.next(0), None))) < 40
    with writer(state) as opened:
        wait_until(lambda: opened.spool.status().corrupt_total == 1)
    with writer(state) as opened:
        wait_until(lambda: opened.spool.status().corrupt_total == 1)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY])
def test_failed_read_is_neither_damage_nor_the_end(
    state: StateFolder, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    store_segments(state, 1, 3)

    def fail(*_: object, **__: object) -> sqlite3.Connection:
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = code  # type: ignore[attr-defined]
        raise error

    with SpoolReader(state, 0) as reader:
        monkeypatch.setattr(reader_module, "open_to_read", fail)
        with pytest.raises(StateError) as error:
            reader.next(0)
        assert error.value.code == "state.unreadable"
        monkeypatch.setattr(reader_module, "open_to_read", open_to_read)
        assert reader.next(0) is not None
        assert reader.corrupt == []
    assert not list(state.spool.glob("*.damaged"))


def test_missing_spool_folder_is_named(tmp_path: Path) -> None:
    with SpoolReader(StateFolder(tmp_path / "none"), 0) as reader, pytest.raises(StateError, match="No such file"):
        reader.next(0)
