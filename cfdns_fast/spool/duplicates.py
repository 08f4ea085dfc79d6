"""The window in which a body that was stored already is recognised."""

from __future__ import annotations

import struct
from array import array
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from .batch import MIN_DUPLICATE_BYTES, Arrival, hash_of

__all__ = ["KEY_BYTES", "Duplicates", "Seen", "key_of", "window_key"]

#: The oldest bodies are forgotten in steps of this share of the maximum number.
_GENERATIONS = 8
_KEY = struct.Struct("=QQ")
KEY_BYTES = _KEY.size


class Seen(NamedTuple):
    """A stored body: its key, the number of its batch, and the time of its arrival (nanoseconds since 1970)."""

    key: bytes
    seq: int
    received_ns: int


def key_of(arrival: Arrival) -> bytes | None:
    """Return what identifies a body on a path; None if the body is too small to tell a copy from another batch."""
    if arrival.decoded_bytes < MIN_DUPLICATE_BYTES:
        return None
    return window_key(arrival.hash, arrival.path)


def window_key(body_hash: bytes, path: str) -> bytes:
    """Return the 16 bytes that identify a body on a path."""
    return hash_of(body_hash + path.encode("utf-8"))


class Duplicates:
    """Stored bodies of the last seconds. One thread uses it.

    A body takes 32 bytes in tables of fixed size; as entries of a dict, 200,000 bodies took 60 MB.

    Parameters
    ----------
    window_s : float
        How long a body is remembered; 0 remembers nothing.
    max_hashes : int
        How many are remembered; the oldest are forgotten first, an eighth at a time.
    """

    def __init__(self, window_s: float, max_hashes: int) -> None:
        self._window_s = window_s
        self._max_hashes = max_hashes if window_s > 0 else 0
        self._capacity = max(1, -(-max_hashes // _GENERATIONS))
        self._generations: deque[_Generation] = deque()  # the newest is the first

    def find(self, key: bytes | None, now_s: float) -> int | None:
        """Return the number of the batch with this body; None if there is none in the window.

        Parameters
        ----------
        now_s : float
            The monotonic clock.
        """
        if key is None or not self._generations:
            return None
        low, high = _KEY.unpack(key)
        for generation in self._generations:
            found = generation.find(low, high)
            if found is not None:
                return found[0] if now_s - found[1] <= self._window_s else None
        return None

    def add(self, key: bytes | None, seq: int, now_s: float) -> None:
        """Remember a body after its commit. An insert before the commit loses data if the commit fails."""
        if key is None or self._max_hashes == 0:
            return
        if not self._generations or self._generations[0].count >= self._capacity:
            while len(self._generations) * self._capacity + self._capacity > max(self._max_hashes, self._capacity):
                self._generations.pop()
            self._generations.appendleft(_Generation(self._capacity))
        low, high = _KEY.unpack(key)
        self._generations[0].add(low, high, seq, now_s)

    def forget(self, now_s: float) -> None:
        """Forget bodies that have left the window."""
        while self._generations and now_s - self._generations[-1].last_s > self._window_s:
            self._generations.pop()

    def restore(self, seen: Iterable[Seen], now_s: float, now_ns: int) -> None:
        """Remember bodies of an earlier process, in the order of their numbers.

        A time in the future, after the clock was set back, counts as now.
        """
        for key, seq, received_ns in seen:
            age_s = max(now_ns - received_ns, 0) / 1e9
            if age_s <= self._window_s:
                self.add(key, seq, now_s - age_s)


class _Generation:
    """A hash table with open addressing: arrays of 8 bytes an item hold keys, numbers and times.

    Keys are hashes, so that their bits are the position. A number of 0 is an empty slot.
    """

    def __init__(self, capacity: int) -> None:
        slots = 1 << (capacity * 5 // 4).bit_length()
        self.count = 0
        self.last_s = 0.0
        self._mask = slots - 1
        self._low, self._high, self._seq = (array("Q", bytes(8 * slots)) for _ in range(3))
        self._added_s = array("d", bytes(8 * slots))

    def find(self, low: int, high: int) -> tuple[int, float] | None:
        """Return the number of a batch and when it was added, None if there is none."""
        slot = self._slot(low, high)
        return (self._seq[slot], self._added_s[slot]) if self._seq[slot] else None

    def add(self, low: int, high: int, seq: int, now_s: float) -> None:
        slot = self._slot(low, high)
        self.count += not self._seq[slot]
        self._low[slot], self._high[slot], self._seq[slot], self._added_s[slot] = low, high, seq, now_s
        self.last_s = max(self.last_s, now_s)

    def _slot(self, low: int, high: int) -> int:
        """Return the slot of a key, or the empty one where it belongs."""
        slot = low & self._mask
        while self._seq[slot] and (self._low[slot] != low or self._high[slot] != high):
            slot = (slot + 1) & self._mask
        return slot
