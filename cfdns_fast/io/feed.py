"""The stored bytes of one layer of compression, for its decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .input_fault import InputFault

__all__ = ["BLOCK_BYTES", "COMPRESSED_BYTES", "GZIP_MAGIC", "READ_BYTES", "Feed"]

#: The first bytes of each gzip member (RFC 1952).
GZIP_MAGIC = b"\x1f\x8b"

#: Maximum number of plain bytes in a block. It bounds the memory of a run, because an event can be more than a hundred
#: times as large as its record.
BLOCK_BYTES = 1 << 17

#: Maximum number of plain bytes that one call decompresses. It bounds the memory for any compression ratio. It is
#: larger than a block, because every call waits for the GIL.
READ_BYTES = 1 << 19

#: Maximum number of compressed bytes in a piece. The decoders copy the bytes after every member, so small members make
#: large pieces slow.
COMPRESSED_BYTES = 1 << 16

#: Maximum number of bytes from the mark on that are kept for a source that cannot be read again. A batch of 100,000
#: records has about 3 MiB. Longer gzip members of such a source are decoded by zlib, at less than half of the rate.
_MAX_KEPT_BYTES = 1 << 24


class Feed:
    """The pieces of a layer, with the offset, and one mark to which the reading can return.

    Parameters
    ----------
    pieces : iterator of bytes
        The layer.
    byte_offset : int
        The offset of the first piece.
    layer : int
        The number of the layer, for errors.
    read_again : callable, optional
        Return the pieces from an offset on. Without it, the feed keeps some bytes after the mark.

    Attributes
    ----------
    data : bytes
        The unread bytes of the current piece. The decoder replaces them. No other name may refer to them during `fill`,
        so that their memory is free before the next read.
    """

    def __init__(
        self,
        pieces: Iterator[bytes],
        byte_offset: int,
        layer: int,
        read_again: Callable[[int], Iterator[bytes]] | None = None,
    ) -> None:
        self.data = b""
        self._pieces = pieces
        self._rest = memoryview(b"")  # what comes after `data` and before the next piece
        self._end_offset = byte_offset  # of `data`
        self._layer = layer
        self._read_again = read_again
        self._mark_offset = byte_offset
        self._marked = b""
        self._kept: bytearray | None = None

    @property
    def byte_offset(self) -> int:
        """The offset of `data`."""
        return self._end_offset - len(self.data)

    def fill(self) -> bool:
        """Replace `data`, which is empty, with the next bytes; False at the end of the layer."""
        rest = self._rest or memoryview(next(self._pieces, b""))
        self.data = bytes(rest[:COMPRESSED_BYTES])
        # An empty view would keep the memory of its piece.
        self._rest = rest[COMPRESSED_BYTES:] or memoryview(b"")
        self._end_offset += len(self.data)
        if self._kept is not None:
            self._kept += self.data
        return bool(self.data)

    def extend(self, size_bytes: int) -> None:
        """Extend `data` to that many bytes, if the layer has them."""
        while len(self.data) < size_bytes:
            head, self.data = self.data, b""
            if not self.fill():
                self.data = head
                return
            self.data = head + self.data

    def skip_zeros(self) -> bool:
        """Skip zero bytes, which pad files and devices to the size of a block; False at the end of the layer."""
        while True:
            if self.data.startswith(b"\0"):
                self.data = self.data.lstrip(b"\0")
            if self.data:
                return True
            if not self.fill():
                return False

    def mark(self) -> None:
        """Set the mark to the offset of `data`."""
        self._mark_offset = self.byte_offset
        if self._read_again is None:
            self._marked = self.data
            self._kept = bytearray()

    def forget_mark(self) -> None:
        """Keep no bytes any more."""
        self._marked = b""
        self._kept = None

    @property
    def can_return(self) -> bool:
        """Whether the next `fill` leaves the mark within reach."""
        return self._kept is None or len(self._kept) + COMPRESSED_BYTES <= _MAX_KEPT_BYTES

    def return_to_mark(self) -> None:
        """Read on from the mark, which then is no mark any more."""
        if self._read_again is not None:
            self._pieces = self._read_again(self._mark_offset)
            self._rest = memoryview(b"")
        else:
            assert self._kept is not None
            self._rest = memoryview(b"".join((self._marked, self._kept, self._rest)))
            self.forget_mark()
        self.data = b""
        self._end_offset = self._mark_offset
        self.fill()

    def fault(self, reason: str, byte_offset: int | None = None) -> InputFault:
        """Return the fault of this layer at an offset, by default that of `data`."""
        return InputFault(reason, self.byte_offset if byte_offset is None else byte_offset, layer=self._layer)
