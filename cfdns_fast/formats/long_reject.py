"""Collect the bytes of a reject that may be too long for memory."""

from __future__ import annotations

from typing import Protocol

from ..results import RAW_LIMIT_BYTES, Reject

__all__ = ["LongReject", "Spill"]


class Spill(Protocol):
    """Where the bytes of one long reject go while it is read.

    A stream writes all bytes of the reject, in order, from its first one on. The reject then is the last one of the
    next part, with ``byte_length`` greater than ``len(raw)``. The caller empties the spill before it takes the part
    that follows, so the spill holds the bytes of one reject at most.
    """

    def write(self, data: bytes, /) -> object:
        """Append bytes."""

    def clear(self) -> object:
        """Discard all bytes, because they are no part of a reject."""


class LongReject:
    """A reject whose end is not known yet.

    Parameters
    ----------
    line, byte_offset : int
        Where the reject begins; see `Reject`.
    spill : Spill or None
        Where the bytes go if there are more than ``raw`` holds; None drops all bytes but the first ones.
    """

    def __init__(self, line: int, byte_offset: int, spill: Spill | None) -> None:
        self.byte_length = 0
        self._line = line
        self._byte_offset = byte_offset
        self._spill = spill
        self._raw = bytearray()

    def append(self, piece: bytes | bytearray) -> None:
        """Append the next bytes of the reject."""
        if self._spill is not None and self.byte_length + len(piece) > RAW_LIMIT_BYTES:
            if self.byte_length <= RAW_LIMIT_BYTES:
                self._spill.write(bytes(self._raw))
            self._spill.write(bytes(piece))
        self.byte_length += len(piece)
        self._raw += piece[: RAW_LIMIT_BYTES - len(self._raw)]

    def end(self, code: str) -> Reject:
        """Return the reject."""
        return Reject(self._line, self._byte_offset, self.byte_length, code, bytes(self._raw))

    def discard(self) -> None:
        """Forget the bytes: they turned out to be no reject."""
        if self._spill is not None and self.byte_length > RAW_LIMIT_BYTES:
            self._spill.clear()
