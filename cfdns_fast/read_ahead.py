"""Take from an iterator on another thread, a little ahead of who uses it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Generic, TypeVar

__all__ = ["ReadAhead"]

T = TypeVar("T")

_END = object()


class ReadAhead(Generic[T]):
    """An iterator over what another iterator gives, which runs on a thread of its own meanwhile.

    Worth it where the other one spends its time without the GIL, as decompression does. What it raises is raised here,
    at the same place. Use it as a context manager: leaving it ends the thread.

    Parameters
    ----------
    source : iterator
        Used by the thread only, from now on.
    depth : int
        So many items at most wait to be used.
    """

    def __init__(self, source: Iterator[T], depth: int) -> None:
        self._source = source
        # Two simple queues, which are C, are what one with a limit would be; `queue.Queue` is Python, and holds the GIL
        # for which both threads wait (measured: 5 % of compressed input).
        self._items: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._places: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(depth):
            self._places.put(None)
        self._closed = False
        self._failure: BaseException | None = None
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
        while (item := self._items.get()) is not _END:
            self._places.put(None)
            yield item  # type: ignore[misc]
        # For who asks again.
        self._items.put(_END)
        if self._failure is not None:
            raise self._failure

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
