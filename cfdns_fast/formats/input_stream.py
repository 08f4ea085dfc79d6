"""The public stream of one input, which begins before the format is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, TypeVar

from ..errors import InputFormatError
from ..options import DETECTION_BYTES
from ..results import Result, Stream, joined, record_error
from ..signatures import foreign_format
from .streams import FormatStream, StreamSettings, to_bytes

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

__all__ = ["InputStream"]

Output = TypeVar("Output")

_PADDING_BLOCK_BYTES = 1 << 16


class InputStream(Stream[Output]):
    """A stream that keeps blocks until the format is known, then passes them on; see `Stream`.

    NULs at the beginning are counted and not kept.

    Parameters
    ----------
    settings : StreamSettings
    open_format : callable
        Called with the first bytes and whether they are all; returns the stream of their format, or None if more bytes
        must be seen. Raises InputFormatError if no format fits.
    """

    def __init__(
        self, settings: StreamSettings[Output], open_format: Callable[[bytes, bool], FormatStream[Output] | None]
    ) -> None:
        self._settings = settings
        self._open_format = open_format
        self._is_closed = False
        # One token, which a call takes until its parts are exhausted: list.pop is atomic, and a lock that cannot be
        # allocated would raise RuntimeError.
        self._turn: list[None] = [None]
        self._is_native = False  # neither compressed nor in another encoding
        self._padding_bytes = 0
        self._head = bytearray()
        self._retry_bytes = 0
        self._tried_bytes = -1
        self._stream: FormatStream[Output] | None = None
        # Kept after the end, because the stream is dropped then.
        self._lines = 0
        self._unfinished_bytes = 0
        self._unused_columns: tuple[str, ...] = ()

    @property
    def lines(self) -> int:
        if self._stream is not None:
            return self._stream.lines
        if self._is_closed:
            return self._lines
        is_open = not self._head.endswith(b"\n") if self._head else self._padding_bytes > 0
        return self._head.count(b"\n") + is_open

    @property
    def unfinished_bytes(self) -> int:
        if self._is_closed:
            return self._unfinished_bytes
        return len(self._head) if self._stream is None else self._stream.unfinished_bytes

    @property
    def unused_columns(self) -> tuple[str, ...]:
        return self._unused_columns if self._stream is None else self._stream.unused_columns

    def feed(self, block: Buffer, /) -> Result[Output]:
        return self._joined(block)

    def flush(self) -> Result[Output]:
        return self._joined(at_once=True)

    def finish(self) -> Result[Output]:
        return self._joined(final=True)

    def cut(self) -> Result[Output]:
        self._check_no_spill()
        return self._join(self.cut_parts())

    def parts(self, block: Buffer, /, *, final: bool = False, at_once: bool = False) -> Iterator[Result[Output]]:
        self._check_open()
        block = to_bytes(block)
        self._take_turn()
        if self._stream is None:
            parts = self._first_parts(block, final, at_once)
        else:
            parts = self._stream.parts(block, final=final, at_once=at_once)
        return self._started(parts, ends=final)

    def cut_parts(self) -> Iterator[Result[Output]]:
        self._take_turn()
        return self._started(self._cut_parts(), ends=True)

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(self, *exception: object) -> None:
        if any(exception):
            self._close_after_error()
        else:
            self._close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream cannot be copied or pickled")

    def _joined(self, block: Buffer = b"", *, final: bool = False, at_once: bool = False) -> Result[Output]:
        self._check_no_spill()
        return self._join(self.parts(block, final=final, at_once=at_once))

    def _join(self, parts: Iterator[Result[Output]]) -> Result[Output]:
        try:
            return joined(parts, self._settings.writer.join)
        except BaseException:
            self._close_after_error()
            raise

    def _check_open(self) -> None:
        if self._is_closed:
            raise ValueError("the stream has ended")
        if not self._turn:
            raise ValueError("the parts of the last call were not all taken")

    def _take_turn(self) -> None:
        """Begin a call, which no other thread may enter, because the state of the core is for one thread."""
        self._check_open()
        try:
            self._turn.pop()
        except IndexError:
            raise ValueError("the parts of the last call were not all taken") from None
        if self._is_closed:
            raise ValueError("the stream has ended")

    def _check_no_spill(self) -> None:
        if self._settings.rejects.spill is not None:
            raise ValueError("a stream with a RejectSpill gives parts only: call parts or cut_parts")

    def _started(self, parts: Iterator[Result[Output]], *, ends: bool) -> Iterator[Result[Output]]:
        """Return the checked parts, as a generator that ends the stream if it is dropped before its first part."""
        checked = self._checked(parts, ends=ends)
        next(checked)
        return checked  # type: ignore[return-value]

    def _checked(self, parts: Iterator[Result[Output]], *, ends: bool) -> Iterator[Result[Output] | None]:
        try:
            yield None
            for part in parts:
                if self._settings.raises and part.rejects:
                    raise record_error(part.rejects[0])
                yield part
        except BaseException:
            self._close_after_error()
            raise
        if ends:
            self._close()
        self._turn.append(None)

    def _close_after_error(self) -> None:
        # A spill that cannot be cleared must not hide the first error.
        with suppress(Exception):
            self._close()

    def _close(self) -> None:
        if self._is_closed:
            return
        self._lines, self._unused_columns = self.lines, self.unused_columns
        self._unfinished_bytes = self.unfinished_bytes
        self._is_closed = True
        self._stream = None
        self._head.clear()
        self._settings.rejects.discard()

    def _first_parts(self, block: bytes, final: bool, at_once: bool) -> Iterator[Result[Output]]:
        """Keep the block, and convert what is complete as soon as the format is known."""
        # The first block is usually enough, and is not copied again.
        head = None if self._head else block
        self._head += block
        is_early = len(self._head) == self._tried_bytes if at_once else len(self._head) < self._retry_bytes
        if is_early and not final:
            return
        yield from self._open(head, complete=final, final=final)
        if self._stream is not None and not final:
            yield from self._stream.parts(b"", at_once=at_once)

    def _cut_parts(self) -> Iterator[Result[Output]]:
        # The format is that of the same input if it were complete. If none fits, a format might have fitted more input.
        with suppress(InputFormatError):
            if self._stream is None:
                yield from self._open(None, complete=True)
            if self._stream is not None:
                yield from self._stream.cut_parts()

    def _open(self, head: bytes | None, *, complete: bool, final: bool = False) -> Iterator[Result[Output]]:
        """Open the stream of the format if that is known, and pass on what was kept, and that it is all if `final`.

        `head` is what was kept, if there are bytes of it already.
        """
        # Bytes: CPython 3.11 complains on standard error if memory for a new bytearray runs out.
        content = self._native(bytes(self._head) if head is None else head, complete)
        self._stream = None if content is None else self._open_format(content, complete)
        self._tried_bytes = len(self._head)
        # Looking again at every block would take long if blocks are tiny.
        self._retry_bytes = min(2 * len(self._head), DETECTION_BYTES)
        if self._stream is None or content is None:
            return
        for done in range(0, self._padding_bytes, _PADDING_BLOCK_BYTES):
            yield from self._stream.parts(bytes(min(_PADDING_BLOCK_BYTES, self._padding_bytes - done)))
        self._head.clear()
        yield from self._stream.parts(content, final=final)

    def _native(self, head: bytes, complete: bool) -> bytes | None:
        """Return the kept bytes without padding; None if more of the input must be seen to know their encoding."""
        if not self._is_native:
            foreign = foreign_format(head, complete=complete)
            if foreign:
                raise InputFormatError(foreign)
            if foreign is None:
                return None
            self._is_native = True
        content = head.lstrip(b"\0")
        padding_bytes = len(head) - len(content)
        self._padding_bytes += padding_bytes
        del self._head[:padding_bytes]
        return content
