"""What the writers and parse take as input, and what they refuse."""

from __future__ import annotations

import array
import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.records import GOOD, MIXED, memory_mapped
from support.writers import every_writer

from cfdns_fast import Normalizer, parse
from cfdns_fast.errors import RecordError

EVENT_NAME = "www.example.com"
EVEN = MIXED if len(MIXED) % 2 == 0 else MIXED + b" "
BUFFERS: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda folder: EVEN,
    "bytearray": lambda folder: bytearray(EVEN),
    "memoryview": lambda folder: memoryview(EVEN),
    "memoryview of a slice": lambda folder: memoryview(b"junk" + EVEN + b"junk")[4:-4],
    "memoryview in two dimensions": lambda folder: memoryview(EVEN).cast("B", (2, len(EVEN) // 2)),
    "memoryview of chars": lambda folder: memoryview(EVEN).cast("c"),
    "array of bytes": lambda folder: array.array("B", EVEN),
    "array of 16-bit items": lambda folder: array.array("H", EVEN),
    "ctypes array": lambda folder: (ctypes.c_ubyte * len(EVEN)).from_buffer_copy(EVEN),
    "mmap": lambda folder: memory_mapped(EVEN, folder),
}


@pytest.mark.parametrize("make", BUFFERS.values(), ids=BUFFERS)
@every_writer
def test_conversion_when_given_any_bytes_like_object_then_gives_the_same(write: Any, make: Any, tmp_path: Path) -> None:
    assert write(Normalizer(), make(tmp_path)) == write(Normalizer(), EVEN)


@every_writer
def test_conversion_when_the_input_ends_with_a_page_of_memory_then_reads_no_further(write: Any, tmp_path: Path) -> None:
    for tail in (b'{"a":1}', b'{"a":"\\', b"\xe2\x82", b'"', b"-", b" "):
        data = GOOD.ljust(4 * 4096 - len(tail)) + tail
        assert write(Normalizer(), memory_mapped(data, tmp_path)) == write(Normalizer(), data)


@pytest.mark.parametrize(
    "make", [bytearray, memoryview, lambda b: array.array("B", b)], ids=["bytearray", "memoryview", "array"]
)
def test_parse_when_given_any_bytes_like_object_then_gives_the_same(make: Any) -> None:
    assert parse(make(GOOD)) == parse(GOOD)


@every_writer
def test_conversion_when_given_no_bytes_then_gives_an_empty_result(write: Any) -> None:
    for empty in (b"", bytearray(), memoryview(b"")):
        result = write(Normalizer(), empty)
        assert (len(result.output), result.events, result.blank, result.rejects, result.problems) == (0, 0, 0, (), {})


@every_writer
def test_conversion_when_given_str_then_says_to_encode(write: Any) -> None:
    with pytest.raises(TypeError, match="encode") as caught:
        write(Normalizer(), GOOD.decode())
    assert EVENT_NAME not in str(caught.value)


def test_parse_when_given_str_then_says_to_encode() -> None:
    with pytest.raises(TypeError, match="encode") as caught:
        parse(GOOD.decode())
    assert EVENT_NAME not in str(caught.value)


NOT_BUFFERS = [None, 5, 1.5, True, [123, 125], (b"{}",), {"a": 1}, object(), iter([b"{}"]), Path("x")]


@pytest.mark.parametrize("data", NOT_BUFFERS, ids=lambda data: type(data).__name__)
@every_writer
def test_conversion_when_given_what_is_not_bytes_like_then_raises_type_error(write: Any, data: Any) -> None:
    with pytest.raises(TypeError):
        write(Normalizer(), data)


@pytest.mark.parametrize("data", NOT_BUFFERS, ids=lambda data: type(data).__name__)
def test_parse_when_given_what_is_not_bytes_like_then_raises_type_error(data: Any) -> None:
    with pytest.raises(TypeError):
        parse(data)


@every_writer
def test_conversion_when_the_memory_is_not_contiguous_then_refuses(write: Any) -> None:
    with pytest.raises((TypeError, ValueError, BufferError)):
        write(Normalizer(), memoryview(GOOD)[::2])


@every_writer
def test_conversion_when_it_is_done_then_holds_no_buffer(write: Any) -> None:
    data = bytearray(MIXED)
    view = memoryview(data)
    write(Normalizer(), view)
    view.release()
    data.clear()  # a BufferError if anything still held it


def test_conversion_when_it_raises_then_holds_no_buffer() -> None:
    data = bytearray(MIXED)
    with pytest.raises(RecordError):
        Normalizer(on_reject="raise").to_dicts(data)
    data.clear()
    data += b"[1]"
    with pytest.raises(RecordError):
        parse(data)
    data.clear()
