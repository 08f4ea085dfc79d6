"""Newline-delimited JSON: lines that hold one record or more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from .._core import Converter, NdjsonReader
from ..results import EventIterator, Result, empty_result
from .base import FixedFormat
from .long_reject import LongReject
from .streams import FormatStream, StreamSettings, Writer

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["NdjsonFormat"]

Output = TypeVar("Output")

_BYTES_PER_THREAD = 1 << 19
#: Maximum size of data that is gathered for several threads: sixteen pieces, to limit memory.
_MAX_SHARED_BYTES = 1 << 21
#: Smaller records become many times their size, so blocks of them are not gathered for several threads.
_MIN_SHARED_RECORD_BYTES = 64


class NdjsonFormat(FixedFormat):
    """Newline-delimited JSON, also with a delimiter between records of one line."""

    def __init__(self, converter: Converter, *, raises: bool, has_delimiter: bool) -> None:
        self._converter = converter
        self._raises = raises
        self._has_delimiter = has_delimiter

    def convert(self, data: Buffer, writer: Writer[Output], threads: int) -> Result[Output]:
        return writer.convert(self._converter, data, raise_on_reject=self._raises, threads=threads)

    def to_dicts(self, data: Buffer) -> Result[list[dict[str, Any]]]:
        return self._converter.to_dicts(data, raise_on_reject=self._raises)

    def iter_dicts(self, data: Buffer) -> EventIterator:
        return self._converter.iter_dicts(data, raise_on_reject=self._raises)

    def open(self, settings: StreamSettings[Output]) -> FormatStream[Output]:
        return _NdjsonStream(self._converter, settings, has_delimiter=self._has_delimiter)


class _NdjsonStream(FormatStream[Output]):
    """One input of NDJSON.

    Complete objects of an unfinished line are converted at once. An unfinished record that is longer than
    ``max_record_bytes`` is a reject, and its bytes are not kept. With several threads the stream gives results for half
    a megabyte a thread at a time, for at most two megabytes, or when it must convert at once.
    """

    def __init__(self, converter: Converter, settings: StreamSettings[Output], *, has_delimiter: bool) -> None:
        self._settings = settings
        self._has_delimiter = has_delimiter
        # Threads need several pieces of work a call, or starting them costs more time than they save.
        shared_bytes = min(settings.threads * _BYTES_PER_THREAD, _MAX_SHARED_BYTES)
        self._min_bytes = 0 if settings.threads == 1 else shared_bytes
        self._is_dense = False  # records are tiny: several threads would hold many times their size
        self._reader = NdjsonReader(converter, whole_rejects=settings.rejects.whole)
        self._convert_part = settings.writer.of_reader(self._reader)
        self._kept = bytearray()
        self._retry_bytes = 0
        self._is_untried = False  # the bytes since the last conversion may complete a record
        self._is_line_open = False
        self._long: LongReject | None = None

    @property
    def lines(self) -> int:
        return self._reader.newlines + self._is_line_open

    @property
    def unfinished_bytes(self) -> int:
        return len(self._kept) + (self._long.byte_length if self._long else 0)

    def parts(self, block: bytes, *, final: bool = False, at_once: bool = False) -> Iterator[Result[Output]]:
        if block:
            self._is_line_open = not block.endswith(b"\n")
        # Only these bytes can complete an object or a reject.
        self._is_untried |= self._has_delimiter or b"\n" in block or b"}" in block
        self._kept += block
        if self._long is None and not final and self._may_wait(block, at_once):
            return
        while True:
            if self._long is not None:
                if not self._read_long(self._long, final):
                    return
                reject, self._long = self._long.end("record.too_large"), None
                yield empty_result(self._settings.writer.join([]), [reject])
            result, more = self._convert(final, self._settings.threads)
            yield result
            while more:
                # Where the output of a few bytes is large, several threads would take too much memory.
                result, more = self._convert(final, 1 if self._is_dense else self._settings.threads)
                yield result
            if len(self._kept) <= self._reader.max_unfinished_bytes:
                return
            yield self._begin_long()

    def _may_wait(self, block: bytes, at_once: bool) -> bool:
        if at_once:
            return not self._is_untried
        # A long unfinished record must not be read again with every block: its line must end, or its size double.
        min_bytes = 0 if self._is_dense else self._min_bytes
        return len(self._kept) < (min_bytes if b"\n" in block else max(self._retry_bytes, min_bytes))

    def _begin_long(self) -> Result[Output]:
        """Begin the reject of a record that is too long; return the count of the blank line before it."""
        space_bytes, blank = self._reader.begin_long(self._kept)
        del self._kept[:space_bytes]
        self._long = LongReject(self._reader.newlines + 1, self._reader.byte_offset, self._settings.rejects)
        return empty_result(self._settings.writer.join([]), blank=blank)

    def _read_long(self, reject: LongReject, final: bool) -> bool:
        """Move the bytes of a long record from the kept ones to the reject; return whether the record ends."""
        record_bytes, ends = self._reader.read_long(self._kept, final=final)
        reject.append(self._kept[:record_bytes])
        del self._kept[:record_bytes]
        return ends

    def _convert(self, final: bool, threads: int) -> tuple[Result[Output], bool]:
        self._is_untried = False
        result, consumed, more = self._convert_part(self._kept, final=final, threads=threads)
        is_cut_early = more and consumed < _MAX_SHARED_BYTES
        self._is_dense = is_cut_early or (result.events + len(result.rejects)) * _MIN_SHARED_RECORD_BYTES > consumed
        del self._kept[:consumed]
        self._retry_bytes = min(2 * len(self._kept), self._reader.max_unfinished_bytes + 1)
        return result, more
