"""The answers NXDOMAIN, by registered domain."""

from __future__ import annotations

from typing import Any

from .arrow_library import compute, pyarrow, text_array, whole
from .summary import Domain
from .value_counts import MAX_DISTINCT, ValueCounts

__all__ = ["NxdomainCounts"]

_NO_DOMAIN = "(none)"


class NxdomainCounts:
    """Counts queries and different names by registered domain, in bounded memory. Use it on one thread at a time.

    Parameters
    ----------
    max_distinct : int
        The number of different names, and of domains, above which the rarest are dropped.

    Attributes
    ----------
    total : int
        The number of answers.
    """

    def __init__(self, max_distinct: int = MAX_DISTINCT) -> None:
        self.total = 0
        self._queries = ValueCounts(max_distinct=max_distinct)
        self._names = ValueCounts(("domain", "name"), max_distinct, self._add_dropped)
        #: The number of names that were dropped, by domain.
        self._dropped_names = ValueCounts(max_distinct=max_distinct)

    @property
    def is_exact(self) -> bool:
        """Whether no name was dropped."""
        return not self._names.dropped and not self._queries.dropped

    @property
    def max_error(self) -> int:
        """The greatest number by which `Domain.queries` is too low."""
        return self._queries.max_error

    def add(self, domains: Any, names: Any, counts: Any, total: int) -> None:
        """Add the pairs of a batch: arrays of domains (empty without one), of names, and of counts."""
        self.total += total
        if len(counts):
            self._queries.add(domains, counts)
            self._names.add(domains, names, counts)

    def domains(self) -> int:
        """Return the number of different domains, without that of names that have none."""
        found = self._queries.table().column("value")
        has_none = compute.any(compute.equal(found, text_array(("",))[0])).as_py() or False
        return self._queries.distinct() - has_none

    def top(self, count: int) -> tuple[Domain, ...]:
        """Return the domains with the most queries."""
        kept = self._names.table().group_by("domain").aggregate([([], "count_all")])
        names = pyarrow.concat_tables(
            [kept.rename_columns(["value", "count"]), self._dropped_names.table().select(["value", "count"])]
        )
        found = self._queries.top(count)
        wanted = names.filter(compute.is_in(names.column("value"), text_array(each for each, _ in found)))
        different: dict[str, int] = {}
        for row in wanted.to_pylist():
            different[row["value"]] = different.get(row["value"], 0) + row["count"]
        return tuple(_domain(value, queries, different.get(value, 0)) for value, queries in found)

    def _add_dropped(self, rows: Any) -> None:
        domains = rows.column("domain").combine_chunks()
        self._dropped_names.add(domains, pyarrow.repeat(whole(1), len(domains)))


def _domain(value: str, queries: int, names: int) -> Domain:
    names = min(names, queries)
    return Domain(value or _NO_DOMAIN, queries, names, round(names / queries, 6) if queries else 0.0)
