"""Events over time: intervals that fit into a chart, and what is left out."""

from __future__ import annotations

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from cfdns_fast.inspect import rate_counts
from cfdns_fast.inspect.rate_counts import RateCounts
from cfdns_fast.inspect.summary import Rate

START_S = 1_767_225_600


def rate_of(*times: tuple[int, str | None, int]) -> Rate:
    """Return the rate of seconds after the start, codes and counts."""
    counts = RateCounts()
    for second, code, count in times:
        size = counts.interval_s
        counts.add(size, [((START_S + second) // size, code, count)])
    rate = counts.rate()
    assert rate is not None
    return rate


@pytest.mark.parametrize(
    ("last_s", "interval_s"),
    [(0, 1), (299, 1), (300, 5), (3600, 15), (86_400, 300), (10 * 86_400, 3600), (400 * 86_400, 7 * 86_400)],
)
def test_interval_fits_the_range(last_s: int, interval_s: int) -> None:
    rate = rate_of((0, "NOERROR", 1), (last_s, "NOERROR", 2))
    assert rate.interval_s == interval_s
    assert len(rate.counts[0]) <= 300
    assert rate.start_ns <= START_S * 10**9 < rate.start_ns + interval_s * 10**9
    assert (rate.counts[0][0] + rate.counts[0][-1], sum(rate.counts[0])) == (3 if last_s else 6, 3)


def test_few_events_far_outside_are_left_out() -> None:
    usual = [(second, "NOERROR", 1000) for second in range(60)]
    rate = rate_of(*usual, (-20 * 365 * 86_400, "NOERROR", 3), (9 * 365 * 86_400, "REFUSED", 2))
    assert (rate.interval_s, rate.before, rate.after) == (1, 3, 2)
    assert (rate.codes, len(rate.counts[0])) == (("NOERROR",), 60)


def test_many_events_far_outside_are_shown() -> None:
    rate = rate_of((0, "NOERROR", 1000), (-20 * 365 * 86_400, "NOERROR", 1000))
    assert (rate.before, rate.after, sum(rate.counts[0])) == (0, 0, 2000)


def test_times_of_all_centuries_need_few_intervals() -> None:
    counts = RateCounts()
    step = 86_400 * 200
    for start in range(-9_000_000_000, 9_000_000_000, step * 100):
        size = counts.interval_s
        counts.add(size, [((start + step * number) // size, "NOERROR", 1) for number in range(100)])
    rate = counts.rate()
    assert rate is not None and len(rate.counts[0]) <= 300
    assert sum(rate.counts[0]) + rate.before + rate.after == 1100


def test_intervals_become_longer_while_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that was counted with shorter intervals is added to longer ones."""
    monkeypatch.setattr(rate_counts, "_MAX_KEPT_SHORT", 10)
    counts = RateCounts()
    batches = [[(START_S + second, "NOERROR", 1) for second in range(start, start + 50)] for start in (0, 50, 100)]
    for batch in batches:
        counts.add(1, batch)
    assert counts.interval_s > 1
    rate = counts.rate()
    assert rate is not None and sum(rate.counts[0]) == 150


def test_further_codes_are_counted_together() -> None:
    rate = rate_of(*[(0, f"CODE{number}", 100 - number) for number in range(80)], (0, None, 500))
    assert rate.codes[:2] == ("(none)", "CODE0") and rate.codes[-1] == "(other)"
    assert len(rate.codes) == 9
    assert sum(map(sum, rate.counts)) == 500 + sum(range(21, 101))


def test_rate_without_times_is_none() -> None:
    assert RateCounts().rate() is None
