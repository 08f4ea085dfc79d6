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

    def __init__(self, converter: _core.Converter, *, spill: Spill | None = None) -> None:
        self._reader = _core.DocumentReader(converter, whole_rejects=spill is not None)
        self._max_kept_bytes = self._reader.max_unfinished_bytes
        self._spill = spill
        self._kept = bytearray()
        self._retry_bytes = 0
        self._is_untried = False  # something was added since the last conversion
        self._long: LongReject | None = None
        self._lines = LineCount()

    @property
    def lines(self) -> int:
        """Lines begun so far."""
        return self._lines.total

    @property
    def unfinished_bytes(self) -> int:
        """Number of bytes that were fed and are neither converted nor, after a fault, part of a reject."""
        return 0 if self._reader.is_broken else len(self._kept) + (self._long.byte_length if self._long else 0)

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
                self._long = None
            more = True
            while more:
                result, more = self._convert(final)
                yield result
            if not self._reader.is_broken and len(self._kept) <= self._max_kept_bytes:
                return
            self._reader.begin_long()
            self._long = LongReject(self._reader.newlines + 1, self._reader.byte_offset, self._spill)

    def cut_parts(self) -> Iterator[Result[bytes]]:
        """Convert what is complete; after a fault, the rest is a reject."""
        yield from self.parts(b"", at_once=True)
        if self._reader.is_broken:
            yield from self.parts(b"", final=True)
        else:
            self._discard_long()

    def _discard_long(self) -> None:
        if self._long is not None:
            self._long.discard()

    def _read_long(self, reject: LongReject, final: bool) -> Result[bytes] | None:
        """Move bytes from what is kept to the reject; return the result where it ends, else None."""
        size_bytes, outcome = self._reader.read_long(self._kept, final=final)
        reject.append(self._kept[:size_bytes])
        del self._kept[:size_bytes]
        if outcome == "more":
            return None
        if outcome == "ignored":
            reject.discard()
            return nothing()
        code = "record.too_large" if outcome == "item" else "json.syntax"
        return replace(nothing(), rejects=_core.Rejects([reject.end(code)]))

    def _convert(self, final: bool) -> tuple[Result[bytes], bool]:
        self._is_untried = False
        result, consumed, more = self._reader.to_ndjson(self._kept, final=final)
        del self._kept[:consumed]
        self._retry_bytes = min(2 * len(self._kept), self._max_kept_bytes + 1)
        return result, more
