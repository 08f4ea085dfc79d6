"""Read inputs, plain or gzip, in blocks."""

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

#: zlib-ng decoded 914 MB/s of plain text, zlib 506 and isal 1,210 (2026-11-25). The decoder of isal cannot be copied,
#: and bytes before a fault would be lost. Any, because the stubs of zlib-ng lack `copy` and mistype `error`.
zlib: Any = zlib_ng

#: Maximum number of plain bytes in a block. It bounds the memory of a run, because an event can be more than a hundred
#: times as large as its record.
BLOCK_BYTES = 1 << 17

#: Maximum number of plain bytes that one call decompresses. It bounds the memory for any compression ratio. It is
#: larger than a block, because every call copies the decoder and waits for the GIL.
READ_BYTES = 1 << 19

#: Maximum number of reads that wait for the conversion.
_READS_AHEAD = 4

#: Maximum number of compressed bytes in a read. zlib copies the bytes after every member, so small members make large
#: reads slow.
_COMPRESSED_BYTES = 1 << 16

_GZIP_MAGIC = b"\x1f\x8b"
#: Maximum number of gzip layers. Some stores compress compressed objects again; data that decompresses to itself has no
#: last layer.
_MAX_GZIP_LAYERS = 4
_LAYERS = (None, "compressed input", "second gzip layer", "third gzip layer", "fourth gzip layer", "fifth gzip layer")
#: Parameter of zlib that selects the gzip format.
GZIP_WBITS = 31


class InputFault(CfdnsError):
    """An input could not be read to its end. All bytes before the fault were yielded.

    Attributes
    ----------
    reason : str
        The cause, as text.
    byte_offset : int or None
        The offset of the fault in the stored input, or in the gzip layer; None if the input could not be opened.
    layer : int
        The gzip layer, 1 for the outermost one; 0 if the input is not gzip.
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
    """Read an input on a background thread, and return an iterator over its blocks of at most `BLOCK_BYTES`.

    Leaving the context ends the thread. An empty block means that no further input is available yet; a regular file
    gives no empty block. Parameters and exceptions are those of `read_plain`.
    """
    status = status_of(name, 0)
    idle = None if status is not None and stat.S_ISREG(status.st_mode) else b""
    with ReadAhead(read_plain(name, on_read, stop), depth=_READS_AHEAD, idle=idle, stop=stop) as pieces:
        yield (block for piece in pieces for block in blocks_of(piece))


def blocks_of(plain: bytes) -> Iterator[bytes]:
    """Return an iterator over blocks of `BLOCK_BYTES`, the last of which may be smaller. Empty bytes are one block."""
    return (plain[start : start + BLOCK_BYTES] for start in range(0, len(plain) or 1, BLOCK_BYTES))


def read_plain(name: str, on_read: Callable[[int], object] | None = None, stop: Stop | None = None) -> Iterator[bytes]:
    """Yield the plain bytes of an input, in pieces of at most about `READ_BYTES`, cut at any byte.

    Gzip is detected by the first two bytes that are not zero, never by the name. All members are read, and zero bytes
    before and after a member are padding. Gzip within gzip is read, at most four layers deep.

    Parameters
    ----------
    name : str
        A path, or ``-`` for standard input.
    on_read : callable, optional
        Called with the number of stored bytes of every read.
    stop : Stop, optional
        After its request, no further read begins, and all bytes read before are yielded.

    Raises
    ------
    InputFault
        The input is missing, unreadable, truncated or damaged. Raised after all bytes that can be decoded were yielded.
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
    """The stored bytes of an input, with the number of bytes read."""

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
        """Return an iterator over the bytes of the input. It keeps no reference to a piece."""
        head = self.read(_COMPRESSED_BYTES)
        size_bytes = _COMPRESSED_BYTES if head.startswith(_GZIP_MAGIC[:1]) else READ_BYTES
        return itertools.chain((head,) if head else (), iter(functools.partial(self.read, size_bytes), b""))

    def read(self, size_bytes: int) -> bytes:
        """Return at most `size_bytes`; empty bytes at the end only."""
        data = self._read(size_bytes)
        while data is None:
            # Another program made the shared descriptor non-blocking.
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
        # If standard input is closed, the next opened file gets its number.
        if sys.stdin is None:
            raise OSError(errno.EBADF, "is closed")
        buffer = sys.stdin.buffer
        return nullcontext(getattr(buffer, "raw", buffer))
    return open(name, "rb", buffering=0)


def _without_gzip(pieces: Iterator[bytes], layer: int = 1) -> Iterator[bytes]:
    """Yield the plain bytes in all gzip layers of pieces; `layer` is the number of the first one."""
    padding_bytes, head = 0, b""
    try:
        while not head and (data := next(pieces, b"")):
            head = data.lstrip(b"\0")
            padding_bytes += len(data) - len(head)
        # The first read from a pipe may return one byte.
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
    """Return an iterator over blocks of zero bytes of that size in total."""
    return (bytes(min(BLOCK_BYTES, size_bytes - start)) for start in range(0, size_bytes, BLOCK_BYTES))


def _gunzip(pieces: Iterator[bytes], layer: int, byte_offset: int) -> Iterator[bytes]:
    """Yield the content of all gzip members, in pieces of at most `READ_BYTES`.

    Parameters
    ----------
    pieces : iterator of bytes
        The gzip data.
    layer : int
        The gzip layer, for errors.
    byte_offset : int
        The offset of the first piece, for errors.
    """
    decoder = None
    size_bytes = BLOCK_BYTES  # so that the conversion begins soon
    piece = next(pieces, b"")
    while piece:
        # No other name may refer to `data`, so that its memory is free before the next read.
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
                # A full block may leave output in the decoder, even if all input is consumed.
                if not data and len(block) < size_bytes:
                    break
                size_bytes = min(2 * size_bytes, READ_BYTES)
        piece = piece or next(pieces, b"")
    if decoder is not None:
        raise InputFault("truncated gzip", byte_offset, layer=layer)


def _decode_to_fault(decoder: Any, data: bytes) -> tuple[bytes, int]:
    """Return the output before the fault in `data`, and the number of bytes from the fault on.

    The Python binding of zlib discards the output of a call that meets a fault. Copies of the decoder therefore
    approach the fault: first by ever smaller outputs, then by single bytes of input.
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
