"""Convert input that arrives in blocks, with the meaning of one call on the whole of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .. import _core
from ..normalizer import Normalizer
from ..results import Result, nothing
from .base import BlockStream
from .long_reject import LongReject, Spill

__all__ = ["LineCount", "NdjsonStream"]

_BYTES_A_THREAD = 1 << 19
# Sixteen pieces, so more threads find nothing to do: with four times as many, 64 took 160 to 180 MB instead of 92.
_MOST_SHARED_BYTES = 1 << 21
# Records that are smaller on average become many times their size: blocks of them are not gathered for several threads.
_MIN_SHARED_RECORD_BYTES = 64


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


class NdjsonStream(BlockStream):
    """One input to NDJSON, block by block.

    Blocks may be cut anywhere. Complete objects of an unfinished line are converted at once. What a block leaves
    unfinished is kept for the next block, until it is longer than ``max_record_bytes``. Then it is a reject in any
    case, whose bytes are not kept, so memory is bounded by the block and by ``max_record_bytes``.

    Positions in rejects are those in the whole input. ``on_reject`` of the normalizer has no effect. A stream is not
    for several threads at once. With `threads` above 1 it uses up to that many itself, and gives results for half a
    megabyte a thread at a time, for two megabytes at most, or at `flush`.

    Parameters
    ----------
    spill : Spill or None
        None: ``raw`` of rejects holds their first 64 KiB. Otherwise ``raw`` holds all bytes, except of rejects that are
        too long for memory: all bytes of those are written to the spill; see `Spill`.
    """

    def __init__(self, normalizer: Normalizer, *, spill: Spill | None = None, threads: int = 1) -> None:
        self._threads = threads
        # Few threads want several pieces a call each, or they cost more than they spare.
        self._least_bytes = 0 if threads == 1 else min(threads * _BYTES_A_THREAD, _MOST_SHARED_BYTES)
        self._is_dense = False  # records are tiny: several threads would hold many times their size
        self._has_delimiter = normalizer._options["record_delimiter"] is not None
        self._reader = _core.NdjsonReader(normalizer._plan, whole_rejects=spill is not None)
        self._max_kept_bytes = self._reader.max_unfinished_bytes
        self._spill = spill
        self._kept = bytearray()
        self._retry_bytes = 0
        self._is_untried = False  # what was added since the last conversion may complete something
        self._unended = False
        self._long: LongReject | None = None

    @property
    def lines(self) -> int:
        """Lines begun so far; exact after `finish`."""
        return self._reader.newlines + self._unended

    @property
    def unfinished_bytes(self) -> int:
        """Number of bytes that were fed and not converted."""
        return len(self._kept) + (self._long.byte_length if self._long else 0)

    def parts(self, block: bytes, *, final: bool = False, at_once: bool = False) -> Iterator[Result[bytes]]:
        """Take the next block and convert what is complete, part by part."""
        if block:
            self._unended = not block.endswith(b"\n")
        # Only these bytes can complete an object or a reject.
        self._is_untried |= self._has_delimiter or b"\n" in block or b"}" in block
        self._kept += block
        if self._long is None and not final and self._may_wait(block, at_once):
            return
        while True:
            if self._long is not None:
                if not self._read_long(self._long, final):
                    return
                reject = self._long.end("record.too_large")
                self._long = None
                yield replace(nothing(), rejects=_core.Rejects([reject]))
            result, more = self._convert(final, self._threads)
            yield result
            while more:
                # Where the output of a few bytes is large, several threads would take too much memory.
                result, more = self._convert(final, 1)
                yield result
            if len(self._kept) <= self._max_kept_bytes:
                return
            yield self._begin_long()

    def _may_wait(self, block: bytes, at_once: bool) -> bool:
        if at_once:
            return not self._is_untried
        # A long unfinished record must not be read anew with every block: its line must end, or its size double.
        least_bytes = 0 if self._is_dense else self._least_bytes
        return len(self._kept) < (least_bytes if b"\n" in block else max(self._retry_bytes, least_bytes))

    def _begin_long(self) -> Result[bytes]:
        """Begin the reject of a record that is too long; return the blank count of the NULs before it."""
        blank_bytes, blank = self._reader.begin_long(self._kept)
        del self._kept[:blank_bytes]
        self._long = LongReject(self._reader.newlines + 1, self._reader.byte_offset, self._spill)
        return replace(nothing(), blank=blank)

    def _read_long(self, reject: LongReject, final: bool) -> bool:
        """Move the bytes of a long record from what is kept to the reject; return whether the record ends."""
        record_bytes, ends = self._reader.read_long(self._kept, final=final)
        reject.append(self._kept[:record_bytes])
        del self._kept[:record_bytes]
        return ends

    def _discard_long(self) -> None:
        if self._long is not None:
            self._long.discard()

    def _convert(self, final: bool, threads: int) -> tuple[Result[bytes], bool]:
        self._is_untried = False
        result, consumed, more = self._reader.to_ndjson(self._kept, final=final, threads=threads)
        self._is_dense = more or (result.events + len(result.rejects)) * _MIN_SHARED_RECORD_BYTES > consumed
        del self._kept[:consumed]
        self._retry_bytes = min(2 * len(self._kept), self._max_kept_bytes + 1)
        return result, more
