"""Gzip members as isal and zlib decode them together, compared with zlib byte by byte."""

from __future__ import annotations

import gzip
import io
import random
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from support.compressed import Reader, plain_of, slow_gunzip

from cfdns_fast.io import Stop, feed, inputs

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

LINES = b"".join(b'{"n":%d}\n' % number for number in range(20_000))
FLAGS = (0x01, 0x02, 0x04, 0x08, 0x10)  # text, checksum, extra, name, comment


def member(content: bytes, flags: int = 0, level: int = 6, *, strategy: int = 0) -> bytes:
    """Return a member with these fields in its header."""
    head = b"\x1f\x8b\x08" + bytes([flags]) + b"\x01\x02\x03\x04\x00\x03"
    if flags & 0x04:
        head += b"\x05\x00extra"
    if flags & 0x08:
        head += b"name\x00"
    if flags & 0x10:
        head += b"comment\x00"
    if flags & 0x02:
        head += (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little")
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    size = (len(content) & 0xFFFFFFFF).to_bytes(4, "little")
    return head + compressor.compress(content) + compressor.flush() + zlib.crc32(content).to_bytes(4, "little") + size


def check(data: bytes, step_bytes: int = 1 << 20) -> None:
    """Compare what is read of data, with and without seeking, with zlib."""
    content, fault = slow_gunzip(data)
    for seeks in (False, True):
        read, found = plain_of(Reader(data, step_bytes, seeks=seeks))
        assert (found and (found.reason, found.byte_offset)) == fault
        # isal accepts incomplete sets of codes, so bytes may come before such a fault.
        is_incomplete = fault is not None and fault[0].endswith(("distances set", "lengths set"))
        assert read.startswith(content) if is_incomplete else read == content


def sample() -> bytes:
    """Return small members of all kinds of blocks, with a name, and padding."""
    rng = random.Random(3)
    text = b"".join(b'{"QueryName":"%x.example.com"}\n' % rng.getrandbits(40) for _ in range(8))
    parts = [member(text, 0x08), member(text[:60], level=0), member(b""), member(text[:90], strategy=zlib.Z_FIXED)]
    return b"\0\0".join(parts)


def test_all_cuts_of_gzip_are_read_as_by_zlib() -> None:
    data = sample()
    for size in range(2, len(data) + 1):
        check(data[:size])


@pytest.mark.parametrize("step_bytes", [1, 2, 3, 7])
def test_short_reads_give_the_same_bytes(step_bytes: int) -> None:
    data = sample()
    for size in range(2, len(data) + 1, 13):
        check(data[:size], step_bytes)


def flips(data: bytes) -> Iterator[bytes]:
    for at in range(2, len(data)):
        for bit in (at % 8, (at + 1) % 8, (at + 3) % 8):
            yield data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def test_flips_of_gzip_are_read_as_by_zlib() -> None:
    for damaged in flips(sample()[:420]):
        check(damaged)


MEMBERS = st.builds(
    member,
    st.binary(max_size=300).map(b"{".__add__) | st.integers(0, 400).map(lambda count: LINES[: count * 8]),
    st.sampled_from([0, 0, 8, 0x1F]),
    st.integers(0, 9),
    strategy=st.sampled_from([0, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE]),
)


@given(
    st.lists(MEMBERS, min_size=1, max_size=4),
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(2, 1 << 16), st.integers(0, 255)), max_size=3),
    st.integers(2, 1 << 16),
    st.sampled_from([1, 5, 100, 1 << 20]),
)
def test_damaged_members_are_read_as_by_zlib(
    members: list[bytes], padding: int, damage: list[tuple[int, int]], size: int, step_bytes: int
) -> None:
    data = bytearray(bytes(padding).join(members))
    for at, byte in damage:
        data[2 + at % (len(data) - 2)] = byte
    check(bytes(data[:size]), step_bytes)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE])
def test_flips_of_larger_gzip_are_read_as_by_zlib(strategy: int) -> None:
    rng = random.Random(strategy)
    data = member(LINES[:20_000], strategy=strategy)
    for _ in range(1500):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            damaged[rng.randrange(4, len(data))] ^= 1 << rng.randrange(8)
        check(bytes(damaged[: rng.choice((len(data), rng.randrange(10, len(data))))]))


def test_byte_with_the_fault_gives_bytes_before_it() -> None:
    """The last byte ends a code for a digit, and holds a distance too far back."""
    data = bytearray(member(LINES[: 70 * 8], 0x08, 3))
    data[53] = 0
    for step_bytes in (1, 2, 5, 1000):
        check(bytes(data[:54]), step_bytes)
    content, fault = plain_of(Reader(bytes(data)))
    assert (content, str(fault)[-40:]) == (
        b'{"n":0}\n{"n":1',
        "e too far back (at byte 53 of the compressed input)"[-40:],
    )


def test_short_reads_find_the_end_of_gzip() -> None:
    data = member(b"{}\n")
    for step_bytes in (1, len(data) + 1):
        content, fault = plain_of(Reader(data + b"\x1fx", step_bytes))
        assert content == b"{}\n" and fault is not None
        assert (fault.reason, fault.byte_offset) == ("not gzip after the last member", len(data))


@pytest.mark.parametrize("flags", [0, *FLAGS, 0x1F, 0x20, 0x40, 0x80, 0xFF])
def test_gzip_header_fields_are_read_as_by_zlib(flags: int) -> None:
    data = member(LINES[:5000], flags & 0x1F)
    data = data[:3] + bytes([flags]) + data[4:]
    check(data + member(b"next"))
    check(data[:25])


def test_wrong_header_checksum_is_a_fault() -> None:
    data = bytearray(member(b"{}\n", 0x02))
    data[10] ^= 1
    content, fault = plain_of(Reader(bytes(data)))
    assert content == b"" and fault is not None and fault.reason == "damaged gzip, header crc mismatch"


@pytest.mark.parametrize("at", [-1, -4, -5, -8])
@pytest.mark.parametrize("more", [b"", b"\0\0", member(b"next")])
def test_wrong_trailer_keeps_the_content(at: int, more: bytes) -> None:
    data = bytearray(member(LINES))
    data[at] ^= 0x10
    content, fault = plain_of(Reader(bytes(data) + more))
    assert content == LINES and fault is not None
    assert fault.reason == "damaged gzip, " + ("incorrect data check" if at < -4 else "incorrect length check")


@pytest.mark.parametrize("seeks", [False, True])
def test_long_member_is_read_with_little_memory(seeks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of kept bytes zlib decodes the member; a reader that seeks needs no limit."""
    monkeypatch.setattr(feed, "_MAX_KEPT_BYTES", 3 * feed.COMPRESSED_BYTES)
    content = random.Random(5).randbytes(6 * feed.COMPRESSED_BYTES) + LINES
    kept: list[int] = []
    original = feed.Feed.return_to_mark

    def returned(self: feed.Feed) -> None:
        kept.append(0 if self._kept is None else len(self._kept))
        original(self)

    monkeypatch.setattr(feed.Feed, "return_to_mark", returned)
    data = member(content)
    assert plain_of(Reader(data * 2, 1 << 20, seeks=seeks)) == (content * 2, None)
    assert len(kept) == (0 if seeks else 2) and all(size <= 3 * feed.COMPRESSED_BYTES for size in kept)
    # The pieces of this inner layer are larger than those that its decoder takes.
    stored = member(member(LINES * 4, level=0))
    assert plain_of(Reader(stored, 1 << 20, seeks=seeks)) == (LINES * 4, None)
    read, fault = plain_of(Reader(data + data[:-9], 1 << 20, seeks=seeks))
    assert read == content + zlib.decompressobj(31).decompress(data[:-9])
    assert fault is not None and (fault.reason, fault.byte_offset) == ("truncated gzip", 2 * len(data) - 9)


def test_returning_often_adds_no_layers() -> None:
    """Every member that is too long for isal returns to its mark once."""
    pieces = iter([b"%d" % number for number in range(10)])
    layer = feed.Feed(pieces, 0, 1)
    assert layer.fill()
    for number in range(9):
        layer.mark()
        layer.data = b""
        assert layer.fill()
        layer.return_to_mark()
        assert (layer.data, layer.byte_offset) == (b"%d%d" % (number, number + 1), number)
        layer.data = layer.data[1:]
    assert layer._pieces is pieces and next(pieces, None) is None


def test_padding_is_not_kept() -> None:
    data = member(LINES) + bytes(24 << 20) + member(b"next")
    size = 0
    tracemalloc.start()
    try:
        for piece in inputs.read_plain(Reader(data, 1 << 20)):
            size += len(piece)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == len(LINES) + 4
    assert peak_bytes < 8 << 20


def test_fault_of_an_inner_layer_is_found_again() -> None:
    """The pieces of an inner layer are larger than those that its decoder takes."""
    content = random.Random(5).randbytes(500_000) + LINES
    inner = bytearray(member(content) * 2)
    inner[-1] ^= 1
    read, fault = plain_of(Reader(member(bytes(inner), level=1), 1 << 20))
    assert read == content * 2
    assert str(fault) == f"damaged gzip, incorrect length check (at byte {len(inner) - 1} of the second layer)"


@pytest.mark.parametrize("seeks", [False, True])
def test_fault_is_found_after_a_stop(seeks: bool) -> None:
    stop = Stop()

    class Stopping(Reader):
        def read(self, size: int = -1, /) -> bytes:
            stop.request()
            return super().read(size)

    data = bytearray(member(LINES))
    data[-1] ^= 1
    content = b""
    with pytest.raises(inputs.InputFault, match="incorrect length check"):
        for piece in inputs.read_plain(Stopping(bytes(data), 1 << 20, seeks=seeks), stop=stop):
            content += piece
    stop.close()
    assert content == LINES and len(data) < feed.COMPRESSED_BYTES


def test_second_reading_is_not_counted_again() -> None:
    data = gzip.compress(LINES)[:-20]
    counts: list[int] = []
    with pytest.raises(inputs.InputFault):
        for _ in inputs.read_plain(Reader(data, seeks=True), counts.append):
            pass
    assert sum(counts) == len(data)


def test_second_reading_begins_at_the_first_byte() -> None:
    """An open reader may stand after a header that its owner has read."""
    data = gzip.compress(LINES)[:-20]
    reader = io.BytesIO(b"header" + data)
    reader.seek(6)
    content, fault = plain_of(reader)
    assert content == zlib.decompressobj(31).decompress(data)
    assert fault is not None and fault.byte_offset == len(data)
