"""JSON documents around records, and records that span lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from .._core import Converter, DocumentReader
from ..results import EventIterator, Result, empty_result
from .base import FixedFormat
from .long_reject import LongReject
from .streams import FormatStream, LineCount, StreamSettings, Writer

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["DocumentFormat"]

Output = TypeVar("Output")


class DocumentFormat(FixedFormat):
    """One JSON document, or several. Only one thread converts documents to NDJSON."""

    def __init__(self, converter: Converter, *, raises: bool) -> None:
        self._converter = converter
        self._raises = raises

    def convert(self, data: Buffer, writer: Writer[Output], threads: int) -> Result[Output]:
        return writer.convert(self._converter, data, raise_on_reject=self._raises, threads=threads, document=True)

    def to_dicts(self, data: Buffer) -> Result[list[dict[str, Any]]]:
        return self._converter.to_dicts(data, raise_on_reject=self._raises, document=True)

    def iter_dicts(self, data: Buffer) -> EventIterator:
        return self._converter.iter_dicts(data, raise_on_reject=self._raises, document=True)

    def open(self, settings: StreamSettings[Output]) -> FormatStream[Output]:
        return _DocumentStream(self._converter, settings)


class _DocumentStream(FormatStream[Output]):
    """One input of JSON documents.

    A value is kept until it ends or is longer than ``max_record_bytes``. After a fault the rest cannot be read, or the
    rest of the line if every document is on a line. That rest is one reject.
    """

    def __init__(self, converter: Converter, settings: StreamSettings[Output]) -> None:
        self._settings = settings
        self._reader = DocumentReader(converter, whole_rejects=settings.rejects.whole)
        self._convert_part = settings.writer.of_reader(self._reader)
        self._kept = bytearray()
        self._retry_bytes = 0
        self._is_untried = False  # there are new bytes since the last conversion
        self._long: LongReject | None = None
        self._lines = LineCount()

    @property
    def lines(self) -> int:
        return self._lines.total

    @property
    def unfinished_bytes(self) -> int:
        # The rest after a fault is a reject, whatever follows.
        if self._reader.is_broken:
            return 0
        return len(self._kept) + (self._long.byte_length if self._long else 0)

    def parts(self, block: bytes, *, final: bool = False, at_once: bool = False) -> Iterator[Result[Output]]:
        self._lines.add(block)
        self._kept += block
        self._is_untried |= bool(block)
        # A long unfinished record must not be read again with every block: the kept bytes must double first.
        is_early = not self._is_untried if at_once else len(self._kept) < self._retry_bytes
        if self._long is None and not final and is_early:
            return
        while True:
            if self._long is not None:
                ended = self._read_long(self._long, final)
                if ended is None:
                    return
                self._long = None
                yield ended
            more = True
            while more:
                result, more = self._convert(final)
                yield result
            if not self._reader.is_broken and len(self._kept) <= self._reader.max_unfinished_bytes:
                return
            self._reader.begin_long()
            self._long = LongReject(self._reader.newlines + 1, self._reader.byte_offset, self._settings.rejects)

    def cut_parts(self) -> Iterator[Result[Output]]:
        yield from self.parts(b"", at_once=True)
        if self._reader.is_broken:
            yield from self.parts(b"", final=True)

    def _read_long(self, reject: LongReject, final: bool) -> Result[Output] | None:
        """Move bytes from the kept ones to the reject; return the result where the reject ends, else None."""
        size_bytes, outcome = self._reader.read_long(self._kept, final=final)
        reject.append(self._kept[:size_bytes])
        del self._kept[:size_bytes]
        if outcome == "more":
            return None
        empty = self._settings.writer.join([])
        if outcome == "ignored":
            reject.discard()
            return empty_result(empty)
        return empty_result(empty, [reject.end("record.too_large" if outcome == "item" else "json.syntax")])

    def _convert(self, final: bool) -> tuple[Result[Output], bool]:
        self._is_untried = False
        result, consumed, more = self._convert_part(self._kept, final=final)
        del self._kept[:consumed]
        self._retry_bytes = min(2 * len(self._kept), self._reader.max_unfinished_bytes + 1)
        return result, more
