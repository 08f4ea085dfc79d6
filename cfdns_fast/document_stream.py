"""Convert a JSON document that arrives in blocks, with the meaning of one call on the whole of it."""

from __future__ import annotations

from dataclasses import replace

from .compiled import _core
from .results import RAW_LIMIT_BYTES, Reject, Result, nothing
from .stream import LineCount

__all__ = ["DocumentStream"]


class DocumentStream:
    """One JSON document, or several, to NDJSON, block by block; otherwise like `NdjsonStream`.

    Memory is bounded by the block and the longest unfinished record or member. Behind a fault nothing can be read, or
    nothing of its line if every document is on a line. That rest is one reject, of which all is kept only if rejects
    are to be whole.
    """

    def __init__(self, plan: _core.Plan, *, whole_rejects: bool = True) -> None:
        self._plan = plan
        self._whole_rejects = whole_rejects
        self._kept = bytearray()
        self._retry_bytes = 0
        self._is_untried = False
        self._offset = 0
        self._newlines = 0
        self._place = 0
        self._rest_bytes = 0
        self._rest_end = b""
        self._lines = LineCount()

    @property
    def lines(self) -> int:
        """Lines begun so far."""
        return self._lines.total

    @property
    def unfinished_bytes(self) -> int:
        """Number of bytes that were fed and are neither converted nor, after a fault, part of a reject."""
        return 0 if self._is_broken else len(self._kept)

    def feed(self, block: bytes) -> Result[bytes]:
        """Take the next block and convert what is complete."""
        self._lines.add(block)
        if self._is_broken:
            line_end = block.find(b"\n") if self._place == _core.BROKEN_LINE_PLACE else -1
            if line_end < 0:
                self._keep_rest(block)
                return nothing()
            self._keep_rest(block[:line_end])
            reject = self._rest(is_line=True)
            self._kept = bytearray(block[line_end:])
            self._place = _core.LINES_PLACE
            result = self._convert(final=False)
            return replace(result, rejects=_core.Rejects([reject]) + result.rejects)
        self._kept += block
        self._is_untried = True
        # A long unfinished record must not be read anew with every block: what is left over must double first.
        if len(self._kept) < self._retry_bytes:
            return nothing()
        return self._convert(final=False)

    def flush(self) -> Result[bytes]:
        """Convert what is complete now, however little was added."""
        return self._convert(final=False) if self._is_untried and not self._is_broken else nothing()

    def cut(self) -> Result[bytes]:
        """Convert what is complete; the input ends here, but not because it is complete."""
        return self.finish() if self._is_broken else self.flush()

    def finish(self) -> Result[bytes]:
        """Convert the rest."""
        if not self._is_broken:
            return self._convert(final=True)
        return replace(nothing(), rejects=_core.Rejects([self._rest(is_line=False)]))

    @property
    def _is_broken(self) -> bool:
        return self._place in (_core.BROKEN_PLACE, _core.BROKEN_LINE_PLACE)

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
        self._is_untried = False
        self._retry_bytes = 2 * len(self._kept)
        self._offset += consumed
        self._newlines += newlines
        if self._is_broken:
            rest, self._kept = bytes(self._kept), bytearray()
            self._keep_rest(rest)
        return result

    def _keep_rest(self, block: bytes) -> None:
        self._rest_bytes += len(block)
        self._rest_end = block[-1:] or self._rest_end
        self._kept += block if self._whole_rejects else block[: max(RAW_LIMIT_BYTES - len(self._kept), 0)]

    def _rest(self, *, is_line: bool) -> Reject:
        """Return the reject of what was kept behind a fault, and count it as read."""
        # A CR belongs to the line end.
        length = self._rest_bytes - (is_line and self._rest_end == b"\r")
        reject = Reject(self._newlines + 1, self._offset, length, "json.syntax", bytes(self._kept[:length]))
        self._offset += self._rest_bytes
        self._rest_bytes = 0
        self._rest_end = b""
        return reject
