"""A temporary file for the bytes of a reject that is too long for memory."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Protocol

from .outputs import OutputFault
from .paths import reason_of
from .temporaries import Temporary, system_folder

__all__ = ["SpillFile"]

# A multiple of 3, so that the base64 texts of the pieces can be joined.
_PIECE_BYTES = 3 << 16


class _Owner(Protocol):
    """The output of the rejects, for example an `Output`."""

    @property
    def name(self) -> str: ...

    @property
    def temporary_folder(self) -> str | None: ...


class SpillFile:
    """The bytes of one reject in a temporary file; a `RejectSpill`.

    Parameters
    ----------
    output : Output, or any object with `name` and `temporary_folder`
        The output of the rejects. The file is in the folder of its temporary file, or in the system's folder for
        temporary files. Errors name this output.
    """

    def __init__(self, output: _Owner) -> None:
        self.size_bytes = 0
        self._starts_as_text = True  # all bytes are UTF-8, except a last character that may be incomplete
        self._output = output
        self._temporary: Temporary | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def write(self, data: bytes) -> None:
        """Append bytes; raises OutputFault."""
        try:
            if self._temporary is None:
                self._temporary = Temporary(self._output.temporary_folder or system_folder())
                self._temporary.open()
            self._temporary.write(data)
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
        if self.size_bytes:
            assert self._temporary is not None
            try:
                self._temporary.file.seek(0)
                self._temporary.file.truncate()
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
        assert self._temporary is not None
        try:
            self._temporary.file.seek(0)
            while piece := self._read(self._temporary):
                yield piece
        except OSError as error:
            raise self._fault(error) from error

    def close(self) -> None:
        """Remove the file."""
        if self._temporary is not None:
            self._temporary.discard()

    def _read(self, temporary: Temporary) -> bytes:
        piece = temporary.file.read(_PIECE_BYTES)
        # A read may return fewer bytes than the file has.
        while len(piece) % 3 and (more := temporary.file.read(3 - len(piece) % 3)):
            piece += more
        return piece

    def _fault(self, error: OSError) -> OutputFault:
        return OutputFault(f"the temporary file for {self._output.name}", reason_of(error))
