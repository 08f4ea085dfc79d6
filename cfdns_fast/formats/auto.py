"""Open the stream for an input: of the shape that the normalizer says, or that the input's first bytes tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from .. import signatures
from ..errors import InputFormatError
from ..normalizer import Normalizer
from ..results import Result
from .base import BlockStream
from .documents import DocumentStream
from .long_reject import Spill
from .ndjson import NdjsonStream
from .sniff import HEAD_BYTES
from .tabular import RowStream

__all__ = ["AutoStream", "open_stream"]

_PADDING_BLOCK_BYTES = 1 << 16


def open_stream(normalizer: Normalizer, *, spill: Spill | None = None, threads: int = 1) -> AutoStream:
    """Return a stream for one input in the shape that the normalizer's ``input_format`` says; see `NdjsonStream`.

    Only newline-delimited JSON is converted by more than one thread. The stream's methods raise InputFormatError where
    the normalizer's would, before anything was given back.
    """
    return AutoStream(normalizer, spill, threads)


def _stream(normalizer: Normalizer, shape: str, spill: Spill | None, threads: int) -> BlockStream:
    shaped = normalizer._shaped
    if shaped is None or shape == "ndjson":
        return NdjsonStream(normalizer, spill=spill, threads=threads)
    if shape == "json":
        return DocumentStream(shaped.plan, spill=spill)
    assert shaped.row_plan is not None
    return RowStream(shaped.row_plan, shape, spill=spill)


class AutoStream(BlockStream):
    """Keeps blocks until it is known what they begin, then passes them on to a stream for that.

    Of NULs at the beginning only the number is kept.
    """

    def __init__(self, normalizer: Normalizer, spill: Spill | None, threads: int) -> None:
        self._normalizer = normalizer
        self._spill = spill
        self._threads = threads
        self._is_native = False  # neither compressed nor in another encoding
        self._padding_bytes = 0
        self._head = bytearray()
        self._retry_bytes = 0
        self._tried_bytes = -1
        self._stream: BlockStream | None = None

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

    def parts(self, block: bytes, *, final: bool = False, at_once: bool = False) -> Iterator[Result[bytes]]:
        if self._stream is None:
            self._head += block
            is_early = len(self._head) == self._tried_bytes if at_once else len(self._head) < self._retry_bytes
            if is_early and not final:
                return
            yield from self._open(complete=final)
            if self._stream is None:
                return
            block = b""
        yield from self._stream.parts(block, final=final, at_once=at_once)

    def cut_parts(self) -> Iterator[Result[bytes]]:
        # What would be its shape if this were all of it. No shape at all says nothing about a part.
        with suppress(InputFormatError):
            if self._stream is None:
                yield from self._open(complete=True)
            if self._stream is not None:
                yield from self._stream.cut_parts()

    def _discard_long(self) -> None:
        """Do nothing: the stream that is opened does it."""

    def _open(self, *, complete: bool) -> Iterator[Result[bytes]]:
        """Open the stream once the shape is known, and pass it what was kept."""
        shape = self._shape(complete)
        self._tried_bytes = len(self._head)
        # Looking again at every block would take long if blocks are tiny.
        self._retry_bytes = min(2 * len(self._head), HEAD_BYTES)
        if shape is None:
            return
        self._stream = _stream(self._normalizer, shape, self._spill, self._threads)
        for done in range(0, self._padding_bytes, _PADDING_BLOCK_BYTES):
            yield from self._stream.parts(bytes(min(_PADDING_BLOCK_BYTES, self._padding_bytes - done)))
        head = bytes(self._head)
        self._head.clear()
        yield from self._stream.parts(head)

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
