"""Files of NDJSON, plain or compressed, of what a task writes."""

from __future__ import annotations

import os

from ..io.compressors import compressor_of

__all__ = ["CompressedFile", "check_format"]


class CompressedFile:
    """A temporary file that data is appended to. One thread at a time; raises OSError.

    The bytes depend on the data and on the version of the library alone.

    Parameters
    ----------
    path : str
        The file, which exists.
    format : {"ndjson", "ndjson.gz", "ndjson.zst"}
    """

    def __init__(self, path: str, format: str) -> None:
        self.path = path
        self._compressor = compressor_of(f".{format}")
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115

    def write(self, data: bytes) -> None:
        """Append data."""
        self._write(data if self._compressor is None else self._compressor.compress(data))

    def close(self) -> int:
        """Complete the file, and return its size in bytes."""
        if self._compressor is not None:
            self._write(self._compressor.finish())
        size_bytes = self._file.tell()
        self._file.close()
        return size_bytes

    def discard(self) -> None:
        """Remove the file."""
        self._file.close()
        if os.path.exists(self.path):
            os.unlink(self.path)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]


def check_format(format: str) -> None:
    """Raise ZstdMissing if the library of a format is missing."""
    compressor_of(f".{format}")
