"""The loop of a sink process, with a sink in memory and a spool in a list."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("xxhash", reason="the extra receiver is not installed")

from support.command import needs_posix

from cfdns_fast.receiver import delivery as delivery_module
from cfdns_fast.receiver.backoff import Backoff
from cfdns_fast.receiver.delivery import Delivery, Room
from cfdns_fast.receiver.lines import LineFiles
from cfdns_fast.receiver.pieces import Converter, Part
from cfdns_fast.receiver.settings import SinkSettings
from cfdns_fast.sinks import Counters, Pending, Piece, SinkFault, SinkRefused, SinkRewind
from cfdns_fast.spool import Arrival, Batch, StateError, hash_of

pytestmark = needs_posix


class Killed(BaseException):
    """The process ends at this point."""


class MemorySink:
    """Takes pieces; publishes at a commit, as a sink of files does. Hooks raise faults."""

    wants = "ndjson"

    def __init__(self, target: list[int], every: int = 2) -> None:
        self.target = target  # of the numbers of batches, after they are published
        self.every = every
        self.open: list[Piece] = []
        self.on_write: Callable[[Piece], None] = lambda piece: None
        self.on_publish: Callable[[], None] = lambda: None
        self.recovered: list[Pending] = []

    def recover(self, pending: Pending) -> bool:
        self.recovered.append(pending)
        return bool(self.target) and self.target[-1] >= pending["last"]

    def write(self, piece: Piece) -> None:
        self.on_write(piece)
        self.open.append(piece)

    def is_due(self) -> bool:
        return len({piece.seq for piece in self.open}) >= self.every

    def commit(self, store: Callable[[Pending], object], *, final: bool = False) -> int:
        if not self.open:
            return 0
        assert self.open[-1].is_last
        first, last = self.open[0].seq, self.open[-1].seq
        store({"first": first, "last": last})
        self.on_publish()
        self.target.extend(sorted({piece.seq for piece in self.open}))
        self.open.clear()
        return last

    def close(self) -> None:
        self.open.clear()


class MemoryCursor:
    def __init__(self) -> None:
        self.after = 0
        self.pending: Mapping[str, Any] | None = None
        self.fault: Exception | None = None
        self.on_store: Callable[[], None] = lambda: None

    def store(self, *, after: int, pending: Mapping[str, Any] | None) -> None:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        self.on_store()
        self.after, self.pending = after, pending


class World:
    """What remains when a process is killed, and the parts of a new process."""

    def __init__(self, folder: Path, batches: int = 5) -> None:
        self.folder = folder
        self.spool = [stored(seq) for seq in range(1, batches + 1)]
        self.cursor = MemoryCursor()
        self.target: list[int] = []
        self.said: list[tuple[str, str]] = []
        self.requests = 0
        self.counters = Counters()
        self.ending = threading.Event()
        self.stop = threading.Event()
        self.sink = MemorySink(self.target)

    def next(self, timeout_s: float) -> Batch | None:
        if self.left:
            return self.left.pop(0)
        self.ending.set()
        return None

    def run(self) -> None:
        self.left = [batch for batch in self.spool if batch.seq > self.cursor.after]
        self.counters = Counters()
        self.ending.clear()
        self.rejects = LineFiles(self.folder / "rejects", 1 << 26)
        self.dead_letters = dead_letters = LineFiles(self.folder / "dead", 1 << 20)
        converter = Converter(SinkSettings(name="out", url="-"), "ndjson", self.folder)
        room = Room(
            name="out",
            counters=self.counters,
            rejects=self.rejects,
            dead_letters=dead_letters,
            ending=self.ending,
            stop=self.stop,
            has_request=lambda: False,
            say=lambda level, message: self.said.append((level, message)),
        )
        # A wait that does not end is a failure of the test.
        watch = threading.Timer(30, self.ending.set)
        watch.start()
        try:
            Delivery(self.sink, self, self.cursor, converter, room).run()
        finally:
            watch.cancel()
            self.sink.close()
            converter.close()
            self.rejects.close()
            dead_letters.close()

    def reject_lines(self) -> list[dict[str, Any]]:
        files = LineFiles(self.folder / "rejects", 1).files()
        return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]

    def dead_lines(self) -> list[dict[str, Any]]:
        files = LineFiles(self.folder / "dead", 1).files()
        return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]


def stored(seq: int) -> Batch:
    data = b'{"QueryName":"n%d.example.com","Timestamp":1767225600}\nbad %d\n' % (seq, seq)
    body = gzip.compress(data, 1)
    return Batch(seq, seq, Arrival("key", "/", "dns_logs", 2, len(data), hash_of(body), body))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(delivery_module, "Backoff", lambda: Backoff(0.001, 0.01))
    yield World(tmp_path)


def test_batches_arrive_in_order(world: World) -> None:
    world.run()
    assert world.target == [1, 2, 3, 4, 5] and world.cursor.after == 5 and world.cursor.pending is None
    assert [line["batch"] for line in world.reject_lines()] == [1, 2, 3, 4, 5]
    counted = world.counters.as_dict()
    assert counted["rejects"] == {"json.syntax": 5} and counted["seq"] == 5 and counted["up"] == 1


def test_faults_of_writes_are_tried_again(world: World) -> None:
    left = [SinkFault("503", "busy", 0.001), SinkFault("connect", "refused"), SinkFault("connect", "refused")]

    def fault(piece: Piece) -> None:
        if piece.seq == 3 and left:
            raise left.pop()

    world.sink.on_write = fault
    world.run()
    assert world.target == [1, 2, 3, 4, 5]
    assert world.counters.as_dict()["retries"] == {"connect": 2, "503": 1}
    # One line for each change of the state, not for each try.
    assert [level for level, _ in world.said] == ["error", "info"]


def test_end_does_not_wait_for_a_dead_target(world: World) -> None:
    def fault(piece: Piece) -> None:
        if piece.seq == 3:
            world.ending.set()
            raise SinkFault("connect", "refused", 1000)

    world.sink.on_write = fault
    world.run()
    assert world.target == [1, 2] and world.cursor.after == 2
    world.sink.on_write = lambda piece: None
    world.run()
    assert world.target == [1, 2, 3, 4, 5]
    assert [line["batch"] for line in world.reject_lines()] == [1, 2, 3, 4, 5]


def test_refused_piece_becomes_dead_letters(world: World) -> None:
    def refuse(piece: Piece) -> None:
        if piece.seq == 2:
            raise SinkRefused("400", "no")

    world.sink.on_write = refuse
    world.sink.every = 1
    world.spool[-1:] = []
    world.run()
    (line,) = world.dead_lines()
    assert (line["sink"], line["batch"], line["index"], line["code"]) == ("out", 2, 0, "400")
    assert line["event"]["dns"]["question"]["name"] == "n2.example.com"
    assert world.cursor.after == 4


@pytest.mark.parametrize("step", ["before store", "before publish", "after publish", "before last store"])
@pytest.mark.parametrize("at", [1, 2])
def test_killed_process_delivers_once(world: World, step: str, at: int) -> None:
    """The process ends at each step of a commit; a new one must deliver every batch once."""
    count = 0

    def die(wanted: str) -> Callable[[], None]:
        def hook() -> None:
            nonlocal count
            if wanted != step:
                return
            count += 1
            if count == at:
                raise Killed

        return hook

    def on_store() -> None:
        die("before store" if world.cursor.pending is None else "before last store")()

    world.sink.on_publish = die("before publish")
    world.cursor.on_store = on_store
    original = MemorySink.commit

    def commit(store: Callable[[Pending], object], *, final: bool = False) -> int:
        last = original(world.sink, store, final=final)
        if last:
            die("after publish")()
        return last

    world.sink.commit = commit  # type: ignore[method-assign]
    with pytest.raises(Killed):
        world.run()
    world.run()
    assert world.target == [1, 2, 3, 4, 5] and world.cursor.after == 5 and world.cursor.pending is None
    assert [line["batch"] for line in world.reject_lines()] == [1, 2, 3, 4, 5]


def test_rejects_of_dropped_batches_are_kept(world: World) -> None:
    """The process ends after it dropped a segment without events, before it stored the cursor."""
    bad = b"bad\n"
    world.spool = [world.spool[0]._replace(arrival=world.spool[0].arrival._replace(body=gzip.compress(bad)))]
    world.sink.is_due = lambda: bool(world.sink.open)  # type: ignore[method-assign]
    world.sink.commit = lambda store, *, final=False: world.sink.open[-1].seq if world.sink.open else 0  # type: ignore[method-assign]

    def drop() -> None:
        raise Killed

    world.cursor.on_store = drop
    with pytest.raises(Killed):
        world.run()
    world.cursor.on_store = lambda: None
    world.spool = [stored(2)]
    world.run()
    assert [line["batch"] for line in world.reject_lines()] == [1, 2]


def test_recovered_batches_are_not_delivered_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader begins before them, and may find them late."""
    world.cursor.pending = {"first": 1, "last": 3}
    world.target += [1, 2, 3]
    calls = 0
    original = world.next

    def late(timeout_s: float) -> Batch | None:
        nonlocal calls
        calls += 1
        return None if calls == 2 else original(timeout_s)

    monkeypatch.setattr(world, "next", late)
    world.run()
    assert world.target == [1, 2, 3, 4, 5] and world.cursor.after == 5


def test_pending_range_is_redone_exactly(world: World) -> None:
    world.cursor.pending = {"first": 1, "last": 3}
    commits: list[tuple[int, int]] = []
    original = world.sink.commit

    def commit(store: Callable[[Pending], object], *, final: bool = False) -> int:
        if world.sink.open:
            commits.append((world.sink.open[0].seq, world.sink.open[-1].seq))
        return original(store, final=final)

    world.sink.commit = commit  # type: ignore[method-assign]
    world.run()
    assert commits[0] == (1, 3) and world.target == [1, 2, 3, 4, 5]


def test_pending_batches_that_are_gone_do_not_block(world: World) -> None:
    world.cursor.pending = {"first": 1, "last": 2}
    world.spool = world.spool[2:]
    world.run()
    assert world.target == [3, 4, 5] and world.cursor.pending is None


def test_cursor_on_a_full_disk_is_tried_again(world: World) -> None:
    world.cursor.fault = StateError("state.full", "no space")
    world.run()
    assert world.target == [1, 2, 3, 4, 5] and world.cursor.after == 5
    assert world.counters.as_dict()["retries"] == {"disk": 1}


def test_rewind_ends_the_delivery(world: World) -> None:
    def lose() -> None:
        world.sink.on_publish = lambda: None
        raise SinkRewind("disk", "the file is lost")

    world.sink.on_publish = lose
    with pytest.raises(SinkRewind):
        world.run()
    assert world.target == [] and world.cursor.after == 0
    world.run()
    assert world.target == [1, 2, 3, 4, 5]


def test_stop_leaves_no_half_batch(world: World) -> None:
    def stop(piece: Piece) -> None:
        if piece.seq == 4:
            world.ending.set()
            world.stop.set()

    world.spool[3] = stored_big(4)
    world.sink.on_write = stop
    world.run()
    assert world.target == [1, 2] and world.cursor.after == 2


def stored_big(seq: int) -> Batch:
    data = b'{"QueryName":"n.example.com","Timestamp":1767225600}\nbad\n' * 60_000
    body = gzip.compress(data, 1)
    return Batch(seq, seq, Arrival("key", "/", "dns_logs", 120_000, len(data), hash_of(body), body))


def test_lines_are_on_disk_before_the_cursor(world: World) -> None:
    """A sink of requests stores nothing before it sends."""
    written: list[bool] = []

    def commit(store: Callable[[Pending], object], *, final: bool = False) -> int:
        last = world.sink.open[-1].seq if world.sink.open else 0
        world.sink.open.clear()
        return last

    def refuse(piece: Piece) -> None:
        if piece.seq == 2:
            raise SinkRefused("400", "no")

    world.sink.commit = commit  # type: ignore[method-assign]
    world.sink.on_write = refuse
    world.cursor.on_store = lambda: written.append(world.rejects.is_synced and world.dead_letters.is_synced)
    world.run()
    assert written and all(written) and world.cursor.after == 5


def test_fault_of_the_conversion_repeats_no_part(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary file on a full disk ends the conversion in the middle of a batch."""
    original = Converter.parts
    left = [3, 2]

    def parts(converter: Converter, batch: Batch, skip: int = 0) -> Iterator[Part]:
        end = left.pop() if batch.seq == 2 and left else 1000
        for number, part in enumerate(original(converter, batch, skip), skip):
            if number >= end:
                raise SinkFault("disk", "full")
            yield part

    world.spool[1] = stored_big(2)
    monkeypatch.setattr(Converter, "parts", parts)
    pieces: list[tuple[int, int]] = []
    world.sink.on_write = lambda piece: pieces.append((piece.seq, piece.part))
    world.run()
    assert not left and len(pieces) == len(set(pieces)) and pieces == sorted(pieces)
    assert world.target == [1, 2, 3, 4, 5]
