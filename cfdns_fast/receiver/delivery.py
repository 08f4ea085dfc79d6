"""The loop of a sink process: batches from the spool to the sink, and the cursor after them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ..sinks import Counters, Piece, Sink, SinkFault, SinkRefused, SinkRewind, Stopped
from ..spool import Batch, StateError
from .backoff import Backoff
from .dead_letters import dead_letter_line
from .lines import LineFiles
from .pieces import Part

__all__ = ["Batches", "Delivery", "Parts", "Position", "Room"]

T = TypeVar("T")

#: How long the loop waits for a batch before it looks at the time and at requests.
_POLL_S = 0.25
_REQUESTS_EVERY_S = 1.0
#: The age of the oldest batch that is not delivered is known to this.
_AGE_STEP_NS = 1_000_000_000


class Batches(Protocol):
    """What a delivery uses of a `SpoolReader`."""

    def next(self, timeout_s: float) -> Batch | None: ...


class Parts(Protocol):
    """What a delivery uses of a converter of batches."""

    def parts(self, batch: Batch, skip: int = 0) -> Iterator[Part]: ...

    def keep(self, seq: int, *, at_once: bool) -> int:
        """Make durable what the conversion of batches up to `seq` has left, and return where the cursor may move."""

    def is_due(self) -> bool:
        """Return whether `keep` should be called again."""


class Position(Protocol):
    """What a delivery uses of a `Cursor`."""

    @property
    def after(self) -> int: ...

    @property
    def pending(self) -> Mapping[str, Any] | None: ...

    def store(self, *, after: int, pending: Mapping[str, Any] | None) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a delivery works with.

    Attributes
    ----------
    ending : threading.Event
        Set when no further batch may begin.
    stop : threading.Event
        Set when the process must stop at once.
    has_request : callable
        Whether there is a request that needs a new delivery, for example to deliver batches again.
    say : callable
        Writes a line to the log: ``say(level, message)``, with the levels of `logging`.
    """

    name: str
    counters: Counters
    rejects: LineFiles
    dead_letters: LineFiles
    ending: threading.Event
    stop: threading.Event
    has_request: Callable[[], bool]
    say: Callable[[str, str], object]


class Delivery:
    """The delivery of batches to one sink, in the order of their numbers, by one thread.

    Events reach the target, then the cursor; rejects and dead letters are on disk before the cursor moves.
    """

    def __init__(self, sink: Sink, batches: Batches, cursor: Position, converter: Parts, room: Room) -> None:
        self._sink = sink
        self._batches = batches
        self._cursor = cursor
        self._converter = converter
        self._room = room
        self._counters = room.counters
        self._backoff = Backoff()
        self._is_down = False
        self._ages: deque[tuple[int, int]] = deque()
        self._asked_s = time.monotonic()

    def run(self) -> None:
        """Deliver until the end is asked for, or until there is a request; then commit what is complete.

        Raises
        ------
        SinkRewind
            The sink lost what is not committed; a new delivery begins after the cursor.
        """
        self._counters.set("seq", self._cursor.after)
        self._counters.set("up", 1)
        try:
            held = self._recover()
            while not self._room.ending.is_set() and not self._is_asked():
                # Shows the supervisor that the process does not hang.
                self._counters.add("loops")
                batch = held or self._batches.next(_POLL_S)
                held = None
                # The reader begins before the batches that were recovered.
                if batch is not None and batch.seq > self._cursor.after:
                    self._deliver(batch)
                if self._sink.is_due() or self._converter.is_due():
                    self._commit()
            self._commit(final=True)
        except Stopped:
            # What is not committed comes again after the next start.
            return

    def _recover(self) -> Batch | None:
        """Finish what an earlier process has begun to publish. Returns a batch that was read and is not part of it."""
        pending = self._cursor.pending
        last = int(pending["last"]) if pending else 0
        is_complete = pending is not None and self._try(lambda: self._sink.recover(pending))
        batch = self._batches.next(0)
        # Rejects of batches that come again were written before.
        delivered, next_seq = last if is_complete else self._cursor.after, batch.seq if batch else None
        self._try(lambda: self._room.rejects.rewind(delivered, next_seq))
        if is_complete:
            self._store(last)
        elif pending is not None:
            first = pending["first"]
            self._room.say("warning", f"batches {first} to {last} were not complete; they are delivered again")
            batch = batch or self._batches.next(_POLL_S)
            while batch is not None and batch.seq <= last:
                self._deliver(batch)
                batch = self._batches.next(_POLL_S)
            self._commit()
            if self._cursor.pending:
                # Its batches are not there any more.
                self._store(self._cursor.after)
        return batch

    def _deliver(self, batch: Batch) -> None:
        if not self._ages or batch.received_ns >= self._ages[-1][1] + _AGE_STEP_NS:
            self._ages.append((batch.seq, batch.received_ns))
            self._counters.set("oldest_ns", self._ages[0][1])
        used = 0

        def deliver_rest() -> None:
            nonlocal used
            for part in self._converter.parts(batch, used):
                lines = part.rejects
                if lines is not None:
                    self._try(lambda lines=lines: self._room.rejects.write(lines()))  # type: ignore[misc]
                if part.piece is not None:
                    self._write(part.piece)
                # A fault of the conversion begins the batch again; these parts are then left out.
                used += 1
                for code, count in part.reject_codes.items():
                    self._counters.add("rejects", count, code)
                for code, count in part.problem_codes.items():
                    self._counters.add("problems", count, code)

        self._try(deliver_rest)

    def _write(self, piece: Piece) -> None:
        self._check_stop()
        try:
            self._try(lambda: self._sink.write(piece))
        except SinkRefused as refusal:
            code = refusal.code
            self._try(lambda: self._bury(piece, code))

    def _bury(self, piece: Piece, code: str) -> None:
        """Keep a piece that the sink refused as a whole."""
        if not isinstance(piece.data, bytes):
            raise SinkFault(code, "the sink refuses a piece that cannot be kept as lines")
        events = [piece.data] if self._sink.wants == "raw" else piece.data.removesuffix(b"\n").split(b"\n")
        self._room.dead_letters.write(
            dead_letter_line(self._room.name, piece, piece.first_event + number, event, code)
            for number, event in enumerate(events)
        )
        self._counters.add("dead_letters", len(events), code)

    def _commit(self, *, final: bool = False) -> None:
        self._store(self._try(lambda: self._sink.commit(self._store_pending, final=final)), at_once=final)

    def _store_pending(self, pending: Mapping[str, Any]) -> None:
        """Store what the sink is going to publish; the rejects of these batches are on disk before."""
        self._sync(int(pending["last"]))
        # If the process is killed after this, `_recover` may move the cursor there.
        self._converter.keep(int(pending["last"]), at_once=True)
        _store_cursor(self._cursor, self._cursor.after, pending)

    def _store(self, seq: int, *, at_once: bool = False) -> None:
        if seq > self._cursor.after:
            seq = self._converter.keep(seq, at_once=at_once)
        after = max(seq, self._cursor.after)
        if after == self._cursor.after and not self._cursor.pending:
            return

        def store() -> None:
            self._sync(after)
            _store_cursor(self._cursor, after, None)

        self._try(store)
        while self._ages and self._ages[0][0] <= after:
            self._ages.popleft()
        self._counters.set("seq", after)
        self._counters.set("oldest_ns", self._ages[0][1] if self._ages else 0)

    def _sync(self, after: int) -> None:
        self._room.dead_letters.sync()
        self._room.rejects.sync()
        self._room.rejects.mark(after, self._cursor.after)

    def _try(self, action: Callable[[], T]) -> T:
        """Return the result of an action, which is done again and again while the target or the disk has a fault."""
        while True:
            try:
                result = action()
            except SinkRewind:
                raise
            except SinkFault as fault:
                self._counters.add("retries", 1, fault.reason)
                if not self._is_down:
                    self._is_down = True
                    self._counters.set("up", 0)
                    self._room.say("error", f"waiting, and trying again: {fault}")
                if self._room.ending.wait(self._backoff.next(fault.retry_after_s)):
                    raise Stopped from fault
            else:
                if self._is_down:
                    self._is_down = False
                    self._counters.set("up", 1)
                    self._room.say("info", "delivering again")
                self._backoff.reset()
                return result

    def _check_stop(self) -> None:
        if self._room.stop.is_set():
            raise Stopped

    def _is_asked(self) -> bool:
        if time.monotonic() - self._asked_s < _REQUESTS_EVERY_S:
            return False
        self._asked_s = time.monotonic()
        return self._room.has_request()


def _store_cursor(cursor: Position, after: int, pending: Mapping[str, Any] | None) -> None:
    try:
        cursor.store(after=after, pending=pending)
    except StateError as error:
        raise SinkFault("disk", str(error)) from error
