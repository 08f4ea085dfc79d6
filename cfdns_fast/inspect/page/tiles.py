"""The figures at the top of the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..figures import MIN_RATE, count_text, counted_text, duration_text, share_text, size_text
from ..summary import Rate, Summary
from .charts import RateChart
from .text import interval_text

__all__ = ["Tile", "tiles_of"]

_NS_PER_S = 1_000_000_000


class Tile(NamedTuple):
    """A figure, its title, and a line that explains it; the line may be empty."""

    title: str
    figure: str
    detail: str = ""


def tiles_of(summary: Summary, chart: RateChart | None) -> list[Tile]:
    """Return the figures of a summary in the order in which they are shown."""
    return list(_tiles(summary, chart))


def _tiles(summary: Summary, chart: RateChart | None) -> Iterator[Tile]:
    lines = "" if summary.lines is None else f"from {counted_text(summary.lines, 'line')}"
    blank = f", {count_text(summary.blank)} blank" if summary.blank else ""
    yield Tile("Events", count_text(summary.events), lines + blank)
    if summary.first_ns is not None and summary.last_ns is not None:
        span_s = (summary.last_ns - summary.first_ns) / _NS_PER_S
        per_second = f"{_rate_text((summary.events - summary.without_time) / span_s)} a second" if span_s >= 1 else ""
        yield Tile("Time range", duration_text(span_s), per_second)
    if chart is not None and summary.rate is not None and chart.totals:
        yield _peak_tile(chart, summary.rate)
    yield Tile(
        "NXDOMAIN", share_text(summary.nxdomain_total, summary.events), f"{count_text(summary.nxdomain_total)} answers"
    )
    cached = summary.cached.get("yes", 0)
    yield Tile("From the cache", share_text(cached, summary.events), f"{count_text(cached)} answers")
    for top in summary.tops:
        if top.key in ("registered_domains", "clients"):
            yield Tile(top.title, count_text(top.distinct), "different" if top.is_exact else "different, at most")
    yield Tile("Files", count_text(summary.files.count), f"{size_text(summary.files.size_bytes)} as stored")
    yield Tile("Rejects", count_text(summary.rejects), "bytes that are no record")
    yield Tile("Problems", count_text(summary.problems), "fields that were left out")
    if summary.detection_count is not None:
        yield Tile("Detections", count_text(summary.detection_count))


def _peak_tile(chart: RateChart, rate: Rate) -> Tile:
    peak = max(chart.totals)
    start = chart.starts[chart.totals.index(peak)]
    return Tile(f"Peak per {interval_text(rate.interval_s)}", count_text(peak), f"from {start}")


def _rate_text(per_second: float) -> str:
    if per_second >= 100:
        return count_text(round(per_second))
    return f"{per_second:.3g}" if per_second >= MIN_RATE else f"<{MIN_RATE}"
