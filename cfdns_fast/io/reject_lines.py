"""Rejects as lines of NDJSON."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import Self

__all__ = ["reject_line_pieces", "reject_lines"]

#: Lines are given together when they have this size.
_PIECE_BYTES = 1 << 16

#: One encoder for all pieces: json.dumps() makes a new one at every call with options.
_to_json = json.JSONEncoder(ensure_ascii=False).encode


class _Reject(Protocol):
    """What these functions use of `cfdns_fast.Reject`, whose module is on a higher floor."""

    def to_json(self, input: str) -> bytes: ...

    def _replace(self, *, raw: bytes) -> Self: ...


def reject_lines(name: str, rejects: Iterable[_Reject]) -> Iterator[bytes]:
    """Yield the rejects of the input `name` as lines of NDJSON, several at a time."""
    lines: list[bytes] = []
    size_bytes = 0
    for reject in rejects:
        lines.append(reject.to_json(name) + b"\n")
        size_bytes += len(lines[-1])
        if size_bytes >= _PIECE_BYTES:
            yield b"".join(lines)
            lines.clear()
            size_bytes = 0
    if lines:
        yield b"".join(lines)


def reject_line_pieces(name: str, reject: _Reject, pieces: Iterable[bytes], *, is_text: bool) -> Iterator[bytes]:
    """Yield the line of a reject that is too long for memory.

    Parameters
    ----------
    pieces : iterable of bytes
        All bytes of the reject, in pieces whose sizes are a multiple of 3, except the last one.
    is_text : bool
        Whether these bytes are UTF-8.
    """
    yield reject._replace(raw=b"").to_json(name).removesuffix(b'"raw":""}')
    yield b'"raw":"' if is_text else b'"raw_base64":"'
    from base64 import b64encode  # not at the top: few runs have such rejects

    decoder = codecs.getincrementaldecoder("utf-8")()
    for piece in pieces:
        yield _to_json(decoder.decode(piece))[1:-1].encode("utf-8") if is_text else b64encode(piece)
    yield b'"}\n'
