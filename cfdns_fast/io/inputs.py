"""Inputs, plain or gzip, read in blocks."""

from __future__ import annotations

import errno
import functools
import itertools
import select
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, BinaryIO

from zlib_ng import zlib_ng

from ..errors import CfdnsError
from .paths import STANDARD_STREAM, reason_of, status_of
from .read_ahead import ReadAhead, Stop

__all__ = ["BLOCK_BYTES", "GZIP_WBITS", "READ_BYTES", "InputFault", "blocks_ahead", "blocks_of", "read_plain", "zlib"]

#: Twice as fast as zlib (914 against 506 MB/s of plain text). isal is faster still (1,210), but its decoder cannot be
#: copied, and without that what stands before a fault is lost. Any: its stubs lack `copy` and mistype `error`.
zlib: Any = zlib_ng

#: The maximum number of plain bytes that are converted at a time. Tiny records become events of more than a hundred
#: times their size, so the memory of the command depends on this.
BLOCK_BYTES = 1 << 17

#: The most plain bytes decompressed at a time, so that no compression ratio decides how much memory is used. Block by
#: block it would take 12 % longer: zlib's state is copied every time, and the GIL waited for.
READ_BYTES = 1 << 19

#: So many reads at most wait to be converted.
_READS_AHEAD = 4

#: How much compressed data is read at a time: zlib copies what follows a member, once for every tiny member in it.
_COMPRESSED_BYTES = 1 << 16

_GZIP_MAGIC = b"\x1f\x8b"
#: Some store what is compressed already compressed again. Data that decompresses to itself must end as well.
_MAX_GZIP_LAYERS = 4
_LAYERS = (None, "compressed input", "second gzip layer", "third gzip layer", "fourth gzip layer", "fifth gzip layer")
GZIP_WBITS = 31


class InputFault(CfdnsError):
    """An input that could not be read to its end; everything before the fault has been handed out.

    Attributes
    ----------
    reason : str
        What is wrong.
    byte_offset : int or None
        Where, in bytes of the input as it is stored, or of the gzip layer; None if it could not be opened.
    layer : int
        Which of the gzip layers, 1 is the outermost; 0 if the input is not gzip.
    """

    def __init__(self, reason: str, byte_offset: int | None = None, *, layer: int = 0) -> None:
        self.reason = reason
        self.byte_offset = byte_offset
        self.layer = layer
        of_what = f" of the {_LAYERS[layer]}" if layer else ""
        super().__init__(reason if byte_offset is None else f"{reason} (at byte {byte_offset}{of_what})")


@contextmanager
def blocks_ahead(
    name: str, on_read: Callable[[int], object] | None = None, stop: Stop | None = None
) -> Iterator[Iterator[bytes]]:
    """Let `read_plain` run on another thread, and give what it yields in blocks of at most `BLOCK_BYTES`.

    An empty block means that no more input waits at present; a regular file has none.
    """
    status = status_of(name, 0)
    idle = None if status is not None and stat.S_ISREG(status.st_mode) else b""
    with ReadAhead(read_plain(name, on_read, stop), depth=_READS_AHEAD, idle=idle, stop=stop) as pieces:
        yield (block for piece in pieces for block in blocks_of(piece))


def blocks_of(plain: bytes) -> Iterator[bytes]:
    """Cut into blocks of `BLOCK_BYTES`; the last one may be smaller. Nothing is one empty block."""
    return (plain[start : start + BLOCK_BYTES] for start in range(0, len(plain) or 1, BLOCK_BYTES))


def read_plain(name: str, on_read: Callable[[int], object] | None = None, stop: Stop | None = None) -> Iterator[bytes]:
    """Yield the plain bytes of an input, in pieces of about `READ_BYTES` at most, cut anywhere.

    Gzip is detected by its first two bytes that are not zero, never by the name. Every member is read; zero bytes
    before and after a member are padding. Gzip within gzip is read, up to four layers.

    Parameters
    ----------
    name : str
        A path, or ``-`` for standard input.
    on_read : callable, optional
        Called with the number of bytes of every read, as they are stored.
    stop : Stop, optional
        After its request nothing more is read, and all that was read is yielded.

    Raises
    ------
    InputFault
        The input is missing, unreadable, truncated or damaged; raised after all that could be decoded was yielded.
    """
    source: _Source | None = None
    try:
        with _open_input(name) as raw:
            source = _Source(raw, on_read, stop)
            yield from _without_gzip(source.pieces())
    except _Stopped:
        return
    except OSError as error:
        if source is None:
            raise InputFault(reason_of(error)) from error
        raise InputFault(reason_of(error), source.byte_offset, layer=int(source.is_gzip)) from error


class _Stopped(Exception):
    """No further read may begin."""


class _Source:
    """The stored bytes of an input, counted."""

    def __init__(self, raw: BinaryIO, on_read: Callable[[int], object] | None, stop: Stop | None) -> None:
        self._raw = raw
        self._on_read = on_read
        self._stop = stop
        self.byte_offset = 0
        self._start = b""

    @property
    def is_gzip(self) -> bool:
        return self._start == _GZIP_MAGIC

    def pieces(self) -> Iterator[bytes]:
        """Return an iterator over all there is. It keeps nothing of what it has given."""
        head = self.read(_COMPRESSED_BYTES)
        size_bytes = _COMPRESSED_BYTES if head.startswith(_GZIP_MAGIC[:1]) else READ_BYTES
        return itertools.chain((head,) if head else (), iter(functools.partial(self.read, size_bytes), b""))

    def read(self, size_bytes: int) -> bytes:
        """Return what there is, at most `size_bytes`; empty only at the end."""
        data = self._read(size_bytes)
        while data is None:
            # Some other program made the shared descriptor non-blocking.
            if self._stop is None:
                select.select([self._raw], [], [])
            data = self._read(size_bytes)
        self.byte_offset += len(data)
        self._start += (data if self._start else data.lstrip(b"\0"))[: len(_GZIP_MAGIC) - len(self._start)]
        if self._on_read is not None:
            self._on_read(len(data))
        return data

    def _read(self, size_bytes: int) -> bytes | None:
        if self._stop is not None and not self._stop.may_read(self._raw):
            raise _Stopped
        return self._raw.read(size_bytes)


def _open_input(name: str) -> AbstractContextManager[BinaryIO]:
    if name == STANDARD_STREAM:
        # With a closed standard input the next file opened would take its number.
        if sys.stdin is None:
            raise OSError(errno.EBADF, "is closed")
        buffer = sys.stdin.buffer
        return nullcontext(getattr(buffer, "raw", buffer))
    return open(name, "rb", buffering=0)


def _without_gzip(pieces: Iterator[bytes], layer: int = 1) -> Iterator[bytes]:
    """Yield what is in the gzip layers around the plain bytes, of which this one would be number `layer`."""
    padding_bytes, head = 0, b""
    try:
        while not head and (data := next(pieces, b"")):
            head = data.lstrip(b"\0")
            padding_bytes += len(data) - len(head)
        # A pipe may give its first byte alone.
        if head == _GZIP_MAGIC[:1]:
            head += next(pieces, b"")
    except Exception:
        yield from _zero_blocks(padding_bytes)
        if head:
            yield head
        raise
    if not head.startswith(_GZIP_MAGIC):
        yield from _zero_blocks(padding_bytes)
        if head:
            yield head
        del head
        yield from pieces
        return
    if layer > _MAX_GZIP_LAYERS:
        raise InputFault(f"gzip within gzip is read {_MAX_GZIP_LAYERS} layers deep, not deeper", 0, layer=layer)
    yield from _without_gzip(_gunzip(itertools.chain((head,), pieces), layer, padding_bytes), layer + 1)


def _zero_blocks(size_bytes: int) -> Iterator[bytes]:
    """Yield as many zero bytes, in blocks."""
    return (bytes(min(BLOCK_BYTES, size_bytes - start)) for start in range(0, size_bytes, BLOCK_BYTES))


def _gunzip(pieces: Iterator[bytes], layer: int, byte_offset: int) -> Iterator[bytes]:
    """Yield the content of all gzip members, in pieces of `READ_BYTES` at most; `byte_offset` is that of the first."""
    decoder = None
    size_bytes = BLOCK_BYTES  # conversion begins when it has them
    piece = next(pieces, b"")
    while piece:
        # Nothing else may refer to `data`: memory that is free again before the next read costs less.
        data, piece = piece[:_COMPRESSED_BYTES], piece[_COMPRESSED_BYTES:]
        byte_offset += len(data)
        while data:
            if decoder is None:
                data = data.lstrip(b"\0")
                if data and not _GZIP_MAGIC.startswith(data[:2]):
                    raise InputFault("not gzip after the last member", byte_offset - len(data), layer=layer)
                decoder = zlib.decompressobj(GZIP_WBITS) if data else None
            while decoder is not None:
                before = decoder.copy()
                try:
                    block = decoder.decompress(data, size_bytes)
                except zlib.error as error:
                    block, left = _decode_to_fault(before, data)
                    if block:
                        yield block
                    reason = str(error).rpartition(": ")[2]
                    raise InputFault(f"damaged gzip, {reason}", byte_offset - left, layer=layer) from error
                if block:
                    yield block
                data = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
                if decoder.eof:
                    decoder = None
                    break
                # A full block may have left output inside the decoder even where all input is taken.
                if not data and len(block) < size_bytes:
                    break
                size_bytes = min(2 * size_bytes, READ_BYTES)
        piece = piece or next(pieces, b"")
    if decoder is not None:
        raise InputFault("truncated gzip", byte_offset, layer=layer)


def _decode_to_fault(decoder: Any, data: bytes) -> tuple[bytes, int]:
    """Return what decodes before the fault in `data`, and how many bytes of it stand at and after the fault.

    zlib's Python binding throws away the output of a call that meets a fault, so the fault is approached on copies:
    by ever smaller outputs until no further byte can be had, then by single bytes of input.
    """
    blocks = []
    step_bytes = READ_BYTES
    while step_bytes:
        trial = decoder.copy()
        try:
            block = trial.decompress(data, step_bytes)
        except zlib.error:
            step_bytes //= 2
        else:
            blocks.append(block)
            decoder, data = trial, trial.unconsumed_tail
    taken = 0
    with suppress(zlib.error):
        while taken < len(data):
            blocks.append(decoder.decompress(data[taken : taken + 1]))
            taken += 1
    return b"".join(blocks), len(data) - taken
