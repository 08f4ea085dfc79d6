"""Feeds written to files, and what their indicators say of a name."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from cfdns_fast import Detection
from cfdns_fast.detect import Feed, Indicator, Indicators

__all__ = ["DAY_NS", "SECOND_NS", "detection_of", "found", "found_all", "load", "matches", "skipped", "write"]

SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS


def write(folder: Path, content: str | bytes, name: str = "feed", *, compressed: bool = False) -> str:
    """Write a file and return its path."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    path = folder / name
    path.write_bytes(gzip.compress(data) if compressed else data)
    return str(path)


def load(folder: Path, content: str | bytes, *, feed: dict[str, Any] | None = None, **options: Any) -> Indicators:
    """Load one feed with this content; `feed` has options of `Feed`."""
    return Indicators.load(Feed(write(folder, content), **(feed or {})), **options)


def detection_of(indicators: Indicators, name: str) -> Detection | None:
    """Return what the table says of a name, in the form of a detection."""
    match = indicators.table.find(name.encode("utf-8"))
    if match is None:
        return None
    row, metadata, start = match
    return Detection(0, 0, 0, row, metadata, start, name.strip("."), indicators.table)


def found(indicators: Indicators, name: str, time_ns: int | None = None) -> Indicator | None:
    """Return the indicator of a query name."""
    detection = detection_of(indicators, name)
    return None if detection is None else indicators.resolve(detection, time_ns)


def found_all(indicators: Indicators, name: str, time_ns: int | None = None) -> list[Indicator]:
    """Return all indicators of a query name, best first."""
    detection = detection_of(indicators, name)
    return [] if detection is None else list(indicators.resolve_all(detection, time_ns))


def matches(indicators: Indicators, *names: str) -> list[str]:
    """Return the names that have an indicator."""
    return [name for name in names if found(indicators, name) is not None]


def skipped(indicators: Indicators) -> dict[str, tuple[int, int | None]]:
    """Return count and first line of each reason in the report of the first feed."""
    return {reason: (each.count, each.line) for reason, each in indicators.report.feeds[0].skipped.items()}
