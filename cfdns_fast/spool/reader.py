"""Read batches in the order of their numbers, while other processes add segments and drop them."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress

from .batch import Batch
from .drops import mark_damaged
from .numbers import MAX_SEGMENT_BATCHES
from .rows import Row, batch_of
from .segment_file import SegmentFile, first_used, is_busy, is_damage, is_never_used, list_segments, open_to_read
from .state import StateError, StateFolder

__all__ = ["SpoolReader"]

_NEXT = "SELECT * FROM batch WHERE seq > ? AND seq < ? ORDER BY seq LIMIT 1"
_ONE = "SELECT * FROM batch WHERE seq = ?"
_NO_END = 1 << 62
#: Waits between two looks at a spool without a new batch: they double up to the last, which bounds the delay in calm.
_FIRST_WAIT_S = 0.002
_LAST_WAIT_S = 0.1
#: A read that fails is tried again before the data counts as damaged.
_READ_TRIES = 3


class SpoolReader:
    """Batches after a number, without an end. One thread uses it; any number of processes may read.

    Damage is skipped: the next batch that can be read follows. The segment is marked, and is moved to the corrupt
    folder when all sinks have passed it.

    Parameters
    ----------
    state : StateFolder
        The state folder.
    after : int
        The batch before the first one; 0 starts at the oldest.
    marks_damage : bool
        Whether damaged segments are marked. A reader that only looks at the spool changes nothing.

    Attributes
    ----------
    corrupt : list of str
        The names of the segments in which damage was found.
    skipped : int
        The number of damaged batches that were skipped, as far as it is known.
    """

    def __init__(self, state: StateFolder, after: int, *, marks_damage: bool = True) -> None:
        self.after = after
        self.corrupt: list[str] = []
        self.skipped = 0
        self._state = state
        self._marks_damage = marks_damage
        self._segment: SegmentFile | None = None
        self._connection: sqlite3.Connection | None = None
        self._following: SegmentFile | None = None
        self._is_snapshot = False
        self._next = 0  # the number that follows, if nothing is damaged

    def __enter__(self) -> SpoolReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def next(self, timeout_s: float) -> Batch | None:
        """Return the next batch; None if there is none within `timeout_s` seconds.

        Raises
        ------
        StateError
            The spool cannot be read now, for example because the process has no free file descriptor, or because
            another process holds a lock.
        """
        end_s = time.monotonic() + timeout_s
        wait_s = _FIRST_WAIT_S
        while True:
            batch: Batch | None = None
            busy: sqlite3.Error | None = None
            try:
                batch = self._find()
            except sqlite3.Error as error:
                busy = error  # The same batch is next.
            except OSError as error:
                raise StateError.of(self._state.spool, error) from error
            if batch is not None:
                self.after = batch.seq
                return batch
            left_s = end_s - time.monotonic()
            if left_s <= 0 and busy is not None:
                raise StateError("state.unreadable", f"{self._state.spool}: {busy}") from busy
            if left_s <= 0:
                return None
            time.sleep(min(wait_s, left_s))
            wait_s = min(wait_s * 2, _LAST_WAIT_S)

    def close(self) -> None:
        """Close the files. Nothing is written."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _find(self) -> Batch | None:
        """Return the next batch if there is one now; raises sqlite3.Error if another process holds a lock."""
        if self._segment is not None:
            batch = self._read(self._segment, self._following)
            if batch is not None:
                return batch
        while True:
            # The list is older than the reads below: if it has a later segment, this one gets no more batches.
            segments = list_segments(self._state)
            if not segments:
                return None
            index = max(sum(segment.first <= self.after + 1 for segment in segments) - 1, 0)
            segment = segments[index]
            following = segments[index + 1] if index + 1 < len(segments) else None
            self._following = following
            batch = self._read(segment, following)
            if batch is not None:
                return batch
            if self._is_snapshot:
                self._leave()  # A snapshot never has later batches.
            if following is None:
                return None
            self.after = max(self.after, following.first - 1)

    def _read(self, segment: SegmentFile, following: SegmentFile | None) -> Batch | None:
        """Return the next batch of a segment, without those that are damaged; None at its end.

        `following` is the next segment; without one, the segment may be incomplete.
        """
        tries = 0
        end = _NO_END if following is None else following.first
        while True:
            try:
                row = self._open(segment).execute(_NEXT, (self.after, end)).fetchone()
            except sqlite3.Error as error:
                self._leave()
                if is_never_used(segment):
                    return None  # It was dropped, or never used.
                if is_busy(error):
                    raise
                if not is_damage(error):
                    raise StateError("state.unreadable", f"{segment.path}: {error}") from error
                tries += 1
                if tries < _READ_TRIES:
                    time.sleep(_FIRST_WAIT_S * tries)
                    continue
                self._mark(segment)
                row = self._next_readable(segment, following)
            if row is None:
                if following is not None and following.first - self._next <= MAX_SEGMENT_BATCHES:
                    # A greater distance comes from numbers that were reserved by a receiver before.
                    self._skip(segment, following.first)
                return None
            batch = batch_of(row)
            if batch is not None:
                self._skip(segment, batch.seq)
                self._next = batch.seq + 1
                return batch
            # Not up to the number of the row, which may be damaged too.
            self._skip(segment, self._next + 1)
            self.after = self._next - 1

    def _skip(self, segment: SegmentFile, following_seq: int) -> None:
        """Count the batches before a number as damaged. The numbers of a segment have no gaps."""
        if following_seq <= self._next:
            return
        # A segment that was dropped while it was opened may lack its WAL.
        if segment.path.exists():
            self._mark(segment)
            self.skipped += following_seq - self._next
        self._next = following_seq

    def _next_readable(self, segment: SegmentFile, following: SegmentFile | None) -> Row | None:
        """Return the first row after damage, by looking for every number."""
        last = self._last(segment)
        if last is None:
            if following is None:
                return None  # The end is unknown, and the segment may be incomplete.
            last = segment.first + MAX_SEGMENT_BATCHES
        if following is not None:
            last = min(last, following.first - 1)
        for seq in range(self._next, last + 1):
            try:
                row: Row | None = self._open(segment).execute(_ONE, (seq,)).fetchone()
            except sqlite3.Error as error:
                if not is_damage(error):
                    self._leave()
                    raise StateError("state.unreadable", f"{segment.path}: {error}") from error
                row = None
            if row is not None:
                return row
            self._skip(segment, seq + 1)
            self.after = seq
        return None

    def _last(self, segment: SegmentFile) -> int | None:
        """Return the last number of a segment; None if it cannot be read."""
        try:
            row = self._open(segment).execute("SELECT max(seq) FROM batch").fetchone()
        except sqlite3.Error:
            self._leave()
            return None
        return int(row[0] or 0)

    def _open(self, segment: SegmentFile) -> sqlite3.Connection:
        if self._connection is None or segment != self._segment:
            self._leave()
            self._is_snapshot = not segment.has_wal()
            self._connection = open_to_read(segment.path, is_snapshot=self._is_snapshot)
            self._segment = segment
            self._next = max(self.after + 1, segment.first)
            self._next = max(self.after + 1, first_used(segment, self._connection))
        return self._connection

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        self._segment = None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _mark(self, segment: SegmentFile) -> None:
        if segment.name not in self.corrupt:
            if self._marks_damage:
                mark_damaged(segment)
            self.corrupt.append(segment.name)
