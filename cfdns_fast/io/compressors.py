"""Compress outputs, as their names say."""

from __future__ import annotations

import zlib
from typing import Any, Protocol

from .zstd_library import zstd_library

__all__ = ["Compressor", "GzipCompressor", "ZstdCompressor", "compressor_of"]

#: Level of both libraries. Of NDJSON with 821 bytes an event, isal made 100 bytes in 687 ns, and zlib-ng at level 2 95
#: bytes in 1,425 ns; isal level 3 took 2,389 ns for 97 bytes. zstd took 1,093 ns for 81 bytes, and level 3 1,470 ns for
#: 78 bytes (2026-11-30).
_LEVEL = 1

#: Number of bytes that isal gets at a time.
_BLOCK_BYTES = 128 << 10


class Compressor(Protocol):
    """Makes one compressed file. All methods return bytes that follow the earlier ones."""

    def compress(self, data: bytes, /) -> bytes:
        """Add data."""

    def flush(self) -> bytes:
        """Return all bytes that a reader needs for the data so far."""

    def finish(self) -> bytes:
        """End the file. No call may follow."""


class GzipCompressor:
    """One gzip member without a time.

    The bytes that isal makes depend on the sizes of its calls. It therefore gets blocks of one size, so that equal data
    gives equal bytes, however it is cut.
    """

    def __init__(self) -> None:
        # Imported here, because most outputs are not compressed.
        from isal import isal_zlib

        # 31: the largest window, with the header and trailer of gzip.
        self._stream: Any = isal_zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
        self._held = bytearray()  # less than a block

    def compress(self, data: bytes, /) -> bytes:
        """Return compressed bytes, which may be none."""
        rest = memoryview(data)
        parts = []
        if self._held:
            missing_bytes = _BLOCK_BYTES - len(self._held)
            self._held += rest[:missing_bytes]
            rest = rest[missing_bytes:]
            if len(self._held) == _BLOCK_BYTES:
                parts.append(self._compress_held())
        while len(rest) >= _BLOCK_BYTES:
            parts.append(self._stream.compress(rest[:_BLOCK_BYTES]))
            rest = rest[_BLOCK_BYTES:]
        self._held += rest
        return b"".join(parts)

    def flush(self) -> bytes:
        """Return compressed bytes up to the end of a byte."""
        return b"".join((self._compress_held(), self._stream.flush(zlib.Z_SYNC_FLUSH)))

    def finish(self) -> bytes:
        """Return the remaining bytes with the trailer."""
        return b"".join((self._compress_held(), self._stream.flush()))

    def _compress_held(self) -> bytes:
        result: bytes = self._stream.compress(self._held)
        self._held.clear()
        return result


class ZstdCompressor:
    """One zstd frame with a checksum; raises ZstdMissing."""

    def __init__(self) -> None:
        zstd = zstd_library()
        parameters = zstd.CompressionParameter
        self._stream: Any = zstd.ZstdCompressor(
            options={parameters.compression_level: _LEVEL, parameters.checksum_flag: 1}
        )

    def compress(self, data: bytes, /) -> bytes:
        """Return compressed bytes, which may be none."""
        result: bytes = self._stream.compress(data)
        return result

    def flush(self) -> bytes:
        """Return compressed bytes up to the end of a block."""
        result: bytes = self._stream.flush(self._stream.FLUSH_BLOCK)
        return result

    def finish(self) -> bytes:
        """Return the remaining bytes with the checksum."""
        result: bytes = self._stream.flush()
        return result


def compressor_of(name: str) -> Compressor | None:
    """Return a new compressor for the name of a file, by its suffix in any letter case; None for other suffixes.

    Raises
    ------
    ZstdMissing
        The name ends in ``.zst``, and no library for zstd is installed.
    """
    suffix = name.lower()
    if suffix.endswith(".gz"):
        return GzipCompressor()
    return ZstdCompressor() if suffix.endswith(".zst") else None
