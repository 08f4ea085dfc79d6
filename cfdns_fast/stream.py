"""Convert input that arrives in blocks, with the meaning of one call on the whole of it."""

from __future__ import annotations

from .normalizer import Normalizer
from .results import Result, nothing

__all__ = ["LineCount", "NdjsonStream"]

_BYTES_A_THREAD = 1 << 19
# Sixteen pieces, so more threads find nothing to do: with four times as many, 64 took 160 to 180 MB instead of 92.
_MOST_SHARED_BYTES = 1 << 21
# A call converts fewer bytes of tiny records: an event has 200 bytes or more even if its record has two.
_MAX_SHARED_RECORDS = 1 << 14


class LineCount:
    """Lines begun in blocks that may be cut anywhere."""

    def __init__(self) -> None:
        self._newlines = 0
        self._unended = False

    def add(self, block: bytes) -> None:
        """Count a block in."""
        if block:
            self._newlines += block.count(b"\n")
            self._unended = not block.endswith(b"\n")

    @property
    def total(self) -> int:
        return self._newlines + self._unended


class NdjsonStream:
    """One input to NDJSON, block by block.

    Blocks may be cut anywhere. What a block leaves unfinished is kept for the next one, so memory is bounded by the
    block and the longest unfinished record, not by the line: complete objects of an unfinished line are converted at
    once.

    Positions in rejects are of the whole input. With `whole_rejects` their ``raw`` is complete, whatever its length.
    ``on_reject`` of the normalizer is not looked at. Not for several threads at once; with `threads` above 1 it uses so
    many itself, and gives results for half a megabyte a thread at a time, for two megabytes at most, for less where
    records are tiny, and at `flush`.
    """

    def __init__(self, normalizer: Normalizer, *, whole_rejects: bool = True, threads: int = 1) -> None:
        self._threads = threads
        # Few threads want several pieces a call each, or they cost more than they spare.
        self._least_bytes = 0 if threads == 1 else min(threads * _BYTES_A_THREAD, _MOST_SHARED_BYTES)
        delimiter = (normalizer._options["record_delimiter"] or "").strip("\r\n").encode()
        # A record or reject begins after one of these, or with it.
        self._record_marks = [mark for mark in (b"\n", b"{", delimiter) if mark] if threads > 1 else []
        self._max_records = 0  # in the blocks since the last conversion
        self._plan = normalizer._plan
        self._has_delimiter = normalizer._options["record_delimiter"] is not None
        self._whole_rejects = whole_rejects
        self._kept = bytearray()
        self._retry_bytes = 0
        self._is_untried = False
        self._offset = 0
        self._newlines = 0
        self._mid_line = False
        self._unended = False

    @property
    def lines(self) -> int:
        """Lines begun so far; exact after `finish`."""
        return self._newlines + self._unended

    @property
    def unfinished_bytes(self) -> int:
        """Number of bytes that were fed and not converted."""
        return len(self._kept)

    def feed(self, block: bytes) -> Result[bytes]:
        """Convert what is complete with the next block, once there is enough of it."""
        # A long unfinished record must not be read anew with every block: its line must end, or its size double.
        has_newline = b"\n" in block
        # Only these bytes can complete an object or a reject.
        self._is_untried |= has_newline or self._has_delimiter or b"}" in block
        self._kept += block
        if self._kept:
            self._unended = not self._kept.endswith(b"\n")
        self._max_records += sum(map(block.count, self._record_marks))
        least_bytes = self._least_bytes if self._max_records < _MAX_SHARED_RECORDS else 0
        if len(self._kept) < (least_bytes if has_newline else max(self._retry_bytes, least_bytes)):
            return nothing()
        return self._convert(final=False)

    def flush(self) -> Result[bytes]:
        """Convert what is complete now, however little it is."""
        return self._convert(final=False) if self._is_untried else nothing()

    def cut(self) -> Result[bytes]:
        """Convert what is complete; the input ends here, but not because it is complete."""
        return self.flush()

    def finish(self) -> Result[bytes]:
        """Convert the rest; the last line needs no newline."""
        return self._convert(final=True)

    def _convert(self, *, final: bool) -> Result[bytes]:
        self._max_records = 0
        result, (consumed, newlines, mid_line) = self._plan.to_ndjson_part(
            self._kept,
            final=final,
            mid_line=self._mid_line,
            whole_rejects=self._whole_rejects,
            lines_before=self._newlines,
            bytes_before=self._offset,
            threads=self._threads,
        )
        del self._kept[:consumed]
        self._is_untried = False
        self._retry_bytes = 2 * len(self._kept)
        self._offset += consumed
        self._newlines += newlines
        self._mid_line = mid_line
        return result
