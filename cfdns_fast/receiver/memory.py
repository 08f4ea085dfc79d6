"""Settings of the garbage collector and of the allocator for a process that runs for months."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

__all__ = ["configure_allocator", "configure_collector"]

#: Parameters of mallopt in glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_MMAP_BYTES = 512 << 10
_TRIM_BYTES = 8 << 20
_ARENAS = 2

#: Objects that were created and not freed, before the youngest are looked at; so many of these for those of middle
#: age; and so many of those for all.
_THRESHOLDS = (5000, 10, 20)


def configure_collector() -> None:
    """Leave the objects of the start out of all later collections, and collect less often.

    Requests and connections leave no circles of references, so that almost nothing depends on collections. A collection
    of all objects takes a second with 10,000 connections of tornado, and stops everything else.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def configure_allocator() -> None:
    """Let freed bodies go back to the system at once, where malloc is that of glibc.

    By default, glibc raises its limit for blocks of their own to the size of the largest freed one, up to 32 MiB. Large
    bodies then come from the heaps of several threads, which keep what is freed.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)
