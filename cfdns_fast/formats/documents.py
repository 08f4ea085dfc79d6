"""Convert a JSON document that arrives in blocks, with the meaning of one call on the whole of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .. import _core
from ..results import Result, nothing
from .base import BlockStream
from .long_reject import LongReject, Spill
from .ndjson import LineCount

__all__ = ["DocumentStream"]


class DocumentStream(BlockStream):
    """One JSON document, or several, to NDJSON, block by block; otherwise like `NdjsonStream`.

    A value is kept until it ends or is longer than ``max_record_bytes``. After a fault nothing can be read, or nothing
    of the line if every document is on a line. That rest is one reject.
    """

    def __init__(self, plan: _core.Plan, *, spill: Spill | None = None) -> None:
        self._plan = plan
        self._max_kept_bytes = plan.long_item_bytes()
        self._spill = spill
        self._kept = bytearray()
        self._retry_bytes = 0
        self._is_untried = False  # something was added since the last conversion
        self._offset = 0
        self._newlines = 0
        self._place = 0
        self._item: _core.LongItem | None = None
        self._long: LongReject | None = None
        self._lines = LineCount()

    @property
    def lines(self) -> int:
        """Lines begun so far."""
        return self._lines.total

    @property
    def unfinished_bytes(self) -> int:
        """Number of bytes that were fed and are neither converted nor, after a fault, part of a reject."""
        return 0 if self._is_broken else len(self._kept) + (self._long.byte_length if self._long else 0)

    def parts(self, block: bytes, *, final: bool = False, at_once: bool = False) -> Iterator[Result[bytes]]:
        """Take the next block and convert what is complete, part by part."""
        self._lines.add(block)
        self._kept += block
        self._is_untried |= bool(block)
        # A long unfinished record must not be read anew with every block: what is left over must double first.
        is_early = not self._is_untried if at_once else len(self._kept) < self._retry_bytes
        if self._long is None and not final and is_early:
            return
        while True:
            if self._long is not None:
                ended = self._read_long(self._long, final)
                if ended is None:
                    return
                yield ended
                self._long = self._item = None
            more = True
            while more:
                result, more = self._convert(final)
                yield result
            if not self._is_broken:
                if len(self._kept) <= self._max_kept_bytes:
                    return
                self._item = _core.LongItem(self._place)
            self._long = LongReject(self._newlines + 1, self._offset, self._spill)

    def cut_parts(self) -> Iterator[Result[bytes]]:
        """Convert what is complete; after a fault, the rest is a reject."""
        yield from self.parts(b"", at_once=True)
        if self._is_broken:
            yield from self.parts(b"", final=True)
        else:
            self._discard_long()

    def _discard_long(self) -> None:
        if self._long is not None:
            self._long.discard()

    @property
    def _is_broken(self) -> bool:
        return self._place in (_core.BROKEN_PLACE, _core.BROKEN_LINE_PLACE)

    def _read_long(self, reject: LongReject, final: bool) -> Result[bytes] | None:
        """Move bytes from what is kept to the reject; return the result where it ends, else None."""
        if self._item is not None:
            size_bytes, outcome, place = self._item.read(self._kept, final=final)
            self._move(size_bytes, reject)
            if outcome == "more":
                return None
            self._place = place
            if outcome == "item":
                return replace(nothing(), rejects=_core.Rejects([reject.end("record.too_large")]))
            if outcome == "ignored":
                reject.discard()
                return nothing()
            self._item = None
        return self._read_rest(reject, final)

    def _read_rest(self, reject: LongReject, final: bool) -> Result[bytes] | None:
        """Move what follows a fault to the reject; return the result where that ends, else None."""
        newline = self._kept.find(b"\n") if self._place == _core.BROKEN_LINE_PLACE else -1
        size_bytes = len(self._kept) if newline < 0 else newline
        # A CR before the newline belongs to the line end.
        may_end_line = newline >= 0 or (self._place == _core.BROKEN_LINE_PLACE and not final)
        if may_end_line and self._kept.endswith(b"\r", 0, size_bytes):
            size_bytes -= 1
        self._move(size_bytes, reject)
        if newline < 0 and not final:
            return None
        self._place = _core.LINES_PLACE if newline >= 0 else 0
        return replace(nothing(), rejects=_core.Rejects([reject.end("json.syntax")]))

    def _move(self, size_bytes: int, reject: LongReject) -> None:
        reject.append(self._kept[:size_bytes])
        self._newlines += self._kept.count(b"\n", 0, size_bytes)
        self._offset += size_bytes
        del self._kept[:size_bytes]

    def _convert(self, final: bool) -> tuple[Result[bytes], bool]:
        self._is_untried = False
        result, (consumed, newlines, self._place, more) = self._plan.document_part_to_ndjson(
            self._kept,
            final=final,
            place=self._place,
            whole_rejects=self._spill is not None,
            lines_before=self._newlines,
            bytes_before=self._offset,
        )
        del self._kept[:consumed]
        self._retry_bytes = min(2 * len(self._kept), self._max_kept_bytes + 1)
        self._offset += consumed
        self._newlines += newlines
        return result, more
