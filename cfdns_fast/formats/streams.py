"""The base of the streams of all formats, their settings, and the writers of events."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from .._core import Converter, DocumentReader, NdjsonReader, first_bytes
from ..results import Result
from .long_reject import RejectBytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["FormatStream", "LineCount", "StreamSettings", "Writer", "to_bytes"]

Output = TypeVar("Output")


class Writer(Protocol[Output]):
    """How events are written: as NDJSON or as Arrow batches."""

    def convert(
        self,
        converter: Converter,
        data: Buffer,
        /,
        *,
        raise_on_reject: bool = False,
        document: bool = False,
        threads: int = 1,
    ) -> Result[Output]:
        """Convert a batch of records, or of JSON documents."""

    def of_reader(self, reader: NdjsonReader | DocumentReader) -> Callable[..., tuple[Result[Output], int, bool]]:
        """Return the method of a reader that converts the next part; see `NdjsonReader.to_ndjson`."""

    def join(self, outputs: list[Output]) -> Output:
        """Return several outputs as one; of none, the output of no events."""


# A named tuple would take longer at import.
class StreamSettings(Generic[Output]):
    """What a stream is asked for; `Normalizer.stream` describes the options."""

    __slots__ = ("raises", "rejects", "threads", "writer")

    def __init__(self, writer: Writer[Output], threads: int, rejects: RejectBytes, raises: bool) -> None:
        self.writer = writer
        self.threads = threads
        self.rejects = rejects
        self.raises = raises


class FormatStream(ABC, Generic[Output]):
    """The stream of one input whose format is known."""

    @property
    @abstractmethod
    def lines(self) -> int:
        """Number of lines begun so far."""

    @property
    @abstractmethod
    def unfinished_bytes(self) -> int:
        """Number of bytes that were fed and are not converted, because a record is not complete."""

    @property
    def unused_columns(self) -> tuple[str, ...]:
        """Names of columns that the mapping does not read."""
        return ()

    @abstractmethod
    def parts(self, block: bytes, *, final: bool = False, at_once: bool = False) -> Iterator[Result[Output]]:
        """Append a block and convert what is complete; see `Stream.parts`."""

    def cut_parts(self) -> Iterator[Result[Output]]:
        """Convert what is complete, and leave out the rest; see `Stream.cut_parts`."""
        return self.parts(b"", at_once=True)


class LineCount:
    """Lines begun in blocks that may be cut anywhere."""

    def __init__(self) -> None:
        self._newlines = 0
        self._is_open = False

    def add(self, block: bytes) -> None:
        """Count the lines of a block."""
        if block:
            self._newlines += block.count(b"\n")
            self._is_open = not block.endswith(b"\n")

    @property
    def total(self) -> int:
        return self._newlines + self._is_open


def to_bytes(data: Buffer) -> bytes:
    """Return bytes unchanged, and a copy of any other buffer. Raises TypeError if data is not a buffer."""
    return data if isinstance(data, bytes) else first_bytes(data, sys.maxsize)
