"""Select objects by their names: which of them may hold events of a period."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import datasource

from ..files.names import hour_of

__all__ = ["Period", "period_of"]

#: An object's name holds the first and the last second of its batch.
_BATCH = re.compile(r"(\d{8}T\d{6}Z)_(\d{8}T\d{6}Z)_[0-9a-f]+[^/]*$")


@dataclass(frozen=True)
class Period:
    """A period, both ends included; None leaves an end open."""

    first: datetime | None = None
    last: datetime | None = None

    def may_be_in(self, key: str, slack: timedelta) -> bool:
        """Return whether the object may hold events of the period.

        Parameters
        ----------
        key : str
            The key of the object. An object whose name has no time is always taken.
        slack : timedelta
            How far the times of events may be outside the times of the object's name.
        """
        window = _window_of(key)
        if window is None:
            return True
        start, end = window
        # Differences, because names may hold times at the ends of the calendar.
        return (self.first is None or self.first - end <= slack) and (self.last is None or start - self.last <= slack)

    def cut(self, first: datetime | None, last: datetime | None) -> Period:
        """Return what this period and another one have in common."""
        firsts = [each for each in (self.first, first) if each is not None]
        lasts = [each for each in (self.last, last) if each is not None]
        return replace(self, first=max(firsts, default=None), last=min(lasts, default=None))


def period_of(filters: Iterable[datasource.Filter], column: str | None) -> Period:
    """Return the period that the filters on a column leave; of other filters it makes no use."""
    period = Period()
    for each in filters:
        if getattr(each, "attribute", None) == (column,):
            period = period.cut(*_ends_of(each))
    return period


def _ends_of(filter: Any) -> tuple[datetime | None, datetime | None]:
    """Return the first and the last time that a filter accepts. Spark applies the filter to the rows in any case."""
    if isinstance(filter, datasource.In):
        times = [_time_of(value) for value in filter.value]
        if not times or None in times:
            return None, None
        known = [time for time in times if time is not None]
        return min(known), max(known)
    time = _time_of(getattr(filter, "value", None))
    if isinstance(filter, datasource.EqualTo | datasource.EqualNullSafe):
        return time, time
    if isinstance(filter, datasource.GreaterThan | datasource.GreaterThanOrEqual):
        return time, None
    if isinstance(filter, datasource.LessThan | datasource.LessThanOrEqual):
        return None, time
    return None, None


def _time_of(value: Any) -> datetime | None:
    """Return a time in UTC; None for values without a time zone and for values of other types."""
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo is not None else None


def _window_of(key: str) -> tuple[datetime, datetime] | None:
    """Return the times between which the batch of an object was collected, if its key holds them."""
    try:
        if found := _BATCH.search(key):
            return _parsed(found[1], "%Y%m%dT%H%M%SZ"), _parsed(found[2], "%Y%m%dT%H%M%SZ")
        if hour := hour_of(key):
            # Without such a name, a folder may have the day, or the hour.
            is_day = "T" not in hour
            start = _parsed(hour, "%Y%m%d" if is_day else "%Y%m%dT%H")
            return start, start + (timedelta(days=1) if is_day else timedelta(hours=1))
    except (ValueError, OverflowError):
        pass  # digits that are no time, or the last day of the calendar
    return None


def _parsed(text: str, form: str) -> datetime:
    return datetime.strptime(text, form).replace(tzinfo=UTC)
