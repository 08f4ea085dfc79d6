"""Prefetch an iterator on a background thread."""

from __future__ import annotations

import os
import queue
import select
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, Generic, TypeVar

__all__ = ["ReadAhead", "Stop"]

T = TypeVar("T")

_END = object()
_WAKE = object()

#: How often at most it is reported that nothing waits, and how much longer than the last report took.
_REPORT_INTERVAL_S = 0.005
_REPORT_FACTOR = 4

#: How long a source that has begun may take to its next item after a stop. A read that cannot be ended takes longer.
_LAST_ITEM_S = 0.2 if os.name == "nt" else 5.0

#: Windows runs no signal handler while the main thread waits for a lock.
_WAIT_S = 0.2 if os.name == "nt" else None


class Stop:
    """A request that inputs be read no further. A signal handler on the main thread may make it.

    Attributes
    ----------
    requested : bool
        No further read may begin.
    is_early : bool
        A source ended because of the request, and not because it was complete.
    """

    def __init__(self) -> None:
        self.requested = False
        self.is_early = False
        self.is_open = False
        self._items: queue.SimpleQueue[object] | None = None
        # The descriptor becomes readable with the request, which ends a wait in select.
        self._read_descriptor, self._write_descriptor = os.pipe()

    def request(self) -> None:
        """Make the request; later ones have no effect."""
        if self.requested:
            return
        self.requested = True
        os.write(self._write_descriptor, b"\0")
        if self._items is not None:
            self._items.put(_WAKE)

    def may_read(self, raw: BinaryIO) -> bool:
        """Wait until `raw` can be read, and return True; False if the request came first. For the reading thread."""
        # In this order: `next_item` reads them in the other one.
        self.is_open = True
        if not self.requested:
            _wait_until_readable([raw.fileno(), self._read_descriptor])
        self.is_early |= self.requested
        return not self.requested

    def listen(self, items: queue.SimpleQueue[object]) -> None:
        """Prepare for an input: the request puts an item into the queue on which the main thread waits."""
        self.is_open = False
        self._items = items
        if self.requested:
            items.put(_WAKE)

    def next_item(self, items: queue.SimpleQueue[object]) -> object:
        """Return the next of the items that were begun before the request, at last the sentinel."""
        while self.is_open:
            try:
                item = items.get(timeout=_LAST_ITEM_S)
            except queue.Empty:
                break
            if item is not _WAKE:
                return item
        # Nothing was read: the input is a FIFO that no other program has opened. Or a read waits that cannot be ended.
        self.is_early = True
        return _END

    def close(self) -> None:
        """Close the descriptors; no request may follow."""
        os.close(self._read_descriptor)
        os.close(self._write_descriptor)


def _wait_until_readable(descriptors: list[int]) -> None:
    """Wait until one of them can be read; return at once where the system cannot say (pipes on Windows)."""
    with suppress(OSError):
        try:
            select.select(descriptors, [], [])
        except ValueError:
            # select takes numbers below 1024 only.
            poll = select.poll()
            for descriptor in descriptors:
                poll.register(descriptor, select.POLLIN)
            poll.poll()


class ReadAhead(Generic[T]):
    """An iterator over what another iterator gives, which runs on a thread of its own meanwhile.

    Worth it where the other one spends its time without the GIL, as decompression does. What it raises is raised here,
    at the same place. Use it as a context manager: leaving it ends the thread.

    Parameters
    ----------
    source : iterator
        Used by the thread only, from now on.
    depth : int
        Maximum number of items that wait to be used.
    idle : T, optional
        Given, between items, when no item waits, so that the caller can finish what it holds back. Reports follow each
        other at intervals that are long compared with the time they take.
    stop : Stop, optional
        After its request the items that were begun are still given.
    """

    def __init__(self, source: Iterator[T], depth: int, *, idle: T | None = None, stop: Stop | None = None) -> None:
        self._source = source
        self._idle = idle
        self._stop = stop
        # Two simple queues, which are C, are what one with a limit would be; `queue.Queue` is Python, and holds the GIL
        # for which both threads wait (measured: 5 % of compressed input).
        self._items: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._places: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(depth):
            self._places.put(None)
        self._closed = False
        self._failure: BaseException | None = None
        if stop is not None:
            stop.listen(self._items)
        # A daemon: a read from a terminal or a pipe that never ends must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="cfdns-read-ahead", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for item in self._source:
                self._places.get()
                if self._closed:
                    return
                self._items.put(item)
        except BaseException as failure:
            self._failure = failure
        finally:
            # What a generator holds goes with it, an open file too.
            self._source = iter(())
            self._items.put(_END)

    def __iter__(self) -> Iterator[T]:
        next_report_s = 0.0
        is_reported = True
        while True:
            try:
                item = self._next(None if is_reported else max(next_report_s - time.monotonic(), 0))
            except queue.Empty:
                is_reported = True
                began_s = time.monotonic()
                yield self._idle  # type: ignore[misc]
                ended_s = time.monotonic()
                next_report_s = ended_s + max(_REPORT_INTERVAL_S, _REPORT_FACTOR * (ended_s - began_s))
                continue
            if item is _END:
                break
            self._places.put(None)
            is_reported = self._idle is None
            yield item  # type: ignore[misc]
        # A second iteration also ends.
        self._items.put(_END)
        if self._failure is not None:
            raise self._failure

    def _next(self, timeout_s: float | None) -> object:
        """Return the next item or the sentinel; raises queue.Empty after the timeout (None: waits without limit)."""
        item: object = _WAKE
        while item is _WAKE:
            if self._stop is not None and self._stop.requested:
                return self._stop.next_item(self._items)
            try:
                item = self._items.get(timeout=_WAIT_S if timeout_s is None else timeout_s)
            except queue.Empty:
                if timeout_s is not None:
                    raise
        return item

    def __enter__(self) -> ReadAhead[T]:
        return self

    def __exit__(self, *_: object) -> None:
        # The thread ends when it has its next item, or with the process if that never comes.
        self._closed = True
        self._places.put(None)
        with suppress(queue.Empty):
            while self._items.get_nowait() is not _END:
                pass
        self._items.put(_END)
