"""Tests of the benchmarks: they time only the work, with the caches as a long stream of batches leaves them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("orjson")
pytest.importorskip("pytest_benchmark")

from . import corpus, parallel, peers, timing
from . import test_throughput as throughput
from .lineup import Lineup
from .peers import common, orjson_dict, orjson_tuned, suffix_walk
from .preparation import fill

RECORDS = 3000
#: The hit rate of a name cache in a long stream of 900,000 records, and the tolerance for 3,000 records.
STREAM_HIT_RATE = pytest.approx(0.857, abs=0.015)
CACHING_PEERS = {"stdlib_json", "orjson_dict", "orjson_tuned", "msgspec_struct", "pysimdjson_orjson"}


@pytest.fixture(autouse=True)
def _caches() -> Iterator[None]:
    caches = [common.split_name, orjson_tuned.NAME_CACHE]
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def _hit_rate(peer: Any, run: Callable[[], object]) -> float:
    before = peer.NAME_CACHE.cache_info()
    run()
    after = peer.NAME_CACHE.cache_info()
    hits: int = after.hits - before.hits
    misses = after.misses - before.misses
    assert hits + misses == RECORDS
    return hits / RECORDS


@pytest.mark.slow
@pytest.mark.parametrize("peer", [orjson_dict, orjson_tuned], ids=["tldextract", "walk"])
def test_filled_cache_has_the_hit_rate_of_a_stream(peer: Any) -> None:
    data = corpus.make("typical", RECORDS)
    fill(peer.NAME_CACHE)
    assert peer.NAME_CACHE.cache_info().currsize == common.NAME_CACHE_SIZE
    assert _hit_rate(peer, lambda: peer.to_ndjson(data)) == STREAM_HIT_RATE
    assert _hit_rate(peer, lambda: peer.to_ndjson(data)) == 1  # the hit rate of the next call without fill()
    fill(peer.NAME_CACHE)
    assert _hit_rate(peer, lambda: peer.to_ndjson(data)) == STREAM_HIT_RATE


@pytest.mark.slow
def test_distinct_names_hit_no_cache() -> None:
    data = corpus.make("distinct", RECORDS)
    orjson_dict.to_ndjson(data)
    fill(orjson_dict.NAME_CACHE)
    assert _hit_rate(orjson_dict, lambda: orjson_dict.to_ndjson(data)) == 0


def test_names_before_differ_from_the_corpus() -> None:
    timed = [line.split('"QueryName":"')[1].split('"')[0] for line in corpus.make("typical", 500).decode().splitlines()]
    assert list(corpus.names_before(500)) != timed
    assert list(corpus.names_before(500)) == list(corpus.names_before(600))[:500]


def test_suffix_walk_equals_tldextract() -> None:
    names = [
        "www.example.co.uk.",
        "SHOP.example.ck.",
        "www.ck.",
        "ck.",
        "co.uk.",
        "uk.",
        ".",
        "printer.lan.",
        "localhost.",
    ]
    names += ["www.city.kawasaki.jp.", "a.b.kawasaki.jp.", "cdn.example.github.io.", "xn--e1afmkfd.xn--p1ai."]
    names += corpus.names_before(RECORDS)
    assert [suffix_walk.split(name) for name in names] == [common.split_name(name) for name in names]


def test_peers_with_a_name_cache_declare_it() -> None:
    found, _ = peers.load(peers.ROW_PEERS)
    assert {name for name, peer in found.items() if hasattr(peer, "NAME_CACHE")} == CACHING_PEERS & found.keys()


@pytest.mark.slow
def test_lineup_prepares_peers_with_a_name_cache() -> None:
    lineup = Lineup(RECORDS, lambda _: None)
    lineup.ndjson(orjson_dict, "ndjson")
    lineup.ndjson(orjson_tuned, "tuned")
    lineup.ndjson(orjson_dict, "ndjson_distinct", "distinct")
    lineup.iter_dicts(orjson_dict, "orjson")
    lineup.list_dicts(orjson_dict, "lists")
    lineup.ndjson_names_known(orjson_dict, "names_known")
    shares = {}
    for _ in range(2):
        for key, contender in lineup.contenders.items():
            assert contender.before is not None
            contender.before()
            shares[key] = _hit_rate(orjson_tuned if key == "tuned" else orjson_dict, contender.run)
        assert shares == {
            "ndjson": STREAM_HIT_RATE,
            "tuned": STREAM_HIT_RATE,
            "ndjson_distinct": 0,
            "orjson.iter_dicts": STREAM_HIT_RATE,
            "orjson.kept_dicts": STREAM_HIT_RATE,
            "orjson.read_dicts": STREAM_HIT_RATE,
            "orjson.serialised_dicts": STREAM_HIT_RATE,
            "lists": STREAM_HIT_RATE,
            "names_known": 1,
        }
    assert common.split_name.cache_info().currsize < common.NAME_CACHE_SIZE  # the cache holds no other names


def test_lineup_prepares_no_other_peer() -> None:
    lineup = Lineup(10, lambda _: None)
    peer: Any = SimpleNamespace(NAME="x", LIBRARY="x", VERSION="1", to_ndjson=bytes)
    lineup.ndjson(peer, "x")
    assert lineup.contenders["x"].before is None


def test_contender_with_processes_is_marked_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = SimpleNamespace(ask=lambda _: [])
    pair = SimpleNamespace(workers=lambda _: workers, is_right=lambda *_: True)
    monkeypatch.setattr(parallel, "Parallel", lambda *_: pair)
    lineup = Lineup(10, lambda _: None)
    lineup.on_two_cpus()
    assert set(lineup.contenders) == {f"ours.{job}" for job in parallel.JOBS}
    assert all(contender.elsewhere and contender.check() == 0 for contender in lineup.contenders.values())
    assert not timing.Contender("x", "x", "x", "1", "t", "typical", 1, 1, lambda: None, lambda: 0).elsewhere


class _Clock:
    """A clock that advances only while a contender runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        self.log: list[str] = []
        now = SimpleNamespace(perf_counter=lambda: self.seconds, process_time=lambda: self.seconds / 2)
        monkeypatch.setattr(timing, "time", now)

    def job(self, name: str, seconds: float) -> Callable[[], None]:
        def run() -> None:
            self.log.append(name)
            self.seconds += seconds

        return run


@pytest.mark.parametrize(("seconds", "calls"), [(0.25, 1), (0.03125, 3)])
def test_preparation_precedes_each_call_untimed(monkeypatch: pytest.MonkeyPatch, seconds: float, calls: int) -> None:
    clock = _Clock(monkeypatch)
    contender = timing.Contender("x", "x", "x", "1", "task", "typical", 1, 1, clock.job("run", seconds), lambda: 0)
    contender.before = clock.job("before", 1000.0)
    timing.measure([contender], 2, lambda _: None)
    assert contender.calls == calls
    assert contender.wall_seconds == [seconds, seconds]
    assert contender.cpu_seconds == [seconds / 2, seconds / 2]
    to_set_calls = 1
    assert clock.log[2:] == ["before", "run"] * (to_set_calls + 2 * (timing.FIRST_CALLS + calls))


@pytest.mark.parametrize(("elsewhere", "first_calls"), [(False, 1), (True, 4)])
def test_contender_without_preparation_is_only_called(
    monkeypatch: pytest.MonkeyPatch, elsewhere: bool, first_calls: int
) -> None:
    clock = _Clock(monkeypatch)
    contender = timing.Contender("x", "x", "x", "1", "task", "typical", 1, 1, clock.job("run", 0.25), lambda: 0)
    contender.elsewhere = elsewhere
    timing.measure([contender], 1, lambda _: None)
    assert clock.log == ["run"] * (3 + first_calls + 1)
    assert contender.wall_seconds == [0.25]


@pytest.mark.slow
def test_cost_of_the_contender_before_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock(monkeypatch)

    def contender(name: str) -> timing.Contender:
        def run() -> None:
            clock.seconds += 0.03125 if clock.log[-1:] == [name] else 1000.0
            clock.log.append(name)

        return timing.Contender(name, name, name, "1", "task", "typical", 1, 1, run, lambda: 0)

    both = [contender("first"), contender("second")]
    timing.measure(both, 3, lambda _: None)
    assert [each.wall_seconds for each in both] == [[0.03125] * 3] * 2


def test_ratio_is_the_median_of_rounds() -> None:
    over, under = (
        timing.Contender("x", "x", "x", "1", "task", "typical", records, 1, lambda: None, lambda: 0)
        for records in (200, 100)
    )
    over.wall_seconds, under.wall_seconds = [4.0, 4.0, 8.0, 8.0, 9.0, 2.0, 3.0], [1.0, 1.0, 2.0, 2.0, 1.5, 4.0, 0.5]
    over.cpu_seconds, under.cpu_seconds = [6.0] * 7, [1.0] * 7
    found = timing.ratio(over, under)
    assert (found.value, found.low, found.high, found.cpu) == (2.0, 0.25, 3.0, 3.0)
    assert (found.medians, found.minima) == (4.0 / 1.5 / 2, 2.0 / 0.5 / 2)


class _Benchmark:
    """The part of the fixture of pytest-benchmark that the suites use."""

    stats = None
    group = ""

    def __init__(self) -> None:
        self.extra_info: dict[str, object] = {}
        self.pieces: list[bytes] = []

    def __call__(self, job: Callable[[bytes], object], piece: bytes) -> None:
        self.pieces.append(piece)
        job(piece)

    def pedantic(self, job: Callable[[bytes], object], setup: Any, rounds: int, warmup_rounds: int) -> None:
        for _ in range(warmup_rounds + rounds):
            arguments, _ = setup()
            self.pieces += arguments
            job(*arguments)


@pytest.mark.slow
def test_suites_time_name_caches_in_a_stream() -> None:
    benchmark, data = _Benchmark(), corpus.make("typical", RECORDS)
    throughput._time(benchmark, orjson_dict, "group", data, RECORDS, 0, orjson_dict.to_ndjson)
    assert len({data, *benchmark.pieces}) == 1 + throughput.WARMUP_BATCHES + throughput.TIMED_BATCHES
    info = orjson_dict.NAME_CACHE.cache_info()
    assert (info.hits / RECORDS / len(benchmark.pieces)) == STREAM_HIT_RATE


def test_suites_time_other_peers_with_one_batch() -> None:
    benchmark, data = _Benchmark(), corpus.make("typical", 10)
    peer: Any = SimpleNamespace(NAME="x", LIBRARY="x", VERSION="1")
    throughput._time(benchmark, peer, "group", data, 10, 0, bytes)
    assert benchmark.pieces == [data]
