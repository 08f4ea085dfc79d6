"""Arrivals from any thread, which the spool thread takes in groups."""

from __future__ import annotations

import queue
import threading
from typing import Any, NamedTuple

from .batch import Arrival
from .duplicates import key_of
from .state import StateError

__all__ = ["MAX_GROUP_BYTES", "Groups", "Item"]

MAX_GROUP_BATCHES = 256
MAX_GROUP_BYTES = 32 << 20


class Item(NamedTuple):
    """An arrival, what identifies its body in the window for duplicates, and the token of its answer."""

    arrival: Arrival
    key: bytes | None
    token: Any


class Groups:
    """A queue. It is closed at first."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_open = False

    def open(self) -> None:
        """Accept arrivals."""
        self._is_open = True

    def put(self, arrival: Arrival, token: Any) -> None:
        """Add an arrival; raises StateError if the queue is closed. Any thread may call."""
        item = Item(arrival, key_of(arrival), token)
        with self._lock:
            if not self._is_open:
                raise StateError("state.closed", "the spool is closed")
            self._queue.put(item)

    def close(self) -> bool:
        """Accept no more, and return whether the queue was open. Any thread may call."""
        with self._lock:
            was_open, self._is_open = self._is_open, False
            if was_open:
                self._queue.put(None)
        return was_open

    def next(self, timeout_s: float) -> tuple[list[Item], bool]:
        """Wait for arrivals; return those that are there, bounded in number and bytes, and whether no more come."""
        group: list[Item] = []
        size = 0
        try:
            item = self._queue.get(timeout=timeout_s)
            while True:
                if item is None:
                    return group, True
                group.append(item)
                size += len(item.arrival.body)
                if len(group) >= MAX_GROUP_BATCHES or size >= MAX_GROUP_BYTES:
                    return group, False
                item = self._queue.get_nowait()
        except queue.Empty:
            return group, False
