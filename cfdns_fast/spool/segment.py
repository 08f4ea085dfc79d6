"""Segments: SQLite databases in WAL mode, each with the batches of one file.

A segment is written by one connection of one process. While it is written, its WAL is never copied into the main
file (checkpointed): https://sqlite.org/wal.html#walresetbug loses commits if a checkpoint and a commit race, and
affects SQLite before 3.51.3. Three rules make this impossible, and `ActiveSegment.check` detects a violation:

- The writing connection has ``wal_autocheckpoint=0``, and closes after its last commit.
- All other connections are read-only. A read-only connection cannot take the exclusive lock that a checkpoint at
  the last close needs, so a WAL stays as it is after the writing process was killed.
- A segment that existed at the start of a process is never opened for writing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from .files import sync_folder
from .rows import INSERT, TABLE, Row
from .segment_file import BUSY_MS, PAGE_BYTES, SegmentFile, open_to_read
from .state import VERSION

__all__ = ["ActiveSegment", "SegmentChanged", "empty_segment"]

#: 16 MiB stored no more batches a second, and the process took 25 MB more (bodies of 32 kB, 2026-11-30). 2 MiB, the
#: default, took 20 % more CPU for bodies of 3 MB, because pages that leave the cache are checksummed twice.
_CACHE_KIB = 4096
#: The position of the application ID (https://sqlite.org/fileformat.html#application_id), which is a count here: a
#: reader that knows the first number in use notices that rows vanished.
_UNUSED_AT = 68


class SegmentChanged(Exception):
    """Another program changed the files of the active segment: the segment must not be written again."""


def empty_segment(folder: Path) -> bytes:
    """Return the content of a segment without batches, made in `folder`; raises OSError and sqlite3.Error."""
    path = folder / f".empty.{os.getpid()}.tmp"
    try:
        path.unlink(missing_ok=True)
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
            connection.execute(TABLE)
            connection.execute(f"PRAGMA user_version={VERSION}")
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
        finally:
            connection.close()
        return path.read_bytes()
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


class ActiveSegment:
    """The segment that is written. The spool thread uses it; after the last commit, one other thread closes it.

    Parameters
    ----------
    folder : Path
        The folder of the segments.
    first : int
        The number of the first batch, which names the file. No file of this name may exist.
    empty : bytes
        The content of a new segment, from `empty_segment`.
    unused : int
        How many numbers from `first` on are not used.
    """

    def __init__(self, folder: Path, first: int, empty: bytes, unused: int = 0) -> None:
        self.file = SegmentFile.of(folder, first)
        self.batches = 0
        self._wal: os.stat_result
        self._is_finished = False
        _require(not self.file.path.exists(), "a segment is opened again")
        try:
            self._create(empty[:_UNUSED_AT] + unused.to_bytes(4, "big") + empty[_UNUSED_AT + 4 :])
            self._open()
        except BaseException:
            for path in (self.file.path, self.file.wal, self.file.shm):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            raise

    @property
    def wal_bytes(self) -> int:
        """The size of the WAL after the last check."""
        return self._wal.st_size

    def check(self) -> None:
        """Raise SegmentChanged if the main file changed, the WAL shrank, or another file has its name."""
        try:
            main, wal = self._stat(self.file.path), os.stat(self.file.wal)
        except OSError as error:
            raise SegmentChanged(f"{self.file.name}: a file of the active segment is missing") from error
        if main != self._main:
            raise SegmentChanged(f"{self.file.name}: the main file changed while the segment was written")
        if (wal.st_ino, wal.st_dev) != (self._wal.st_ino, self._wal.st_dev) or wal.st_size < self._wal.st_size:
            raise SegmentChanged(f"{self.file.name}: the WAL was replaced or cut while the segment was written")
        self._wal = wal

    def store(self, rows: Sequence[Row]) -> None:
        """Insert rows and commit; they are durable on return.

        Raises
        ------
        SegmentChanged, sqlite3.Error
            No row is stored, and the segment must be closed with `close_unchanged`.
        """
        _require(not self._is_finished, "a closed segment is written")
        self.check()
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(INSERT, rows)
            connection.execute("COMMIT")
            # Rows in a file that lost its name during the commit are not stored.
            self.check()
        except BaseException:
            self._is_finished = True
            # Without this, SQLite rolls back when the connection is closed.
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        self.batches += len(rows)

    def close_unchanged(self) -> None:
        """Close the segment without writing to its files."""
        self._is_finished = True
        try:
            self._connection.close()
        finally:
            self._guard.close()

    def close_compact(self) -> None:
        """Copy the WAL into the main file and close the segment; raises sqlite3.Error, and then the WAL is kept."""
        _require(not self._is_finished, "a closed segment is written")
        self._is_finished = True
        try:
            # A reader that is in the middle of a batch makes the answer "busy": then the WAL stays, which is valid.
            is_busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not is_busy:
                self._guard.close()
        finally:
            self.close_unchanged()

    def _create(self, empty: bytes) -> None:
        path = self.file.path
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            with open(temporary, "wb", buffering=0) as file:
                file.write(empty)
                os.fsync(file.fileno())
            os.rename(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)

    def _open(self) -> None:
        # The guard is open until the writing connection is closed, so that this close is not the last one and does
        # not checkpoint. SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE does this too, but Python has it from 3.12 on only.
        self._guard = open_to_read(self.file.path)
        try:
            self._guard.execute("SELECT count(*) FROM batch").fetchall()
            self._connection = sqlite3.connect(self.file.path, isolation_level=None, check_same_thread=False)
        except BaseException:
            self._guard.close()
            raise
        try:
            self._configure()
            self._main = self._stat(self.file.path)
            self._wal = os.stat(self.file.wal)
        except BaseException:
            self.close_unchanged()
            raise

    def _configure(self) -> None:
        connection = self._connection
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA fullfsync=1")  # macOS: the drive writes its cache too
        connection.execute("PRAGMA wal_autocheckpoint=0").fetchall()
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        (limit,) = connection.execute("PRAGMA wal_autocheckpoint").fetchone()
        (level,) = connection.execute("PRAGMA synchronous").fetchone()
        _require((mode, limit, level) == ("wal", 0, 2), "SQLite ignores a setting of the segment")

    @staticmethod
    def _stat(path: Path) -> tuple[int, ...]:
        found = os.stat(path)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _require(condition: bool, message: str) -> None:
    """Raise AssertionError if a rule is broken, also with ``python -O``: acknowledged batches depend on it."""
    if not condition:
        raise AssertionError(message)
