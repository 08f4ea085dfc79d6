"""Inputs as the package reads them: plain files, gzip, faults."""

from __future__ import annotations

import errno
import gzip
import os
import random
import sys
import threading
import zlib
from pathlib import Path

import pytest
from support.compressed import Reader

from cfdns_fast.io.inputs import BLOCK_BYTES, READ_BYTES, InputFault, blocks_ahead, read_plain
from cfdns_fast.io.read_ahead import Stop

LINES = b"".join(b'{"n":%d}\n' % number for number in range(20_000))

needs_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX file kinds and permissions")


def read(path: Path) -> tuple[bytes, InputFault | None]:
    """Return everything that is read of an input, and its fault, None if there is none."""
    blocks = []
    try:
        for block in read_plain(os.fspath(path)):
            assert 0 < len(block) <= READ_BYTES + 2048
            blocks.append(block)
    except InputFault as fault:
        return b"".join(blocks), fault
    return b"".join(blocks), None


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [b"", b"{", b"\x1f", b"\x1f\x8c{}\n", LINES, bytes(3 * READ_BYTES)])
def test_plain_input_is_read_as_stored(tmp_path: Path, content: bytes) -> None:
    assert read(written(tmp_path / "in", content)) == (content, None)


def test_gzip_is_detected_by_content(tmp_path: Path) -> None:
    assert read(written(tmp_path / "in.ndjson", gzip.compress(LINES))) == (LINES, None)
    assert read(written(tmp_path / "in.gz", LINES)) == (LINES, None)


def test_gzip_header_fields_are_skipped(tmp_path: Path) -> None:
    body = gzip.compress(b"{}\n")[10:]
    head = b"\x1f\x8b\x08\x1c" + bytes(6) + b"\x02\x00xy" + b"name\x00" + b"comment\x00"
    assert read(written(tmp_path / "in", head + body)) == (b"{}\n", None)


@pytest.mark.parametrize("padding", [0, 1, 511, 200_000])
def test_gzip_members_are_all_read(tmp_path: Path, padding: int) -> None:
    members = [gzip.compress(part) for part in (b'{"a":1}\n', b"", LINES, b'{"b"', b":2}\n")]
    content = bytes(padding).join(members) + bytes(padding)
    assert read(written(tmp_path / "in", content)) == (b'{"a":1}\n' + LINES + b'{"b":2}\n', None)


def test_tiny_gzip_members_are_all_read(tmp_path: Path) -> None:
    content = b"".join(gzip.compress(b"%d\n" % number) for number in range(5000))
    assert read(written(tmp_path / "in", content)) == (b"".join(b"%d\n" % number for number in range(5000)), None)


def test_highly_compressed_gzip_gives_small_blocks(tmp_path: Path) -> None:
    plain = bytes(8 * READ_BYTES + 5)
    assert read(written(tmp_path / "in", gzip.compress(plain))) == (plain, None)


@pytest.mark.parametrize("tail", [b"{}", b"\n", b"\x1f\x8c", b"\x1fx", bytes(70_000) + b"x"])
def test_bytes_after_the_last_member_are_a_fault(tmp_path: Path, tail: bytes) -> None:
    """The fault follows the data of all members."""
    member = gzip.compress(LINES)
    content, fault = read(written(tmp_path / "in", member + tail))
    assert content == LINES
    assert fault is not None
    assert fault.byte_offset == len(member) + len(tail) - len(tail.lstrip(b"\0"))
    assert str(fault) == f"not gzip after the last member (at byte {fault.byte_offset} of the compressed input)"


@pytest.mark.parametrize("kept", [2, 5, 10, 11, 1000, -9, -8, -1])
def test_truncated_gzip_gives_all_that_decodes(tmp_path: Path, kept: int) -> None:
    compressed = gzip.compress(LINES)[:kept]
    content, fault = read(written(tmp_path / "in", compressed))
    assert content == zlib.decompressobj(31).decompress(compressed)
    assert LINES.startswith(content)
    if kept < 0:
        assert len(content) > len(LINES) - 1000
    assert str(fault) == f"truncated gzip (at byte {len(compressed)} of the compressed input)"


def test_incomplete_second_member_is_truncated(tmp_path: Path) -> None:
    member = gzip.compress(LINES)
    content, fault = read(written(tmp_path / "in", member + b"\x1f"))
    assert content == LINES
    assert str(fault) == f"truncated gzip (at byte {len(member) + 1} of the compressed input)"


def test_wrong_checksum_gives_every_byte_before_it(tmp_path: Path) -> None:
    compressed = bytearray(gzip.compress(LINES))
    compressed[-8] ^= 1
    content, fault = read(written(tmp_path / "in", bytes(compressed)))
    assert content == LINES
    assert fault is not None and fault.byte_offset is not None
    assert len(compressed) - 8 <= fault.byte_offset < len(compressed)
    assert "incorrect data check" in fault.reason


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_damaged_gzip_gives_the_data_before_the_fault(tmp_path: Path, fraction: float) -> None:
    # With stored blocks, the data before a damaged block header is known to the byte.
    half = LINES[: int(len(LINES) * fraction)]
    compressor = zlib.compressobj(0, wbits=31)
    sound = compressor.compress(half) + compressor.flush(zlib.Z_FULL_FLUSH)
    content, fault = read(written(tmp_path / "in", sound + b"\xff" * 100))
    assert content == half
    assert fault is not None and fault.byte_offset == len(sound)
    assert fault.reason == "damaged gzip, invalid block type"


def test_flipped_bit_gives_every_decodable_byte(tmp_path: Path) -> None:
    compressed = gzip.compress(LINES[:20_000])
    rng = random.Random(7)
    for _ in range(40):
        damaged = bytearray(compressed)
        damaged[rng.randrange(10, len(compressed))] ^= 1 << rng.randrange(8)
        best = b""
        decoder = zlib.decompressobj(31)
        try:
            for byte in damaged:
                best += decoder.decompress(bytes([byte]))
        except zlib.error:
            pass
        content, fault = read(written(tmp_path / "in", bytes(damaged)))
        assert content.startswith(best)
        assert fault is not None


def test_unknown_compression_method_is_a_fault(tmp_path: Path) -> None:
    content, fault = read(written(tmp_path / "in", b"\x1f\x8b\x09" + bytes(30)))
    assert content == b""
    assert fault is not None and fault.reason == "damaged gzip, unknown compression method"


def test_missing_input_is_a_fault_without_position(tmp_path: Path) -> None:
    content, fault = read(tmp_path / "nowhere")
    assert (content, str(fault)) == (b"", "No such file or directory")


@needs_posix
def test_directory_is_a_fault(tmp_path: Path) -> None:
    assert str(read(tmp_path)[1]) == "Is a directory"


@pytest.mark.skipif(sys.platform != "linux", reason="a file that opens and cannot be read")
def test_failed_read_is_a_fault_with_position() -> None:
    fault = read(Path("/proc/self/mem"))[1]
    assert str(fault) == f"{os.strerror(errno.EIO)} (at byte 0)"


@needs_posix
def test_gzip_is_detected_in_a_bytewise_pipe(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def write_bytewise() -> None:
        with open(fifo, "wb", buffering=0) as pipe:
            for byte in gzip.compress(b"{}\n"):
                pipe.write(bytes([byte]))

    writer = threading.Thread(target=write_bytewise)
    writer.start()
    assert read(fifo) == (b"{}\n", None)
    writer.join()


def test_read_plain_reports_stored_bytes(tmp_path: Path) -> None:
    compressed = gzip.compress(LINES) * 3
    counts: list[int] = []
    for _ in read_plain(os.fspath(written(tmp_path / "in", compressed)), counts.append):
        pass
    assert sum(counts) == len(compressed)


def test_blocks_ahead_of_damaged_input_have_its_fault(tmp_path: Path) -> None:
    """The blocks are small and hold the same bytes as without reading ahead."""
    compressed = bytearray(gzip.compress(8 * LINES))
    compressed[-5] ^= 1
    path = written(tmp_path / "in", bytes(compressed))
    blocks = []
    with pytest.raises(InputFault) as fault, blocks_ahead(os.fspath(path)) as ahead:
        for block in ahead:
            assert 0 < len(block) <= BLOCK_BYTES
            blocks.append(block)
    plain, expected = read(path)
    assert b"".join(blocks) == plain
    assert str(fault.value) == str(expected)


@pytest.mark.parametrize("content", [b"", LINES, gzip.compress(LINES) * 2])
def test_open_reader_is_read_and_left_open(content: bytes) -> None:
    expected = gzip.decompress(content) if content.startswith(b"\x1f") else content
    counts: list[int] = []
    for ahead in (False, True):
        with Reader(content) as reader:
            if ahead:
                with blocks_ahead(reader, counts.append) as blocks:
                    assert b"".join(blocks) == expected
            else:
                assert b"".join(read_plain(reader, counts.append)) == expected
            assert not reader.closed
    assert sum(counts) == 2 * len(content)


def test_open_reader_obeys_a_stop() -> None:
    stop = Stop()
    reader = Reader(LINES * 10)
    with blocks_ahead(reader, stop=stop) as blocks:
        next(blocks)
        stop.request()
        content = b"".join(blocks)
    stop.close()
    assert len(content) < len(LINES) * 10 and stop.is_early


@pytest.mark.parametrize("error", [OSError(errno.EIO, "no"), TimeoutError("slow"), KeyError("lost")])
def test_failure_of_an_open_reader_follows_its_data(error: Exception) -> None:
    """An OSError becomes a fault with its position, and other exceptions stay as they are."""
    compressed = gzip.compress(LINES)[:-1000]
    content = b""
    with pytest.raises((InputFault, KeyError)) as caught:
        for piece in read_plain(Reader(compressed, error=error)):
            content += piece
    assert content == zlib.decompressobj(31).decompress(compressed)
    if isinstance(error, OSError):
        assert isinstance(caught.value, InputFault)
        assert (caught.value.byte_offset, caught.value.layer) == (len(compressed), 1)
    else:
        assert caught.value is error


def test_zero_bytes_around_members_are_skipped(tmp_path: Path) -> None:
    member = gzip.compress(b'{"ColoCode":"AMS"}\n')
    path = tmp_path / "padded.gz"
    path.write_bytes(bytes(200_000) + member + bytes(77) + member + bytes(3 << 20))
    assert b"".join(read_plain(str(path))) == b'{"ColoCode":"AMS"}\n' * 2


@pytest.mark.parametrize("padding_bytes", [1, 77, 200_000])
def test_leading_zero_bytes_of_plain_input_are_kept(tmp_path: Path, padding_bytes: int) -> None:
    path = tmp_path / "padded"
    for content in (b"{}\n", b"\x1f", b""):
        path.write_bytes(bytes(padding_bytes) + content)
        assert b"".join(read_plain(str(path))) == bytes(padding_bytes) + content


# Gzip within gzip


def layered(content: bytes, layers: int) -> bytes:
    for _ in range(layers):
        content = gzip.compress(content)
    return content


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_gzip_layers_are_read(tmp_path: Path, layers: int) -> None:
    assert read(written(tmp_path / "in", layered(LINES, layers))) == (LINES, None)
    assert read(written(tmp_path / "in", layered(b"", layers))) == (b"", None)


@pytest.mark.parametrize("layers", [5, 6, 50])
def test_gzip_layers_have_a_limit(tmp_path: Path, layers: int) -> None:
    content, fault = read(written(tmp_path / "in", layered(LINES, layers)))
    assert content == b""
    reason = "compressed data is read 4 layers deep, not deeper"
    assert str(fault) == f"{reason} (at byte 0 of the fifth layer)"


def test_gzip_layers_may_have_members_and_padding(tmp_path: Path) -> None:
    # The magic bytes of the next layer may be cut, so members are joined before that layer is detected.
    inner = gzip.compress(LINES) + bytes(700) + gzip.compress(b"{}\n")
    cuts = (1, 2, 15, len(inner) - 1)
    outer = bytes(9).join(gzip.compress(part) for part in (b"", *pieces(inner, cuts), b""))
    assert read(written(tmp_path / "in", gzip.compress(outer))) == (LINES + b"{}\n", None)


def pieces(data: bytes, cuts: tuple[int, ...]) -> list[bytes]:
    return [data[start:end] for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True)]


def test_tiny_members_of_inner_gzip_are_all_read(tmp_path: Path) -> None:
    inner = b"".join(gzip.compress(b"%d\n" % number) for number in range(5000))
    expected = b"".join(b"%d\n" % number for number in range(5000))
    assert read(written(tmp_path / "in", gzip.compress(inner))) == (expected, None)


def test_inner_gzip_fault_names_its_layer(tmp_path: Path) -> None:
    cut = gzip.compress(LINES)[:-9]
    content, fault = read(written(tmp_path / "in", gzip.compress(cut)))
    assert content == zlib.decompressobj(31).decompress(cut)
    assert str(fault) == f"truncated gzip (at byte {len(cut)} of the second layer)"
    content, fault = read(written(tmp_path / "in", layered(gzip.compress(LINES) + b"junk", 2)))
    assert content == LINES
    offset = len(gzip.compress(LINES))
    assert str(fault) == f"not gzip after the last member (at byte {offset} of the third layer)"


def test_outer_gzip_fault_comes_after_the_inner_data(tmp_path: Path) -> None:
    # With stored blocks, the cut of the outer layer is a cut of the inner layer too.
    inner = gzip.compress(LINES)
    compressor = zlib.compressobj(0, wbits=31)
    outer = (compressor.compress(inner) + compressor.flush())[: len(inner) // 2]
    content, fault = read(written(tmp_path / "in", outer))
    plain = zlib.decompressobj(31).decompress(outer)
    assert content == zlib.decompressobj(31).decompress(plain)
    assert len(content) > 1000
    assert str(fault) == f"truncated gzip (at byte {len(outer)} of the compressed input)"


@pytest.mark.parametrize("kept", [1, 2])
def test_outer_gzip_fault_keeps_the_first_bytes(tmp_path: Path, kept: int) -> None:
    compressor = zlib.compressobj(0, wbits=31)
    outer = compressor.compress(b"\x1f{}"[:kept]) + compressor.flush(zlib.Z_FULL_FLUSH)
    content, fault = read(written(tmp_path / "in", outer))
    assert content == b"\x1f{}"[:kept]
    assert str(fault) == f"truncated gzip (at byte {len(outer)} of the compressed input)"


def test_gzip_bomb_of_two_layers_gives_small_blocks(tmp_path: Path) -> None:
    plain = bytes(64 * READ_BYTES)
    path = written(tmp_path / "in", layered(plain, 3))
    assert path.stat().st_size < 1000
    size = 0
    for block in read_plain(os.fspath(path)):
        assert len(block) <= READ_BYTES
        size += len(block)
    assert size == len(plain)


@needs_posix
def test_gzip_layers_are_read_from_a_bytewise_pipe(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    compressor = zlib.compressobj(wbits=31)
    first = compressor.compress(gzip.compress(b"{}\n")) + compressor.flush(zlib.Z_SYNC_FLUSH)
    was_read = threading.Event()

    def write_bytewise() -> None:
        with open(fifo, "wb", buffering=0) as pipe:
            for byte in first:
                pipe.write(bytes([byte]))
            # The reader must have read the first part before the rest is written.
            was_read.wait(20)
            pipe.write(compressor.compress(gzip.compress(b"[]\n")) + compressor.flush())

    writer = threading.Thread(target=write_bytewise)
    writer.start()
    blocks = read_plain(os.fspath(fifo))
    content = b""
    while len(content) < 3:
        content += next(blocks)
    is_live = not was_read.is_set()
    was_read.set()
    assert (content + b"".join(blocks), is_live) == (b"{}\n[]\n", True)
    writer.join()
