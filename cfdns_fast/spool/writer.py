"""Store batches durably: groups of arrivals, one commit a group, one answer a group."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from .active import Active
from .batch import Arrival, Outcome
from .closing import Closer
from .files import is_full_disk
from .groups import Groups, Item
from .inventory import Inventory
from .known import Known
from .numbers import Reservation
from .recovery import Recovery, recover
from .rows import row_of
from .segment import SegmentChanged
from .space import Space
from .state import StateError, StateFolder
from .status import SpoolStatus

__all__ = ["SpoolWriter"]

_LOG = logging.getLogger("cfdns_fast.spool")

#: Between two looks at the age of the segment, the positions of the sinks and the free space without arrivals.
_TICK_S = 1.0
#: Between two log lines about commits that fail.
_REPORT_S = 60

Outcomes = list[tuple[Any, Outcome]]


class SpoolWriter:
    """The one writer of a state folder.

    Parameters
    ----------
    state : StateFolder
        A prepared state folder. `open` takes the receiver's lock if the caller does not hold it.
    on_group : callable
        ``on_group([(token, Outcome), ...])`` is called on the spool thread once a group, after its commit.
    on_commit : callable or None
        ``on_commit(seconds, batches)`` is called on the spool thread after every commit that succeeded.
    sink_names : collection of str
        The configured sinks. Each gets a position, so that its batches are kept until its process runs.
    segment_bytes, segment_s, max_spool_bytes, min_free_bytes, dedupe_s, max_hashes, keep_s
        As for `Settings` of the receiver.
    """

    def __init__(
        self,
        state: StateFolder,
        *,
        on_group: Callable[[Outcomes], object],
        on_commit: Callable[[float, int], object] | None = None,
        sink_names: Collection[str] = (),
        segment_bytes: int = 128 << 20,
        segment_s: float = 3600,
        max_spool_bytes: int = 20 << 30,
        min_free_bytes: int = 1 << 30,
        dedupe_s: float = 600,
        max_hashes: int = 200_000,
        keep_s: float = 0,
    ) -> None:
        self.on_group = on_group
        self.on_commit = on_commit
        self._state = state
        self._sink_names = tuple(sink_names)
        self._known = Known(state, dedupe_s, max_hashes)
        self._inventory = Inventory(state, keep_s)
        self._active = Active(state, self._inventory, segment_bytes, segment_s, min_free_bytes)
        self._space = Space(self._inventory, self._active, max_spool_bytes, min_free_bytes)
        self._groups = Groups()
        self._thread: threading.Thread | None = None
        self._clean_up = ExitStack()
        self._last_seq = 0
        self._failure = ""  # the code of the last commit, if it failed
        self._reported_s = 0.0
        self._moved_s = time.monotonic()
        self._tick_s = 0.0

    def open(self) -> Recovery:
        """Read what is stored, and start the spool thread.

        Raises
        ------
        StateError
            Another receiver uses the folder, a segment has another version, or files cannot be read or written.
        """
        assert self._thread is None, "a writer is opened once"
        with ExitStack() as clean_up:
            if not self._state.has_receiver_lock:
                clean_up.enter_context(self._state.lock_receiver())
            try:
                reservation = Reservation(self._state)
                stored, recovery = recover(self._state, reservation, self._sink_names)
                self._inventory.start(stored, self._sink_names)
            except OSError as error:
                raise StateError.of(self._state.path, error) from error
            self._last_seq = recovery.last_seq
            corrupt = list(recovery.corrupt)
            clean_up.callback(self._known.close)
            if not self._known.open(self._inventory.stored(), recovery.last_seq):
                corrupt.append("state.db")
            closer = Closer()
            clean_up.callback(closer.close)
            self._active.start(closer, reservation, recovery.last_seq)
            self._closer = closer
            self._clean_up = clean_up.pop_all()
        recovery = recovery._replace(corrupt=corrupt)
        self._tick()
        self._groups.open()
        self._thread = threading.Thread(target=self._run, name="cfdns-spool", daemon=True)
        self._thread.start()
        return recovery

    def submit(self, arrival: Arrival, token: Any) -> None:
        """Store an arrival soon; `on_group` gets the token and the outcome. Any thread may call.

        The caller bounds what is waiting.

        Raises
        ------
        StateError
            ``"state.closed"``: the writer is closed; the outcome is not reported.
        """
        self._groups.put(arrival, token)

    def status(self) -> SpoolStatus:
        """Return the state of the spool. Any thread may call; it reads no file."""
        thread = self._thread
        inventory = self._inventory.view
        return SpoolStatus(
            inventory.bytes,
            inventory.batches,
            inventory.oldest_ns,
            self._last_seq,
            inventory.free_bytes,
            self._space.is_full or self._failure == "full",
            self._failure == "failed",
            inventory.corrupt_total,
            thread is not None and thread.is_alive() and time.monotonic() - self._moved_s < 60,
        )

    def close(self) -> None:
        """Store what was submitted, then close all files. Any thread may call."""
        if not self._groups.close() or self._thread is None:
            return
        self._thread.join()
        self._active.finish()
        self._known.save(self._closer)
        self._clean_up.close()

    # All methods below run on the spool thread.

    def _run(self) -> None:
        is_last = False
        while not is_last:
            group, is_last = self._groups.next(_TICK_S)
            self._moved_s = time.monotonic()
            if group:
                self._answer(group, self._store_safely(group))
            if time.monotonic() - self._tick_s >= _TICK_S:
                self._tick()

    def _store_safely(self, group: Sequence[Item]) -> Sequence[Outcome]:
        try:
            return self._store(group)
        except Exception as error:
            _LOG.error("batches were not stored: %s", type(error).__name__)
            return [Outcome("failed")] * len(group)

    def _answer(self, group: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        try:
            self.on_group([(item.token, outcome) for item, outcome in zip(group, outcomes, strict=True)])
        except Exception as error:
            _LOG.error("the answer to a group of batches failed: %s", type(error).__name__)

    def _store(self, group: Sequence[Item]) -> list[Outcome]:
        """Store what is new, and return the outcomes in the order of the group."""
        now_s = time.monotonic()
        found: list[int | None] = [self._known.find(item.key, now_s) for item in group]
        firsts: dict[bytes, int] = {}
        new: list[int] = []
        for index, item in enumerate(group):
            if found[index] is None and not (item.key is not None and self._joins(firsts, item.key, index)):
                new.append(index)
        code, first_seq = self._commit([group[index].arrival for index in new]) if new else ("stored", 0)
        numbers: dict[int, int] = {}
        if code == "stored":
            numbers = {index: first_seq + position for position, index in enumerate(new)}
            self._known.add([(group[index].key, seq) for index, seq in numbers.items()])
        outcomes = []
        for index, item in enumerate(group):
            known = found[index]
            if known is not None:
                outcomes.append(Outcome("duplicate", known))
            elif index in numbers:
                outcomes.append(Outcome("stored", numbers[index]))
            elif code == "stored" and item.key is not None:
                outcomes.append(Outcome("duplicate", numbers[firsts[item.key]]))
            else:
                outcomes.append(Outcome(code))
        return outcomes

    def _joins(self, firsts: dict[bytes, int], key: bytes, index: int) -> bool:
        """Return whether the same body is earlier in the group; its outcome is shared then."""
        return self._known.is_on and firsts.setdefault(key, index) != index

    def _commit(self, arrivals: Sequence[Arrival]) -> tuple[str, int]:
        """Store arrivals in one transaction, and return the code for all and the first number."""
        started_s = time.perf_counter()
        first_seq = self._last_seq + 1
        code = "failed"
        try:
            if self._space.refuses(sum(len(arrival.body) for arrival in arrivals)):
                return "full", 0
            # The numbers of a failed group are not used again: after a crash, its rows may be in the WAL after all.
            self._last_seq += len(arrivals)
            received_ns = time.time_ns()
            rows = [row_of(seq, received_ns, arrival) for seq, arrival in enumerate(arrivals, first_seq)]
            self._active.store(rows, received_ns)
            code = "stored"
        except SegmentChanged as error:
            self._report(str(error))
        except sqlite3.Error as error:
            is_full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
            code = "full" if is_full else "failed"
            self._report(str(error))
        except OSError as error:
            code = "full" if is_full_disk(error) else "failed"
            self._report(error.strerror or type(error).__name__)
        except Exception as error:
            self._report(type(error).__name__)
        if code == "stored" and self._failure:
            _LOG.warning("batches are stored again")
        self._failure = "" if code == "stored" else code
        if self._failure:
            self._active.abandon()
        elif self.on_commit is not None:
            with suppress(Exception):
                self.on_commit(time.perf_counter() - started_s, len(arrivals))
        return code, first_seq

    def _report(self, reason: str) -> None:
        """Log why a group was not stored: the first time, and then once a minute."""
        now_s = time.monotonic()
        if not self._failure or now_s - self._reported_s >= _REPORT_S:
            self._reported_s = now_s
            _LOG.error("batches were not stored: %s", reason)

    def _tick(self) -> None:
        self._tick_s = time.monotonic()
        try:
            self._active.finish_if_old()
            wanted_bytes = self._space.wanted_bytes()
            self._inventory.refresh(self._active.file, self._active.reservation, self._last_seq, wanted_bytes)
            self._space.look_again()
            if self._failure and not self._space.is_full:
                self._try_again()
        except Exception as error:
            _LOG.error("the spool was not examined: %s", getattr(error, "strerror", None) or type(error).__name__)
        self._known.forget()
        self._known.save(self._closer)

    def _try_again(self) -> None:
        """Create a segment after a failure, because no batch may come before the receiver is ready again."""
        try:
            self._active.prepare(self._last_seq + 1)
        except (OSError, sqlite3.Error, SegmentChanged):
            self._active.abandon()
        else:
            self._failure = ""
