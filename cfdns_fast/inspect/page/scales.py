"""The ticks of the axes of the page's charts."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

__all__ = ["Tick", "count_ticks", "time_ticks"]

_DAY_S = 86_400
#: The distances between two ticks of a time axis, in seconds. Each one begins at a full minute, hour or day.
_TIME_STEPS_S = (1, 5, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, _DAY_S)
_NS_PER_S = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TICKS = 8


class Tick(NamedTuple):
    """A tick of an axis: its position from 0 to 1, and its label."""

    position: float
    label: str


def count_ticks(maximum: int) -> list[int]:
    """Return three to six whole numbers with equal distances: the first is 0, the last is not less than `maximum`."""
    steps = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    step = next(step for step in steps if step * 5 >= maximum)
    return [step * number for number in range(max(-(-maximum // step), 2) + 1)]


def time_ticks(start_ns: int, end_ns: int) -> list[Tick]:
    """Return up to eight ticks at full times of UTC.

    Parameters
    ----------
    start_ns, end_ns : int
        The range of the axis, in nanoseconds since 1970; the end is after the start.
    """
    span_s = max((end_ns - start_ns) / _NS_PER_S, 1e-9)
    days = -(-span_s // (_DAY_S * _MAX_TICKS))
    step_s = next((step for step in _TIME_STEPS_S if span_s / step <= _MAX_TICKS), int(days) * _DAY_S)
    first_s = -(-start_ns // (step_s * _NS_PER_S)) * step_s
    times_s = range(first_s, end_ns // _NS_PER_S + 1, step_s)
    has_years = span_s > 180 * _DAY_S
    return [
        Tick((time_s * _NS_PER_S - start_ns) / (end_ns - start_ns), _time_label(time_s, step_s, has_years=has_years))
        for time_s in times_s
    ]


def _time_label(time_s: int, step_s: int, *, has_years: bool) -> str:
    time = _EPOCH + timedelta(seconds=time_s)
    if time_s % _DAY_S == 0:
        return f"{time:%Y-%m-%d}" if has_years else f"{time:%m-%d}"
    return f"{time:%H:%M:%S}" if step_s < 60 else f"{time:%H:%M}"
