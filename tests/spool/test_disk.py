"""Disks that are full, fail or must not be used, and processes that are killed."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("xxhash", reason="the extra receiver")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the receiver needs POSIX")

from support.preload import preload_library  # noqa: E402
from support.processes import run_python  # noqa: E402
from support.spool import WriterProcess, arrival, arrivals, new_state, read_all, wait_until, writer  # noqa: E402

from cfdns_fast.spool import Cursor, StateError, StateFolder  # noqa: E402
from cfdns_fast.spool import writer as writer_module  # noqa: E402
from cfdns_fast.spool.segment_file import list_segments  # noqa: E402


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a file system of 6 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None or os.geteuid() != 0:
        pytest.skip("only root mounts a file system")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=6m", "none", folder], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"this system mounts no tmpfs: {done.stderr.strip()}")
    yield folder
    subprocess.run([umount, "-l", folder], check=True)


# A full disk


def test_full_disk_loses_nothing(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_TICK_S", 0.02)
    state = new_state(small_disk)
    assert any("in memory" in each for each in state.warnings)
    stored: dict[int, int] = {}
    with writer(state, sink_names=["one"], segment_bytes=1 << 20) as opened:
        refused = 0
        for first in range(1, 2000, 10):
            outcomes = opened.store(arrivals(10, first, size=10_000))
            codes = {outcome.code for outcome in outcomes}
            assert codes <= {"stored", "full"}
            stored.update({outcome.seq: first + n for n, outcome in enumerate(outcomes) if outcome.code == "stored"})
            refused += len(codes & {"full"})
            if refused > 20:
                break
        assert refused > 20
        batches = {batch.seq: batch.arrival for batch in read_all(state)}
        assert {seq: batches[seq] for seq in stored} == {
            seq: arrival(number, size=10_000) for seq, number in stored.items()
        }
        # The position of a sink can be stored, because the segments go first.
        Cursor(state, "one").store(after=max(stored))
        wait_until(lambda: opened.codes([arrival(9000)]) == ["stored"])
    assert read_all(state)[-1].arrival == arrival(9000)


def test_pending_is_stored_on_a_full_disk(small_disk: Path) -> None:
    """A sink of files or objects stores it before it can free space."""
    cursor = Cursor(new_state(small_disk), "one")
    cursor.store(after=1)
    _fill(small_disk)
    for first in range(2, 12, 2):
        cursor.store(pending={"first": first, "last": first + 1})
        cursor.store(after=first + 1)
    assert (cursor.after, Cursor(StateFolder(small_disk / "state"), "one").after) == (11, 11)


def test_full_disk_at_the_start_is_named(small_disk: Path) -> None:
    _fill(small_disk)
    with pytest.raises(StateError) as error:
        new_state(small_disk)
    assert error.value.code == "state.full"
    assert str(error.value).endswith("No space left on device")


def test_receiver_starts_on_a_full_disk(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sinks must run, because they free the space."""
    monkeypatch.setattr(writer_module, "_TICK_S", 0.02)
    state = new_state(small_disk)
    with writer(state, sink_names=["one"], segment_bytes=100_000) as opened:
        assert set(opened.codes(arrivals(20, size=100_000))) == {"stored"}
        opened.codes(arrivals(20, 21, size=10_000))
    _fill(small_disk)
    with writer(state, sink_names=["one"]) as opened:
        assert opened.codes([arrival(100, size=100_000)]) == ["full"]
        Cursor(state, "one").store(after=20)
        wait_until(lambda: opened.codes([arrival(100, size=100_000)]) == ["stored"])


def test_reserve_keeps_space_for_positions(small_disk: Path) -> None:
    state = new_state(small_disk)
    with writer(state, min_free_bytes=2_000_000) as opened:
        first = 1
        while opened.codes(arrivals(10, first, size=10_000))[0] == "stored":
            first += 10
        found = os.statvfs(small_disk)
        assert 1_800_000 < found.f_bavail * found.f_frsize < 2_400_000
        Cursor(state, "one").store(pending={"first": 1, "last": 2})


def _fill(folder: Path) -> None:
    with open(folder / "ballast", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC


# A disk that fails


@pytest.fixture(scope="module")
def failing_write(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the library that makes writes fail."""
    return preload_library("failing_write", tmp_path_factory.mktemp("failing"))


_FAILURES = """
import ctypes, os, sys
from pathlib import Path
from support.spool import arrival, arrivals, new_state, read_all, writer
from cfdns_fast.spool import writer as writer_module
from cfdns_fast.spool.segment_file import list_segments

writer_module._TICK_S = 60  # nothing is tried again in between
library = ctypes.CDLL(None)
suffix, error, only_syncs, expected = sys.argv[2].encode(), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]

def status(file):
    return [(path.stat().st_size, path.stat().st_mtime_ns) for path in (file.path, file.wal)]

state = new_state(Path(sys.argv[1]))
with writer(state, sink_names=["one"]) as opened:
    assert opened.codes(arrivals(5)) == ["stored"] * 5
    library.fail(suffix, error, only_syncs)
    assert opened.codes(arrivals(5, 6)) == [expected] * 5, opened.codes(arrivals(5, 6))
    assert library.writes() > 0
    (file,) = [each for each in list_segments(state) if each.first == 1]
    library.fail(file.wal.name.encode(), 0, 0)
    before = status(file)
    status_ = opened.spool.status()
    assert (status_.failed, status_.is_full) == (expected == "failed", expected == "full")
    assert opened.codes(arrivals(5, 6)) == ["stored"] * 5
    status_ = opened.spool.status()
    assert not status_.failed and not status_.is_full
    assert opened.codes(arrivals(3, 11)) == ["stored"] * 3
    # Two segments: the abandoned one is not written again, also not when the writer closes.
    assert len(list_segments(state)) == 2
assert library.writes() == 0 and status(file) == before
assert [batch.arrival for batch in read_all(state)] == arrivals(13)
"""


@pytest.mark.parametrize(
    ("suffix", "error", "only_syncs", "code"),
    [
        pytest.param("-wal", errno.EIO, False, "failed", marks=pytest.mark.slow),
        ("-wal", errno.EIO, True, "failed"),
        ("-wal", errno.ENOSPC, False, "full"),
        pytest.param("-wal", errno.EROFS, False, "failed", marks=pytest.mark.slow),
    ],
)
def test_failed_commit_abandons_the_segment(
    failing_write: Path, tmp_path: Path, suffix: str, error: int, only_syncs: bool, code: str
) -> None:
    """The whole group is refused, and the next group goes to a new segment."""
    done = run_python(
        *(_FAILURES, str(tmp_path), suffix, str(error), str(int(only_syncs)), code), LD_PRELOAD=str(failing_write)
    )
    assert done.returncode == 0, done.stderr


_FAILED_CREATION = """
import ctypes, errno, sys
from pathlib import Path
from support.spool import arrival, new_state, read_all, wait_until, writer
from cfdns_fast.spool import writer as writer_module
from cfdns_fast.spool.segment_file import list_segments

writer_module._TICK_S = 0.02
library = ctypes.CDLL(None)
state = new_state(Path(sys.argv[1]))
with writer(state) as opened:
    library.fail(b".db.tmp", errno.EIO, 0)
    assert opened.codes([arrival(1)]) == ["failed"]
    assert opened.spool.status().failed
    # No batch may come before the receiver is ready again.
    library.fail(None, 0, 0)
    wait_until(lambda: not opened.spool.status().failed)
    assert len(list_segments(state)) == 1
    writer_module._TICK_S = 60
    wait_until(lambda: opened.codes([arrival(2)]) == ["stored"])
    opened.spool._active.finish()
    for error, code in ((errno.EIO, "failed"), (errno.ENOSPC, "full"), (errno.EROFS, "failed")):
        for suffix in (b".db.tmp", b"/spool", b".tmp"):
            library.fail(suffix, error, 0)
            assert opened.codes([arrival(1)]) == [code]
            assert library.writes() > 0
    # The first commit of a new segment.
    library.fail(b"-wal", errno.EIO, 1)
    assert opened.codes([arrival(1)]) == ["failed"]
    assert len(list_segments(state)) == 1
    library.fail(None, 0, 0)
    assert opened.codes([arrival(1)]) == ["stored"]
assert [batch.arrival for batch in read_all(state)] == [arrival(2), arrival(1)]
"""


def test_failed_creation_of_a_segment_is_tried_again(failing_write: Path, tmp_path: Path) -> None:
    done = run_python(_FAILED_CREATION, str(tmp_path), LD_PRELOAD=str(failing_write))
    assert done.returncode == 0, done.stderr


_FAILED_COPY = """
import ctypes, errno, sys
from pathlib import Path
from support.spool import arrivals, new_state, read_all, writer

library = ctypes.CDLL(None)
state = new_state(Path(sys.argv[1]))
with writer(state, sink_names=["one"]) as opened:
    assert opened.codes(arrivals(30)) == ["stored"] * 30
    library.fail(b".db", int(sys.argv[2]), 0)
assert library.writes() > 0
assert [batch.arrival for batch in read_all(state)] == arrivals(30)
"""


@pytest.mark.parametrize("error", [errno.EIO, pytest.param(errno.ENOSPC, marks=pytest.mark.slow)])
def test_failed_copy_of_a_wal_loses_nothing(failing_write: Path, tmp_path: Path, error: int) -> None:
    done = run_python(_FAILED_COPY, str(tmp_path), str(error), LD_PRELOAD=str(failing_write))
    assert done.returncode == 0, done.stderr


_FAILED_POSITION = """
import ctypes, errno, sys
from pathlib import Path
from support.spool import new_state
from cfdns_fast.spool import Cursor, StateError

library = ctypes.CDLL(None)
state = new_state(Path(sys.argv[1]))
cursor = Cursor(state, "one")
cursor.store(after=5, pending={"first": 6, "last": 7})
for error, code in ((errno.ENOSPC, "state.full"), (errno.EIO, "state.unwritable")):
    for only_syncs in (0, 1):
        library.fail(b".tmp", error, only_syncs)
        try:
            cursor.store(after=7)
        except StateError as found:
            assert found.code == code
        else:
            raise AssertionError("the position was stored")
        assert (cursor.after, cursor.pending) == (5, {"first": 6, "last": 7})
        again = Cursor(state, "one")
        assert (again.after, again.pending) == (5, {"first": 6, "last": 7})
library.fail(None, 0, 0)
cursor.store(after=7)
assert sorted(path.name for path in state.sinks.iterdir()) == [".one.spare", "one.json"]
"""


def test_failed_position_is_not_stored(failing_write: Path, tmp_path: Path) -> None:
    done = run_python(_FAILED_POSITION, str(tmp_path), LD_PRELOAD=str(failing_write))
    assert done.returncode == 0, done.stderr


# Killed processes


def kills(folder: Path, count: int, seed: int) -> None:
    """Kill a writer at random moments; what it acknowledged must be there, once, whole and in order."""
    random_ = random.Random(seed)
    state = new_state(folder)
    acknowledged: dict[int, int] = {}
    first = 1
    for _ in range(count):
        process = WriterProcess(state, first, 100_000, segment_bytes=100_000)
        process.read_until(random_.randrange(200))
        process.kill()
        acknowledged.update(process.acknowledged)
        first += 100_000
    batches = {batch.seq: batch for batch in read_all(state)}
    assert sorted(batches) == list(batches)
    assert len(set(acknowledged.values())) == len(acknowledged)
    for number, seq in acknowledged.items():
        assert batches[seq].arrival == arrival(number, size=2000), f"batch {seq}, seed {seed}"
    assert len({batch.arrival.hash for batch in batches.values()}) == len(batches)
    assert list(state.corrupt.iterdir()) == []
    with writer(state) as opened:
        assert opened.store([arrival(first)])[0].seq > max(batches)


def test_killed_writer_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    kills(tmp_path, 4, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_writer_killed_often_keeps_all(tmp_path: Path, seed: int) -> None:
    kills(tmp_path, 30, 100 + seed)


def test_delivered_abandoned_segment_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_TICK_S", 0.02)
    state = new_state(tmp_path)
    with writer(state, sink_names=["one"]) as opened:
        opened.store(arrivals(3))
        (file,) = list_segments(state)
        file.wal.rename(tmp_path / "wal")
        assert opened.codes([arrival(4)]) == ["failed"]
        (tmp_path / "wal").rename(file.wal)
        assert len(read_all(state)) == 3
        Cursor(state, "one").store(after=3)
        wait_until(lambda: not file.path.exists())
        assert opened.store([arrival(4)])[0].seq > 3


def test_state_folder_check_reads_only(tmp_path: Path) -> None:
    with pytest.raises(StateError) as error:
        StateFolder(tmp_path).check()
    assert error.value.code == "state.missing"
    assert list(tmp_path.iterdir()) == []
