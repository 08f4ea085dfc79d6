"""A temporary file for the bytes of a reject that is too long for memory."""

from __future__ import annotations

import codecs
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

from .outputs import OutputFault
from .paths import STANDARD_STREAM, descriptor_of, reason_of

__all__ = ["SpillFile"]

# A multiple of 3, so that the base64 texts of the pieces can be joined.
_PIECE_BYTES = 3 << 16


class SpillFile:
    """The bytes of one reject in a file without a name (see `Spill` in the formats).

    Parameters
    ----------
    output : str
        The rejects file. The temporary file is in the same folder, or in the system's if rejects go to a pipe or
        device. Errors name this output.
    """

    def __init__(self, output: str) -> None:
        self.size_bytes = 0
        self._starts_as_text = True  # all bytes are UTF-8, except a last character that may be incomplete
        self._output = output
        self._file: BinaryIO | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def write(self, data: bytes) -> None:
        """Append bytes; raises OutputFault."""
        try:
            if self._file is None:
                self._file = self._new_file()
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise self._fault(error) from error
        self.size_bytes += len(data)
        if self._starts_as_text:
            try:
                self._decoder.decode(data)
            except UnicodeDecodeError:
                self._starts_as_text = False

    def clear(self) -> None:
        """Discard all bytes; raises OutputFault."""
        if self._file is not None:
            try:
                self._file.seek(0)
                self._file.truncate()
            except OSError as error:
                raise self._fault(error) from error
        self.size_bytes = 0
        self._starts_as_text = True
        self._decoder.reset()

    @property
    def is_text(self) -> bool:
        """Whether all bytes are UTF-8."""
        return self._starts_as_text and not self._decoder.getstate()[0]

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes in pieces whose sizes are multiples of 3, except the last one; raises OutputFault."""
        assert self._file is not None
        try:
            self._file.seek(0)
            while piece := self._read():
                yield piece
        except OSError as error:
            raise self._fault(error) from error

    def close(self) -> None:
        """Remove the file."""
        if self._file is not None:
            self._file.close()

    def _new_file(self) -> BinaryIO:
        folder = _folder(self._output)
        try:
            return cast(BinaryIO, tempfile.TemporaryFile(dir=folder, buffering=0))
        except OSError as error:
            # If the folder cannot be written, use the folder for temporary files, as `Output` does.
            if folder is None or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
        return cast(BinaryIO, tempfile.TemporaryFile(buffering=0))

    def _read(self) -> bytes:
        assert self._file is not None
        piece = self._file.read(_PIECE_BYTES)
        # A read may return less than is available.
        while len(piece) % 3 and (more := self._file.read(3 - len(piece) % 3)):
            piece += more
        return piece

    def _fault(self, error: OSError) -> OutputFault:
        name = "stdout" if self._output == STANDARD_STREAM else self._output
        return OutputFault(f"the temporary file for {name}", reason_of(error))


def _folder(output: str) -> str | None:
    """Return the folder of a regular file; None for any other output."""
    if output == STANDARD_STREAM or descriptor_of(output) is not None:
        return None
    target = os.path.realpath(output)
    if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
        return None
    return os.path.dirname(target)
