"""Sets options of the C library's memory for the whole process, which only a command may do."""

from __future__ import annotations

__all__ = ["keep_freed_memory"]

#: More than all data that waits to be converted.
_KEPT_BYTES = 1 << 22


def keep_freed_memory() -> None:
    """Let the C library keep freed memory instead of returning it to the system and asking for it again.

    glibc returns memory when twice as much is free as in the largest mapped block that was ever freed. This allocates
    and frees such a block without touching it; without it a large file causes more page faults.
    """
    bytes(_KEPT_BYTES)
