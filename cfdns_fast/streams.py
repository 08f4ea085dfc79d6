"""Open the stream for an input: of the shape that the normalizer says, or that the input's first bytes tell."""

from __future__ import annotations

from collections.abc import Iterator

from .block_stream import BlockStream
from .csv_events import RowStream
from .document_stream import DocumentStream
from .long_reject import Spill
from .normalizer import Normalizer
from .results import Result
from .shaped import ShapedInput
from .shapes import HEAD_BYTES
from .stream import NdjsonStream

__all__ = ["open_stream"]


def open_stream(normalizer: Normalizer, *, spill: Spill | None = None, threads: int = 1) -> BlockStream:
    """Return a stream for one input in the shape that the normalizer's ``input_format`` says; see `NdjsonStream`.

    Only newline-delimited JSON is converted by more than one thread. The stream's methods raise InputFormatError where
    the normalizer's would, before anything was given back.
    """
    shaped = normalizer._shaped
    if shaped is None:
        return NdjsonStream(normalizer, spill=spill, threads=threads)
    if shaped.input_format == "auto":
        return _AutoStream(normalizer, shaped, spill, threads)
    return _stream(normalizer, shaped, shaped.input_format, spill, threads)


def _stream(normalizer: Normalizer, shaped: ShapedInput, shape: str, spill: Spill | None, threads: int) -> BlockStream:
    if shape == "ndjson":
        return NdjsonStream(normalizer, spill=spill, threads=threads)
    if shape == "json":
        return DocumentStream(shaped.plan, spill=spill)
    assert shaped.row_plan is not None
    return RowStream(shaped.row_plan, shape, spill=spill)


class _AutoStream(BlockStream):
    """Keeps blocks until their shape is known, then hands them on."""

    def __init__(self, normalizer: Normalizer, shaped: ShapedInput, spill: Spill | None, threads: int) -> None:
        self._normalizer = normalizer
        self._shaped = shaped
        self._spill = spill
        self._threads = threads
        self._head = bytearray()
        self._retry_bytes = 0
        self._stream: BlockStream | None = None

    @property
    def lines(self) -> int:
        return 0 if self._stream is None else self._stream.lines

    def parts(self, block: bytes, *, final: bool) -> Iterator[Result[bytes]]:
        if self._stream is None:
            self._head += block
            if len(self._head) < self._retry_bytes and not final:
                return
            # Looking again at every block would take long if blocks are tiny.
            self._retry_bytes = min(2 * len(self._head), HEAD_BYTES)
            block = bytes(self._head)
            shape = self._shaped.shape(block, complete=final)
            if shape is None:
                return
            self._stream = _stream(self._normalizer, self._shaped, shape, self._spill, self._threads)
            self._head.clear()
        yield from self._stream.parts(block, final=final)
