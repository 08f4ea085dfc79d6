"""The interface of an input format: the conversions of a whole batch, and a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .._core import Converter, DocumentReader, NdjsonReader
from ..results import EventIterator, Result
from .input_stream import InputStream
from .streams import FormatStream, StreamSettings, Writer

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ..matching.annotator import Annotator

__all__ = ["AnnotatingWriter", "FixedFormat", "Format", "NdjsonWriter"]

Output = TypeVar("Output")


class Format(ABC):
    """How input of one format is converted. Immutable."""

    @abstractmethod
    def convert(self, data: Buffer, writer: Writer[Output], threads: int) -> Result[Output]:
        """Convert a batch; see `Normalizer.to_ndjson` and `Normalizer.to_arrow`."""

    @abstractmethod
    def to_dicts(self, data: Buffer) -> Result[list[dict[str, Any]]]:
        """Convert a batch; see `Normalizer.to_dicts`."""

    @abstractmethod
    def iter_dicts(self, data: Buffer) -> EventIterator:
        """Convert a batch lazily; see `Normalizer.iter_dicts`."""

    @abstractmethod
    def stream(self, settings: StreamSettings[Output]) -> InputStream[Output]:
        """Return a stream for one input; see `Normalizer.stream`."""


class FixedFormat(Format):
    """A format that is not detected."""

    def stream(self, settings: StreamSettings[Output]) -> InputStream[Output]:
        return InputStream(settings, lambda head, complete: self.open(settings))

    @abstractmethod
    def open(self, settings: StreamSettings[Output]) -> FormatStream[Output]:
        """Return a stream for content that is known to have this format."""


class NdjsonWriter:
    """Events as NDJSON; a `Writer`."""

    # The method itself: one more call would slow down batches of one record.
    convert = staticmethod(Converter.to_ndjson)

    def of_reader(self, reader: NdjsonReader | DocumentReader) -> Callable[..., tuple[Result[bytes], int, bool]]:
        return reader.to_ndjson

    def join(self, outputs: list[bytes]) -> bytes:
        return b"".join(outputs)


class AnnotatingWriter:
    """Events as NDJSON with the members that detections add; a `Writer`."""

    def __init__(self, annotator: Annotator) -> None:
        self._annotator = annotator

    def convert(self, converter: Converter, data: Buffer, /, **options: Any) -> Result[bytes]:
        return self._annotator.to_lines(converter.to_ndjson(data, **options))

    def of_reader(self, reader: NdjsonReader | DocumentReader) -> Callable[..., tuple[Result[bytes], int, bool]]:
        def convert_part(*arguments: Any, **options: Any) -> tuple[Result[bytes], int, bool]:
            result, consumed, more = reader.to_ndjson(*arguments, **options)
            return self._annotator.to_lines(result), consumed, more

        return convert_part

    def join(self, outputs: list[bytes]) -> bytes:
        return b"".join(outputs)
