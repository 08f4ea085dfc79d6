"""The format that the options name, or the one that the first bytes of the input have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .._core import Converter, first_bytes
from ..mapping import Mapping
from ..options import DETECTION_BYTES, FIELD_DELIMITERS, Options
from ..results import EventIterator, Result
from .base import FixedFormat, Format
from .input_stream import InputStream
from .ndjson import NdjsonFormat
from .streams import FormatStream, StreamSettings, Writer

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["AutoFormat", "format_of"]

Output = TypeVar("Output")


def format_of(converter: Converter, mapping: Mapping, options: Options) -> Format:
    """Return the format that the options name."""
    name = options.input_format
    if name == "ndjson":
        return _ndjson(converter, options)
    # The modules of the other formats take time to import, and most input is NDJSON.
    if name == "json":
        return _documents(converter, options)
    return AutoFormat(converter, mapping, options) if name == "auto" else _rows(converter, mapping, options)[name]


class AutoFormat(Format):
    """The format is detected for each input, by its first bytes."""

    def __init__(self, converter: Converter, mapping: Mapping, options: Options) -> None:
        self._converter = converter
        self._mapping = mapping
        self._options = options
        self._formats: dict[str, FixedFormat] = {"ndjson": _ndjson(converter, options)}

    def convert(self, data: Buffer, writer: Writer[Output], threads: int) -> Result[Output]:
        return self._format_of(data).convert(data, writer, threads)

    def to_dicts(self, data: Buffer) -> Result[list[dict[str, Any]]]:
        return self._format_of(data).to_dicts(data)

    def iter_dicts(self, data: Buffer) -> EventIterator:
        return self._format_of(data).iter_dicts(data)

    def stream(self, settings: StreamSettings[Output]) -> InputStream[Output]:
        def open_format(head: bytes, complete: bool) -> FormatStream[Output] | None:
            name = self.detect(head, complete=complete)
            return None if name is None else self._named(name).open(settings)

        return InputStream(settings, open_format)

    def detect(self, head: bytes, *, complete: bool) -> str | None:
        """Return the name of the format; None if more bytes must be seen. See `sniff.detect`."""
        from .sniff import detect

        known = self._mapping.sources
        return detect(head, complete=complete, converter=self._converter, known=known, options=self._options)

    def _format_of(self, data: Buffer) -> FixedFormat:
        name = self.detect(first_bytes(data, DETECTION_BYTES, skip_padding=True), complete=True)
        assert name is not None
        return self._named(name)

    def _named(self, name: str) -> FixedFormat:
        """Return a format; it is made when an input has it. Two threads may both make it, and one of them is kept."""
        if name == "json" and name not in self._formats:
            self._formats[name] = _documents(self._converter, self._options)
        elif name not in self._formats:
            self._formats |= _rows(self._converter, self._mapping, self._options)
        return self._formats[name]


def _ndjson(converter: Converter, options: Options) -> NdjsonFormat:
    return NdjsonFormat(converter, raises=options.raises, has_delimiter=options.record_delimiter is not None)


def _documents(converter: Converter, options: Options) -> FixedFormat:
    from .documents import DocumentFormat

    return DocumentFormat(converter, raises=options.raises)


def _rows(converter: Converter, mapping: Mapping, options: Options) -> dict[str, FixedFormat]:
    from .tabular import RowPlan, TabularFormat

    plan = RowPlan(mapping, options, converter.matchers)
    return {name: TabularFormat(plan, name, raises=options.raises) for name in FIELD_DELIMITERS}
