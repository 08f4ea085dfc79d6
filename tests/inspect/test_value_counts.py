"""Counts of values in bounded memory: what is dropped, and the error that is stated."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")

import pyarrow
from support.inspected import inspected

from cfdns_fast.inspect import value_counts
from cfdns_fast.inspect.value_counts import ValueCounts


def add(counts: ValueCounts, values: list[str]) -> None:
    found = Counter(values)
    counts.add(pyarrow.array(list(found), pyarrow.string()), pyarrow.array(list(found.values()), pyarrow.int64()))


def skewed(count: int, seed: int) -> list[str]:
    """Return values of which low numbers are frequent."""
    random = Random(seed)
    return [f"v{int(1000 * random.random() ** 4)}" for _ in range(count)]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Merge after a few rows, so that small inputs do what large ones do."""
    monkeypatch.setattr(value_counts, "_MIN_PENDING_ROWS", 10)


def test_counts_below_the_limit_are_exact() -> None:
    counts, wanted = ValueCounts(max_distinct=1000), Counter[str]()
    for seed in range(20):
        values = skewed(100, seed)
        wanted.update(values)
        add(counts, values)
    assert (counts.distinct(), counts.dropped, counts.max_error) == (len(wanted), 0, 0)
    assert counts.top(7) == sorted(wanted.items(), key=lambda item: (-item[1], item[0]))[:7]


@pytest.mark.parametrize("limit", [4, 50, 200])
def test_error_of_counts_is_at_most_the_stated_one(limit: int) -> None:
    counts, wanted = ValueCounts(max_distinct=limit), Counter[str]()
    for seed in range(40):
        values = skewed(100, seed)
        wanted.update(values)
        add(counts, values)
    found = dict(counts.top(limit))
    assert counts.max_error > 0 and counts.dropped > 0
    assert len(found) <= limit
    for value, count in wanted.items():
        assert found.get(value, 0) <= count <= found.get(value, 0) + counts.max_error
    assert counts.distinct() >= len(wanted)


def test_values_of_one_count_are_kept_up_to_the_limit() -> None:
    """A flood of different names still has names to show."""
    counts = ValueCounts(max_distinct=100)
    for start in range(0, 1000, 50):
        add(counts, [f"v{number}" for number in range(start, start + 50)])
    assert 0 < len(counts.top(1000)) <= 100
    assert counts.distinct() == 1000


def test_large_values_are_dropped_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_counts, "MAX_BYTES", 10_000)
    counts = ValueCounts()
    for start in range(0, 400, 20):
        add(counts, [f"{number:0500}" for number in range(start, start + 20)])
    assert counts.table().nbytes <= 10_000
    assert counts.dropped > 300


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_ties_are_in_the_order_of_values(count: int) -> None:
    counts = ValueCounts()
    add(counts, ["d", "b", "a", "c", "e", "e"])
    assert counts.top(count) == [("e", 2), ("a", 1), ("b", 1), ("c", 1), ("d", 1)][:count]


def test_random_names_below_a_domain_are_counted() -> None:
    """Names of a flood are dropped and never come again, so their number stays right."""
    line = b'{"QueryName":"x%d.example.com","ResponseCode":3,"Timestamp":1767225600}\n'
    lines = b"".join(line % number for number in range(3000))
    lines += b'{"QueryName":"www.example.org","ResponseCode":3,"Timestamp":1767225600}\n' * 2000
    summary = inspected(lines, max_distinct=200)
    (flood, quiet) = summary.nxdomain
    assert (flood.domain, flood.queries, flood.names, flood.names_share) == ("example.com", 3000, 3000, 1.0)
    assert (quiet.domain, quiet.queries, quiet.names) == ("example.org", 2000, 1)
    assert not summary.nxdomain_is_exact and summary.nxdomain_max_error == 0
    names = summary.top("names")
    assert not names.is_exact and names.rows[0] == ("www.example.org", 2000)
    assert summary.top("registered_domains").is_exact


def test_long_values_are_cut() -> None:
    lines = b"".join(b'{"ColoCode":"%s%d","Timestamp":1}\n' % (b"x" * 600, number) for number in range(3))
    assert inspected(lines).top("data_centres").rows == (("x" * 512, 3),)
