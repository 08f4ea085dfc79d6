"""Zstd frames as inputs, compared with the library byte by byte."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.compressed import Reader, plain_of, slow_unzstd

from cfdns_fast.io import InputFault, unzstd, zstd_library
from cfdns_fast.io.zstd_library import ZstdMissing

try:
    zstd: Any = zstd_library.zstd_library()
except ZstdMissing:
    pytest.skip("no library for zstd", allow_module_level=True)

LINES = b"".join(b'{"n":%d}\n' % number for number in range(40_000))
SKIPPABLE = b"\x57\x2a\x4d\x18\x05\x00\x00\x00hello"


def frame(content: bytes, level: int = 1, *, checksum: bool = True, sized: bool = True) -> bytes:
    """Return one frame, with the size of its content or without."""
    parameters = zstd.CompressionParameter
    options = {parameters.compression_level: level, parameters.checksum_flag: int(checksum)}
    compressor = zstd.ZstdCompressor(options=options)
    if sized:
        return compressor.compress(content, compressor.FLUSH_FRAME)
    cut = len(content) // 2
    parts = [compressor.compress(content[:cut]), compressor.flush(compressor.FLUSH_BLOCK)]
    return b"".join([*parts, compressor.compress(content[cut:]), compressor.flush()])


def sample() -> bytes:
    """Return small frames of all kinds of blocks, with padding and a skippable frame."""
    rng = random.Random(3)
    text = b"".join(b'{"QueryName":"%x.example.com"}\n' % rng.getrandbits(40) for _ in range(8))
    frames = [frame(text, sized=False), frame(b""), frame(bytes(3000)), frame(rng.randbytes(40), checksum=False)]
    return b"\0\0".join(frames) + SKIPPABLE + frame(text)


@pytest.mark.parametrize("content", [b"", b"{}\n", LINES, bytes(5 << 20)])
@pytest.mark.parametrize("sized", [True, False])
def test_zstd_is_detected_by_content(tmp_path: Path, content: bytes, sized: bool) -> None:
    path = tmp_path / "in.ndjson"
    path.write_bytes(frame(content, sized=sized))
    assert plain_of(str(path)) == (content, None)


@pytest.mark.parametrize("padding", [0, 1, 200_000])
def test_zstd_frames_are_all_read(padding: int) -> None:
    frames = [frame(b'{"a":1}\n'), SKIPPABLE, frame(b""), frame(LINES), frame(b'{"b"', sized=False), frame(b":2}\n")]
    data = bytes(padding) + bytes(padding).join(frames) + bytes(padding)
    for step_bytes in (1 << 20, 1000):
        assert plain_of(Reader(data, step_bytes)) == (b'{"a":1}\n' + LINES + b'{"b":2}\n', None)


@pytest.mark.parametrize("step_bytes", [1, 2, 3, 7])
def test_zstd_is_read_from_short_reads(step_bytes: int) -> None:
    data = SKIPPABLE + sample()
    assert plain_of(Reader(data, step_bytes)) == (slow_unzstd(zstd, data)[0], None)


def test_all_cuts_of_zstd_keep_the_blocks_before() -> None:
    data = sample()
    for size in range(4, len(data) + 1):
        content, fault = plain_of(Reader(data[:size], 1 << 20))
        expected, has_fault = slow_unzstd(zstd, data[:size])
        assert (content, fault is not None) == (expected, has_fault)
        if fault is not None:
            assert (fault.reason, fault.byte_offset) == ("truncated zstd", size)


def flips(data: bytes) -> Iterator[bytes]:
    for at in range(4, len(data)):
        for bit in (at % 8, (at + 3) % 8):
            yield data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def test_flips_of_zstd_keep_the_blocks_before() -> None:
    for damaged in flips(sample()):
        content, fault = plain_of(Reader(damaged, 1 << 20))
        expected, has_fault = slow_unzstd(zstd, damaged)
        compare(content, fault, expected, has_fault)


def compare(content: bytes, fault: InputFault | None, expected: bytes, has_fault: bool) -> None:
    if fault is not None and "is not read" in fault.reason:
        assert expected.startswith(content)
        return
    if fault is not None and "wrong size" in fault.reason:
        # The library refuses the last block of such a frame if it is compressed, and accepts the frame if it is not.
        assert content.startswith(expected) if has_fault else expected.startswith(content)
        return
    assert content == expected
    assert (fault is not None) == has_fault


def test_damaged_zstd_block_keeps_those_before() -> None:
    first, second = LINES[:100_000], LINES[100_000:200_000]
    compressor = zstd.ZstdCompressor(level=1)
    sound = compressor.compress(first, compressor.FLUSH_BLOCK)
    damaged = bytearray(compressor.compress(second, compressor.FLUSH_FRAME))
    damaged[len(damaged) // 2 :] = bytes(len(damaged) - len(damaged) // 2)
    content, fault = plain_of(Reader(sound + bytes(damaged), 1 << 20))
    assert content == first
    assert fault is not None and fault.byte_offset == len(sound)
    assert fault.reason == "damaged zstd, data corruption detected"


def test_wrong_zstd_checksum_keeps_the_content() -> None:
    data = bytearray(frame(LINES))
    data[-1] ^= 1
    content, fault = plain_of(Reader(bytes(data)))
    assert content == LINES
    assert fault is not None and fault.byte_offset == len(data) - 4
    assert fault.reason == "damaged zstd, restored data doesn't match checksum"


def test_wrong_content_size_keeps_the_content() -> None:
    data = bytearray(frame(LINES))
    assert data[4] >> 6 == 2
    data[5 + (0 if data[4] & 0x20 else 1)] ^= 1
    content, fault = plain_of(Reader(bytes(data)))
    assert content == LINES
    assert fault is not None and fault.byte_offset == 0


@pytest.mark.parametrize("tail", [b"{}", b"\n", b"\x28\xb5\x2fx", bytes(70_000) + b"x", gzip.compress(b"x")])
def test_bytes_after_the_last_frame_are_a_fault(tail: bytes) -> None:
    data = frame(LINES)
    content, fault = plain_of(Reader(data + tail))
    assert content == LINES
    assert fault is not None and fault.reason == "not zstd after the last frame"
    assert fault.byte_offset == len(data) + len(tail) - len(tail.lstrip(b"\0"))


def header(window: int, *, descriptor: int = 0x00, rest: bytes = b"") -> bytes:
    return b"\x28\xb5\x2f\xfd" + bytes([descriptor, window]) + rest


@pytest.mark.parametrize(
    "start",
    [header(13 << 3 | 1), header(21 << 3), header(31 << 3 | 7), header(0, descriptor=0xA0, rest=b"\0\x80\1")],
)
def test_large_zstd_window_is_a_fault(start: bytes) -> None:
    content, fault = plain_of(Reader(start + b"\x03\xff\x03{" * 10))
    assert content == b""
    assert str(fault) == "zstd with a window of more than 8 MiB is not read (at byte 0 of the compressed input)"


def test_largest_zstd_window_is_read() -> None:
    assert plain_of(Reader(header(13 << 3) + b"\x1b\x00\x00{")) == (b"{{{", None)
    assert unzstd.MAX_WINDOW_BYTES == 8 << 20
    parameters = zstd.CompressionParameter
    compressor = zstd.ZstdCompressor(options={parameters.compression_level: 1, parameters.window_log: 23})
    content = LINES + bytes(8 << 20)
    assert plain_of(Reader(compressor.compress(content) + compressor.flush(), 1 << 16)) == (content, None)


def test_zstd_bomb_gives_small_pieces() -> None:
    block = (128 << 10 << 3 | 1 << 1).to_bytes(3, "little") + b"{"
    data = header(13 << 3) + block * 1000 + b"\x01\0\0"
    sizes = [len(piece) for piece in unzstd.unzstd(feed_of(data))]
    assert sum(sizes) == 1000 * (128 << 10) and max(sizes) <= 128 << 10


def feed_of(data: bytes) -> Any:
    from cfdns_fast.io.feed import Feed

    return Feed(iter([data]), 0, 1)


@pytest.mark.parametrize("block", [b"\x06\x00\x00", (128 << 13 | 8).to_bytes(3, "little")])
def test_invalid_zstd_block_is_a_fault(block: bytes) -> None:
    content, fault = plain_of(Reader(header(13 << 3) + b"\x1a\x00\x00{" + block + bytes(1 << 18), 1 << 20))
    assert content == b"{{{"
    assert fault is not None and (fault.reason, fault.byte_offset) == ("damaged zstd, invalid block header", 10)


def test_zstd_dictionary_is_a_fault() -> None:
    start = b"\x28\xb5\x2f\xfd" + bytes([0x01, 0x20, 0x07])
    assert str(plain_of(Reader(start + b"\x01\0\0"))[1]).startswith("zstd with a dictionary is not read (at byte 0")


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_zstd_and_gzip_layers_are_read(layers: int) -> None:
    data = LINES
    for number in range(layers):
        data = gzip.compress(data) if number % 2 else frame(data)
    assert plain_of(Reader(data)) == (LINES, None)
    data = gzip.compress(frame(LINES)[:-3])
    content, fault = plain_of(Reader(data))
    offset = len(frame(LINES)) - 3
    assert content == LINES
    assert str(fault) == f"truncated zstd (at byte {offset} of the second layer)"


def test_missing_zstd_library_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise ZstdMissing

    data = frame(b"{}\n")
    monkeypatch.setattr(unzstd, "zstd_library", missing)
    content, fault = plain_of(Reader(data))
    assert content == b"" and fault is not None
    assert fault.reason == "the library backports.zstd is missing: pip install 'cfdns-fast[zstd]'"


@pytest.mark.slow
@pytest.mark.parametrize("level", [1, 3, 19])
def test_flips_of_larger_zstd_keep_the_blocks_before(level: int) -> None:
    rng = random.Random(level)
    data = frame(LINES, level) + frame(LINES[:3000], level, sized=False)
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            damaged[rng.randrange(4, len(data))] ^= 1 << rng.randrange(8)
        content, fault = plain_of(Reader(bytes(damaged), rng.choice((1000, 1 << 20))))
        expected, has_fault = slow_unzstd(zstd, bytes(damaged))
        compare(content, fault, expected, has_fault)
