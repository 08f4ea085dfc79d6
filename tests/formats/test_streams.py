"""Streams: `flush` converts the complete records, and `cut` ends an incomplete input."""

from __future__ import annotations

from typing import Any

import pytest
from support.feeding import cut
from support.records import numbers, record, records

from cfdns_fast import InputFormatError, Normalizer, Stream


def opened(input_format: str = "auto", *, threads: int = 1) -> Stream[bytes]:
    return Normalizer(input_format=input_format).stream(threads=threads)


@pytest.mark.parametrize("input_format", ["auto", "ndjson"])
def test_flush_returns_what_threads_hold_back(input_format: str) -> None:
    stream = opened(input_format, threads=2)
    assert stream.feed(records(3) + b'{"Query').output == b""
    assert numbers(stream.flush().output) == [0, 1, 2]
    assert (stream.flush().events, stream.unfinished_bytes) == (0, 7)


def test_cut_omits_the_unfinished_record() -> None:
    stream = opened(threads=2)
    stream.feed(records(2) + b"oops\n" + record(2)[:-3])
    result = stream.cut()
    assert (result.events, [reject.code for reject in result.rejects]) == (2, ["json.syntax"])
    assert (stream.unfinished_bytes, stream.lines) == (len(record(2)) - 3, 4)


def test_cut_rejects_the_rest_of_a_broken_document() -> None:
    stream = opened("json")
    first = stream.feed(b"[" + record(0) + b",oops {\n")
    second = stream.feed(b"more")
    last = stream.cut()
    assert first.events + second.events + last.events == 1
    (reject,) = first.rejects + second.rejects + last.rejects
    assert (reject.code, reject.raw[-4:], stream.unfinished_bytes) == ("json.syntax", b"more", 0)


def test_cut_detects_the_format_from_what_it_has() -> None:
    stream = opened()
    assert stream.feed(record(0).rstrip(b"\n")).events == 0
    assert stream.flush().events == 0
    assert numbers(stream.cut().output) == [0]


@pytest.mark.parametrize("data", [b"", b"oops", b"QueryName,Times"])
def test_cut_of_an_unknown_format_is_empty(data: bytes) -> None:
    stream = opened()
    stream.feed(data)
    assert (stream.cut().events, stream.unfinished_bytes) == (0, len(data))


def test_flush_of_an_unknown_format_raises() -> None:
    stream = opened("csv")
    stream.feed(b'"a')
    with pytest.raises(InputFormatError):
        stream.feed(b'b"\n')
        stream.flush()


@pytest.mark.parametrize("separator", [b",", b"\t"])
def test_flush_returns_a_short_row_after_a_long_one(separator: bytes) -> None:
    """The unfinished row is read again although its size has not doubled."""
    stream = opened()
    stream.feed(b"QueryName" + separator + b'Timestamp\n"' + b"a" * 1000)
    assert stream.feed(b'"' + separator + b"1\n").events + stream.flush().events == 1


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (b"1\n22222\r", {"input_format": "json", "max_record_bytes": 5}),
        (b'\tAMS,"1\n2"\n', {"input_format": "auto", "columns": ["ColoCode", "x"]}),
    ],
    ids=["a CR after a value of the maximum length", "a row of CSV that TSV reads too"],
)
def test_bytewise_stream_equals_one_call(data: bytes, options: dict[str, Any]) -> None:
    stream = Normalizer(**options).stream()
    results = [part for block in cut(data, 1) for part in (stream.feed(block), stream.flush())]
    results.append(stream.finish())
    whole = Normalizer(**options).to_ndjson(data)
    assert b"".join(result.output for result in results) == whole.output
    assert [reject for result in results for reject in result.rejects] == list(whole.rejects)
