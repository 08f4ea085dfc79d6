"""The batches of an Arrow stream together are the batch of one call, wherever the input is cut."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("hypothesis")

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from support import strategies
from support.feeding import feed
from support.format_strategies import any_data, options, outcome
from support.records import GOOD, MIXED
from support.spill import streamed

from cfdns_fast import Normalizer, RecordError, Result

DOCUMENT = b'{"events":[' + b",".join([GOOD.strip()] * 3) + b",oops]}\n"
ROWS = b"QueryName,Timestamp,ColoCode\n" + b"a.com,1657233726,AMS\n" * 3 + b"a,b\n"
INPUTS = {"ndjson": MIXED, "json": DOCUMENT, "csv": ROWS, "tsv": ROWS.replace(b",", b"\t")}

sizes = st.lists(st.integers(1, 60), min_size=1, max_size=8)


def equal(one: Any, other: Any) -> bool:
    """Return whether two results are equal; batches are compared with their schemas."""
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    assert one.output.schema.equals(other.output.schema, check_metadata=True)
    return bool(one == other)


@given(data=st.one_of(any_data, strategies.any_batch), sizes=sizes, threads=st.integers(1, 3), options=options)
def test_arrow_stream_equals_one_call(data: bytes, sizes: list[int], threads: int, options: dict[str, Any]) -> None:
    whole = outcome(lambda: Normalizer(**options).to_arrow(data))
    made = outcome(lambda: streamed(data, sizes, output="arrow", threads=threads, **options))
    assert equal(made, whole)


@given(data=any_data, sizes=sizes, max_record_bytes=st.integers(1, 60), with_spill=st.booleans())
def test_arrow_stream_of_long_records_equals_one_call(
    data: bytes, sizes: list[int], max_record_bytes: int, with_spill: bool
) -> None:
    chosen: dict[str, Any] = {"input_format": "auto", "max_record_bytes": max_record_bytes}
    whole = outcome(lambda: Normalizer(**chosen).to_arrow(data))
    assert equal(outcome(lambda: streamed(data, sizes, output="arrow", with_spill=with_spill, **chosen)), whole)


@pytest.mark.parametrize("input_format", INPUTS)
def test_arrow_stream_gives_one_batch_per_call(input_format: str) -> None:
    data = INPUTS[input_format]
    normalizer = Normalizer(input_format=input_format)
    whole = normalizer.to_arrow(data)
    with normalizer.stream(output="arrow") as stream:
        results = feed(stream, data, 50)
    assert all(isinstance(result.output, pa.RecordBatch) for result in results)
    assert all(result.output.schema.equals(whole.output.schema) for result in results)
    assert pa.Table.from_batches([result.output for result in results]) == pa.Table.from_batches([whole.output])
    assert sum(len(result.rejects) for result in results) == len(whole.rejects) > 0


@pytest.mark.parametrize("input_format", ["auto", *INPUTS])
def test_arrow_stream_of_no_input_has_the_schema(input_format: str) -> None:
    normalizer = Normalizer(input_format=input_format)
    with normalizer.stream(output="arrow") as stream:
        batches = [stream.feed(b"").output, stream.flush().output, stream.finish().output]
    for batch in batches:
        assert batch.num_rows == 0
        assert batch.schema == normalizer.to_arrow(b"").output.schema


def test_arrow_stream_joins_parts_of_many_rows() -> None:
    """One call can need several parts, because a part has a limited number of rows."""
    data = b'{"ColoCode":"AMS","QueryType":1}\n' * 150_000
    with Normalizer().stream(output="arrow") as stream:
        parts = list(stream.parts(data, final=True))
    with Normalizer().stream(output="arrow") as stream:
        fed = stream.feed(data)
    assert len(parts) > 1 and fed.events == sum(part.events for part in parts) == 150_000
    assert fed.output.num_rows == 150_000
    assert fed.output == Normalizer().to_arrow(data).output


def test_arrow_stream_raises_at_the_first_reject() -> None:
    with Normalizer(on_reject="raise").stream(output="arrow") as stream:
        assert stream.feed(GOOD).events == 1
        with pytest.raises(RecordError) as caught:
            stream.feed(b"oops\n")
    assert (caught.value.line, caught.value.byte_offset) == (2, len(GOOD))


def test_arrow_output_alone_needs_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cfdns_fast.arrow", None)
    normalizer = Normalizer()
    result: Result[bytes] = normalizer.stream().feed(GOOD)
    assert json.loads(result.output)
    with pytest.raises(ImportError):
        normalizer.stream(output="arrow")
