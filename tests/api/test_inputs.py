"""Input that the writers and parse accept, and input that raises an error."""

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
def test_conversion_accepts_any_bytes_like_object(write: Any, make: Any, tmp_path: Path) -> None:
    assert write(Normalizer(), make(tmp_path)) == write(Normalizer(), EVEN)


@every_writer
def test_conversion_reads_only_within_the_input(write: Any, tmp_path: Path) -> None:
    """The input ends where a memory page ends, so a read after it can crash."""
    for tail in (b'{"a":1}', b'{"a":"\\', b"\xe2\x82", b'"', b"-", b" "):
        data = GOOD.ljust(4 * 4096 - len(tail)) + tail
        assert write(Normalizer(), memory_mapped(data, tmp_path)) == write(Normalizer(), data)


@pytest.mark.parametrize(
    "make", [bytearray, memoryview, lambda b: array.array("B", b)], ids=["bytearray", "memoryview", "array"]
)
def test_parse_accepts_any_bytes_like_object(make: Any) -> None:
    assert parse(make(GOOD)) == parse(GOOD)


@every_writer
def test_conversion_of_no_bytes_is_empty(write: Any) -> None:
    for empty in (b"", bytearray(), memoryview(b"")):
        result = write(Normalizer(), empty)
        assert (len(result.output), result.events, result.blank, result.rejects, result.problems) == (0, 0, 0, (), {})


@every_writer
def test_conversion_of_str_says_to_encode(write: Any) -> None:
    with pytest.raises(TypeError, match="encode") as caught:
        write(Normalizer(), GOOD.decode())
    assert EVENT_NAME not in str(caught.value)


def test_parse_of_str_says_to_encode() -> None:
    with pytest.raises(TypeError, match="encode") as caught:
        parse(GOOD.decode())
    assert EVENT_NAME not in str(caught.value)


NOT_BUFFERS = [None, 5, 1.5, True, [123, 125], (b"{}",), {"a": 1}, object(), iter([b"{}"]), Path("x")]


@pytest.mark.parametrize("data", NOT_BUFFERS, ids=lambda data: type(data).__name__)
@every_writer
def test_conversion_of_other_types_raises_type_error(write: Any, data: Any) -> None:
    with pytest.raises(TypeError):
        write(Normalizer(), data)


@pytest.mark.parametrize("data", NOT_BUFFERS, ids=lambda data: type(data).__name__)
def test_parse_of_other_types_raises_type_error(data: Any) -> None:
    with pytest.raises(TypeError):
        parse(data)


@every_writer
def test_conversion_of_non_contiguous_memory_raises(write: Any) -> None:
    with pytest.raises((TypeError, ValueError, BufferError)):
        write(Normalizer(), memoryview(GOOD)[::2])


@every_writer
def test_conversion_releases_the_input_buffer(write: Any) -> None:
    data = bytearray(MIXED)
    view = memoryview(data)
    write(Normalizer(), view)
    view.release()
    data.clear()  # raises BufferError while the buffer is held


def test_failed_conversion_releases_the_input_buffer() -> None:
    data = bytearray(MIXED)
    with pytest.raises(RecordError):
        Normalizer(on_reject="raise").to_dicts(data)
    data.clear()
    data += b"[1]"
    with pytest.raises(RecordError):
        parse(data)
    data.clear()
