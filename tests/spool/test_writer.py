"""The writer: numbers, groups, duplicates, limits, and what a start finds."""

from __future__ import annotations

import os
import random
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

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

from cfdns_fast.spool import (  # noqa: E402
    Cursor,
    SpoolWriter,
    StateError,
    StateFolder,
    groups,
    numbers,
    recovery,
)
from cfdns_fast.spool import writer as writer_module  # noqa: E402
from cfdns_fast.spool.duplicates import Duplicates, Seen  # noqa: E402
from cfdns_fast.spool.inventory import Inventory  # noqa: E402
from cfdns_fast.spool.seen_file import SeenFile  # noqa: E402
from cfdns_fast.spool.segment import ActiveSegment  # noqa: E402
from cfdns_fast.spool.segment_file import SegmentFile, list_segments  # noqa: E402


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return new_state(tmp_path)


@pytest.fixture
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the writer look around often."""
    monkeypatch.setattr(writer_module, "_TICK_S", 0.02)


def test_batches_are_stored_as_they_came(state: StateFolder) -> None:
    wanted = arrivals(300)
    with writer(state) as opened:
        outcomes = opened.store(wanted)
        assert [outcome.code for outcome in outcomes] == ["stored"] * 300
        assert [outcome.seq for outcome in outcomes] == list(range(1, 301))
        assert [batch.arrival for batch in read_all(state)] == wanted
    assert [batch.arrival for batch in read_all(state)] == wanted


def test_group_has_one_answer(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MAX_GROUP_BATCHES", 10)
    commits: list[int] = []
    with writer(state, on_commit=lambda seconds, batches: commits.append(batches)) as opened:
        opened.store(arrivals(100))
        assert sum(opened.groups) == 100
        assert len(opened.groups) < 100
        assert max(opened.groups) <= 10
        assert commits == opened.groups


def test_group_is_bounded_by_bytes(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MAX_GROUP_BYTES", 1000)
    with writer(state) as opened:
        opened.store(arrivals(20, size=400))
        assert max(opened.groups) <= 3


def test_empty_fields_are_stored(state: StateFolder) -> None:
    odd = arrival(1)._replace(key_name="", dataset="", body=b"", records=0, path="/\N{SNOWMAN}")
    with writer(state) as opened:
        assert opened.codes([odd]) == ["stored"]
    assert [batch.arrival for batch in read_all(state)] == [odd]


def test_many_threads_submit(state: StateFolder) -> None:
    with writer(state) as opened:
        threads = [
            threading.Thread(
                target=lambda first=first: [opened.spool.submit(each, None) for each in arrivals(50, first)]
            )
            for first in (1, 101, 201)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [batch.seq for batch in read_all(state)] == list(range(1, 151))


def test_close_stores_what_was_submitted(state: StateFolder) -> None:
    done: list[Any] = []
    spool = SpoolWriter(state, on_group=done.extend, min_free_bytes=0)
    spool.open()
    for number in range(500):
        spool.submit(arrival(number), number)
    spool.close()
    assert [token for token, _ in done] == list(range(500))
    assert len(read_all(state)) == 500
    assert not spool.status().is_alive
    with pytest.raises(StateError) as error:
        spool.submit(arrival(1), 1)
    assert error.value.code == "state.closed"
    spool.close()


def test_failing_answer_does_not_end_the_thread(state: StateFolder) -> None:
    done: list[Any] = []

    def answer(outcomes: list[Any]) -> None:
        done.extend(outcomes)
        raise RuntimeError

    spool = SpoolWriter(state, on_group=answer, min_free_bytes=0)
    spool.open()
    spool.submit(arrival(1), 1)
    wait_until(lambda: len(done) == 1)
    spool.submit(arrival(2), 2)
    spool.close()
    assert len(done) == 2


# Segments


def test_segments_have_a_maximum_size(state: StateFolder) -> None:
    with writer(state, segment_bytes=200_000) as opened:
        for first in range(1, 101, 10):
            opened.store(arrivals(10, first, size=10_000))
    files = list_segments(state)
    assert len(files) >= 5
    assert max(file.path.stat().st_size for file in files) < 400_000
    assert [path.suffix for path in state.spool.iterdir()] == [".db"] * len(files)
    assert [batch.seq for batch in read_all(state)] == list(range(1, 101))


def test_segments_have_a_maximum_age(state: StateFolder, quick_ticks: None) -> None:
    with writer(state, segment_s=0.01) as opened:
        opened.store([arrival(1)])
        wait_until(lambda: not list_segments(state)[0].wal.exists())
        opened.store([arrival(2)])
    assert [file.first for file in list_segments(state)] == [1, 2]


def test_age_does_not_use_the_wall_clock(
    state: StateFolder, quick_ticks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that is set back changes the arrival only, not the order."""
    now_ns = time.time_ns()
    with writer(state) as opened:
        opened.store([arrival(1)])
        monkeypatch.setattr(time, "time_ns", lambda: now_ns - 10**15)
        assert opened.codes([arrival(2), arrival(1)]) == ["stored", "duplicate"]
        monkeypatch.setattr(time, "time_ns", lambda: now_ns + 10**15)
        assert opened.codes([arrival(3), arrival(1)]) == ["stored", "duplicate"]
        assert len(list_segments(state)) == 1
    batches = read_all(state)
    assert [batch.seq for batch in batches] == [1, 2, 3]
    assert batches[1].received_ns < batches[0].received_ns < batches[2].received_ns


def test_delivered_segments_are_dropped(state: StateFolder, quick_ticks: None) -> None:
    with writer(state, sink_names=["one", "two"], segment_bytes=100_000) as opened:
        opened.store(arrivals(100, size=5000))
        opened.store(arrivals(1, 500))
        files = list_segments(state)
        Cursor(state, "one").store(after=101)
        assert list_segments(state) == files
        Cursor(state, "two").store(after=101)
        wait_until(lambda: opened.spool.status().batches == 0)
        # A segment that is open or was closed last goes with the next look of the writer.
        assert len(list_segments(state)) <= 1
        assert opened.spool.status().oldest_ns is None


def test_delivered_open_segment_is_kept(state: StateFolder, quick_ticks: None) -> None:
    with writer(state, sink_names=["one"]) as opened:
        opened.store(arrivals(5))
        Cursor(state, "one").store(after=5)
        wait_until(lambda: opened.spool.status().batches == 0)
        time.sleep(0.1)
        assert opened.codes(arrivals(5, 6)) == ["stored"] * 5
        assert [file.first for file in list_segments(state)] == [1]


def test_status_counts_what_waits(state: StateFolder, quick_ticks: None) -> None:
    started_ns = time.time_ns()
    with writer(state, sink_names=["one", "two"]) as opened:
        opened.store(arrivals(30, size=5000))
        wait_until(lambda: opened.spool.status().batches == 30)
        Cursor(state, "one").store(after=30)
        Cursor(state, "two").store(after=10)
        wait_until(lambda: opened.spool.status().batches == 20)
        status = opened.spool.status()
        assert status.oldest_ns is not None
        assert started_ns <= status.oldest_ns <= time.time_ns()
        assert status.bytes > 150_000
        assert status.free_bytes > 0
        assert (status.last_seq, status.is_full, status.failed, status.corrupt_total) == (30, False, False, 0)
        assert status.is_alive


# Numbers


def test_numbers_grow_over_restarts(state: StateFolder) -> None:
    for start in range(3):
        with writer(state) as opened:
            assert opened.recovery.last_seq == 10 * start
            opened.store(arrivals(10, 1 + 10 * start))
    assert [batch.seq for batch in read_all(state)] == list(range(1, 31))


@pytest.mark.parametrize("ending", ["retire", "remove"])
def test_numbers_grow_without_segments_and_sinks(state: StateFolder, ending: str, quick_ticks: None) -> None:
    with writer(state, sink_names=["one"]) as opened:
        opened.store(arrivals(10))
        Cursor(state, "one").store(after=10)
    with writer(state, sink_names=["one"]) as opened:
        wait_until(lambda: not list_segments(state))
    if ending == "retire":
        from cfdns_fast.spool.tools import retire_sink

        retire_sink(state, "one")
    else:
        (state.sinks / "one.json").unlink()
    with writer(state) as opened:
        assert opened.recovery.last_seq == 10
        assert opened.store([arrival(11)])[0].seq == 11


def test_last_segment_is_dropped_on_a_full_disk(
    state: StateFolder, monkeypatch: pytest.MonkeyPatch, quick_ticks: None
) -> None:
    def replace(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with writer(state, sink_names=["one"]) as opened:
        opened.store(arrivals(10))
    Cursor(state, "one").store(after=10)
    with monkeypatch.context() as patched:
        patched.setattr(numbers, "replace_file", replace)
        with writer(state, sink_names=["one"]):
            assert list_segments(state) == []
    (state.sinks / "one.json").unlink()
    with writer(state) as opened:
        assert opened.store([arrival(11)])[0].seq > 10


def test_numbers_grow_after_lost_segments(state: StateFolder) -> None:
    with writer(state) as opened:
        opened.store(arrivals(10))
    for path in state.spool.iterdir():
        path.unlink()
    with writer(state) as opened:
        assert opened.store([arrival(11)])[0].seq > 10


def test_numbers_grow_after_a_damaged_segment(state: StateFolder) -> None:
    with writer(state) as opened:
        opened.store(arrivals(10))
    (file,) = list_segments(state)
    file.path.write_bytes(b"x" * 100_000)
    with writer(state) as opened:
        assert opened.recovery.corrupt == [file.name]
        assert opened.store([arrival(11)])[0].seq > 10
        assert opened.spool.status().corrupt_total >= 0
    assert (state.corrupt / file.name).read_bytes() == b"x" * 100_000


def test_position_in_front_of_the_spool_counts(state: StateFolder) -> None:
    Cursor(state, "one").store(after=77)
    with writer(state) as opened:
        assert opened.store([arrival(1)])[0].seq == 78


# What a start finds


def test_empty_and_unfinished_segments_are_removed(state: StateFolder) -> None:
    (state.spool / "000000000007.db").touch()
    (state.spool / "000000000003.db-wal").write_bytes(b"x")
    (state.spool / "000000000003.db-shm").write_bytes(b"x")
    (state.spool / ".000000000009.db.tmp").write_bytes(b"x")
    (state.spool / "notes.txt").touch()
    import sqlite3

    connection = sqlite3.connect(state.spool / "000000000008.db")
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.execute("PRAGMA user_version=1")
    connection.close()
    with writer(state) as opened:
        assert opened.recovery == (7, 0, 0, [], [])
        assert [path.name for path in state.spool.iterdir()] == ["notes.txt"]
        assert opened.store([arrival(1)])[0].seq == 8


def test_stale_temporary_files_are_removed(state: StateFolder) -> None:
    """Each kill in the middle of a write leaves one."""
    names = [".one.json.123.tmp", ".one.json.124.tmp", ".empty.123.tmp-journal"]
    for folder, name in zip((state.sinks, state.sinks, state.path), names, strict=True):
        (folder / name).write_bytes(b"x")
        if "124" not in name:
            os.utime(folder / name, (1, 1))
    with writer(state):
        pass
    assert [path.name for path in state.path.rglob(".*") if "tmp" in path.name] == [".one.json.124.tmp"]


def test_segments_vanish_while_a_receiver_starts(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink process of the receiver before finishes, and drops what it has delivered."""
    store_segments(state, 3, 5)
    Cursor(state, "one").store(after=5)
    real = recovery._ends

    def ends(file: SegmentFile) -> tuple[int, int] | None:
        Cursor(state, "one").store(after=10)
        return real(file)

    monkeypatch.setattr(recovery, "_ends", ends)
    with writer(state, sink_names=["one"]) as opened:
        assert (opened.recovery.corrupt, opened.recovery.batches, opened.recovery.last_seq) == ([], 5, 15)
        assert [outcome.seq for outcome in opened.store([arrival(20)])] == [16]


def test_unknown_sink_holds_its_batches(state: StateFolder, quick_ticks: None) -> None:
    with writer(state, sink_names=["old", "new"]) as opened:
        opened.store(arrivals(10))
        Cursor(state, "new").store(after=10)
        Cursor(state, "old").store(after=4)
    with writer(state, sink_names=["new"]) as opened:
        assert opened.recovery.unknown_sinks == [("old", 6)]
        assert opened.recovery.batches == 6
        wait_until(lambda: opened.spool.status().batches == 6)
        assert len(read_all(state, 4)) == 6


def test_new_sink_starts_at_the_oldest_batch(state: StateFolder) -> None:
    with writer(state, sink_names=["one"], segment_bytes=50_000) as opened:
        opened.store(arrivals(5, size=30_000))
        opened.store(arrivals(5, 6, size=30_000))
        Cursor(state, "one").store(after=9)
    oldest = list_segments(state)[0].first
    with writer(state, sink_names=["one", "two"]):
        assert Cursor(state, "two").after == oldest - 1


def test_two_receivers_exclude_each_other(state: StateFolder) -> None:
    with writer(state):
        second = SpoolWriter(StateFolder(state.path), on_group=print)
        with pytest.raises(StateError, match=r"another receiver uses it \(process \d+\)") as error:
            second.open()
        assert error.value.code == "state.locked"
    process = WriterProcess(state, 1, 1)
    assert process.read_until(1)
    with pytest.raises(StateError, match=rf"another receiver uses it \(process {process.process.pid}\)"):
        second.open()
    process.finish()
    second.open()
    second.close()


def test_failed_open_releases_the_lock(state: StateFolder) -> None:
    with writer(state) as opened:
        opened.store([arrival(1)])
    import sqlite3

    connection = sqlite3.connect(list_segments(state)[0].path)
    connection.execute("PRAGMA user_version=2")
    connection.close()
    spool = SpoolWriter(state, on_group=print)
    for _ in range(2):
        with pytest.raises(StateError, match="it has version 2, and this program reads version 1") as error:
            spool.open()
        assert error.value.code == "state.version"


# Duplicates


def test_equal_body_is_a_duplicate(state: StateFolder) -> None:
    with writer(state) as opened:
        assert opened.store([arrival(1)])[0] == ("stored", 1)
        assert opened.store([arrival(1)])[0] == ("duplicate", 1)
        assert opened.store([arrival(1, path="/other")])[0] == ("stored", 2)
        assert opened.store([arrival(2)])[0] == ("stored", 3)
    assert len(read_all(state)) == 3


def test_equal_bodies_of_a_group_share_the_outcome(state: StateFolder) -> None:
    with writer(state) as opened:
        wanted = [arrival(number) for number in (1, 2, 1, 3, 1, 2)]
        outcomes = opened.store(wanted)
    stored = {number: outcome.seq for number, outcome in zip((1, 2, 1, 3, 1, 2), outcomes, strict=True)}
    assert [outcome.seq for outcome in outcomes] == [stored[number] for number in (1, 2, 1, 3, 1, 2)]
    assert sorted(outcome.code for outcome in outcomes) == ["duplicate"] * 3 + ["stored"] * 3


def test_small_bodies_are_never_duplicates(state: StateFolder) -> None:
    small = arrival(1, decoded_bytes=1023)
    with writer(state) as opened:
        assert opened.codes([small, small]) == ["stored", "stored"]
        assert opened.codes([small]) == ["stored"]
        assert opened.codes([small._replace(decoded_bytes=1024)] * 2) == ["stored", "duplicate"]


def test_window_of_zero_finds_no_duplicate(state: StateFolder) -> None:
    with writer(state, dedupe_s=0) as opened:
        assert opened.codes([arrival(1), arrival(1)]) == ["stored", "stored"]
        assert opened.codes([arrival(1)]) == ["stored"]
    assert not (state.path / "state.db").exists()


def test_window_forgets_old_bodies(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with writer(state, dedupe_s=600) as opened:
        opened.store([arrival(1)])
        now_s = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now_s + 590)
        assert opened.codes([arrival(1)]) == ["duplicate"]
        monkeypatch.setattr(time, "monotonic", lambda: now_s + 610)
        assert opened.codes([arrival(1)]) == ["stored"]


def test_window_has_a_maximum_number(state: StateFolder) -> None:
    with writer(state, max_hashes=10) as opened:
        opened.store(arrivals(11))
        assert opened.codes([arrival(1), arrival(11)]) == ["stored", "duplicate"]


def test_duplicates_are_known_after_a_restart(state: StateFolder, quick_ticks: None) -> None:
    """Also those of batches that are delivered and dropped."""
    with writer(state, sink_names=["one"]) as opened:
        opened.store(arrivals(10))
        Cursor(state, "one").store(after=10)
    with writer(state, sink_names=["one"]) as opened:
        wait_until(lambda: not list_segments(state))
        assert opened.codes([arrival(3)]) == ["duplicate"]


@pytest.mark.parametrize("damage", ["missing", "garbage", "cut", "other tables", "folder"])
def test_duplicates_are_rebuilt_from_the_segments(state: StateFolder, damage: str) -> None:
    with writer(state) as opened:
        opened.store(arrivals(10))
    path = state.path / "state.db"
    garbage = random.Random(1).randbytes(30_000)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:6000])
    elif damage != "missing":
        path.write_bytes(garbage)
    else:
        path.unlink()
    if damage in ("other tables", "folder"):
        path.unlink()
    if damage == "other tables":
        import sqlite3

        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE seen(other)")
        connection.close()
    elif damage == "folder":
        path.mkdir()
    with writer(state) as opened:
        assert opened.codes([arrival(3)]) == ["duplicate"]
        # SQLite reads the missing end of a cut file as zeros, which are no rows of this table.
        assert ("state.db" in opened.recovery.corrupt) == (damage not in ("missing", "cut"))
    if damage == "garbage":
        (kept,) = state.corrupt.iterdir()
        assert kept.read_bytes() == garbage


def test_duplicates_are_rebuilt_after_a_kill(state: StateFolder) -> None:
    process = WriterProcess(state, 1, 200)
    assert process.read_until(200)
    process.kill()
    with writer(state) as opened:
        wanted = [arrival(number, size=2000) for number in (1, 100, 200)]
        assert opened.codes(wanted) == ["duplicate"] * 3


def test_seen_file_keeps_the_newest(state: StateFolder) -> None:
    seen = SeenFile(state, 10)
    seen.add([Seen(b"%016d" % seq, seq, seq) for seq in range(1, 31)])
    assert [each.seq for each in seen.load(0, 99)] == list(range(21, 31))
    assert [each.seq for each in seen.load(25, 28)] == list(range(25, 29))
    seen.close()
    seen.add([Seen(bytes(16), 40, 1)])
    assert list(seen.load(0, 99)) == []


def test_duplicates_are_found_as_by_a_dict() -> None:
    random_ = random.Random(4)
    window, model = Duplicates(100, 800), {}
    keys = [random_.randbytes(16) for _ in range(500)]
    keys += [key[:8] + random_.randbytes(8) for key in keys[:50]]  # in the same slots
    for seq in range(1, 3000):
        key = random_.choice(keys)
        now_s = seq / 20
        added = model.get(key)
        expected = added[0] if added is not None and now_s - added[1] <= 100 else None
        found = window.find(key, now_s)
        # The window may forget a body before its time, because too many are newer.
        assert found == expected or (found is None and added is not None and seq - added[0] > 600)
        if found is None:
            window.add(key, seq, now_s)
            model[key] = (seq, now_s)
        window.forget(now_s)


def test_duplicates_take_little_memory() -> None:
    window = Duplicates(600, 200_000)
    tracemalloc.start()
    try:
        for seq in range(1, 30_001):
            window.add(seq.to_bytes(16, "little"), seq, 0.0)
        used_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used_bytes < 2_500_000


# Limits


def test_full_spool_refuses_until_it_shrinks(state: StateFolder, quick_ticks: None) -> None:
    with writer(state, sink_names=["one"], max_spool_bytes=4_000_000, segment_bytes=1_000_000) as opened:
        last = 0
        for first in range(1, 1000, 5):
            outcomes = opened.store(arrivals(5, first, size=100_000))
            if outcomes[0].code == "full":
                break
            last = outcomes[-1].seq
        assert set(outcomes) == {("full", 0)}
        assert opened.spool.status().is_full
        # A stored body is known, although nothing is accepted.
        assert opened.codes([arrival(1, size=100_000)]) == ["duplicate"]
        stored = list_segments(state)
        Cursor(state, "one").store(after=1)
        assert opened.codes([arrival(5000)]) == ["full"]
        Cursor(state, "one").store(after=last)
        wait_until(lambda: not opened.spool.status().is_full)
        assert opened.codes([arrival(5000)]) == ["stored"]
        wait_until(lambda: not set(stored) & set(list_segments(state)))
    assert len(read_all(state, last)) == 1


def test_full_spool_resumes_at_95_percent(
    state: StateFolder, monkeypatch: pytest.MonkeyPatch, quick_ticks: None
) -> None:
    used_bytes = 999_999
    monkeypatch.setattr(Inventory, "measure", lambda self, active_bytes: (used_bytes, 1 << 30))
    with writer(state, max_spool_bytes=1_000_000) as opened:
        for used_bytes, codes in (
            (999_999, ["stored"]),
            (1_000_000, ["full"]),
            (950_000, ["full"]),
            (949_999, ["stored"]),
            (999_999, ["stored"]),
        ):
            assert opened.codes([arrival(used_bytes + len(opened.groups))]) == codes


@pytest.mark.parametrize("is_one", [True, False])
def test_kept_segments_give_way(state: StateFolder, quick_ticks: None, is_one: bool) -> None:
    """Batches are not refused because of delivered ones, also if all are in one segment."""
    size = 3_000_000 if is_one else 500_000
    options = {"sink_names": ["one"], "keep_s": 3600, "max_spool_bytes": 2_000_000, "segment_bytes": size}
    with writer(state, **options) as opened:
        cursor = Cursor(state, "one", keep_s=3600)
        for first in range(1, 30):
            (outcome,) = opened.store([arrival(first, size=100_000)])
            if outcome.code != "stored":
                assert is_one
                break
            cursor.store(after=outcome.seq)
            wait_until(lambda: is_one or opened.spool.status().bytes < 1_900_000)
            time.sleep(0.02)
        wait_until(lambda: not opened.spool.status().is_full)
        assert opened.codes([arrival(900)]) == ["stored"]
        assert is_one or 1_000_000 < opened.spool.status().bytes < 2_000_000


def test_free_space_is_reserved(state: StateFolder, monkeypatch: pytest.MonkeyPatch, quick_ticks: None) -> None:
    free_bytes = 1_100_000
    real = os.statvfs(state.path)

    class Answer:
        f_frsize = 1

        @property
        def f_bavail(self) -> int:
            return free_bytes

    assert real.f_bavail > 0
    monkeypatch.setattr(os, "statvfs", lambda path: Answer())
    with writer(state, min_free_bytes=1_000_000) as opened:
        assert opened.codes([arrival(1, size=50_000)]) == ["stored"]
        assert opened.codes([arrival(2, size=120_000)]) == ["full"]
        wait_until(lambda: not list_segments(state)[0].wal.exists())
        free_bytes = 1_110_000
        time.sleep(0.1)
        assert opened.spool.status().is_full
        free_bytes = 1_200_000
        wait_until(lambda: not opened.spool.status().is_full)
        assert opened.codes([arrival(2, size=120_000)]) == ["stored"]


# The end of a segment


@pytest.mark.parametrize("reason", ["delivered", "no space", "neither"])
def test_copy_of_a_wal_is_left_out(
    state: StateFolder, monkeypatch: pytest.MonkeyPatch, reason: str, quick_ticks: None
) -> None:
    """A delivered segment goes soon, and the copy must not use the reserve."""
    copies: list[str] = []
    real = ActiveSegment.close_compact

    def close_compact(self: ActiveSegment) -> None:
        copies.append(self.file.name)
        real(self)

    monkeypatch.setattr(ActiveSegment, "close_compact", close_compact)
    with writer(state, sink_names=["one"]) as opened:
        opened.store(arrivals(5))
        if reason == "delivered":
            Cursor(state, "one").store(after=5)
        elif reason == "no space":
            opened.spool._active._min_free_bytes = 1 << 62
    assert copies == ([] if reason != "neither" else ["000000000001.db"])
    assert len(read_all(state)) == 5
