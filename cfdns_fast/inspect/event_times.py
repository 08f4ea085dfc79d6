"""The times of events."""

from __future__ import annotations

from typing import Any, NamedTuple

from .arrow_library import compute, pyarrow, whole

__all__ = ["Times", "nanoseconds_of", "times_of"]

_NS_PER_UNIT = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}
_MAX_NS = (1 << 63) - 1
_NULL = pyarrow.nulls(1, pyarrow.int64())[0]


class Times(NamedTuple):
    """The times of some events.

    Attributes
    ----------
    first_ns, last_ns : int or None
        The earliest and the latest one, nanoseconds since 1970; None without one.
    early : int
        The number of events before the range of time in the name of their file.
    """

    first_ns: int | None = None
    last_ns: int | None = None
    early: int = 0

    def joined(self, other: Times) -> Times:
        """Return the times of both."""
        firsts = [each for each in (self.first_ns, other.first_ns) if each is not None]
        lasts = [each for each in (self.last_ns, other.last_ns) if each is not None]
        return Times(min(firsts, default=None), max(lasts, default=None), self.early + other.early)


def times_of(column: Any, named_from_ns: int | None) -> Times:
    """Return the times of a column, which may be None."""
    if column is None:
        return Times()
    times_ns = nanoseconds_of(column)
    found = compute.min_max(times_ns)
    first, last = found["min"], found["max"]
    if not first.is_valid:
        return Times()
    first_ns, last_ns = first.as_py(), last.as_py()
    early = 0
    if named_from_ns is not None and first_ns < named_from_ns:
        early = compute.sum(compute.less(times_ns, whole(named_from_ns))).as_py()
    return Times(first_ns, last_ns, early)


def nanoseconds_of(column: Any) -> Any:
    """Return a column of times as nanoseconds since 1970; null if 64 bits do not hold one, as in `to_arrow`."""
    numbers = column.cast(pyarrow.int64())
    unit_ns = _NS_PER_UNIT[column.type.unit]
    if unit_ns == 1:
        return numbers
    limit = _MAX_NS // unit_ns
    is_near = compute.and_(compute.less_equal(numbers, whole(limit)), compute.greater_equal(numbers, whole(-limit)))
    return compute.multiply(compute.if_else(is_near, numbers, _NULL), whole(unit_ns))
