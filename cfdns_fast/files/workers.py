"""Threads that run items, of which the main thread takes the results."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["Workers"]

T = TypeVar("T")
R = TypeVar("R")

#: How long threads may take to give up their items when a run ends early. A request to a store cannot be cut.
_GIVE_UP_S = 10.0


class Workers(Generic[T, R]):
    """A number of threads. Leaving the context gives up what runs.

    They are daemon threads, because a request to a store that does not answer must not keep the process alive.

    Parameters
    ----------
    threads : int
    run : callable
        Called on a thread with an item; returns its result.
    """

    def __init__(self, threads: int, run: Callable[[T], R]) -> None:
        self._run = run
        self._items: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[T, R | BaseException]] = queue.SimpleQueue()
        self._is_giving_up = threading.Event()
        self._threads = [threading.Thread(target=self._work, name="cfdns-task", daemon=True) for _ in range(threads)]
        #: Items that are given to the threads and whose results are not taken.
        self.pending = 0
        for thread in self._threads:
            thread.start()

    @property
    def is_giving_up(self) -> bool:
        """Whether `run` must end early."""
        return self._is_giving_up.is_set()

    def put(self, item: T) -> None:
        """Give an item to the threads."""
        self.pending += 1
        self._items.put(item)

    def results(self, timeout_s: float) -> Iterator[tuple[T, R | BaseException]]:
        """Yield the results that there are, with their items; wait for the first one, up to a time."""
        wait_s = timeout_s
        while self.pending:
            try:
                result = self._results.get(timeout=wait_s) if wait_s else self._results.get_nowait()
            except queue.Empty:
                return
            wait_s = 0.0
            self.pending -= 1
            yield result

    def give_up(self) -> Iterator[tuple[T, R | BaseException]]:
        """Ask the threads to end early, and yield the results of what they had; wait for a limited time."""
        self._is_giving_up.set()
        end_s = time.monotonic() + _GIVE_UP_S
        while self.pending and (left_s := end_s - time.monotonic()) > 0:
            yield from self.results(left_s)

    def __enter__(self) -> Workers[T, R]:
        return self

    def __exit__(self, *exception: object) -> None:
        for _ in self.give_up():
            pass
        for _ in self._threads:
            self._items.put(None)
        for thread in self._threads:
            thread.join(_GIVE_UP_S if not self.pending else 0)

    def _work(self) -> None:
        while (item := self._items.get()) is not None:
            try:
                result: R | BaseException = self._run(item)
            except BaseException as error:
                result = error
            self._results.put((item, result))
