"""pytest-benchmark suites for the jobs of the targets and others, with one group per task.

    python -m pytest benchmarks --benchmark-only                                  about a minute
    CFDNS_BENCH_RECORDS=30000 python -m pytest benchmarks --benchmark-only       the targets' size

Contenders do not alternate here, so figures of a busy machine may differ by chance. Claims come from
`python -m benchmarks --targets`. Peers that are not installed are skipped.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("pytest_benchmark")

from . import corpus, floor, peers
from .answers import TOLERATED_SHARE, Expected, arrow_events, differing_events, differing_rows, expected
from .lineup import BATCH_RECORDS, batches, consume
from .preparation import fill

RECORDS = int(os.environ.get("CFDNS_BENCH_RECORDS", "3000"))
#: Numbers of batches for peers with a name cache: fewer for large batches, but at least MIN_TIMED_BATCHES.
WARMUP_BATCHES, TIMED_BATCHES, MIN_TIMED_BATCHES, STREAM_RECORDS = 3, 20, 5, 100_000
SETTINGS = pytest.mark.benchmark(disable_gc=True, min_rounds=5, max_time=0.4, warmup=True, warmup_iterations=1)

NAMES = ("ours", *peers.PEERS)
ROWS = ("ours", *(name for name in peers.ROW_PEERS if name != "msgspec_tuned"))  # msgspec_tuned makes no dicts


@cache
def _load(name: str) -> ModuleType:
    if name in peers.PEERS:
        found, absent = peers.load([name])
        if name in absent:
            pytest.skip(absent[name])
        return found[name]
    try:
        return importlib.import_module(f"..{'ours' if name == 'ours' else 'plain'}", peers.__name__)
    except ImportError as error:
        pytest.skip(f"cfdns_fast is not built: {error}")


@cache
def _data(variant: str, records: int) -> bytes:
    return corpus.make(variant, records)


@cache
def _right(variant: str, records: int) -> Expected:
    return expected(_data(variant, records))


def _time(
    benchmark: Any,
    peer: ModuleType,
    group: str,
    data: bytes,
    records: int,
    wrong: int,
    job: Callable[[bytes], object],
    variant: str = "typical",
) -> None:
    tolerated = int(records * TOLERATED_SHARE) if hasattr(peer, "prepare") else 0
    if wrong > tolerated:
        pytest.fail(f"{peer.NAME}: wrong answers, {wrong} of {records} rows differ; not timed")
    benchmark.group = group
    benchmark.extra_info.update(
        library=peer.LIBRARY,
        version=peer.VERSION,
        correct=wrong == 0,
        differing_rows=wrong,
        records=records,
        input_bytes=len(data),
    )
    if hasattr(peer, "NAME_CACHE") and records > 1:
        _time_in_a_stream(benchmark, peer, variant, records, job)
    else:
        benchmark(job, data)
    if benchmark.stats is not None:
        benchmark.extra_info["events_per_second"] = round(records / benchmark.stats.stats.median)


def _time_in_a_stream(
    benchmark: Any, peer: ModuleType, variant: str, records: int, job: Callable[[bytes], object]
) -> None:
    """Time different batches in a row, because all names of a repeated batch would be in the cache.

    Filling the cache before each call instead would evict the CPU caches, which matters for so few records.
    """
    rounds = max(MIN_TIMED_BATCHES, min(TIMED_BATCHES, STREAM_RECORDS // records))
    # The answers were checked with the first batch, and the last batch is for profilers, which call once more.
    count = 1 + WARMUP_BATCHES + rounds + 1
    pieces = iter(batches(_data(variant, records * count), records)[1:])
    fill(peer.NAME_CACHE)
    benchmark.pedantic(job, setup=lambda: ((next(pieces),), {}), rounds=rounds, warmup_rounds=WARMUP_BATCHES)


def _time_ndjson(benchmark: Any, name: str, variant: str, records: int, group: str) -> None:
    peer = _load(name)
    if variant not in peer.VARIANTS:
        pytest.skip(f"{peer.NAME} does not read {variant}")
    data, right = _data(variant, records), _right(variant, records)
    if variant == "bad1" and not right.rejects:
        pytest.skip("the right answers need cfdns_fast.reference")
    engine = hasattr(peer, "prepare")
    wrong = differing_rows(right, peer.to_ndjson(data), drop_nulls=engine)
    if hasattr(peer, "rejects"):
        wrong += abs(peer.rejects(data) - right.rejects)
    if engine:
        path = peer.prepare(data)
        _time(benchmark, peer, group, data, records, wrong, lambda _: peer.convert(path), variant)
    else:
        _time(benchmark, peer, group, data, records, wrong, peer.to_ndjson, variant)


@SETTINGS
@pytest.mark.parametrize("variant", corpus.VARIANTS)
@pytest.mark.parametrize("name", NAMES)
def test_ndjson_to_ndjson_in_bulk(benchmark: Any, name: str, variant: str) -> None:
    _time_ndjson(benchmark, name, variant, RECORDS, f"NDJSON to NDJSON, bulk, {variant}")


@SETTINGS
@pytest.mark.parametrize("name", (*NAMES, "reference"))
def test_ndjson_to_ndjson_by_batch(benchmark: Any, name: str) -> None:
    _time_ndjson(benchmark, name, "typical", BATCH_RECORDS, "NDJSON to NDJSON, one batch of 1,000 records")


@SETTINGS
@pytest.mark.parametrize("name", ROWS)
def test_ndjson_to_dicts_one_by_one(benchmark: Any, name: str) -> None:
    peer, data = _load(name), _data("typical", RECORDS)
    wrong = differing_events(_right("typical", RECORDS), peer.iter_dicts(data))
    group = "NDJSON to dicts, consumed one by one"
    _time(benchmark, peer, group, data, RECORDS, wrong, lambda piece: consume(peer.iter_dicts(piece)))


@SETTINGS
@pytest.mark.parametrize("name", (*ROWS, "reference"))
def test_ndjson_to_dicts_in_a_list(benchmark: Any, name: str) -> None:
    peer, data = _load(name), _data("typical", BATCH_RECORDS)
    wrong = differing_events(_right("typical", BATCH_RECORDS), peer.to_dicts(data))
    group = "NDJSON to dicts, a list of 1,000"
    _time(benchmark, peer, group, data, BATCH_RECORDS, wrong, peer.to_dicts)


@SETTINGS
@pytest.mark.parametrize("records", [RECORDS, BATCH_RECORDS], ids=["bulk", "batch"])
def test_ndjson_to_arrow(benchmark: Any, records: int) -> None:
    pytest.importorskip("pyarrow")
    peer, data = _load("ours"), _data("typical", records)
    wrong = differing_events(_right("typical", records), arrow_events(peer.to_arrow(data)))
    _time(benchmark, peer, "NDJSON to Arrow", data, records, wrong, peer.to_arrow)


@SETTINGS
@pytest.mark.parametrize("name", (*ROWS, "reference"))
def test_one_record_to_a_dict(benchmark: Any, name: str) -> None:
    peer, line = _load(name), _data("typical", 1).rstrip(b"\n")
    wrong = differing_events(_right("typical", 1), [peer.event(line)])
    _time(benchmark, peer, "one record to a dict", line, 1, wrong, peer.event)


@SETTINGS
@pytest.mark.parametrize("variant", floor.VARIANTS)
def test_floor_reads_ndjson(benchmark: Any, variant: str) -> None:
    data = _data(variant, RECORDS)
    try:
        built = floor.Floor(data)
    except floor.FloorUnavailable as error:
        pytest.skip(str(error))
    assert built.is_correct(data)
    benchmark.group = f"NDJSON to NDJSON, bulk, {variant}"
    benchmark.extra_info.update(
        library="simdjson",
        version=floor.version(),
        correct=True,
        records=RECORDS,
        input_bytes=len(data),
        reads_only=True,
    )
    benchmark(built.run)
    if benchmark.stats is not None:
        benchmark.extra_info["events_per_second"] = round(RECORDS / benchmark.stats.stats.median)
