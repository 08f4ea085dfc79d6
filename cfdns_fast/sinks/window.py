"""A bounded window of requests: sent by threads, repeated until they succeed, and completed in order."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from .base import Piece, SinkContext, SinkFault, SinkRefused, Stopped
from .pieces import Divider, NdjsonDivider

__all__ = ["MAX_RETRY_AFTER_S", "Sent", "Window"]

#: The first and the longest time between two attempts, before jitter.
MIN_DELAY_S = 0.5
MAX_DELAY_S = 60.0
#: A longer Retry-After is shortened to this.
MAX_RETRY_AFTER_S = 3600.0
#: How often waiting threads look at `SinkContext.stop`, which cannot wake them.
_POLL_S = 0.2
#: This number of faults one after another, without a success of any thread, means that the target is down.
_FAULTS_TO_DOWN = 2


class Sent(NamedTuple):
    """What the target took of a piece: without the events that became dead letters."""

    events: int
    size_bytes: int


class _Entry:
    """A piece in the window."""

    __slots__ = ("is_done", "is_last", "piece", "seq", "size_bytes")

    def __init__(self, piece: Piece) -> None:
        self.piece: Piece | None = piece
        self.seq = piece.seq
        self.is_last = piece.is_last
        self.is_done = False
        # Record batches of Arrow have nbytes.
        self.size_bytes: int = getattr(piece.data, "nbytes", None) or len(piece.data or b"")


class Window:
    """Sends pieces by up to `size` threads, and knows the last batch that is complete together with all before it.

    A piece is sent until it succeeds: after a `SinkFault` again, with growing delays and after the target's
    Retry-After at the earliest; after a `SinkRefused` in halves, down to single events, which `SinkContext.dead_letter`
    keeps. Only `SinkContext.stop` ends this.

    One thread uses `write`, `is_due`, `commit` and `close`. `write` may wait while the target is down; another thread
    may call the other methods then.

    Parameters
    ----------
    context : SinkContext
        What the sink may use of its process. ``events``, ``bytes``, ``writes``, ``write_seconds``, ``retries`` and
        ``up`` are counted here.
    size : int
        The maximum number of open requests, and of threads. Up to four times as many pieces are held while the
        first of them is not complete.
    send : callable
        ``send(piece)`` sends one piece and returns what the target took. It runs in several threads and raises
        SinkFault (with `SinkFault.rest`, that is sent the next time) or SinkRefused.
    divider : Divider or None
        How refused pieces are divided; None means NDJSON.
    max_open_bytes : int
        The maximum of the bytes of open pieces; one piece may be larger.
    commit_s : float
        `is_due` returns True at most once in this time, because a commit syncs a file.
    grace_s : float
        How long the last commit waits for requests in progress when the process must stop.
    """

    def __init__(
        self,
        context: SinkContext,
        size: int,
        send: Callable[[Any], Sent],
        *,
        divider: Divider | None = None,
        max_open_bytes: int = 32 << 20,
        commit_s: float = 1.0,
        grace_s: float = 10.0,
    ) -> None:
        self._context = context
        self._size = size
        self._send = send
        self._divider: Divider = NdjsonDivider() if divider is None else divider
        self._max_open_bytes = max_open_bytes
        self._commit_s = commit_s
        self._grace_s = grace_s
        self._changed = threading.Condition()
        self._entries: deque[_Entry] = deque()
        self._queue: deque[_Entry] = deque()
        self._threads: list[threading.Thread] = []
        self._open = 0
        self._open_bytes = 0
        self._idle = 0
        self._sending = 0
        self._complete = 0
        self._committed = 0
        self._committed_at = time.monotonic()
        self._letters = threading.Lock()
        self._failure: BaseException | None = None
        self._is_closed = False
        self._state = _TargetState(context)
        self._not_before = 0.0

    def write(self, piece: Piece) -> None:
        """Add a piece, and wait while the window is full. Raises Stopped."""
        entry = _Entry(piece)
        with self._changed:
            while self._is_full(entry):
                self._check()
                self._changed.wait(_POLL_S)
            self._check()
            self._entries.append(entry)
            if not piece.events:
                self._finish(entry)
                return
            self._open += 1
            self._open_bytes += entry.size_bytes
            self._queue.append(entry)
            if self._idle < len(self._queue) and len(self._threads) < self._size:
                name = f"{self._context.name}-{len(self._threads) + 1}"
                thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify_all()

    def is_due(self) -> bool:
        """Return whether further batches are complete and the last commit is some time ago."""
        with self._changed:
            self._raise_failure()
            is_late = time.monotonic() - self._committed_at >= self._commit_s
            return self._complete > self._committed and is_late

    def commit(self, *, final: bool = False) -> int:
        """Return the last batch that is complete together with all before it; 0 if there is none.

        Parameters
        ----------
        final : bool
            Wait for all pieces. If the process must stop, wait only for requests in progress.
        """
        with self._changed:
            if final:
                self._wait_for_all()
            self._raise_failure()
            self._committed = self._complete
            self._committed_at = time.monotonic()
            return self._committed

    def close(self) -> None:
        """End the threads. A request in progress ends by its own timeout; its thread does not keep the process."""
        with self._changed:
            self._is_closed = True
            self._queue.clear()
            self._entries.clear()
            self._changed.notify_all()
        end = time.monotonic() + 1 + _POLL_S
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _is_full(self, entry: _Entry) -> bool:
        if self._open >= self._size or len(self._entries) >= 4 * self._size:
            return True
        return self._open > 0 and self._open_bytes + entry.size_bytes > self._max_open_bytes

    def _wait_for_all(self) -> None:
        deadline: float | None = None
        while self._open and self._failure is None:
            if self._context.stop.is_set():
                if deadline is None:
                    deadline = time.monotonic() + self._grace_s
                if not self._sending or time.monotonic() > deadline:
                    return
            self._changed.wait(_POLL_S)

    def _check(self) -> None:
        """Raise what ends the window."""
        self._raise_failure()
        if self._is_closed or self._context.stop.is_set():
            raise Stopped

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _finish(self, entry: _Entry) -> None:
        """Mark an entry as done, and remove the entries that are complete; the lock is held."""
        entry.is_done = True
        entry.piece = None
        while self._entries and self._entries[0].is_done:
            first = self._entries.popleft()
            if first.is_last:
                self._complete = first.seq
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                while not self._queue and not self._is_closed:
                    self._changed.wait()
                self._idle -= 1
                if self._is_closed:
                    return
                entry = self._queue.popleft()
            assert entry.piece is not None
            try:
                self._deliver(entry.piece)
            except Stopped:
                return
            except BaseException as error:
                # The caller's thread raises it: a fault of the program must end the process, not only a thread.
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._open -= 1
                self._open_bytes -= entry.size_bytes
                self._finish(entry)

    def _deliver(self, piece: Piece) -> None:
        """Send a piece; what the target refuses of it becomes dead letters."""
        waiting: list[Any] = [piece]
        while waiting:
            refused = self._repeat(self._send_once, waiting.pop())
            if refused is None:
                continue
            part, code = refused
            halves = self._divider.halves(part)
            waiting += reversed(halves)
            if not halves:
                for index, event in self._divider.letters(part):
                    self._repeat(self._keep, (piece, index, event, code))

    def _keep(self, letter: tuple[Piece, int, bytes, str]) -> None:
        with self._letters:
            self._context.dead_letter(*letter)

    def _send_once(self, part: Any) -> None:
        with self._changed:
            self._check()
            self._sending += 1
        started = time.monotonic()
        try:
            sent = self._send(part)
        finally:
            with self._changed:
                self._sending -= 1
                self._changed.notify_all()
        counters = self._context.counters
        counters.add("writes")
        counters.add("write_seconds", time.monotonic() - started)
        counters.add("events", sent.events)
        counters.add("bytes", sent.size_bytes)

    def _repeat(self, action: Callable[[Any], None], work: Any) -> tuple[Any, str] | None:
        """Do something until it raises no SinkFault; returns the refused work and the code of the refusal, if any."""
        attempt = 0
        while True:
            self._wait_until(lambda: self._not_before)
            try:
                action(work)
            except SinkFault as fault:
                work = work if fault.rest is None else fault.rest
                self._wait_after(fault, attempt)
                attempt += 1
            except SinkRefused as refusal:
                self._is_reached()
                return work, refusal.code
            else:
                self._is_reached()
                return None

    def _wait_after(self, fault: SinkFault, attempt: int) -> None:
        delay_s = min(MAX_DELAY_S, MIN_DELAY_S * 2.0 ** min(attempt, 20)) * random.uniform(0.5, 1)
        with self._changed:
            self._state.faulted(fault)
            seen = self._state.recoveries
            if fault.retry_after_s is not None:
                # The target asks all threads to wait, not only this one.
                until = time.monotonic() + min(fault.retry_after_s, MAX_RETRY_AFTER_S)
                self._not_before = max(self._not_before, until)
        end = time.monotonic() + delay_s
        # When the target is up again, no thread waits for the end of its delay.
        self._wait_until(lambda: end if self._state.recoveries == seen else 0.0)

    def _is_reached(self) -> None:
        with self._changed:
            self._state.reached()
            self._changed.notify_all()

    def _wait_until(self, when: Callable[[], float]) -> None:
        with self._changed:
            self._check()
            while (rest_s := when() - time.monotonic()) > 0:
                self._changed.wait(min(rest_s, _POLL_S))
                self._check()


class _TargetState:
    """Whether the target is up; it writes a line to the log when this changes. The window's lock is held."""

    def __init__(self, context: SinkContext) -> None:
        self._context = context
        self._faults = 0
        self._down_since: float | None = None
        self.recoveries = 0
        context.counters.set("up", 1)

    def faulted(self, fault: SinkFault) -> None:
        """Count a fault."""
        self._context.counters.add("retries", label=fault.reason)
        self._faults += 1
        if self._down_since is None and self._faults >= _FAULTS_TO_DOWN:
            self._down_since = time.monotonic()
            self._context.counters.set("up", 0)
            self._context.warn(f"delivery waits: {fault}")

    def reached(self) -> None:
        """Note a success, or an answer that refuses content."""
        self._faults = 0
        if self._down_since is not None:
            seconds = time.monotonic() - self._down_since
            self._down_since = None
            self.recoveries += 1
            self._context.counters.set("up", 1)
            self._context.warn(f"delivery continues after {seconds:.0f} s")
