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

#: Minimum time between two idle reports, and the same as a multiple of the time that the last report took.
_REPORT_INTERVAL_S = 0.005
_REPORT_FACTOR = 4

#: Maximum time that a source may take for its next item after a stop. A read that cannot be interrupted takes longer.
_LAST_ITEM_S = 0.2 if os.name == "nt" else 5.0

#: Windows runs no signal handler while the main thread waits for a lock, so the wait has a limit there.
_WAIT_S = 0.2 if os.name == "nt" else None


class Stop:
    """A request to end reading. A signal handler on the main thread may make it.

    `may_read` is for the reading thread, all other methods are for the main thread.

    Attributes
    ----------
    requested : bool
        No further read may begin.
    is_early : bool
        A source ended because of the request before it was complete.
    is_open : bool
        The reading thread has opened the current input.
    """

    def __init__(self) -> None:
        self.requested = False
        self.is_early = False
        self.is_open = False
        self._items: queue.SimpleQueue[object] | None = None
        # The request makes the descriptor readable, which ends a wait in select.
        self._read_descriptor, self._write_descriptor = os.pipe()

    def request(self) -> None:
        """Make the request. Further requests have no effect."""
        if self.requested:
            return
        self.requested = True
        os.write(self._write_descriptor, b"\0")
        if self._items is not None:
            self._items.put(_WAKE)

    def may_read(self, raw: BinaryIO) -> bool:
        """Wait until `raw` can be read and return True; return False if the request comes first.

        A reader without a descriptor (an object of a store) is not waited for.
        """
        # Set `is_open` before `requested` is read, because `next_item` reads them in the opposite order.
        self.is_open = True
        if not self.requested and (descriptor := _descriptor_of(raw)) is not None:
            _wait_until_readable([descriptor, self._read_descriptor])
        self.is_early |= self.requested
        return not self.requested

    def listen(self, items: queue.SimpleQueue[object]) -> None:
        """Prepare for an input: the request puts an item into `items`, the queue on which the main thread waits."""
        self.is_open = False
        self._items = items
        if self.requested:
            items.put(_WAKE)

    def next_item(self, items: queue.SimpleQueue[object]) -> object:
        """Return the next item that the source began before the request, and the sentinel after the last one."""
        while self.is_open:
            try:
                item = items.get(timeout=_LAST_ITEM_S)
            except queue.Empty:
                break
            if item is not _WAKE:
                return item
        # Either no other program has opened the FIFO, or a read cannot be interrupted.
        self.is_early = True
        return _END

    def close(self) -> None:
        """Close the descriptors. No request may follow."""
        os.close(self._read_descriptor)
        os.close(self._write_descriptor)


def _descriptor_of(raw: BinaryIO) -> int | None:
    """Return the descriptor of a reader; None if it has none."""
    # io.UnsupportedOperation is an OSError.
    with suppress(AttributeError, OSError):
        return raw.fileno()
    return None


def _wait_until_readable(descriptors: list[int]) -> None:
    """Wait until a descriptor can be read. Returns at once if the system cannot wait for it (pipes on Windows)."""
    with suppress(OSError):
        try:
            select.select(descriptors, [], [])
        except ValueError:
            # select accepts only descriptors below 1024.
            poll = select.poll()
            for descriptor in descriptors:
                poll.register(descriptor, select.POLLIN)
            poll.poll()


class ReadAhead(Generic[T]):
    """An iterable over the items of an iterator that runs on a background thread.

    It saves time if the iterator works without the GIL, as decompression does. An exception of the iterator is raised
    at the same position here. Use it as a context manager, on one thread: leaving it ends the background thread.

    Parameters
    ----------
    source : iterator
        The iterator. Only the background thread may use it.
    depth : int
        Maximum number of items that wait.
    idle : T, optional
        Yielded when no item waits, so that the caller can flush its output. The time between two idle reports is long
        compared with the time that the caller takes for one.
    stop : Stop, optional
        After its request, only items that the source began before are yielded.
    """

    def __init__(self, source: Iterator[T], depth: int, *, idle: T | None = None, stop: Stop | None = None) -> None:
        self._source = source
        self._idle = idle
        self._stop = stop
        # Two simple queues make one with a limit. `queue.Queue` is written in Python and holds the GIL, for which both
        # threads wait.
        self._items: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._free_slots: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(depth):
            self._free_slots.put(None)
        self._closed = False
        self._failure: BaseException | None = None
        if stop is not None:
            stop.listen(self._items)
        # A daemon thread, because a read from a terminal or a pipe may never return.
        self._thread = threading.Thread(target=self._run, name="cfdns-read-ahead", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for item in self._source:
                self._free_slots.get()
                if self._closed:
                    return
                self._items.put(item)
        except BaseException as failure:
            self._failure = failure
        finally:
            # Release the generator, which may hold an open file.
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
            self._free_slots.put(None)
            is_reported = self._idle is None
            yield item  # type: ignore[misc]
        # A second iteration also ends.
        self._items.put(_END)
        if self._failure is not None:
            raise self._failure

    def _next(self, timeout_s: float | None) -> object:
        """Return the next item or the sentinel; raises queue.Empty after the timeout (None: no timeout)."""
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
        # The thread ends with its next item, or with the process if there is none.
        self._closed = True
        self._free_slots.put(None)
        with suppress(queue.Empty):
            while self._items.get_nowait() is not _END:
                pass
        self._items.put(_END)
