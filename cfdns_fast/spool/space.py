"""Whether there is space for more batches."""

from __future__ import annotations

import logging

from .active import Active
from .groups import MAX_GROUP_BYTES
from .inventory import Inventory

__all__ = ["Space"]

_LOG = logging.getLogger("cfdns_fast.spool")

#: Batches are accepted again below this share of the maximum size.
_RESUME_SHARE = 0.95
#: Kept segments are dropped before the free space is at its minimum: two groups of batches more.
_MARGIN_BYTES = 2 * MAX_GROUP_BYTES


class Space:
    """The limits of the spool. The spool thread uses it.

    Parameters
    ----------
    max_spool_bytes : int
        Batches are refused from this size of all segments on.
    min_free_bytes : int
        The reserve of the file system, for positions of sinks and their files.

    Attributes
    ----------
    is_full : bool
        Whether batches are refused. Other threads may read it.
    """

    def __init__(self, inventory: Inventory, active: Active, max_spool_bytes: int, min_free_bytes: int) -> None:
        self.is_full = False
        self._inventory = inventory
        self._active = active
        self._max_spool_bytes = max_spool_bytes
        self._min_free_bytes = min_free_bytes
        self._refused_bytes = 0

    def refuses(self, size: int) -> bool:
        """Return whether a group of this size has no space; raises OSError.

        When the spool becomes full, the written segment is closed, so that it can be dropped when it is delivered.
        """
        used, free = self._inventory.measure(self._active.wal_bytes)
        limit = self._max_spool_bytes
        if self.is_full:
            # Space for the group that was refused must be there, and a little more, before batches are accepted.
            size = max(size, self._refused_bytes + self._refused_bytes // 20)
            limit = int(limit * _RESUME_SHARE)
        is_full = used >= limit or free - size < self._min_free_bytes
        if is_full and not self.is_full:
            _LOG.warning("the spool is full: %d bytes in use, %d bytes free", used, free)
            self._refused_bytes = size
            self._active.finish()
        elif self.is_full and not is_full:
            _LOG.warning("the spool has space again: %d bytes in use, %d bytes free", used, free)
        self.is_full = is_full
        return is_full

    def wanted_bytes(self) -> int:
        """Return how much must be freed before batches are accepted for a while; raises OSError.

        Segments that are only kept for replays give way, because refused batches could be lost.
        """
        used, free = self._inventory.measure(self._active.wal_bytes)
        return max(
            used - int(self._max_spool_bytes * _RESUME_SHARE) + 1, self._min_free_bytes + _MARGIN_BYTES - free, 0
        )

    def look_again(self) -> None:
        """Find out whether a full spool has space now; raises OSError."""
        if self.is_full:
            self.refuses(0)
