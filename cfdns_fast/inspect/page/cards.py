"""Ranked lists of the page: values with their counts, shares and bars."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..figures import count_text, share_text
from ..summary import Domain, Top

__all__ = ["MAX_ROWS", "Card", "Row", "domain_rows", "share_card", "top_card"]

#: Rows of a list beyond this number are only counted on the page.
MAX_ROWS = 100


class Row(NamedTuple):
    """A value, its number of events, their share as text, and the length of its bar in percent."""

    name: str
    events: int
    share: str
    percent: float


class Card(NamedTuple):
    """A ranked list.

    Attributes
    ----------
    title, heading : str
        The name of the list, and of its values.
    rows : list of Row
    notes : list of str
        Sentences about the values that are not shown, and about counts that are approximate.
    """

    title: str
    heading: str
    rows: list[Row]
    notes: list[str]


def top_card(top: Top, events: int) -> Card:
    """Return the most frequent values, with shares of all events and bars in relation to the first count."""
    shown = top.rows[:MAX_ROWS]
    greatest = max((count for _, count in shown), default=0)
    rows = [Row(value, count, share_text(count, events), _percent(count, greatest)) for value, count in shown]
    # "Query types" is a list of values that are each a query type.
    heading = top.title.removesuffix("s")
    return Card(top.title, heading, rows, list(_top_notes(top, sum(count for _, count in shown), len(shown))))


def _top_notes(top: Top, shown_count: int, shown: int) -> Iterable[str]:
    if top.distinct > shown and top.is_exact:
        others = max(top.total - shown_count, 0)
        yield f"{count_text(top.distinct - shown)} other values have {count_text(others)} events."
    if not top.is_exact:
        yield (
            f"Approximate: a count may be up to {count_text(top.max_error)} too low, "
            f"and there are at most {count_text(top.distinct)} different values."
        )
    if top.missing:
        yield f"{count_text(top.missing)} events have no value."


def share_card(title: str, heading: str, counts: Mapping[str, int]) -> Card:
    """Return the list of a few values that divide all events; a bar is the share."""
    total = sum(counts.values())
    rows = [Row(name, count, share_text(count, total), _percent(count, total)) for name, count in counts.items()]
    return Card(title, heading, rows, [])


def domain_rows(domains: Iterable[Domain]) -> list[tuple[Domain, str, float]]:
    """Return the domains with the share of different names, as text and as the length of a bar in percent."""
    return [
        (each, share_text(each.names, each.queries), _percent(each.names, each.queries))
        for each in itertools.islice(domains, MAX_ROWS)
    ]


def _percent(part: float, whole: float) -> float:
    return min(100 * part / whole, 100.0) if whole else 0.0
