"""Which segment is written: create the next one when it is needed, and hand the last one over to be closed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from .closing import Closer
from .drops import drop_segment
from .inventory import Inventory
from .numbers import MAX_SEGMENT_BATCHES, Reservation
from .rows import Row
from .segment import ActiveSegment, empty_segment
from .segment_file import SegmentFile
from .state import StateFolder

__all__ = ["Active"]


class Active:
    """The segment that is written, if there is one. The spool thread uses it.

    Parameters
    ----------
    segment_bytes, segment_s : int, float
        A segment of this size or age is closed. The age comes from the monotonic clock.
    min_free_bytes : int
        The copy of a WAL leaves this space free; without it, the WAL stays.
    """

    reservation: Reservation

    def __init__(
        self, state: StateFolder, inventory: Inventory, segment_bytes: int, segment_s: float, min_free_bytes: int
    ) -> None:
        self._state = state
        self._inventory = inventory
        self._segment_bytes = segment_bytes
        self._segment_s = segment_s
        self._min_free_bytes = min_free_bytes
        self._segment: ActiveSegment | None = None
        self._created_s = 0.0
        self._empty = b""
        self._last_stored = 0

    def start(self, closer: Closer, reservation: Reservation, last_seq: int) -> None:
        """Take what only exists after the recovery."""
        self._closer = closer
        self._last_stored = last_seq
        self.reservation = reservation

    @property
    def file(self) -> SegmentFile | None:
        """The file that is written; None if there is none."""
        return None if self._segment is None else self._segment.file

    @property
    def wal_bytes(self) -> int:
        return 0 if self._segment is None else self._segment.wal_bytes

    def store(self, rows: Sequence[Row], received_ns: int) -> None:
        """Commit rows to the segment, after creating it if there is none.

        Raises
        ------
        SegmentChanged, sqlite3.Error, OSError
            Nothing is stored; the caller abandons the segment.
        """
        last = rows[-1][0]
        segment = self.prepare(rows[0][0])
        segment.store(rows)
        self._last_stored = last
        self._inventory.stored_rows(segment.file, last, received_ns)
        if segment.wal_bytes >= self._segment_bytes or segment.batches >= MAX_SEGMENT_BATCHES:
            self.finish()

    def prepare(self, first: int) -> ActiveSegment:
        """Return the segment, which is created if there is none; raises as `store`.

        Parameters
        ----------
        first : int
            The number of the next batch.
        """
        if self._segment is None:
            self.reservation.cover(first)
            # Not at the start, so that sinks can free space on a full disk.
            self._empty = self._empty or empty_segment(self._state.path)
            # The name excludes the rows of a failed commit from the segment before, whose numbers are in between. It
            # exists if the segment of a failed commit without batches could not be removed.
            name = self._last_stored + 1
            if SegmentFile.of(self._state.spool, name).path.exists():
                name = first
            self._segment = ActiveSegment(self._state.spool, name, self._empty, first - name)
            self._created_s = time.monotonic()
        return self._segment

    def finish_if_old(self) -> None:
        if self._segment is not None and time.monotonic() - self._created_s >= self._segment_s:
            self.finish()

    def finish(self) -> None:
        """Close the segment on the other thread, and copy its WAL into the main file.

        A delivered segment is not copied, and neither is one without space for the copy.
        """
        self._hand_over(compact=True)

    def abandon(self) -> None:
        """Close the segment after a failure. Its files are not written again, and removed if nothing is stored."""
        segment = self._segment
        if segment is not None and not segment.batches:
            with suppress(OSError):
                drop_segment(self._state, segment.file)
        self._hand_over(compact=False)

    def _hand_over(self, *, compact: bool) -> None:
        segment, self._segment = self._segment, None
        if segment is None:
            return
        self._inventory.add_closing(segment.file)

        def is_wanted() -> bool:
            if not compact or self._inventory.is_delivered(segment.file):
                return False
            _, free = self._inventory.measure(0)
            return free - segment.wal_bytes >= self._min_free_bytes

        self._closer.close_segment(segment, is_wanted, self._inventory.closed)
