"""Calls on several threads, whose results are taken in the order of the calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["OrderedWork"]

T = TypeVar("T")

#: Calls that wait for each thread, which bounds the memory of their arguments.
_WAITING_PER_THREAD = 2


class OrderedWork:
    """Runs calls on threads. One thread may use it; it also takes the results, so that these need no locks.

    Parameters
    ----------
    threads : int
        With 1, each call runs at once, and no thread is started.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "cfdns-inspect") if threads > 1 else None
        self._max_waiting = threads * _WAITING_PER_THREAD
        self._waiting: deque[tuple[Future[Any], Callable[[Any], None]]] = deque()

    def run(self, call: Callable[[], T], take: Callable[[T], None]) -> None:
        """Let a thread run `call`; `take` gets its result after those of all earlier calls. Raises what they raise."""
        if self._pool is None:
            take(call())
            return
        self._waiting.append((self._pool.submit(call), take))
        while len(self._waiting) > self._max_waiting or (self._waiting and self._waiting[0][0].done()):
            self._take_first()

    def finish(self) -> None:
        """Take the results of all calls."""
        while self._waiting:
            self._take_first()

    def close(self) -> None:
        """End the threads; results that were not taken are lost."""
        self._waiting.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _take_first(self) -> None:
        future, take = self._waiting.popleft()
        take(future.result())
