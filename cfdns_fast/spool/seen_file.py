"""The file that keeps the window for duplicates over a restart. It is a help only: losing it costs no batch."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from .duplicates import KEY_BYTES, Seen
from .state import StateFolder

__all__ = ["SeenFile"]

_TABLE = "CREATE TABLE IF NOT EXISTS seen(seq INTEGER PRIMARY KEY, key BLOB NOT NULL, received_ns INTEGER NOT NULL)"


class SeenFile:
    """``state.db``. One thread at a time uses it. A damaged file is moved to the corrupt folder; nothing raises.

    Parameters
    ----------
    state : StateFolder
        The state folder, whose receiver's lock is held.
    max_hashes : int
        How many are kept.
    """

    def __init__(self, state: StateFolder, max_hashes: int) -> None:
        self._state = state
        self._path = state.path / "state.db"
        self._max_hashes = max_hashes
        self._connection: sqlite3.Connection | None = None
        self.is_set_aside = False
        self._open()

    def load(self, oldest_ns: int, last_seq: int) -> Iterator[Seen]:
        """Yield what is stored, not older, and not of a later batch, by number."""
        try:
            if self._connection is None:
                return
            for key, seq, received_ns in self._connection.execute(
                "SELECT key, seq, received_ns FROM seen WHERE received_ns >= ? AND seq <= ? ORDER BY seq",
                (oldest_ns, last_seq),
            ):
                if isinstance(key, bytes) and len(key) == KEY_BYTES and isinstance(received_ns, int):
                    yield Seen(key, seq, received_ns)
        except sqlite3.Error:
            self._set_aside()

    def add(self, seen: Sequence[Seen]) -> None:
        """Store more, and remove the oldest. A failure, for example of a full disk, loses only these."""
        if self._connection is None:
            return
        rows = [(seq, key, received_ns) for key, seq, received_ns in seen]
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", rows)
            self._connection.execute(
                "DELETE FROM seen WHERE seq <= (SELECT max(seq) FROM seen) - ?", (self._max_hashes,)
            )
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                self._set_aside()

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _open(self) -> None:
        connection: sqlite3.Connection | None = None
        try:
            # Threads of one process use the file, one at a time, and there is no other connection.
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(_TABLE)
            connection.execute("SELECT seq, key, received_ns FROM seen LIMIT 1").fetchall()
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_FULL:
                self._set_aside()
            return
        self._connection = connection

    def _set_aside(self) -> None:
        """Move the file away and begin with an empty one, once."""
        self.close()
        if self.is_set_aside:
            return
        self.is_set_aside = True
        stamp = time.time_ns()
        for suffix in ("-wal", ""):
            with suppress(OSError):
                os.rename(f"{self._path}{suffix}", self._state.corrupt / f"state-{stamp}.db{suffix}")
        with suppress(OSError):
            os.unlink(f"{self._path}-shm")
        self._open()
