"""The geometry of the page's charts; the templates draw it as SVG.

Text keeps its size on every screen, because only the paths of a chart are stretched: everything else has positions in
percent. Axes of counts begin at 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..figures import count_text
from ..summary import Gap, Rate
from .scales import count_ticks, time_ticks
from .text import compact_text, utc_text

__all__ = ["Band", "Label", "Layer", "RateChart", "Series", "rate_chart"]

#: The height of a path's own coordinates.
_HEIGHT = 1000
_NS_PER_S = 1_000_000_000
#: The colours of codes in `page.css`. Other codes take the remaining ones, and then the last.
_COLOURS = {"noerror": 0, "nxdomain": 1, "servfail": 2, "refused": 3, "formerr": 4, "(none)": 8, "(other)": 9}
_FREE_COLOURS = (5, 6, 7)


class Label(NamedTuple):
    """A label of an axis: its position in percent, its text, and whether a small screen leaves it out."""

    percent: float
    text: str
    is_minor: bool = False


class Band(NamedTuple):
    """A part of the time axis in percent, and the lines that a pointer over it shows."""

    percent: float
    width_percent: float
    lines: list[str]


class Layer(NamedTuple):
    """One path of the chart, with the number of its colour."""

    colour: int
    path: str


class Series(NamedTuple):
    """One response code: its total, its greatest number in an interval, and its own small chart."""

    code: str
    colour: int
    total: int
    peak: int
    path: str


class RateChart(NamedTuple):
    """Events over time by response code, as stacked areas.

    Attributes
    ----------
    intervals : int
        The number of intervals, which is the width of the paths.
    layers : list of Layer
        The areas in the order of drawing: each one covers the lower part of the one before.
    series : list of Series
        The response codes, in the order of the rate.
    totals : list of int
        The number of events of each interval.
    starts : list of str
        The beginning of each interval.
    y_labels, x_labels : list of Label
    bands : list of Band
        One for each interval, with its counts.
    gaps : list of Band
        Times that no file covers.
    """

    intervals: int
    layers: list[Layer]
    series: list[Series]
    totals: list[int]
    starts: list[str]
    y_labels: list[Label]
    x_labels: list[Label]
    bands: list[Band]
    gaps: list[Band]


def rate_chart(rate: Rate, gaps: Iterable[Gap] = ()) -> RateChart:
    """Return the geometry of the rate, in which gaps are marked."""
    totals = [sum(column) for column in zip(*rate.counts, strict=True)]
    ticks = count_ticks(max(totals, default=0))
    colours = _colours(rate.codes)
    sums = list(itertools.accumulate(rate.counts, lambda below, row: [*map(sum, zip(below, row, strict=True))]))
    layers = [Layer(colour, _area(heights, ticks[-1])) for colour, heights in zip(colours, sums, strict=True)]
    series = [
        Series(code, colour, sum(row), max(row, default=0), _area(row, max(row, default=0)))
        for code, colour, row in zip(rate.codes, colours, rate.counts, strict=True)
    ]
    length_ns = rate.interval_s * _NS_PER_S
    end_ns = rate.start_ns + max(len(totals), 1) * length_ns
    # The seconds of a full minute are left out.
    width = None if rate.interval_s % 60 or rate.start_ns % (60 * _NS_PER_S) else -3
    starts = [utc_text(rate.start_ns + number * length_ns)[:width] for number in range(len(totals))]
    return RateChart(
        len(totals),
        layers[::-1],
        series,
        totals,
        starts,
        [Label(100 - 100 * tick / ticks[-1], compact_text(tick)) for tick in ticks],
        [
            Label(100 * tick.position, tick.label, is_minor=number % 2 == 1)
            for number, tick in enumerate(time_ticks(rate.start_ns, end_ns))
        ],
        _bands(rate, totals, starts),
        list(_gap_bands(gaps, rate.start_ns, end_ns)),
    )


def _colours(codes: Iterable[str]) -> list[int]:
    free = itertools.chain(_FREE_COLOURS, itertools.repeat(_FREE_COLOURS[-1]))
    return [_COLOURS[code.lower()] if code.lower() in _COLOURS else next(free) for code in codes]


def _area(heights: Sequence[int], maximum: int) -> str:
    """Return the path of an area with one step for each height; equal neighbours are one step."""
    path = [f"M0 {_HEIGHT}"]
    end = 0
    for height, group in itertools.groupby(heights):
        end += len(list(group))
        path.append(f"V{_HEIGHT - round(_HEIGHT * height / max(maximum, 1))}H{end}")
    return "".join([*path, f"V{_HEIGHT}Z"])


def _bands(rate: Rate, totals: Sequence[int], starts: Sequence[str]) -> list[Band]:
    bands = []
    for number, (total, start) in enumerate(zip(totals, starts, strict=True)):
        codes = [
            f"{code} {count_text(row[number])}"
            for code, row in zip(rate.codes, rate.counts, strict=True)
            if row[number]
        ]
        lines = [f"{start}: {count_text(total)}", *codes]
        bands.append(Band(100 * number / len(totals), 100 / len(totals), lines))
    return bands


def _gap_bands(gaps: Iterable[Gap], start_ns: int, end_ns: int) -> Iterable[Band]:
    for gap in gaps:
        left_ns, right_ns = max(gap.from_ns, start_ns), min(gap.to_ns, end_ns)
        if left_ns < right_ns:
            scale = 100 / (end_ns - start_ns)
            line = f"No file covers {utc_text(gap.from_ns)} to {utc_text(gap.to_ns)}"
            yield Band((left_ns - start_ns) * scale, (right_ns - left_ns) * scale, [line])
