"""Convert a JSON document that arrives in blocks, with the meaning of one call on the whole of it."""

from __future__ import annotations

from . import _core
from .results import RAW_LIMIT_BYTES, Reject, Result
from .stream import LineCount

__all__ = ["DocumentStream"]


class DocumentStream:
    """One JSON document, or several, to NDJSON, block by block; otherwise like `NdjsonStream`.

    Memory is bounded by the block and the longest unfinished record or member. Behind a fault nothing can be read; that
    rest is one reject, of which all is kept only if rejects are to be whole.
    """

    def __init__(self, plan: _core.Plan, *, whole_rejects: bool = True) -> None:
        self._plan = plan
        self._whole_rejects = whole_rejects
        self._kept = bytearray()
        self._retry_bytes = 0
        self._offset = 0
        self._newlines = 0
        self._place = 0
        self._rest_bytes = 0
        self._lines = LineCount()

    @property
    def lines(self) -> int:
        """Lines begun so far."""
        return self._lines.total

    def feed(self, block: bytes) -> Result[bytes]:
        """Take the next block and convert what is complete."""
        self._lines.add(block)
        if self._place == _core.BROKEN_PLACE:
            self._keep_rest(block)
            return Result(b"", 0, 0, (), {})
        self._kept += block
        # A long unfinished record must not be read anew with every block: what is left over must double first.
        if len(self._kept) < self._retry_bytes:
            return Result(b"", 0, 0, (), {})
        return self._convert(final=False)

    def finish(self) -> Result[bytes]:
        """Convert the rest."""
        if self._place != _core.BROKEN_PLACE:
            return self._convert(final=True)
        reject = Reject(self._newlines + 1, self._offset, self._rest_bytes, "json.syntax", bytes(self._kept))
        return Result(b"", 0, 0, (reject,), {})

    def _convert(self, *, final: bool) -> Result[bytes]:
        result, (consumed, newlines, self._place) = self._plan.document_part_to_ndjson(
            self._kept,
            final=final,
            place=self._place,
            whole_rejects=self._whole_rejects,
            lines_before=self._newlines,
            bytes_before=self._offset,
        )
        del self._kept[:consumed]
        self._retry_bytes = 2 * len(self._kept)
        self._offset += consumed
        self._newlines += newlines
        if self._place == _core.BROKEN_PLACE:
            rest, self._kept = bytes(self._kept), bytearray()
            self._keep_rest(rest)
        return result

    def _keep_rest(self, block: bytes) -> None:
        self._rest_bytes += len(block)
        self._kept += block if self._whole_rejects else block[: max(RAW_LIMIT_BYTES - len(self._kept), 0)]
