"""Segments as files: their names, how they are read, and what an error of a read means."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from .state import StateFolder

__all__ = [
    "BUSY_MS",
    "PAGE_BYTES",
    "SegmentFile",
    "first_used",
    "is_busy",
    "is_damage",
    "is_never_used",
    "list_segments",
    "open_file",
    "open_to_read",
]

PAGE_BYTES = 16384
#: How long a connection waits for a lock of another one.
BUSY_MS = 5000
#: The pages of the schema and of the table, without rows (https://sqlite.org/fileformat.html#b_tree_pages).
_EMPTY_BYTES = 2 * PAGE_BYTES
_NO_CELLS = b"\x0d\0\0\0\0"
_EMPTY_ROOT = (_NO_CELLS + PAGE_BYTES.to_bytes(2, "big")).ljust(PAGE_BYTES, b"\0")
_DATABASE = b"SQLite format 3\0"
_SCHEMA_AT = 100
_NAME = re.compile(r"([0-9]{12,18})\.db")

_UNREADABLE = (
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
    sqlite3.SQLITE_IOERR_DATA,
)


class SegmentFile(NamedTuple):
    """A segment in the spool folder.

    Attributes
    ----------
    first : int
        The least number that it can have. Its batches have numbers below that of the next segment; rows with greater
        ones are of a commit that failed, and came back when the WAL was read again.
    path : Path
        The main file.
    """

    first: int
    path: Path

    @classmethod
    def of(cls, folder: Path, first: int) -> SegmentFile:
        return cls(first, folder / f"{first:012d}.db")

    def has_wal(self) -> bool:
        """Return whether batches may be in the WAL. Without a WAL, all are in the main file."""
        try:
            return self.wal.stat().st_size > 0
        except FileNotFoundError:
            return False

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def wal(self) -> Path:
        return self.path.with_name(self.path.name + "-wal")

    @property
    def shm(self) -> Path:
        return self.path.with_name(self.path.name + "-shm")

    @property
    def damage_mark(self) -> Path:
        """The file that says that a reader found damage: the segment is moved to the corrupt folder, not deleted."""
        return self.path.with_suffix(".damaged")


def list_segments(state: StateFolder) -> list[SegmentFile]:
    """Return the segments of the spool in the order of their batches; raises OSError."""
    found = []
    with os.scandir(state.spool) as entries:
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            if match is not None:
                found.append(SegmentFile(int(match[1]), Path(entry.path)))
    return sorted(found)


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error of a read means that the file is damaged, or a block of the disk is unreadable.

    Other errors, for example of a full disk or too many open files, are not.
    """
    code = getattr(error, "sqlite_errorcode", 0)
    # A segment has its table before it has its name. Text that is not UTF-8 is an error without a code.
    is_damaged = code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or code in _UNREADABLE
    return is_damaged or not code or any(words in str(error) for words in ("no such table", "Could not decode"))


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether another process holds a lock, for example while it closes a segment."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_never_used(file: SegmentFile) -> bool:
    """Return whether no batch was ever stored in a segment: there is no WAL, and no row or no table.

    It looks at the bytes, because SQLite takes some damage for an empty table. The calling process must have no
    connection to the segment, because the close of a file drops its locks.
    """
    try:
        if file.has_wal():
            return False
        with open(file.path, "rb") as main:
            content = main.read(_EMPTY_BYTES + 1)
    except FileNotFoundError:
        return True
    if len(content) <= PAGE_BYTES:
        is_database = content.startswith(_DATABASE) and content[_SCHEMA_AT : _SCHEMA_AT + 5] == _NO_CELLS
        return is_database or not content
    return content[PAGE_BYTES:] == _EMPTY_ROOT


def open_to_read(path: Path, *, is_snapshot: bool = False) -> sqlite3.Connection:
    """Open a segment read-only; raises sqlite3.Error. The connection never changes the main file or the WAL.

    Parameters
    ----------
    is_snapshot : bool
        Whether the main file is complete and does not change any more, or at least not while the connection is
        used: `SegmentFile.has_wal` is false. Then neither locks nor shared memory are used, so that the segment
        can be read although the disk is full or the folder cannot be written. Later batches are not seen.
    """
    uri = f"file:{quote(os.fspath(path))}?mode=ro{'&immutable=1' if is_snapshot else ''}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    except BaseException:
        connection.close()
        raise
    return connection


def first_used(file: SegmentFile, connection: sqlite3.Connection) -> int:
    """Return the number of the first batch that was stored in a segment; raises sqlite3.Error."""
    (unused,) = connection.execute("PRAGMA application_id").fetchone()
    return file.first + int(unused)


def open_file(file: SegmentFile) -> sqlite3.Connection:
    """Open a segment for a short read of what is committed now; raises sqlite3.Error."""
    return open_to_read(file.path, is_snapshot=not file.has_wal())
