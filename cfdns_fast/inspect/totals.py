"""The counts of all batches together."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .batch_counts import BatchCounts
from .columns import TOPS
from .nxdomain_counts import NxdomainCounts
from .rate_counts import RateCounts
from .summary import Top
from .value_counts import MAX_DISTINCT, ValueCounts

__all__ = ["Totals"]


class Totals:
    """Adds the counts of batches, in bounded memory. Use it on one thread at a time.

    Parameters
    ----------
    max_distinct : int
        As `ValueCounts`.

    Attributes
    ----------
    events, without_time : int
    cached, families, edns, problem_texts : Counter of str
        As `BatchCounts`.
    rate : RateCounts
    nxdomain : NxdomainCounts
    """

    def __init__(self, max_distinct: int = MAX_DISTINCT) -> None:
        self.events = self.without_time = 0
        self.cached = Counter({"yes": 0, "no": 0, "unknown": 0})
        self.families = Counter({"IPv4": 0, "IPv6": 0, "none": 0})
        self.edns = Counter({"yes": 0, "no": 0})
        self.rate = RateCounts()
        self.nxdomain = NxdomainCounts(max_distinct)
        self._tops = {field: ValueCounts(max_distinct=max_distinct) for field in TOPS}
        self._with_value: Counter[str] = Counter()

    def add(self, counts: BatchCounts) -> None:
        """Add the counts of a batch."""
        self.events += counts.rows
        self.without_time += counts.without_time
        self.cached.update(counts.cached)
        self.families.update(counts.families)
        self.edns.update(counts.edns)
        self.rate.add(counts.interval_s, counts.times)
        self.nxdomain.add(*counts.nxdomain, counts.nxdomain_total)
        for field, (values, numbers) in counts.tops.items():
            self._tops[field].add(values, numbers)
            self._with_value[field] += counts.with_value[field]

    def tops(self, count: int) -> tuple[Top, ...]:
        """Return the most frequent values of all fields."""
        return tuple(self._top(field, count) for field in TOPS)

    def _top(self, field: str, count: int) -> Top:
        key, title = TOPS[field]
        values: Any = self._tops[field]
        total = self._with_value[field]
        return Top(
            key=key,
            title=title,
            total=total,
            missing=self.events - total,
            distinct=values.distinct(),
            is_exact=not values.dropped,
            max_error=values.max_error,
            rows=tuple(values.top(count)),
        )
