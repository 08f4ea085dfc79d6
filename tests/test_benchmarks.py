"""The benchmarks: what is timed is the work, in the state that a stream of batches would be in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

# Where the installed package alone is tested, the benchmarks are not there, and their peers need not be installed.
corpus = pytest.importorskip("benchmarks.corpus")
timing = pytest.importorskip("benchmarks.timing")
common = pytest.importorskip("benchmarks.peers.common")
orjson_dict = pytest.importorskip("benchmarks.peers.orjson_dict")

RECORDS = 3000


@pytest.fixture(autouse=True)
def _cache() -> Iterator[None]:
    common.forget_names()
    yield
    common.forget_names()


def _share_of_hits(data: bytes) -> float:
    before = common.split_name.cache_info()
    orjson_dict.to_ndjson(data)
    after = common.split_name.cache_info()
    assert after.hits + after.misses - before.hits - before.misses == RECORDS
    return (after.hits - before.hits) / RECORDS


def test_a_name_cache_is_as_a_long_stream_leaves_it() -> None:
    data = corpus.make("typical", RECORDS)
    common.before_call()
    assert common.split_name.cache_info().currsize == common.NAME_CACHE_SIZE
    assert 0.84 < _share_of_hits(data) < 0.87
    assert _share_of_hits(data) == 1  # what the next call would see without it
    common.before_call()
    assert 0.84 < _share_of_hits(data) < 0.87


def test_names_that_never_come_again_are_in_no_cache() -> None:
    common.before_call()
    assert _share_of_hits(corpus.make("distinct", RECORDS)) == 0


def test_what_is_in_the_cache_is_what_tldextract_says() -> None:
    names = ["www.example.co.uk.", "SHOP.example.ck.", "printer.lan.", "co.uk.", "."]
    right = [common.split_name(name) for name in names]
    common.before_call()
    assert [common.split_name(name) for name in names] == right
    cached = list(dict.fromkeys(corpus.names_before(common.RECORDS_BEFORE)))[-500:]
    hits = common.split_name.cache_info().hits
    found = [common.split_name(name) for name in cached]
    assert common.split_name.cache_info().hits == hits + len(cached)
    common.forget_names()
    assert [common.split_name(name) for name in cached] == found


def test_records_before_the_corpus_are_not_those_of_the_corpus() -> None:
    timed = [line.split('"QueryName":"')[1].split('"')[0] for line in corpus.make("typical", 500).decode().splitlines()]
    assert list(corpus.names_before(500)) != timed
    assert list(corpus.names_before(500)) == list(corpus.names_before(600))[:500]


def _contender(log: list[str], **others: Any) -> Any:
    def run() -> None:
        log.append("run")

    return timing.Contender("key", "name", "library", "1", "task", "typical", 1, 1, run, lambda: 0, **others)


def test_every_timed_call_is_prepared() -> None:
    log: list[str] = []
    contender = _contender(log, before=lambda: log.append("before"))
    timing.measure([contender], 2, lambda _: None)
    assert len(contender.wall_seconds) == 2
    timed = log[2:]
    assert timed == ["before", "run"] * (1 + 2 * contender.calls)


def test_who_needs_no_preparation_is_called_only() -> None:
    log: list[str] = []
    contender = _contender(log)
    timing.measure([contender], 1, lambda _: None)
    assert set(log) == {"run"}
    assert len(log) == 3 + contender.calls
