"""Collect the bytes of a reject that may be too long for memory."""

from __future__ import annotations

from ..results import RAW_LIMIT_BYTES, Reject, RejectSpill

__all__ = ["LongReject", "RejectBytes"]


# A named tuple would take longer at import.
class RejectBytes:
    """Which bytes of its rejects a stream keeps.

    Attributes
    ----------
    whole : bool
        Whether ``raw`` holds all bytes of a reject, and not only the first 64 KiB.
    spill : RejectSpill or None
        Receives the bytes of rejects that are too long for memory; their ``raw`` holds the first 64 KiB.
    """

    __slots__ = ("spill", "whole")

    def __init__(self, whole: bool = False, spill: RejectSpill | None = None) -> None:
        self.whole = whole
        self.spill = spill

    @classmethod
    def of(cls, whole_rejects: bool | RejectSpill) -> RejectBytes:
        """Return what the option of `Normalizer.stream` says."""
        return cls(whole_rejects) if isinstance(whole_rejects, bool) else cls(True, whole_rejects)

    def discard(self) -> None:
        """Clear the spill."""
        if self.spill is not None:
            self.spill.clear()


class LongReject:
    """A reject whose end is not known yet.

    Parameters
    ----------
    line, byte_offset : int
        Where the reject begins; see `Reject`.
    kept : RejectBytes
    """

    def __init__(self, line: int, byte_offset: int, kept: RejectBytes) -> None:
        self.byte_length = 0
        self._line = line
        self._byte_offset = byte_offset
        self._spill = kept.spill
        self._is_whole = kept.whole and kept.spill is None
        self._raw = bytearray()

    def append(self, piece: bytes | bytearray) -> None:
        """Append the next bytes of the reject."""
        if self._spill is not None and piece and self.byte_length + len(piece) > RAW_LIMIT_BYTES:
            if 0 < self.byte_length <= RAW_LIMIT_BYTES:
                self._spill.write(bytes(self._raw))
            self._spill.write(bytes(piece))
        self.byte_length += len(piece)
        self._raw += piece if self._is_whole else piece[: RAW_LIMIT_BYTES - len(self._raw)]

    def end(self, code: str) -> Reject:
        """Return the reject."""
        return Reject(self._line, self._byte_offset, self.byte_length, code, bytes(self._raw))

    def discard(self) -> None:
        """Discard the bytes, because they are not a reject."""
        if self._spill is not None and self.byte_length > RAW_LIMIT_BYTES:
            self._spill.clear()
