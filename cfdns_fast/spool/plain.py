"""Decompress a stored body in pieces."""

from __future__ import annotations

from collections.abc import Iterator

from isal import isal_zlib

__all__ = ["plain_pieces"]

_PIECE_BYTES = 1 << 18
#: The decoder copies what follows a member, so small reads keep many members from costing the square of their number.
_READ_BYTES = 1 << 16
_GZIP_WBITS = 31


def plain_pieces(body: bytes) -> Iterator[bytes]:
    """Yield the decoded bytes of all members of a gzip body; raises isal_zlib.error if the body is damaged."""
    view = memoryview(body)
    position = 0
    rest = b""
    decoder = isal_zlib.decompressobj(_GZIP_WBITS)
    has_begun = False
    while rest or position < len(view):
        if not rest:
            rest = bytes(view[position : position + _READ_BYTES])
            position += len(rest)
        if not has_begun:
            rest = rest.lstrip(b"\0")  # padding between members, and after the last one
            if not rest:
                continue
        has_begun = True
        piece = decoder.decompress(rest, _PIECE_BYTES)
        if decoder.eof:
            rest = decoder.unused_data
            decoder = isal_zlib.decompressobj(_GZIP_WBITS)
            has_begun = False
        else:
            rest = decoder.unconsumed_tail
        if piece:
            yield piece
    while has_begun and (piece := decoder.decompress(b"", _PIECE_BYTES)):
        yield piece
