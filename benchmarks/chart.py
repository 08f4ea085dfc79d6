"""Draw a result file as an SVG chart: events per second of cfdns_fast and its peers."""

from __future__ import annotations

import statistics
from html import escape
from typing import Any

_PANELS = ("NDJSON to NDJSON", "NDJSON to dicts, one by one")
_VARIANT = "typical"
_WIDTH, _LABELS, _FIGURES = 860, 190, 150
_ROW, _BAR, _HEAD, _GAP = 24, 15, 30, 16
_OURS, _PEER, _WRONG, _INK, _FAINT = "#e8590c", "#868e96", "#ced4da", "#495057", "#adb5bd"


def _rates(contender: dict[str, Any]) -> tuple[float, float, float]:
    """Return millions of events per second: median, first and third quartile of the rounds."""
    rates = [contender["records"] / seconds / 1e6 for seconds in contender["wall_seconds"]]
    low, middle, high = statistics.quantiles(rates, n=4) if len(rates) > 1 else rates * 3
    return middle, low, high


def _text(x: float, y: float, content: str, *, size: int = 12, color: str = _INK, anchor: str = "start") -> str:
    style = f'font-size="{size}" fill="{color}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(content)}</text>'


def _bar(y: float, contender: dict[str, Any], max_rate: float) -> list[str]:
    rate, low, high = _rates(contender)
    scale = (_WIDTH - _LABELS - _FIGURES) / max_rate
    color = _OURS if contender["library"] == "cfdns_fast" else _PEER if contender["correct"] else _WRONG
    middle = y + _BAR / 2
    name = f"{contender['name']} {contender['version']}"
    note = "" if contender["correct"] else f", {contender['differing_rows']:,} rows differ"
    return [
        _text(_LABELS - 8, middle + 4, name, anchor="end"),
        f'<rect x="{_LABELS}" y="{y:.1f}" width="{rate * scale:.1f}" height="{_BAR}" fill="{color}"/>',
        f'<path d="M{_LABELS + low * scale:.1f} {middle:.1f}H{_LABELS + high * scale:.1f}" '
        f'stroke="{_INK}" stroke-width="2"/>',
        _text(_LABELS + max(rate, high) * scale + 6, middle + 4, f"{rate:.2f} M/s{note}"),
    ]


def render(result: dict[str, Any]) -> str:
    """Return the chart: a panel for each task, with a bar (median) and a line (quartiles) for each library.

    Raises
    ------
    KeyError
        `result` is not a result of ``--json``.
    """
    machine, run = result["machine"], result["run"]
    shapes: list[str] = []
    y = 8.0
    for task in _PANELS:
        members = [
            contender
            for contender in result["contenders"]
            if contender["task"] == task and contender["variant"] == _VARIANT and contender["wall_seconds"]
        ]
        members.sort(key=lambda contender: -_rates(contender)[0])
        if not members:
            continue
        max_rate = max(max(_rates(contender)) for contender in members)
        shapes.append(_text(_LABELS, y + 14, f"{task}, one core", size=14))
        y += _HEAD
        for contender in members:
            shapes += _bar(y, contender, max_rate)
            y += _ROW
        y += _GAP
    for line in (
        f"{machine['cpu']}, kernel {machine['kernel']}, {machine['python']}; {run['records']:,} records, "
        f"{run['rounds']} interleaved rounds; {machine['date'][:10]}",
        run["command"],
    ):
        shapes.append(_text(8, y + 8, line, size=10, color=_FAINT))
        y += 14
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y + 8:.0f}" '
        f'viewBox="0 0 {_WIDTH} {y + 8:.0f}" font-family="sans-serif" role="img">'
    )
    title = "<title>Events a second of cfdns_fast and its peers</title>"
    return "\n".join([head, title, '<rect width="100%" height="100%" fill="#ffffff"/>', *shapes, "</svg>"]) + "\n"
