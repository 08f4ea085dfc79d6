"""Find out whether a WAL is damaged in the middle; SQLite takes damage for the end and says nothing.

The format is https://sqlite.org/fileformat.html#the_write_ahead_log and https://sqlite.org/walformat.html.
"""

from __future__ import annotations

import os
import struct

from .segment_file import SegmentFile

__all__ = ["hidden_commits"]

_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_MAGIC = (0x377F0682, 0x377F0683)
#: The position of the number of valid frames in the shared memory, in the byte order of the machine.
_MAX_FRAME_AT = 16


def hidden_commits(file: SegmentFile) -> int:
    """Return how many commits follow the last frame that SQLite reads; raises OSError.

    One can be a commit that was not finished: its pages reached the disk in another order before the power was lost.
    Before a second one was written, the first was synced, so that it was acknowledged.

    The segment must have been read since the last write, so that its shared memory is up to date. The calling
    process must have no connection to the segment, because the close of a file drops its locks.
    """
    try:
        with open(file.shm, "rb") as shared:
            (max_frame,) = struct.unpack("=I", shared.read(_MAX_FRAME_AT + 4)[_MAX_FRAME_AT:])
    except (FileNotFoundError, struct.error):
        return 0
    with open(file.wal, "rb", buffering=0) as wal:
        header = wal.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES:
            return 0
        magic, _, page_bytes, _, *salts, _, _ = struct.unpack(">8I", header)
        if magic not in _MAGIC:
            return 0
        frame_bytes = _FRAME_HEADER_BYTES + page_bytes
        frames = (os.fstat(wal.fileno()).st_size - _HEADER_BYTES) // frame_bytes
        commits = 0
        for number in range(max_frame, frames):
            wal.seek(_HEADER_BYTES + number * frame_bytes)
            frame = wal.read(_FRAME_HEADER_BYTES)
            if len(frame) < _FRAME_HEADER_BYTES:
                break
            _, database_pages, *found, _, _ = struct.unpack(">6I", frame)
            commits += int(found == salts and database_pages > 0)
        return commits
