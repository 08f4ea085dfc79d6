"""Stored bodies that a target refused: their halves as gzip, and their single records."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, Any, cast

from isal import igzip, isal_zlib

from ..io.gunzip import IsalError
from .base import Piece

__all__ = ["RawDivider", "as_gzip"]

_BLOCK_BYTES = 256 << 10
#: A longer record is kept as it is stored, compressed.
_MAX_RECORD_BYTES = 16 << 20


def as_gzip(data: bytes) -> bytes:
    """Return data as gzip; gzip is returned as it is."""
    if data.startswith(b"\x1f\x8b"):
        return data
    result: bytes = igzip.compress(data, compresslevel=1, mtime=0)
    return result


class RawDivider:
    """Divides stored bodies at newlines, in memory for the compressed halves only.

    A record is a line that is not blank, as in the count of the receiver.
    """

    def halves(self, piece: Piece) -> list[Piece]:
        """Return two pieces; none for one record, or if the body has fewer lines than the piece has records."""
        events = piece.events // 2
        if not events:
            return []
        try:
            left, right = _divided(piece.data, events)
        except (OSError, EOFError, IsalError):
            return []
        if right is None:
            return []
        return [
            piece._replace(events=events, data=left, is_last=False, is_whole=False),
            piece._replace(
                first_event=piece.first_event + events,
                events=piece.events - events,
                data=right,
                is_last=False,
                is_whole=False,
            ),
        ]

    def letters(self, piece: Piece) -> Iterator[tuple[int, bytes]]:
        """Yield the record of a piece; what cannot be decompressed, or is very long, stays gzip."""
        try:
            with _reader(piece.data) as reader:
                record = reader.read(_MAX_RECORD_BYTES + 1)
        except (OSError, EOFError, IsalError):
            record = b""
        is_usable = 0 < len(record) <= _MAX_RECORD_BYTES
        yield piece.first_event, record.strip(b"\r\n") if is_usable else piece.data


def _reader(data: bytes) -> IO[bytes]:
    if not data.startswith(b"\x1f\x8b"):
        return io.BytesIO(data)
    opened: Any = igzip.GzipFile
    return cast(IO[bytes], opened(fileobj=io.BytesIO(data)))


class _Compressor:
    def __init__(self) -> None:
        self._stream: Any = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
        self._parts: list[bytes] = []
        self.is_empty = True

    def add(self, data: bytes) -> None:
        if data:
            self.is_empty = False
            self._parts.append(self._stream.compress(data))

    def finish(self) -> bytes:
        return b"".join([*self._parts, self._stream.flush()])


def _divided(data: bytes, lines: int) -> tuple[bytes, bytes | None]:
    """Return the first lines that are not blank, and the rest; None as the rest if there is none."""
    left, right = _Compressor(), _Compressor()
    count = 0
    is_blank = True
    with _reader(data) as reader:
        while count < lines and (block := reader.read(_BLOCK_BYTES)):
            start = 0
            while count < lines and (end := block.find(b"\n", start)) >= 0:
                if not is_blank or block[start:end].strip():
                    count += 1
                is_blank = True
                start = end + 1
            if count < lines:
                is_blank = is_blank and not block[start:].strip()
                start = len(block)
            left.add(block[:start])
            right.add(block[start:])
        while block := reader.read(_BLOCK_BYTES):
            right.add(block)
    return left.finish(), None if right.is_empty else right.finish()
