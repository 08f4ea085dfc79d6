"""Looking at a spool beside its receiver, and requests for sinks."""

from __future__ import annotations

import gzip
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("xxhash", reason="the extra receiver")
pytest.importorskip("xxhash", reason="the extra receiver")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the receiver needs POSIX")

from support.spool import arrival, arrivals, gzip_arrival, new_state, read_all, store_segments, writer  # noqa: E402

from cfdns_fast.spool import Cursor, Replay, StateError, StateFolder  # noqa: E402
from cfdns_fast.spool.plain import plain_pieces  # noqa: E402
from cfdns_fast.spool.segment_file import list_segments  # noqa: E402
from cfdns_fast.spool.tools import (  # noqa: E402
    export,
    first_since,
    last_until,
    listing,
    parse_time,
    replay,
    retire_sink,
    show,
)


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return new_state(tmp_path)


def three_segments(state: StateFolder) -> None:
    store_segments(state, 3, 5)


def files(state: StateFolder) -> dict[str, tuple[int, int]]:
    found = {}
    for path in state.path.rglob("*"):
        if path.is_file() and not path.name.endswith("-shm"):
            status = path.stat()
            found[path.name] = (status.st_size, status.st_mtime_ns)
    return found


def test_listing_describes_the_spool(state: StateFolder) -> None:
    three_segments(state)
    Cursor(state, "two")
    Cursor(state, "one").store(after=7)
    with state.lock_sink("two"):
        found = listing(state)
    assert [(each.name, each.batches, each.first_seq, each.last_seq) for each in found.segments] == [
        ("000000000001.db", 5, 1, 5),
        ("000000000006.db", 5, 6, 10),
        ("000000000011.db", 5, 11, 15),
    ]
    assert not found.is_receiver_running
    assert [(each.name, each.after, each.lag_batches, each.is_running) for each in found.sinks] == [
        ("one", 7, 8, False),
        ("two", 0, 15, True),
    ]
    assert found.corrupt == ()
    assert not any(each.is_damaged for each in found.segments)


def test_looking_changes_nothing(state: StateFolder) -> None:
    three_segments(state)
    with writer(state, sink_names=["one"]) as opened:
        opened.store(arrivals(5, 100))
        list_segments(state)[1].path.write_bytes(b"damaged" * 5000)
        opened.spool._inventory.refresh(opened.spool._active.file, opened.spool._active.reservation, 20)
        before = files(state)
        found = listing(state)
        assert found.is_receiver_running
        assert [each.is_damaged for each in found.segments] == [False, True, False, False]
        assert show(state, 12).seq == 12
        assert b"".join(export(state, 1, None, is_plain=False))
        assert files(state) == before
        assert not list(state.spool.glob("*.damaged"))
        assert opened.codes([arrival(200)]) == ["stored"]


def test_empty_spool_is_listed(state: StateFolder) -> None:
    found = listing(state)
    assert (found.segments, found.sinks, found.corrupt) == ((), (), ())
    assert list(export(state, 1, None, is_plain=True)) == []
    assert first_since(state, 0) is last_until(state, 1 << 62) is None


def test_one_batch_is_shown(state: StateFolder) -> None:
    three_segments(state)
    assert show(state, 7) == read_all(state, 6)[0]
    for seq in (0, 16):
        with pytest.raises(StateError, match=f"batch {seq}: it is not in the spool") as error:
            show(state, seq)
        assert error.value.code == "state.batch"


@pytest.mark.parametrize(
    "use",
    [
        listing,
        lambda state: show(state, 1),
        lambda state: list(export(state, 1, None, is_plain=True)),
        lambda state: first_since(state, 1),
        lambda state: replay(state, "one", Replay(1)),
        lambda state: retire_sink(state, "one"),
    ],
)
def test_folder_is_checked(state: StateFolder, tmp_path: Path, use: Callable[[StateFolder], Any]) -> None:
    (state.path / "version").write_text("2\n")
    with pytest.raises(StateError) as error:
        use(state)
    assert error.value.code == "state.version"
    with pytest.raises(StateError) as error:
        use(StateFolder(tmp_path / "none"))
    assert error.value.code == "state.missing"


def test_export_gives_the_bodies(state: StateFolder) -> None:
    plain = [b'{"a":%d}\n' % number * 100 for number in range(6)]
    plain[2] = plain[2][:-1]
    plain[3] = b""
    with writer(state) as opened:
        opened.store([gzip_arrival(each) for each in plain])
    assert gzip.decompress(b"".join(export(state, 1, None, is_plain=False))) == b"".join(plain)
    assert b"".join(export(state, 2, 5, is_plain=False)) == b"".join(gzip_arrival(each).body for each in plain[1:5])
    plain[2] += b"\n"
    assert b"".join(export(state, 1, None, is_plain=True)) == b"".join(plain)
    assert b"".join(export(state, 3, 3, is_plain=True)) == plain[2]


def test_plain_pieces_read_all_members() -> None:
    random_ = random.Random(3)
    members = [random_.randbytes(random_.choice([0, 1, 100_000])) for _ in range(30)]
    members[4] = bytes(3_000_000)
    for padding in (b"", bytes(5)):
        body = padding.join(map(gzip.compress, members)) + padding
        pieces = list(plain_pieces(body))
        assert b"".join(pieces) == b"".join(members)
        assert max(map(len, pieces)) <= 1 << 18
    assert list(plain_pieces(b"")) == []


def test_batches_are_found_by_time(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    with writer(state, segment_bytes=20_000) as opened:
        for number, now_ns in enumerate((100, 200, 50, 300), 1):  # the clock was set back once
            monkeypatch.setattr(time, "time_ns", lambda now_ns=now_ns: now_ns)
            opened.store([arrival(number, size=20_000)])
    assert len(list_segments(state)) == 4
    assert [first_since(state, now_ns) for now_ns in (0, 100, 101, 201, 301)] == [1, 1, 2, 4, None]
    assert [last_until(state, now_ns) for now_ns in (0, 50, 100, 200, 300)] == [None, 3, 3, 3, 4]


@pytest.mark.parametrize(
    ("text", "received_ns"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T00:00:01", 10**9),
        ("1970-01-01T01:00:01.5+01:00", 1_500_000_000),
        ("1970-01-02", 86400 * 10**9),
    ],
)
def test_time_is_parsed(text: str, received_ns: int) -> None:
    assert parse_time(text) == received_ns


# Requests


def test_replay_is_requested(state: StateFolder) -> None:
    three_segments(state)
    cursor, other = Cursor(state, "one"), Cursor(state, "two")
    cursor.store(after=12)
    assert replay(state, "one", Replay(8)) == 7
    assert listing(state).sinks[0].replay_after == 8
    assert cursor.take_replay() == Replay(8)
    # Dropped batches are not counted.
    cursor.store(after=12)
    other.store(after=5)
    assert replay(state, "one", Replay(0)) == 10
    assert replay(state, "one", Replay(dead_letters=True)) == 3
    assert cursor.take_replay() == Replay(0, True)


def test_replay_of_the_future_is_refused(state: StateFolder) -> None:
    three_segments(state)
    Cursor(state, "one").store(after=12)
    with pytest.raises(StateError, match="sink one: it has not delivered batch 14 yet"):
        replay(state, "one", Replay(13))
    assert listing(state).sinks[0].replay_after is None


@pytest.mark.parametrize("use", [lambda state: replay(state, "other", Replay(1)), lambda s: retire_sink(s, "other")])
def test_unknown_sink_is_named(state: StateFolder, use: Callable[[StateFolder], Any]) -> None:
    Cursor(state, "one")
    Cursor(state, "two")
    with pytest.raises(StateError, match=r"sink other: there is no such sink .*\(sinks: one, two\)") as error:
        use(state)
    assert error.value.code == "state.sink"


def test_retired_sink_holds_nothing(state: StateFolder) -> None:
    three_segments(state)
    Cursor(state, "old").store(after=4)
    Cursor(state, "one").store(after=15)
    with pytest.raises(StateError, match="sink old: 11 batches are not delivered; --discard gives them up"):
        retire_sink(state, "old")
    with state.lock_sink("old"), pytest.raises(StateError) as error:
        retire_sink(state, "old", is_discarding=True)
    assert error.value.code == "state.locked"
    assert len(list_segments(state)) == 3
    assert retire_sink(state, "old", is_discarding=True) == 11
    assert [each.name for each in listing(state).sinks] == ["one"]
    # The receiver drops them, which knows how long delivered batches are kept.
    assert len(list_segments(state)) == 3
    with writer(state, sink_names=["one"], keep_s=3600):
        assert len(list_segments(state)) == 3
    with writer(state, sink_names=["one"]):
        assert list_segments(state) == []
    assert retire_sink(state, "one") == 0


def test_sink_of_a_receiver_is_not_retired(state: StateFolder) -> None:
    """The process of a sink that waits for its next start holds no lock."""
    for name in ("one", "other"):
        Cursor(state, name)
    with state.lock_receiver(["one", "two"]):
        with pytest.raises(StateError, match="sink one: the receiver that runs has it; remove it") as error:
            retire_sink(state, "one", is_discarding=True)
        assert error.value.code == "state.locked"
        retire_sink(state, "other")
        # The text of the lock did not fit on the disk.
        (state.path / "lock").write_bytes(b"")
        with pytest.raises(StateError, match="the receiver that runs has it"):
            retire_sink(state, "one")
    retire_sink(state, "one")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="giving files to another user needs root")
def test_root_leaves_files_of_the_service(state: StateFolder) -> None:
    """A service with a user of its own must be able to read a request that root left, and to take its lock."""
    store_segments(state, 1, 1)
    Cursor(state, "one").store(after=1)
    Cursor(state, "two").store(after=1)
    for path in [state.path, *state.path.rglob("*")]:
        os.chown(path, 65534, 65533)
    replay(state, "one", Replay(0))
    retire_sink(state, "two")
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in state.sinks.iterdir()}
    assert {"one.replay", "two.lock"} <= owners.keys()
    assert set(owners.values()) == {(65534, 65533)}
