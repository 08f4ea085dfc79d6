"""Counts of a sink process, which it reports to the receiver as JSON."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

__all__ = ["Counters"]


class Counters:
    """Sums that only grow, and gauges. All methods may be called from any thread.

    The names are those of the metrics without ``cfdns_sink_`` and without the unit suffix of Prometheus:
    ``events``, ``bytes``, ``rejects`` (by code), ``problems`` (by code), ``dead_letters`` (by code), ``retries`` (by
    reason), ``writes`` and ``write_seconds``; gauges ``lag_batches``, ``lag_seconds``, ``seq``, ``up``.

    A sink counts what the target took (``events``, ``bytes``, ``writes``, ``write_seconds``), ``retries`` of its window
    and ``up``. Its process counts all else, also ``dead_letters`` and faults that a sink raises.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[str, float] = {}
        self._by_label: dict[str, Counter[str]] = {}
        self._gauges: dict[str, float] = {}

    def add(self, name: str, amount: float = 1, label: str | None = None) -> None:
        """Add to a sum; with a label, to the sum of that label."""
        with self._lock:
            if label is None:
                self._sums[name] = self._sums.get(name, 0) + amount
            else:
                self._by_label.setdefault(name, Counter())[label] += amount  # type: ignore[assignment]

    def set(self, name: str, value: float) -> None:
        """Set a gauge."""
        with self._lock:
            self._gauges[name] = value

    def as_dict(self) -> dict[str, Any]:
        """Return a copy of everything: numbers, and dicts of numbers by label."""
        with self._lock:
            return {**self._sums, **self._gauges, **{name: dict(counts) for name, counts in self._by_label.items()}}
