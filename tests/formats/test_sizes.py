"""Large inputs of every format take linear time: long, deep, broken, and in tiny blocks."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from support.feeding import feed

from cfdns_fast import Normalizer

SIZE_BYTES = 120_000


# The ratio of two sizes is FACTOR. The ratio of their times is the same for linear time, and its square for quadratic
# time. A busy machine can spoil a try.
FACTOR = 8
MAX_RATIO = 3 * FACTOR
TRIES = 5


def repeated(piece: bytes, size_bytes: int) -> bytes:
    return piece * (size_bytes // len(piece))


#: Name -> (first part, repeated part, last part)
DATA = {
    "open arrays": (b"", b"[", b""),
    "open objects": (b"", b'{"a":', b""),
    "open wrappers": (b"", b'{"a":[', b""),
    "open wrappers around objects": (b"", b'{"a":[{"b":1},', b""),
    "closing brackets": (b"[", b"]", b""),
    "quotes": (b"[", b'"', b""),
    "backslashes": (b'["', b"\\", b""),
    "an open string": (b'[{"a":"', b"x", b""),
    "a long key": (b'{"', b"x", b'":[{}]}'),
    "many keys": (b"{", b'"a":1,', b'"b":[{}]}'),
    "many wrappers": (b"", b'{"a":[{}]}', b""),
    "records that span lines": (b"", b'{\n"ColoCode":"AMS"\n}', b""),
    "nested elements": (b"[", b'{"a":{"b":{"c":1}}},', b"{}]"),
    "numbers": (b"[", b"1,", b"1]"),
    "a long number": (b"[", b"1", b"]"),
    "empty strings": (b"[", b'"",', b"{}]"),
    "space": (b"[", b" \n", b"]"),
    "commas": (b"[],", b",", b"[]"),
    "pieces": (b"{}", b"|{}", b""),
    "delimiters": (b"{}", b"|", b""),
    "halves of delimiters and braces": (b"{}", b"}|", b""),
    "open objects and delimiters": (b"{}", b"|{", b""),
    "open arrays and delimiters": (b"{}|", b'{"a":[|', b""),
    "delimiters in strings that open objects": (b"{}|", b'{"a":"|{","a":"|', b""),
    "delimiters in open strings": (b"{}|", b'{"x|{\\"', b""),
    "numbers and delimiters": (b"{}|", b'{"a":1|', b""),
    "words and no delimiter": (b"{}|", b'{"a":x', b""),
    "lines without a delimiter": (b"{}|\n", b"{x\n", b""),
    "space after delimiters": (b"{}|", b"| ", b""),
    "documents on lines": (b"[{}]\n", b'{"a":{"ColoCode":"AMS"}}\n', b""),
    "open documents on lines": (b"[{}]\n", b'{"a":[{"b":1},\n', b""),
    "open strings on lines": (b"[{}]\n", b'["\n', b""),
    "empty lines": (b"[{}]\n", b"\r\n", b"[]"),
    "a long line": (b'[{}]\n{"a":[{}', b',{"b":1}', b"]}\n"),
    "a long line that is broken": (b"[{}]\n[{}x", b"x", b"\n{}"),
    "a long first line": (b'{"a":[{}', b',{"b":1}', b"]}\n{}"),
    "documents that span lines": (b"[\n{}]\n", b'{"a":[{"b":1},{}]}\n', b""),
    "space first": (b"", b" ", b"\n[{}]"),
    "newlines first": (b"", b"\n", b"[{}]"),
    "rows": (b"ColoCode,QueryName\n", b"AMS,a.com\n", b""),
    "rows with open quotes": (b"ColoCode,QueryName\n", b'"x\n', b""),
    "rows with doubled quotes": (b"ColoCode,QueryName\n", b'"",""""\n', b""),
    "rows with odd quotes": (b"ColoCode,QueryName\n", b'a,"""\n""b\n', b""),
    "a quote that is never closed": (b'ColoCode,QueryName\n"', b'""\n', b""),
    "an open quote and lines": (b'ColoCode,QueryName\n"', b"x\n", b""),
    "a long row": (b"ColoCode,QueryName\n", b"x,", b"\n1,2"),
    "returns": (b"ColoCode,QueryName\n", b"\r", b"x"),
    "lines that are no rows": (b"", b"x\n", b"{}"),
}


#: A few of the most expensive inputs, each like another one.
SLOW_DATA = ("an open quote and lines", "rows with open quotes")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW_DATA else []) for name in DATA]
)
@pytest.mark.parametrize("max_record_bytes", [pytest.param(1 << 14, marks=pytest.mark.slow), 1 << 30])
def test_repetitive_input_ends(name: str, max_record_bytes: int) -> None:
    first, piece, last = DATA[name]
    data = first + repeated(piece, SIZE_BYTES) + last
    normalizer = Normalizer(input_format="auto", record_delimiter="|", max_record_bytes=max_record_bytes)
    whole = normalizer.to_ndjson(data)
    assert whole.events + len(whole.rejects) > 0 or name == "space"
    stream = normalizer.stream()
    results = feed(stream, data, 16384)
    assert b"".join(result.output for result in results) == whole.output
    assert sum(len(result.rejects) for result in results) == len(whole.rejects)


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA)
def test_stream_of_tiny_blocks_ends(name: str) -> None:
    first, piece, last = DATA[name]
    data = first + repeated(piece, 30_000) + last
    normalizer = Normalizer(input_format="auto", record_delimiter="|")
    stream = normalizer.stream()
    results = feed(stream, data, 3)
    whole = normalizer.to_ndjson(data)
    assert sum(result.events for result in results) == whole.events
    assert tuple(reject for result in results for reject in result.rejects) == whole.rejects


def seconds(convert: Callable[[bytes], Any], data: bytes) -> float:
    start = time.process_time()
    convert(data)
    return time.process_time() - start


def streamed(data: bytes) -> None:
    stream = Normalizer(input_format="auto", record_delimiter="|").stream()
    feed(stream, data, 4096)


def whole(data: bytes) -> None:
    Normalizer(input_format="auto", record_delimiter="|").to_ndjson(data)


@pytest.mark.slow
@pytest.mark.parametrize("convert", [whole, streamed])
@pytest.mark.parametrize("name", DATA)
def test_conversion_takes_linear_time(name: str, convert: Callable[[bytes], Any]) -> None:
    first, piece, last = DATA[name]
    short, long = (first + repeated(piece, size) + last for size in (SIZE_BYTES // 2, FACTOR * SIZE_BYTES // 2))
    gc.disable()
    try:
        for _ in range(TRIES):
            if seconds(convert, long) <= MAX_RATIO * seconds(convert, short):
                return
    finally:
        gc.enable()
    pytest.fail(f"{FACTOR} times the input takes more than {MAX_RATIO} times the time, in each of {TRIES} tries")


def test_leading_space_takes_linear_memory() -> None:
    normalizer = Normalizer(input_format="auto")
    for data in (b" " * 2**20, b"\n" * 2**20, b"\xef\xbb\xbf" * 2**18 + b"{}", b" " * 2**22 + b"{}"):
        tracemalloc.start()
        try:
            normalizer.to_ndjson(data)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak_bytes < 16 * 2**20


def test_document_longer_than_the_sniffed_part_is_read(implementation: Any) -> None:
    element = b'{"info":{"ColoCode":"AMS","x":"%s"}}' % (b"x" * 1000)
    for separator in (b",", b",\n"):
        data = b'{"events":[' + separator.join([element] * 1_100) + b"]}"
        result = implementation.to_ndjson(data, input_format="auto", keep_message=False)
        assert (result.events, result.rejects) == (1_100, ())
    rest = b"7" + data
    result = implementation.to_dicts(b"[{}\n" + rest, input_format="json")
    assert [(reject.line, reject.byte_offset, reject.byte_length) for reject in result.rejects] == [(2, 4, len(rest))]
    assert result.rejects[0].raw == rest[:65536]


def test_record_longer_than_a_window_is_an_event(implementation: Any) -> None:
    """The record spans lines."""
    data = b'{"ColoCode":"AMS",\n"a":[' + b'"xyz",\r\n' * 100_000 + b"0]}\n"
    result = implementation.to_dicts(data, input_format="auto")
    assert result.output[0]["message"].encode() == data[:-1]
    refused = implementation.to_dicts(data, input_format="json", max_record_bytes=1000)
    assert [(reject.code, reject.byte_length) for reject in refused.rejects] == [("record.too_large", len(data) - 1)]


@pytest.mark.parametrize("input_format", ["auto", "ndjson", "json"])
def test_stream_keeps_no_leading_nuls(input_format: str) -> None:
    stream = Normalizer(input_format=input_format).stream()
    block = bytes(1 << 16)
    tracemalloc.start()
    try:
        results = [stream.feed(block) for _ in range(64)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    results += [stream.feed(b'\0[1]\n{"ColoCode":"AMS"}\n'), stream.finish()]
    assert peak < 1 << 20
    assert [sum(result.events for result in results), sum(result.blank for result in results)] == [1, 1]
    (reject,) = (reject for result in results for reject in result.rejects)
    assert (reject.line, reject.byte_offset) == (1, 64 * len(block) + (2 if input_format == "json" else 1))


def test_leading_nuls_are_one_blank_row() -> None:
    stream = Normalizer(input_format="auto").stream()
    results = [stream.feed(bytes(1 << 16)) for _ in range(64)]
    results += [stream.feed(b"\0ColoCode,QueryType\nAMS\n"), stream.feed(bytes(77)), stream.finish()]
    assert sum(result.blank for result in results) == 2
    (reject,) = (reject for result in results for reject in result.rejects)
    assert (reject.line, reject.byte_offset) == (2, (64 << 16) + 20)
