"""The batches of an Arrow stream together are the batch of one call, wherever the input is cut."""

from __future__ import annotations

import json
import mmap
import struct
import sys
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("hypothesis")

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from support import strategies
from support.feeding import cut, feed
from support.format_strategies import any_data, options, outcome
from support.processes import run_python
from support.records import GOOD, MIXED
from support.spill import concatenated, streamed

from cfdns_fast import Normalizer, RecordError, Result
from cfdns_fast.arrow import ArrowWriter
from cfdns_fast.results import joined

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


@pytest.mark.parametrize(
    ("line", "block_bytes"),
    [
        pytest.param(line, block_bytes, marks=pytest.mark.slow if line in (b"{}\n", b"x\n") else [])
        for line in (b"{}\n", b"x\n", b'{}\n\n\0{}{"ColoCode":"AMS"}\nx\n', GOOD)
        for block_bytes in (8 << 20, 5_000_003)
    ],
)
def test_arrow_parts_of_threads_have_limited_rows(line: bytes, block_bytes: int) -> None:
    """A part ends at the end of a piece of 128 KiB."""
    data = line * ((8 << 20) // len(line))
    whole = Normalizer().to_arrow(data)
    with Normalizer().stream(output="arrow", threads=4) as stream:
        parts = [part for block in cut(data, block_bytes) for part in stream.parts(block)]
        parts += stream.parts(b"", final=True)
    limit = 65_536 + (128 << 10) // 2
    assert max(max(part.events, len(part.rejects)) for part in parts) <= limit
    assert equal(joined(parts, concatenated), whole)


def test_arrow_parts_of_threads_grow_with_records() -> None:
    """Records of usual sizes are for all threads, after the first part of a block too."""
    calls = []
    with Normalizer().stream(output="arrow", threads=2) as stream:
        inner: Any = stream
        stream.feed(GOOD)
        convert = inner._stream._convert_part

        def convert_part(kept: bytes, *, final: bool, threads: int) -> Any:
            calls.append(threads)
            return convert(kept, final=final, threads=threads)

        inner._stream._convert_part = convert_part
        events = [part.events for part in stream.parts(GOOD * 200_000, final=True)]
    assert sum(events) == 200_001 and len(events) >= 3
    assert set(calls) == {2}


def test_joined_lists_above_2_gib_raise_value_error() -> None:
    """The text is memory that is mapped and never touched."""
    size_bytes = 1100 << 20
    offsets = pa.py_buffer(struct.pack("<2i", 0, size_bytes))
    texts = pa.StringArray.from_buffers(1, offsets, pa.py_buffer(mmap.mmap(-1, size_bytes)))
    batch = pa.RecordBatch.from_arrays([pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), texts)], ["column"])
    writer = ArrowWriter(Normalizer()._converter)
    assert writer.join([batch]) is batch
    with pytest.raises(ValueError, match="more than 2 GiB of text: take `parts`, or feed smaller blocks"):
        writer.join([batch, batch])


def test_joined_rows_of_two_batches_raise_value_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyarrow divides a column of more than 2 GiB of text, and would copy all of it here."""

    class Divided:
        def combine_chunks(self) -> Divided:
            return self

        def to_batches(self) -> list[pa.RecordBatch]:
            return [batch, batch]

    batch = Normalizer().to_arrow(GOOD).output
    fake = SimpleNamespace(Table=SimpleNamespace(from_batches=lambda batches: Divided()), ArrowInvalid=pa.ArrowInvalid)
    writer = ArrowWriter(Normalizer()._converter)
    monkeypatch.setattr("cfdns_fast.arrow.pyarrow", fake)
    with pytest.raises(ValueError, match="more than 2 GiB of text: take `parts`, or feed smaller blocks"):
        writer.join([batch, batch])


def test_arrow_stream_ends_if_parts_cannot_be_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(writer: ArrowWriter, outputs: list[pa.RecordBatch]) -> None:
        raise ValueError("more than 2 GiB")

    stream = Normalizer().stream(output="arrow")
    monkeypatch.setattr(ArrowWriter, "join", fail)
    with pytest.raises(ValueError, match="more than 2 GiB"):
        stream.feed(b"{}\n" * 150_000)
    with pytest.raises(ValueError, match="stream has ended"):
        stream.feed(b"")


def test_arrow_stream_does_not_import_pandas() -> None:
    code = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pandas":
            raise RuntimeError("pandas is imported")

sys.meta_path.insert(0, Finder())
from cfdns_fast import Normalizer
for input_format in ("ndjson", "json", "csv", "auto"):
    stream = Normalizer(input_format=input_format).stream(output="arrow")
    stream.feed(b"")
    stream.feed(b"QueryName,Timestamp\\n" if input_format == "csv" else b"{}" * 150_000 + b"\\n{")
    stream.flush()
    stream.finish()
print("pandas" in sys.modules)
"""
    done = run_python(code)
    assert (done.stdout, done.stderr) == ("False\n", "")


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
