"""Bodies that are stored already: the window for duplicates, its file, and what the segments say of it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from functools import partial

from .closing import Closer
from .duplicates import Duplicates, Seen
from .recovery import StoredSegment, recover_seen
from .seen_file import SeenFile
from .state import StateFolder

__all__ = ["Known"]


class Known:
    """The window for duplicates over the life of several processes. The spool thread uses it.

    Parameters
    ----------
    state : StateFolder
        The state folder.
    window_s : float
        How long a body is known; 0 turns it off, and then there is no file.
    max_hashes : int
        How many bodies are known.
    """

    def __init__(self, state: StateFolder, window_s: float, max_hashes: int) -> None:
        self.is_on = window_s > 0
        self._state = state
        self._window_s = window_s
        self._max_hashes = max_hashes
        self._window = Duplicates(window_s, max_hashes)
        self._file: SeenFile | None = None
        self._unsaved: list[Seen] = []

    def open(self, stored: list[StoredSegment], last_seq: int) -> bool:
        """Read what earlier processes stored, before the spool thread runs; return False if the file was damaged."""
        if not self.is_on:
            return True
        file = self._file = SeenFile(self._state, self._max_hashes)
        now_s, now_ns = time.monotonic(), time.time_ns()
        oldest_ns = now_ns - int(self._window_s * 1e9)
        known = 0

        def from_file() -> Iterator[Seen]:
            nonlocal known
            for seen in file.load(oldest_ns, last_seq):
                known = seen.seq
                yield seen

        self._window.restore(from_file(), now_s, now_ns)
        later = recover_seen(stored, known, oldest_ns, self._max_hashes)
        self._unsaved.extend(later)
        self._window.restore(later, now_s, now_ns)
        return not file.is_set_aside

    def find(self, key: bytes | None, now_s: float) -> int | None:
        """Return the number of the batch with this body; None if it is not known."""
        return self._window.find(key, now_s)

    def add(self, stored: Collection[tuple[bytes | None, int]]) -> None:
        """Remember the keys and numbers of batches that were committed."""
        now_s, now_ns = time.monotonic(), time.time_ns()
        for key, seq in stored:
            self._window.add(key, seq, now_s)
            if key is not None and self.is_on:
                self._unsaved.append(Seen(key, seq, now_ns))

    def forget(self) -> None:
        """Forget what has left the window."""
        self._window.forget(time.monotonic())

    def save(self, closer: Closer) -> None:
        """Let the closing thread store what was added since the last call."""
        unsaved, self._unsaved = self._unsaved, []
        if self._file is not None and unsaved:
            closer.run(partial(self._file.add, unsaved))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
