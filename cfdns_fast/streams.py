"""Open the stream for an input: of the shape that the normalizer says, or that the input's first bytes tell."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from . import signatures
from .csv_events import RowStream
from .document_stream import DocumentStream
from .errors import InputFormatError
from .normalizer import Normalizer
from .results import Result, nothing
from .shapes import HEAD_BYTES
from .stream import NdjsonStream

__all__ = ["Stream", "open_stream"]

_PADDING_BLOCK_BYTES = 1 << 16


class Stream(Protocol):
    """One input, block by block: any number of `feed` and `flush`, then `finish`, or `cut` if the rest is not known."""

    @property
    def lines(self) -> int: ...
    @property
    def unfinished_bytes(self) -> int: ...
    def feed(self, block: bytes) -> Result[bytes]: ...
    def flush(self) -> Result[bytes]: ...
    def cut(self) -> Result[bytes]: ...
    def finish(self) -> Result[bytes]: ...


def open_stream(normalizer: Normalizer, *, whole_rejects: bool = True, threads: int = 1) -> _AutoStream:
    """Return a stream for one input in the shape that the normalizer's ``input_format`` says; see `NdjsonStream`.

    Only newline-delimited JSON is converted by more than one thread. The stream's methods raise InputFormatError where
    the normalizer's would, before anything was given back.
    """
    return _AutoStream(normalizer, whole_rejects, threads)


def _stream(normalizer: Normalizer, shape: str, whole_rejects: bool, threads: int) -> Stream:
    shaped = normalizer._shaped
    if shaped is None or shape == "ndjson":
        return NdjsonStream(normalizer, whole_rejects=whole_rejects, threads=threads)
    if shape == "json":
        return DocumentStream(shaped.plan, whole_rejects=whole_rejects)
    assert shaped.row_plan is not None
    return RowStream(shaped.row_plan, shape, whole_rejects=whole_rejects)


class _AutoStream:
    """Keeps blocks until it is known what they begin, then passes them on to a stream for that.

    Of NULs at the beginning only the number is kept.
    """

    def __init__(self, normalizer: Normalizer, whole_rejects: bool, threads: int) -> None:
        self._normalizer = normalizer
        self._whole_rejects = whole_rejects
        self._threads = threads
        self._is_native = False  # neither compressed nor in another encoding
        self._padding_bytes = 0
        self._head = bytearray()
        self._retry_bytes = 0
        self._tried_bytes = 0
        self._stream: Stream | None = None

    @property
    def lines(self) -> int:
        return 0 if self._stream is None else self._stream.lines

    @property
    def unused_columns(self) -> tuple[str, ...]:
        """Names of columns of CSV or TSV that the mapping does not read."""
        return self._stream.unused_columns if isinstance(self._stream, RowStream) else ()

    @property
    def unfinished_bytes(self) -> int:
        return len(self._head) if self._stream is None else self._stream.unfinished_bytes

    def feed(self, block: bytes) -> Result[bytes]:
        if self._stream is not None:
            return self._stream.feed(block)
        self._head += block
        if len(self._head) < self._retry_bytes:
            return nothing()
        result = self._open(complete=False)
        # Looking again at every block would take long if blocks are tiny.
        self._retry_bytes = min(2 * len(self._head), HEAD_BYTES)
        return result

    def flush(self) -> Result[bytes]:
        if self._stream is not None:
            return self._stream.flush()
        if len(self._head) == self._tried_bytes:
            return nothing()
        first = self._open(complete=False)
        return first if self._stream is None else _joined(first, self._stream.flush())

    def cut(self) -> Result[bytes]:
        if self._stream is not None:
            return self._stream.cut()
        # What would be its shape if this were all of it. No shape at all says nothing about a part.
        with suppress(InputFormatError):
            first = self._open(complete=True)
            assert self._stream is not None
            return _joined(first, self._stream.cut())
        return nothing()

    def finish(self) -> Result[bytes]:
        if self._stream is not None:
            return self._stream.finish()
        first = self._open(complete=True)
        assert self._stream is not None
        return _joined(first, self._stream.finish())

    def _open(self, *, complete: bool) -> Result[bytes]:
        self._tried_bytes = len(self._head)
        shape = self._shape(complete)
        if shape is None:
            return nothing()
        head = bytes(self._head)
        self._stream = _stream(self._normalizer, shape, self._whole_rejects, self._threads)
        self._head.clear()
        for done in range(0, self._padding_bytes, _PADDING_BLOCK_BYTES):
            # Nothing comes of NULs before it is known what follows them.
            self._stream.feed(bytes(min(_PADDING_BLOCK_BYTES, self._padding_bytes - done)))
        return self._stream.feed(head)

    def _shape(self, complete: bool) -> str | None:
        """Return the shape of the input that begins with what is kept; None if more of it must be seen."""
        if not self._is_native:
            foreign = signatures.foreign_format(bytes(self._head), complete=complete)
            if foreign:
                raise InputFormatError(foreign)
            if foreign is None:
                return None
            self._is_native = True
        content = self._head.lstrip(b"\0")
        self._padding_bytes += len(self._head) - len(content)
        self._head = content
        shaped = self._normalizer._shaped
        return "ndjson" if shaped is None else shaped.shape(bytes(content), complete=complete)


def _joined(first: Result[bytes], last: Result[bytes]) -> Result[bytes]:
    problems = {key: first.problems.get(key, 0) + count for key, count in last.problems.items()}
    return Result(
        first.output + last.output,
        first.events + last.events,
        first.blank + last.blank,
        first.rejects + last.rejects,
        {**first.problems, **problems},
    )
