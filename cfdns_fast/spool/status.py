"""What a writer says of the spool."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["SpoolStatus"]


class SpoolStatus(NamedTuple):
    """The spool at a moment.

    Attributes
    ----------
    bytes : int
        The size of all segments.
    batches : int
        Batches that at least one sink has not delivered.
    oldest_ns : int or None
        About when the oldest of these arrived (nanoseconds since 1970).
    last_seq : int
        The number of the last stored batch.
    free_bytes : int
        The free space of the file system.
    is_full : bool
        Whether batches are refused, because of the size of the spool or the free space, or because the last commit
        found the disk full.
    failed : bool
        Whether the last commit failed for another reason, and no segment could be created since.
    corrupt_total : int
        Damaged segments and files, now and in the corrupt folder.
    is_alive : bool
        Whether the spool thread runs and is not stuck.
    """

    bytes: int
    batches: int
    oldest_ns: int | None
    last_seq: int
    free_bytes: int
    is_full: bool
    failed: bool
    corrupt_total: int
    is_alive: bool
