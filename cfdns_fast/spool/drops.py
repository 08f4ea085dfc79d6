"""Remove segments that every sink has delivered, and keep those that are damaged."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from .segment_file import SegmentFile, list_segments
from .state import StateFolder

__all__ = ["drop_delivered", "drop_segment", "is_recent", "mark_damaged", "remove_orphans", "set_aside", "size_of"]

#: Temporary files outside of the spool are removed at this age.
_STALE_S = 60


def drop_delivered(state: StateFolder, min_after: int, keep_s: float = 0, wanted_bytes: int = 0) -> None:
    """Drop the segments in which no batch has a number above `min_after`.

    The newest segment always stays: the receiver may be writing it, and its name keeps numbers from being used
    again. Only the receiver drops it.

    Parameters
    ----------
    min_after : int
        The smallest of the positions of all sinks.
    keep_s : float
        How long a delivered segment is kept after its last batch.
    wanted_bytes : int
        Drop so many bytes of kept segments as well, the oldest first.

    Raises
    ------
    OSError
        A file could not be removed.
    """
    for segment, following in pairwise(list_segments(state)):
        if following.first - 1 > min_after or (wanted_bytes <= 0 and is_recent(segment, keep_s)):
            break
        wanted_bytes -= size_of(segment)
        drop_segment(state, segment)


def drop_segment(state: StateFolder, segment: SegmentFile) -> None:
    """Remove a delivered segment, or move it to the corrupt folder if damage was found in it; raises OSError."""
    if segment.damage_mark.exists():
        set_aside(state, segment)
        return
    # The main file goes first: a WAL without it is an orphan, but a main file without its WAL lacks batches.
    for path in (segment.path, segment.wal, segment.shm):
        path.unlink(missing_ok=True)


def set_aside(state: StateFolder, segment: SegmentFile) -> None:
    """Move a damaged segment to the corrupt folder; raises OSError."""
    for path in (segment.wal, segment.path):
        with suppress(FileNotFoundError):
            os.rename(path, state.corrupt / path.name)
    segment.shm.unlink(missing_ok=True)
    segment.damage_mark.unlink(missing_ok=True)


def mark_damaged(segment: SegmentFile) -> None:
    """Leave a mark that makes `drop_segment` keep the segment; raises OSError."""
    segment.damage_mark.touch(mode=0o640)


def remove_orphans(state: StateFolder) -> None:
    """Remove what a killed process left: unfinished files, and WALs of dropped segments; raises OSError."""
    with os.scandir(state.spool) as entries:
        names = {entry.name for entry in entries}
    for name in names:
        main = name.removesuffix("-wal").removesuffix("-shm")
        is_orphan = main != name and main.endswith(".db") and main not in names
        is_mark = name.endswith(".damaged") and name.removesuffix("damaged") + "db" not in names
        if is_orphan or is_mark or _is_temporary(name):
            (state.spool / name).unlink(missing_ok=True)
    for folder in (state.path, state.sinks, state.corrupt):
        for path in folder.iterdir():
            # Other processes may be writing newer ones.
            with suppress(FileNotFoundError):
                if _is_temporary(path.name) and time.time() - path.stat().st_mtime > _STALE_S:
                    path.unlink()


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith((".tmp", "-journal", "-wal", "-shm"))


def size_of(segment: SegmentFile) -> int:
    """Return the bytes of the files of a segment, without its shared memory."""
    return _size(segment.path) + _size(segment.wal)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def is_recent(segment: SegmentFile, keep_s: float) -> bool:
    """Return whether the last batch of a segment is not older than `keep_s`; always False for 0."""
    changed = 0.0
    for path in (segment.path, segment.wal):
        with suppress(FileNotFoundError):
            changed = max(changed, path.stat().st_mtime)
    # A time in the future comes from a clock that was set back; it says nothing about the age.
    return 0 <= time.time() - changed < keep_s
