"""The time between two tries of something that fails."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Times that double from `first_s` to `max_s`, each between half and all of it, so that processes spread.

    Parameters
    ----------
    first_s, max_s : float
    """

    def __init__(self, first_s: float = 0.5, max_s: float = 60) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._next_s = first_s

    def next(self, at_least_s: float | None = None) -> float:
        """Return how long to wait now; at least what the target asked for."""
        wait_s = self._next_s * random.uniform(0.5, 1)
        self._next_s = min(self._next_s * 2, self._max_s)
        return max(wait_s, at_least_s or 0)

    def reset(self) -> None:
        """Begin with the first time again."""
        self._next_s = self._first_s
