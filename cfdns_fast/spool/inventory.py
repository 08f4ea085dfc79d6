"""What is stored: sizes, numbers and ages of the segments, and which of them can be dropped."""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections.abc import Collection
from contextlib import suppress
from typing import NamedTuple

from .cursor import Cursor, min_position
from .drops import drop_delivered, drop_segment, is_recent, size_of
from .numbers import Reservation
from .recovery import StoredSegment
from .segment import ActiveSegment
from .segment_file import SegmentFile, list_segments
from .state import StateFolder

__all__ = ["Inventory", "View"]

#: Ages of batches are remembered at intervals; more entries than this are thinned out.
_MAX_AGES = 8192
_AGE_NS = 1_000_000_000


class View(NamedTuple):
    """A consistent copy for other threads."""

    bytes: int = 0
    batches: int = 0
    oldest_ns: int | None = None
    free_bytes: int = 0
    corrupt_total: int = 0


class Inventory:
    """The segments of the spool. The spool thread uses it; other threads read `view`."""

    def __init__(self, state: StateFolder, keep_s: float) -> None:
        self.view = View()
        self._state = state
        self._keep_s = keep_s
        self._segments: dict[int, StoredSegment] = {}
        self._ages: list[tuple[int, int]] = []
        self._closed_bytes = 0
        self._closing: set[int] = set()
        self._closing_lock = threading.Lock()

    def start(self, stored: Collection[StoredSegment], sink_names: Collection[str]) -> None:
        """Take the segments of earlier processes, and give every configured sink a position; raises StateError."""
        self._segments = {segment.file.first: segment for segment in stored}
        self._ages = sorted((segment.file.first, segment.first_ns) for segment in stored if segment.first_ns)
        for name in sink_names:
            Cursor(self._state, name)
        self._closed_bytes = sum(size_of(segment.file) for segment in stored)

    def stored(self) -> list[StoredSegment]:
        """Return the segments by number."""
        return [self._segments[first] for first in sorted(self._segments)]

    def stored_rows(self, file: SegmentFile, last: int, received_ns: int) -> None:
        """Take note of a commit."""
        segment = self._segments.get(file.first)
        if segment is None:
            self._segments[file.first] = StoredSegment(file, last, received_ns)
        else:
            segment.last = last
        if not self._ages or abs(received_ns - self._ages[-1][1]) >= _AGE_NS:
            self._ages.append((last, received_ns))
            if len(self._ages) > _MAX_AGES:
                del self._ages[1::2]

    def add_closing(self, file: SegmentFile) -> None:
        """Take note of a segment that another thread closes: until `closed`, its files stay."""
        with self._closing_lock:
            self._closing.add(file.first)
        with suppress(OSError):
            self._closed_bytes += size_of(file)

    def is_delivered(self, file: SegmentFile) -> bool:
        """Return whether no sink needs a segment; raises OSError. Any thread may call."""
        segment = self._segments.get(file.first)
        return segment is None or segment.last <= min_position(self._state)

    def closed(self, segment: ActiveSegment) -> None:
        """Take note of the end of `add_closing`. The closing thread calls."""
        with self._closing_lock:
            self._closing.discard(segment.file.first)

    def measure(self, active_bytes: int) -> tuple[int, int]:
        """Return the bytes of the spool, with those of the active WAL, and the free bytes; raises OSError."""
        found = os.statvfs(self._state.spool)
        return self._closed_bytes + active_bytes, found.f_bavail * found.f_frsize

    def refresh(
        self, active: SegmentFile | None, reservation: Reservation, last_seq: int, wanted_bytes: int = 0
    ) -> None:
        """Drop what is delivered, with `wanted_bytes` of kept segments, and measure again; raises OSError."""
        position = min_position(self._state)
        drop_delivered(self._state, position, self._keep_s, wanted_bytes)
        self._forget_dropped()
        self._drop_newest(active, reservation, position, last_seq, 0 if wanted_bytes > 0 else self._keep_s)
        sizes = self._forget_dropped()
        self._closed_bytes = sum(size for first, size in sizes.items() if active is None or first != active.first)
        found = os.statvfs(self._state.spool)
        self.view = View(
            sum(sizes.values()),
            sum(segment.batches_after(position) for segment in self._segments.values()),
            self._oldest_ns(position, last_seq),
            found.f_bavail * found.f_frsize,
            self._count_corrupt(),
        )

    def _forget_dropped(self) -> dict[int, int]:
        """Forget the segments without a file; return the sizes of the others by number."""
        sizes = {segment.first: size_of(segment) for segment in list_segments(self._state)}
        for first in [first for first in self._segments if first not in sizes]:
            del self._segments[first]
        return sizes

    def _drop_newest(
        self, active: SegmentFile | None, reservation: Reservation, position: int, last_seq: int, keep_s: float
    ) -> None:
        """Drop the last segment too if it is delivered and not open; sinks never do this."""
        with self._closing_lock:
            is_closing = bool(self._closing)
        if active is not None or is_closing or len(self._segments) > 1:
            return
        for segment in list(self._segments.values()):
            if segment.is_exact and segment.last <= position and not is_recent(segment.file, keep_s):
                # Without space for it, the greater reservation is valid, and the space is needed.
                with suppress(OSError):
                    reservation.end_at(max(last_seq, segment.last))
                drop_segment(self._state, segment.file)

    def _oldest_ns(self, position: int, last_seq: int) -> int | None:
        """Return about when the first batch after `position` arrived, None if there is none."""
        waiting = any(segment.last > position for segment in self._segments.values())
        if not waiting or not self._ages:
            self._ages = self._ages[-1:]
            return None
        index = max(bisect_right(self._ages, (position + 1, 1 << 63)) - 1, 0)
        del self._ages[:index]
        return self._ages[0][1]

    def _count_corrupt(self) -> int:
        with os.scandir(self._state.corrupt) as entries:
            kept = sum(not entry.name.endswith(("-wal", "-shm")) for entry in entries)
        with os.scandir(self._state.spool) as entries:
            return kept + sum(entry.name.endswith(".damaged") for entry in entries)
