"""The public stream: how it ends, what it raises, and which bytes of rejects it gives."""

from __future__ import annotations

import contextlib
import copy
import pickle
import sys
from collections.abc import Callable
from typing import Any

import pytest
from support.feeding import cut, feed
from support.processes import at_once
from support.records import numbers, record, records
from support.spill import MemorySpill

from cfdns_fast import InputFormatError, Normalizer, RecordError, Stream

LONG = b'{"a":"' + b"x" * 200_000 + b'"}'
LINES = record(0) + LONG + b"\n" + record(1)
#: The same reject in every format, and the name of the format.
LONG_INPUTS = {
    "ndjson": LINES,
    "json": b"[" + record(0) + b"," + LONG + b"," + record(1) + b"]",
    "csv": b"QueryName,Timestamp\na.com,1\n" + b"y" * 200_000 + b"\nb.com,2\n",
}
CALLS: list[Callable[[Stream[bytes]], Any]] = [
    lambda stream: stream.feed(b""),
    lambda stream: stream.flush(),
    lambda stream: stream.finish(),
    lambda stream: stream.cut(),
    lambda stream: stream.parts(b""),
    lambda stream: stream.cut_parts(),
    lambda stream: stream.__enter__(),
]


def test_stream_equals_one_call() -> None:
    data = records(5) + b"oops\n" + record(5).rstrip()
    with Normalizer().stream() as stream:
        results = feed(stream, data, [100, len(data)])
    whole = Normalizer().to_ndjson(data)
    assert b"".join(result.output for result in results) == whole.output
    assert [reject for result in results for reject in result.rejects] == list(whole.rejects)
    assert (stream.lines, stream.unfinished_bytes, stream.unused_columns) == (7, 0, ())


@pytest.mark.parametrize("end", ["finish", "cut", "block", "reject", "format", "abandoned", "dropped", "cut dropped"])
@pytest.mark.parametrize("call", CALLS, ids=["feed", "flush", "finish", "cut", "parts", "cut_parts", "enter"])
def test_stream_that_ended_raises_value_error(end: str, call: Callable[[Stream[bytes]], Any]) -> None:
    stream = Normalizer(input_format="csv", on_reject="raise").stream()
    stream.feed(b"QueryName,Timestamp\na.com,1\n")
    if end in ("finish", "cut"):
        getattr(stream, end)()
    elif end == "block":
        with stream:
            pass
    elif end == "reject":
        with pytest.raises(RecordError):
            stream.feed(b"1,2,3\n")
    elif end == "format":
        stream = Normalizer().stream()
        with pytest.raises(InputFormatError):
            stream.feed(b"\x1f\x8b")
    elif end == "abandoned":
        next(stream.parts(b"a.com,1\n"))
    elif end == "dropped":
        stream.parts(b"a.com,1\n")
    else:
        stream.cut_parts()
    with pytest.raises(ValueError, match="stream has ended"):
        call(stream)


def test_stream_ends_with_its_block_after_an_exception() -> None:
    spill = MemorySpill()
    with pytest.raises(KeyError), Normalizer(max_record_bytes=100).stream(whole_rejects=spill) as stream:
        list(stream.parts(LINES[:150_000]))
        assert spill.content
        raise KeyError
    assert spill.content == b""
    assert stream.unfinished_bytes == 150_000 - len(record(0))


def test_spill_fault_keeps_the_exception_of_the_block() -> None:
    class BrokenSpill(MemorySpill):
        def clear(self) -> None:
            raise OSError("no space")

    with pytest.raises(KeyError), Normalizer().stream(whole_rejects=BrokenSpill()):
        raise KeyError
    with pytest.raises(OSError, match="no space"), Normalizer().stream(whole_rejects=BrokenSpill()):
        pass


@pytest.mark.parametrize("call", [copy.copy, copy.deepcopy, pickle.dumps])
def test_stream_copy_raises_type_error(call: Callable[[Any], Any]) -> None:
    stream = Normalizer().stream()
    with pytest.raises(TypeError, match="a stream cannot be copied or pickled"):
        call(stream)
    assert stream.feed(record(0)).events == 1


def test_stream_requires_all_parts_to_be_consumed() -> None:
    stream = Normalizer().stream()
    parts = stream.parts(records(2))
    with pytest.raises(ValueError, match="not all taken"):
        stream.feed(b"")
    assert sum(part.events for part in parts) == 2
    assert stream.feed(records(1)).events == 1


def test_stream_counts_stay_after_the_end() -> None:
    stream = Normalizer(input_format="csv").stream()
    stream.feed(b"QueryName,Timestamp,x\na.com,1,2\na.co")
    stream.cut()
    assert (stream.lines, stream.unfinished_bytes, stream.unused_columns) == (3, 4, ("x",))


@pytest.mark.parametrize("blocks", [[b"\0\0"], [b"\0", b"abc"], [b"\0a\nb\n"], [b"a\nb\n\0"]], ids=repr)
def test_stream_counts_lines_before_detection(blocks: list[bytes]) -> None:
    stream = Normalizer(input_format="auto").stream()
    for block in blocks:
        stream.feed(block)
    data = b"".join(blocks)
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    assert stream.lines == lines
    if data.strip(b"\0"):
        with pytest.raises(InputFormatError):
            stream.finish()
    assert stream.lines == lines


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("input_format", ["auto", "ndjson", "json"])
def test_stream_accepts_any_buffer(input_format: str, kind: Any) -> None:
    block = bytearray(records(3))
    with Normalizer(input_format=input_format).stream() as stream:
        first = stream.feed(kind(block[:60]))
        given = kind(block[60:])
        second = stream.feed(given)
        block[:] = bytes(len(block))
        assert numbers(first.output + second.output + stream.finish().output) == [0, 1, 2]


@pytest.mark.parametrize("block", ["text", 5, None, memoryview(b"abcd")[::2]])
def test_stream_of_another_type_raises_type_error(block: Any) -> None:
    stream = Normalizer().stream()
    with pytest.raises(TypeError, match="data must be"):
        stream.feed(block)
    assert stream.feed(record(0)).events == 1


@pytest.mark.parametrize("input_format", ["ndjson", "json", "csv"])
def test_stream_raises_at_the_first_reject(input_format: str) -> None:
    data = LONG_INPUTS[input_format]
    normalizer = Normalizer(input_format=input_format, on_reject="raise", max_record_bytes=1000)
    with pytest.raises(RecordError) as whole:
        normalizer.to_ndjson(data)
    with normalizer.stream() as stream, pytest.raises(RecordError) as caught:
        feed(stream, data, 999)
    assert pickle.dumps(caught.value) == pickle.dumps(whole.value)


@pytest.mark.parametrize("input_format", LONG_INPUTS)
@pytest.mark.parametrize("max_record_bytes", [1000, 1 << 20])
def test_whole_rejects_hold_all_bytes(input_format: str, max_record_bytes: int) -> None:
    data = LONG_INPUTS[input_format].replace(b'x"}', b"x}") if max_record_bytes > 1000 else LONG_INPUTS[input_format]
    normalizer = Normalizer(input_format=input_format, max_record_bytes=max_record_bytes)
    (expected,) = normalizer.to_ndjson(data).rejects
    for whole_rejects, size_bytes in ((False, 65_536), (True, expected.byte_length)):
        with normalizer.stream(whole_rejects=whole_rejects) as stream:
            results = feed(stream, data, 4096)
        (reject,) = (reject for result in results for reject in result.rejects)
        assert (reject.line, reject.byte_offset, reject.byte_length) == (
            expected.line,
            expected.byte_offset,
            expected.byte_length,
        )
        assert reject.raw == data[reject.byte_offset : reject.byte_offset + size_bytes]


def test_reject_spill_receives_long_rejects_only() -> None:
    spill = MemorySpill()
    normalizer = Normalizer(max_record_bytes=1000)
    kept = []
    with normalizer.stream(whole_rejects=spill) as stream:
        for at in range(0, len(LINES), 4096):
            for part in stream.parts(LINES[at : at + 4096], final=at + 4096 >= len(LINES)):
                for reject in part.rejects:
                    kept.append(spill.content if reject.byte_length > len(reject.raw) else reject.raw)
                    spill.clear()
    assert kept == [LONG]


# Single bytes at the start and the end of the reject, and where its bytes go to the spill: after 1000 and 65,536 bytes.
SINGLES = [1] * 6_000


@pytest.mark.parametrize("input_format", LONG_INPUTS)
@pytest.mark.parametrize(
    "sizes", [[*SINGLES, 55_000, *SINGLES], [65_536], [100_000]], ids=["single bytes", "64 KiB", "large"]
)
def test_reject_spill_receives_no_empty_bytes(input_format: str, sizes: list[int]) -> None:
    written = []

    class SizeSpill(MemorySpill):
        def write(self, data: bytes) -> None:
            written.append(len(data))

    data = LONG_INPUTS[input_format]
    stream = Normalizer(input_format=input_format, max_record_bytes=1000).stream(whole_rejects=SizeSpill())
    for block in cut(data, sizes):
        list(stream.parts(block))
    list(stream.parts(b"", final=True))
    assert written and 0 not in written and sum(written) in (len(LONG), 200_000)


@pytest.mark.parametrize("call", CALLS[:4], ids=["feed", "flush", "finish", "cut"])
def test_reject_spill_needs_parts(call: Callable[[Stream[bytes]], Any]) -> None:
    stream = Normalizer().stream(whole_rejects=MemorySpill())
    with pytest.raises(ValueError, match="gives parts only"):
        call(stream)
    assert sum(part.events for part in stream.parts(record(0), final=True)) == 1


@pytest.mark.parametrize(
    "options",
    [{"threads": 0}, {"threads": True}, {"output": "dicts"}, {"output": None}, {"whole_rejects": None}],
    ids=str,
)
def test_stream_option_of_a_bad_value_is_named(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
        Normalizer().stream(**options)


def test_streams_of_one_normalizer_are_independent() -> None:
    normalizer = Normalizer()
    one, other = normalizer.stream(), normalizer.stream()
    one.feed(record(0)[:30])
    assert other.feed(record(1)).events == 1
    assert numbers(one.feed(record(0)[30:]).output) == [0]


def test_threads_on_one_stream_get_an_error() -> None:
    """Two calls at once would use one state; one of them raises, and every record of the others is converted."""
    stream = Normalizer(max_record_bytes=200).stream()
    events: list[int] = []

    def feed_all(number: int) -> None:
        for _ in range(200):
            with contextlib.suppress(ValueError):
                events.append(stream.feed(record(number) + b'{"a":"' + b"x" * 300 + b'"}\n').events)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        at_once(feed_all, range(4))
    finally:
        sys.setswitchinterval(before)
    assert events
    assert sum(events) + stream.finish().events == len(events)


def test_parts_of_threads_are_bounded() -> None:
    data = records(200_000)
    sizes, events = [], 0
    with Normalizer().stream(threads=2) as stream:
        for part in stream.parts(data, final=True):
            sizes.append(len(part.output))
            events += part.events
    assert events == 200_000
    assert len(sizes) > 1 and max(sizes) < 20 << 20
