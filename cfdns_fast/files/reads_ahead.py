"""Reads of many small objects: several at the same time, with the results in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from .workers import Workers

__all__ = ["in_order"]

T = TypeVar("T")
R = TypeVar("R")

_THREADS = 16
#: Maximum number of items that are read and not taken. It bounds the memory.
_MAX_AHEAD = 64
#: The longest wait for a result, so that signals are handled.
_POLL_S = 0.2


def in_order(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield the result of a function for each item, in their order; raises the first error when it is its turn.

    Parameters
    ----------
    function : callable
        Called on several threads.
    """
    numbered = enumerate(items)
    ready: dict[int, R | BaseException] = {}
    is_end = False

    def run(item: tuple[int, T]) -> R:
        if workers.is_giving_up:
            raise InterruptedError("the results are not needed any more")
        return function(item[1])

    with Workers[tuple[int, T], R](_THREADS, run) as workers:
        turn = 0
        while True:
            while not is_end and workers.pending + len(ready) < _MAX_AHEAD:
                item = next(numbered, None)
                if item is None:
                    is_end = True
                else:
                    workers.put(item)
            if not workers.pending and not ready:
                return
            while turn not in ready:
                ready.update((number, result) for (number, _), result in workers.results(_POLL_S))
            result = ready.pop(turn)
            turn += 1
            if isinstance(result, BaseException):
                raise result
            yield result
