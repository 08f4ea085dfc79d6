"""Arrow batches by several threads, and what they may take of memory and limits."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa
from support.batches import DATA, shuffled_lines
from support.processes import SANITIZED, at_once, run_python
from support.records import GOOD, LISTS

from cfdns_fast import Normalizer
from cfdns_fast.plan import columns as columns_module

# Threads


@pytest.mark.parametrize(("schema", "dataset"), [("sekoia", "dns_logs"), ("ecs", "gateway_dns")])
@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_threads_when_there_are_many_then_the_batch_is_that_of_one(data: bytes, schema: str, dataset: str) -> None:
    data += b"\n" + LISTS * 3000
    expected = Normalizer(schema, dataset=dataset).to_arrow(data)
    normalizer = Normalizer(schema, dataset=dataset)
    for threads in (2, 3, 16, 3):
        # The first call knows nothing about the room that is needed, the last one does.
        result = normalizer.to_arrow(data, threads=threads)
        result.output.validate(full=True)
        assert result == expected


def test_to_arrow_when_several_callers_use_one_normalizer_then_each_gets_its_own_batch() -> None:
    normalizer = Normalizer()
    inputs = [shuffled_lines(400_000, seed) for seed in range(3)]
    expected = [Normalizer().to_arrow(data) for data in inputs]

    def convert(data: bytes) -> list[Any]:
        return [normalizer.to_arrow(data, threads=threads) for threads in (1, 3, 2)]

    for results, one in zip(at_once(convert, inputs), expected, strict=True):
        assert results == [one] * 3


# Limits and memory


@pytest.fixture
def small_columns(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Let columns hold as little as this, in bytes of text, rows or items."""
    monkeypatch.setattr(columns_module, "MAX_OFFSET", 400_000)
    yield 400_000


@pytest.mark.parametrize("threads", [1, 3])
def test_to_arrow_when_a_column_would_be_too_large_then_asks_for_smaller_blocks(
    small_columns: int, threads: int
) -> None:
    normalizer = Normalizer()
    line = GOOD.rstrip() + b" \n"
    fits = small_columns // (len(GOOD) - 1)
    assert normalizer.to_arrow(line * fits, threads=threads).events == fits
    with pytest.raises(ValueError, match=r"column message .* smaller blocks"):
        normalizer.to_arrow(line * (fits + 1), threads=threads)
    assert normalizer.to_arrow(line).events == 1


def test_to_arrow_when_there_are_too_many_rows_or_items_then_asks_for_smaller_blocks(small_columns: int) -> None:
    with pytest.raises(ValueError, match="smaller blocks"):
        Normalizer(keep_message=False).to_arrow(b"{}" * (small_columns + 1))
    items = b'{"MatchedCategoryIDs":[%s]}' % b",".join([b"1"] * (small_columns + 1))
    with pytest.raises(ValueError, match=r"column cloudflare.MatchedCategoryIDs .* smaller blocks"):
        Normalizer(keep_message=False, dataset="gateway_dns").to_arrow(items)


def test_limit_when_nobody_changed_it_then_is_that_of_signed_32_bit_offsets() -> None:
    assert Normalizer()._plan.plan.columns.max_offset == 2**31 - 1


def test_batch_when_only_a_column_of_it_lives_then_that_is_sound() -> None:
    normalizer = Normalizer()
    batch = normalizer.to_arrow(GOOD * 1000).output
    hosts, kind = batch.column("related.hosts"), batch.column("event.kind")
    del batch, normalizer
    gc.collect()
    assert hosts.to_pylist() == [["www.example.com"]] * 1000
    assert kind.to_pylist() == ["event"] * 1000


def test_take_when_it_fails_then_the_error_is_passed_on_and_the_memory_released() -> None:
    plan = Normalizer()._plan

    def fail(_address: int) -> None:
        raise KeyError("not taken")

    for _ in range(3):
        with pytest.raises(KeyError):
            plan.to_arrow(GOOD * 5000, fail)
    # A schema of other columns: pyarrow refuses, and whoever has the array then releases it, once.
    with pytest.raises(pa.ArrowInvalid):
        plan.to_arrow(GOOD, lambda address: pa.RecordBatch._import_from_c(address, pa.schema({"a": pa.string()})))


@pytest.mark.skipif(sys.platform != "linux" or SANITIZED, reason="limits its own memory")
def test_to_arrow_when_a_batch_of_nothing_came_before_then_needs_no_more_memory_than_its_own() -> None:
    code = """
import resource
from cfdns_fast import Normalizer
normalizer = Normalizer("ecs")
normalizer.to_arrow(b"{}\\n" * 30_000)
record = b'{"QueryName":"www.example.com","Timestamp":1657233726123456789,"SourceIP":"1.2.3.4","QueryType":1}\\n'
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (400 << 20),) * 2)
print(normalizer.to_arrow(record * 300_000).events)
"""
    done = run_python(code)
    assert (done.stdout, done.stderr) == ("300000\n", "")
