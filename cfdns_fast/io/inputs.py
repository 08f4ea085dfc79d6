"""Read inputs, plain or compressed, in blocks."""

from __future__ import annotations

import errno
import functools
import itertools
import os
import select
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import BinaryIO

from .feed import BLOCK_BYTES, COMPRESSED_BYTES, GZIP_MAGIC, READ_BYTES, Feed
from .input_fault import InputFault
from .paths import STANDARD_STREAM, reason_of, status_of
from .read_ahead import ReadAhead, Stop
from .unzstd import is_zstd, may_become_zstd, unzstd

__all__ = ["BLOCK_BYTES", "READ_BYTES", "InputFault", "blocks_ahead", "blocks_of", "read_plain"]

#: Maximum number of reads that wait for the conversion.
_READS_AHEAD = 4

#: Maximum number of layers of compression. Some stores compress compressed objects again; data that decompresses to
#: itself has no last layer.
_MAX_LAYERS = 4


@contextmanager
def blocks_ahead(
    source: str | BinaryIO,
    on_read: Callable[[int], object] | None = None,
    stop: Stop | None = None,
    *,
    max_bytes: int = BLOCK_BYTES,
) -> Iterator[Iterator[bytes]]:
    """Read an input on a background thread, and return an iterator over its blocks of at most `max_bytes`.

    Leaving the context ends the thread with its next read, so the caller must not close an open reader before the
    context is left. An empty block means that no further input is available yet; regular files and open readers give no
    empty block. Exceptions and the other parameters are those of `read_plain`.
    """
    status = status_of(source, 0) if isinstance(source, str) else None
    has_all = not isinstance(source, str) or (status is not None and stat.S_ISREG(status.st_mode))
    idle = None if has_all else b""
    with ReadAhead(read_plain(source, on_read, stop), depth=_READS_AHEAD, idle=idle, stop=stop) as pieces:
        yield (block for piece in pieces for block in blocks_of(piece, max_bytes))


def blocks_of(plain: bytes, max_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Return an iterator over blocks of `max_bytes`, the last of which may be smaller. Empty bytes are one block."""
    return (plain[start : start + max_bytes] for start in range(0, len(plain) or 1, max_bytes))


def read_plain(
    source: str | BinaryIO, on_read: Callable[[int], object] | None = None, stop: Stop | None = None
) -> Iterator[bytes]:
    """Yield the plain bytes of an input, in pieces of at most about `READ_BYTES`, cut at any byte.

    Gzip and zstd are detected by the first bytes that are not zero, never by the name. All gzip members or zstd frames
    are read, and zero bytes before and after them are padding. Compressed data within compressed data is read, at most
    four layers deep.

    Parameters
    ----------
    source : str or binary reader
        A path, ``-`` for standard input, or an open reader, which the caller closes. The method ``read(n)`` of a reader
        blocks, and returns at most n bytes, and empty bytes at the end only. If it can seek, it may be read twice.
    on_read : callable, optional
        Called with the number of stored bytes of every read.
    stop : Stop, optional
        After its request, no further read begins, and all bytes read before are yielded.

    Raises
    ------
    InputFault
        The input is missing, unreadable, truncated or damaged. Raised after all bytes that can be decoded were yielded.
        An exception of an open reader that is no OSError is raised as it is, also after these bytes.
    """
    stored: _Source | None = None
    try:
        with _open_input(source) as raw:
            stored = _Source(raw, on_read, stop)
            yield from _decompressed(stored.pieces(), stored)
    except _Stopped:
        return
    except OSError as error:
        if stored is None:
            raise InputFault(reason_of(error)) from error
        raise InputFault(reason_of(error), stored.byte_offset, layer=stored.layer) from error


class _Stopped(Exception):
    """No further read may begin."""


class _Source:
    """The stored bytes of an input, with the number of bytes read.

    Attributes
    ----------
    byte_offset : int
        The offset of the next read.
    layer : int
        1 if the input is compressed, else 0.
    """

    def __init__(self, raw: BinaryIO, on_read: Callable[[int], object] | None, stop: Stop | None) -> None:
        self._raw = raw
        self._on_read = on_read
        self._stop = stop
        self._first_position = raw.tell() if _can_seek(raw) else None
        self._known_bytes = 0  # that were read before
        self.byte_offset = 0
        self.layer = 0

    def pieces(self) -> Iterator[bytes]:
        """Return an iterator over the bytes of the input. It keeps no reference to a piece."""
        head = self.read(COMPRESSED_BYTES)
        size_bytes = COMPRESSED_BYTES if _may_be_compressed(head[:1]) else READ_BYTES
        return itertools.chain((head,) if head else (), iter(functools.partial(self.read, size_bytes), b""))

    @property
    def read_again(self) -> Callable[[int], Iterator[bytes]] | None:
        """Return the bytes from an offset on as `pieces` does; None if the input cannot seek."""
        return None if self._first_position is None else self._pieces_from

    def _pieces_from(self, byte_offset: int) -> Iterator[bytes]:
        assert self._first_position is not None
        self._raw.seek(self._first_position + byte_offset)
        self.byte_offset = byte_offset
        return iter(functools.partial(self.read, COMPRESSED_BYTES), b"")

    def read(self, size_bytes: int) -> bytes:
        """Return at most `size_bytes`; empty bytes at the end only."""
        data = self._read(size_bytes)
        while data is None:
            # Another program made the shared descriptor non-blocking.
            if self._stop is None:
                select.select([self._raw], [], [])
            data = self._read(size_bytes)
        self.byte_offset += len(data)
        new_bytes = max(self.byte_offset - self._known_bytes, 0)
        self._known_bytes += new_bytes
        if self._on_read is not None:
            self._on_read(new_bytes)
        return data

    def _read(self, size_bytes: int) -> bytes | None:
        # Bytes that were read before are read again after the request too.
        is_new = self.byte_offset >= self._known_bytes
        if is_new and self._stop is not None and not self._stop.may_read(self._raw):
            raise _Stopped
        return self._raw.read(size_bytes)


def _can_seek(raw: BinaryIO) -> bool:
    """Return whether the bytes of a reader can be read again: a regular file, or an open reader that can seek."""
    try:
        status = os.fstat(raw.fileno())
    except (AttributeError, OSError):
        seekable = getattr(raw, "seekable", None)
        return seekable is not None and bool(seekable())
    return stat.S_ISREG(status.st_mode) and raw.seekable()


def _open_input(source: str | BinaryIO) -> AbstractContextManager[BinaryIO]:
    if not isinstance(source, str):
        return nullcontext(source)
    if source == STANDARD_STREAM:
        # If standard input is closed, the next opened file gets its number.
        if sys.stdin is None:
            raise OSError(errno.EBADF, "is closed")
        buffer = sys.stdin.buffer
        return nullcontext(getattr(buffer, "raw", buffer))
    return open(source, "rb", buffering=0)


def _may_be_compressed(head: bytes) -> bool:
    """Return whether more bytes after `head`, the first bytes of data, decide or decided that it is compressed."""
    return bool(head) and (GZIP_MAGIC.startswith(head[: len(GZIP_MAGIC)]) or may_become_zstd(head))


def _decoder_of(head: bytes) -> Callable[[Feed], Iterator[bytes]] | None:
    """Return the decoder of data with these first bytes; None if it is not compressed."""
    if head.startswith(GZIP_MAGIC):
        # Imported here, because its library takes time to import, and much input is plain.
        from .gunzip import gunzip

        return gunzip
    return unzstd if is_zstd(head) else None


def _decompressed(pieces: Iterator[bytes], source: _Source | None, layer: int = 1) -> Iterator[bytes]:
    """Yield the plain bytes in all layers of pieces.

    Parameters
    ----------
    pieces : iterator of bytes
        The bytes of the first layer.
    source : _Source or None
        The source of the pieces; None for an inner layer.
    layer : int
        The number of the first layer.
    """
    padding_bytes, head = 0, b""
    try:
        while not head and (data := next(pieces, b"")):
            head = data.lstrip(b"\0")
            padding_bytes += len(data) - len(head)
        # A read from a pipe may return one byte.
        while _decoder_of(head) is None and _may_be_compressed(head) and (data := next(pieces, b"")):
            head += data
    except Exception:
        yield from _zero_blocks(padding_bytes)
        if head:
            yield head
        raise
    decoder = _decoder_of(head)
    if decoder is None:
        yield from _zero_blocks(padding_bytes)
        if head:
            yield head
        del head
        yield from pieces
        return
    if layer > _MAX_LAYERS:
        raise InputFault(f"compressed data is read {_MAX_LAYERS} layers deep, not deeper", 0, layer=layer)
    if source is not None:
        source.layer = layer
    read_again = None if source is None else source.read_again
    feed = Feed(itertools.chain((head,), pieces), padding_bytes, layer, read_again)
    del head
    yield from _decompressed(decoder(feed), None, layer + 1)


def _zero_blocks(size_bytes: int) -> Iterator[bytes]:
    """Return an iterator over blocks of zero bytes of that size in total."""
    return (bytes(min(BLOCK_BYTES, size_bytes - start)) for start in range(0, size_bytes, BLOCK_BYTES))
