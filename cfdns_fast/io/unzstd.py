"""Decode zstd frames (RFC 8878).

The decoder discards the output of a call that meets a fault. Each call therefore gets one block, whose output a fault
within it destroys in any case.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .feed import READ_BYTES, Feed
from .zstd_library import ZstdMissing, zstd_library

__all__ = ["MAX_WINDOW_BYTES", "is_zstd", "may_become_zstd", "unzstd"]

#: Maximum window of a frame. RFC 8878 recommends that decoders support 8 MiB, and `zstd` up to level 19 needs no more.
MAX_WINDOW_BYTES = 8 << 20

_MAX_BLOCK_BYTES = 128 << 10
_FRAME_MAGIC = b"\x28\xb5\x2f\xfd"
#: All but the first byte of the magic number of a skippable frame; the first byte is 50 to 5F.
_SKIPPABLE_END = b"\x2a\x4d\x18"
_MAGIC_BYTES = 4

#: Bytes of the dictionary's number and of the content size, by their flags.
_DICTIONARY_BYTES = (0, 1, 2, 4)
_CONTENT_SIZE_BYTES = (0, 2, 4, 8)

_RAW_BLOCK, _RLE_BLOCK, _RESERVED_BLOCK = 0, 1, 3
_EMPTY_LAST_BLOCK = b"\x01\x00\x00"


def is_zstd(head: bytes) -> bool:
    """Return whether data begins with a frame, which may be a skippable one."""
    return len(head) >= _MAGIC_BYTES and may_become_zstd(head)


def may_become_zstd(head: bytes) -> bool:
    """Return whether the first bytes of data, at most 4 of which count, are those of a frame."""
    magic = head[:_MAGIC_BYTES]
    is_skippable = 0x50 <= magic[0] <= 0x5F and _SKIPPABLE_END.startswith(magic[1:])
    return is_skippable or _FRAME_MAGIC.startswith(magic)


def unzstd(feed: Feed) -> Iterator[bytes]:
    """Yield the content of all frames, in pieces of at most `READ_BYTES`.

    Skippable frames, and zero bytes after a frame, are skipped. Raises InputFault after the content of all complete
    blocks before the fault was yielded.
    """
    try:
        zstd = zstd_library()
    except ZstdMissing as error:
        raise feed.fault(str(error), 0) from error
    reader = _Reader(feed)
    while reader.skip_zeros():
        start_offset = reader.byte_offset
        magic = reader.read(_MAGIC_BYTES)
        if not may_become_zstd(magic):
            raise feed.fault("not zstd after the last frame", start_offset)
        if len(magic) < _MAGIC_BYTES:
            raise feed.fault("truncated zstd", reader.byte_offset)
        if magic == _FRAME_MAGIC:
            yield from _frame_pieces(zstd, reader, start_offset)
        else:
            reader.skip(int.from_bytes(reader.need(4), "little"))


class _Reader:
    """Numbers of bytes of a feed, without copies of the rest."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._piece = b""
        self._at = 0

    @property
    def byte_offset(self) -> int:
        return self.feed.byte_offset - (len(self._piece) - self._at)

    def _fill(self) -> bool:
        self._piece, self._at = b"", 0
        if not self.feed.fill():
            return False
        self._piece, self.feed.data = self.feed.data, b""
        return True

    def skip_zeros(self) -> bool:
        while self._at < len(self._piece) or self._fill():
            if self._piece[self._at]:
                return True
            self._at = len(self._piece) - len(self._piece[self._at :].lstrip(b"\0"))
        return False

    def read(self, size_bytes: int) -> bytes:
        """Return that many bytes, less only at the end of the layer."""
        data = self._piece[self._at : self._at + size_bytes]
        self._at += len(data)
        while len(data) < size_bytes and self._fill():
            self._at = min(size_bytes - len(data), len(self._piece))
            data += self._piece[: self._at]
        return data

    def need(self, size_bytes: int) -> bytes:
        """Return that many bytes; raises InputFault if the layer ends before."""
        data = self.read(size_bytes)
        if len(data) < size_bytes:
            raise self.feed.fault("truncated zstd", self.byte_offset)
        return data

    def skip(self, size_bytes: int) -> None:
        """Skip that many bytes; raises InputFault if the layer ends before."""
        while size_bytes:
            size_bytes -= len(self.need(min(size_bytes, READ_BYTES)))


def _frame_pieces(zstd: Any, reader: _Reader, start_offset: int) -> Iterator[bytes]:
    """Yield the content of a frame, block by block."""
    header, content_bytes, has_checksum = _frame_header(reader, start_offset)
    decoder = zstd.ZstdDecompressor()
    decoded_bytes = 0

    def decode(data: bytes, offset: int) -> Iterator[bytes]:
        try:
            piece = decoder.decompress(data, READ_BYTES)
        except zstd.ZstdError as error:
            reason = str(error).rpartition(": ")[2]
            raise reader.feed.fault(f"damaged zstd, {reason[:1].lower()}{reason[1:]}", offset) from error
        if piece:
            nonlocal decoded_bytes
            decoded_bytes += len(piece)
            yield piece

    yield from decode(_FRAME_MAGIC + header, start_offset)
    is_last = False
    while not is_last:
        offset = reader.byte_offset
        head = reader.need(3)
        number = int.from_bytes(head, "little")
        is_last, kind, size_bytes = bool(number & 1), number >> 1 & 3, number >> 3
        if kind == _RESERVED_BLOCK or size_bytes > _MAX_BLOCK_BYTES:
            raise reader.feed.fault("damaged zstd, invalid block header", offset)
        # The decoder compares the size of the content in the last block, and would discard that block.
        head = bytes([head[0] & 0xFE]) + head[1:]
        stored_bytes = 1 if kind == _RLE_BLOCK else size_bytes
        data = reader.read(stored_bytes)
        is_truncated = len(data) < stored_bytes
        if kind == _RAW_BLOCK or not is_truncated:
            yield from decode(head + data, offset)
        if is_truncated:
            raise reader.feed.fault("truncated zstd", reader.byte_offset)
    if content_bytes not in (None, decoded_bytes):
        raise reader.feed.fault("damaged zstd, wrong size of the content", start_offset)
    offset = reader.byte_offset
    yield from decode(_EMPTY_LAST_BLOCK, offset)
    if has_checksum:
        yield from decode(reader.need(4), offset)


def _frame_header(reader: _Reader, start_offset: int) -> tuple[bytes, int | None, bool]:
    """Return a frame's header without the magic number, its size of the content, and whether a checksum ends it."""
    header = reader.need(1)
    descriptor = header[0]
    is_single_segment = bool(descriptor & 0x20)
    window = b"" if is_single_segment else reader.need(1)
    dictionary = reader.need(_DICTIONARY_BYTES[descriptor & 3])
    size = reader.need(_CONTENT_SIZE_BYTES[descriptor >> 6] or int(is_single_segment))
    content_bytes = int.from_bytes(size, "little") + (256 if len(size) == 2 else 0) if size else None
    window_bytes = (8 + (window[0] & 7)) << (7 + (window[0] >> 3)) if window else content_bytes or 0
    if any(dictionary):
        raise reader.feed.fault("zstd with a dictionary is not read", start_offset)
    if window_bytes > MAX_WINDOW_BYTES:
        reason = f"zstd with a window of more than {MAX_WINDOW_BYTES >> 20} MiB is not read"
        raise reader.feed.fault(reason, start_offset)
    return header + window + dictionary + size, content_bytes, bool(descriptor & 4)
