"""The geometry of the charts: axes begin at 0, and every height is its count."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.summaries import START_NS

pytest.importorskip("jinja2")

from cfdns_fast.inspect.page.charts import rate_chart
from cfdns_fast.inspect.page.scales import count_ticks, time_ticks
from cfdns_fast.inspect.summary import Gap, Rate

MINUTE_NS = 60_000_000_000


def rate(*counts: tuple[int, ...], codes: tuple[str, ...] = ()) -> Rate:
    return Rate(60, START_NS, codes or tuple(f"CODE{number}" for number in range(len(counts))), counts, 0, 0)


def heights(path: str) -> list[int]:
    """Return the height of each interval of a path, from 0 to 1000."""
    found: list[int] = []
    assert re.fullmatch(r"M0 1000(V\d+H\d+)+V1000Z", path)
    for top, end in re.findall(r"V(\d+)H(\d+)", path):
        found += [1000 - int(top)] * (int(end) - len(found))
    return found


@given(st.integers(0, 10**15))
def test_count_ticks_begin_at_0_and_cover_the_maximum(maximum: int) -> None:
    ticks = count_ticks(maximum)
    assert ticks[0] == 0 and ticks[-1] >= max(maximum, 1)
    assert 3 <= len(ticks) <= 6
    assert len({after - before for before, after in itertools.pairwise(ticks)}) == 1
    assert maximum < 4 or maximum > 0.5 * ticks[-1]


@given(st.integers(-(2**62), 2**62), st.integers(60, 10**9))
def test_time_ticks_lie_within_the_axis(start_s: int, length_s: int) -> None:
    start_ns = start_s % (8 * 10**9) * 10**9
    ticks = time_ticks(start_ns, start_ns + length_s * 10**9)
    positions = [tick.position for tick in ticks]
    assert positions == sorted(set(positions))
    assert all(0 <= position <= 1 for position in positions)
    assert len(ticks) <= 9


def test_time_ticks_are_full_hours_and_dates() -> None:
    day = time_ticks(START_NS, START_NS + 1440 * MINUTE_NS)
    labels = "08-25 03:00 06:00 09:00 12:00 15:00 18:00 21:00 08-26"
    assert " ".join(tick.label for tick in day) == labels
    assert [tick.position for tick in day] == [number / 8 for number in range(9)]
    assert [tick.label for tick in time_ticks(START_NS, START_NS + MINUTE_NS)][1] == "00:00:15"
    assert time_ticks(START_NS, START_NS + 1000 * 1440 * MINUTE_NS)[0].label == "2026-10-24"


def test_areas_are_stacked_from_0() -> None:
    chart = rate_chart(rate((6, 0, 4), (2, 0, 1)))
    ticks = [label.text for label in chart.y_labels]
    assert ticks == ["0", "2", "4", "6", "8"]
    assert [heights(layer.path) for layer in chart.layers] == [[1000, 0, 625], [750, 0, 500]]
    assert [label.percent for label in chart.y_labels] == [100, 75, 50, 25, 0]
    assert chart.totals == [8, 0, 5]


def test_small_charts_end_at_their_own_peak() -> None:
    series = rate_chart(rate((600, 0, 300), (0, 1, 0))).series
    assert [heights(each.path) for each in series] == [[1000, 0, 500], [0, 1000, 0]]
    assert [(each.total, each.peak) for each in series] == [(900, 600), (1, 1)]


def test_codes_keep_their_colours() -> None:
    chart = rate_chart(rate((1,), (1,), (1,), (1,), codes=("NXDOMAIN", "TYPE9", "NoError", "(other)")))
    assert [each.colour for each in chart.series] == [1, 5, 0, 9]
    many = rate_chart(rate(*[(1,)] * 12))
    assert [each.colour for each in many.series[:4]] == [5, 6, 7, 7]


def test_gaps_are_cut_at_the_ends_of_the_axis() -> None:
    gaps = [
        Gap(START_NS - MINUTE_NS, START_NS + MINUTE_NS),
        Gap(START_NS + 3 * MINUTE_NS, START_NS + 9 * MINUTE_NS),
        Gap(START_NS - 2 * MINUTE_NS, START_NS - MINUTE_NS),
    ]
    chart = rate_chart(rate((1, 1, 1, 1)), gaps)
    assert [(gap.percent, gap.width_percent) for gap in chart.gaps] == [(0, 25), (75, 25)]


@given(st.lists(st.lists(st.integers(0, 10**12), min_size=5, max_size=5), min_size=1, max_size=4))
def test_heights_follow_the_counts(counts: list[list[int]]) -> None:
    chart = rate_chart(rate(*map(tuple, counts)))
    top = count_ticks(max(chart.totals))[-1]
    for number, total in enumerate(chart.totals):
        assert total == sum(row[number] for row in counts)
        assert abs(heights(chart.layers[0].path)[number] - 1000 * total / top) <= 0.5
