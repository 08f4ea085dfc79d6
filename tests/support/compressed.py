"""Compressed data for tests: readers without a descriptor, and decoders that take one byte at a time."""

from __future__ import annotations

import io
import zlib
from typing import Any, BinaryIO

from cfdns_fast.io.inputs import InputFault, read_plain

__all__ = ["Reader", "plain_of", "slow_gunzip", "slow_unzstd"]


class Reader(io.RawIOBase):
    """An open reader without a descriptor, as of an object of a store.

    Parameters
    ----------
    content : bytes
        The stored bytes.
    step_bytes : int
        Maximum number of bytes that a read returns.
    error : Exception, optional
        Raised after the last byte.
    seeks : bool
        Whether the reader can seek.
    """

    def __init__(
        self, content: bytes, step_bytes: int = 1000, error: Exception | None = None, seeks: bool = False
    ) -> None:
        self._content = io.BytesIO(content)
        self._step_bytes = step_bytes
        self._error = error
        self._seeks = seeks

    def seekable(self) -> bool:
        return self._seeks

    def tell(self) -> int:
        return self._content.tell()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        assert self._seeks
        return self._content.seek(offset, whence)

    def read(self, size: int = -1, /) -> bytes:
        data = self._content.read(min(size, self._step_bytes))
        if not data and self._error is not None:
            raise self._error
        return data


def plain_of(source: str | BinaryIO | Any) -> tuple[bytes, InputFault | None]:
    """Return everything that is read of an input, and its fault, None if there is none."""
    blocks = []
    try:
        for block in read_plain(source):
            blocks.append(block)
    except InputFault as fault:
        return b"".join(blocks), fault
    return b"".join(blocks), None


def slow_gunzip(data: bytes) -> tuple[bytes, tuple[str, int] | None]:
    """Return the content of gzip members, and the reason and the offset of the fault, by zlib and byte by byte."""
    content, decoder, start, at = [], None, 0, 0
    while at < len(data):
        if decoder is None:
            if data[at] == 0:
                at += 1
                continue
            if not b"\x1f\x8b".startswith(data[at : at + 2]):
                return b"".join(content), ("not gzip after the last member", at)
            decoder, start = zlib.decompressobj(31), at
        try:
            content.append(decoder.decompress(data[at : at + 1]))
        except zlib.error as error:
            content.append(_bytes_before_fault(data[start:at], data[at : at + 1]))
            return b"".join(content), ("damaged gzip, " + str(error).rpartition(": ")[2], at)
        at += 1
        if decoder.eof:
            decoder = None
    return b"".join(content), None if decoder is None else ("truncated gzip", len(data))


def _bytes_before_fault(sound: bytes, data: bytes) -> bytes:
    decoder, content = zlib.decompressobj(31), b""
    decoder.decompress(sound)
    while True:
        before = decoder.copy()
        try:
            content += before.decompress(data, 1)
        except zlib.error:
            return content
        decoder, data = before, before.unconsumed_tail


def slow_unzstd(zstd: Any, data: bytes) -> tuple[bytes, bool]:
    """Return the content of zstd frames, byte by byte, and whether there is a fault."""
    content, decoder = [], None
    for at in range(len(data)):
        if decoder is None:
            if data[at] == 0:
                continue
            decoder = zstd.ZstdDecompressor()
        try:
            content.append(decoder.decompress(data[at : at + 1]))
        except zstd.ZstdError:
            return b"".join(content), True
        if decoder.eof:
            decoder = None
    return b"".join(content), decoder is not None
