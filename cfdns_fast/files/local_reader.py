"""Read a file, with errors as StoreError."""

from __future__ import annotations

import io
from typing import Any, NoReturn

from .disk_errors import disk_error

__all__ = ["LocalReader"]


class LocalReader(io.FileIO):
    """An open file whose reads raise StoreError."""

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__(descriptor)
        self._text = name

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return super().read(-1 if size is None else size)
        except OSError as error:
            self._raise(error)

    def readinto(self, buffer: Any, /) -> int:
        try:
            return super().readinto(buffer)
        except OSError as error:
            self._raise(error)

    def readall(self) -> bytes:
        try:
            return super().readall()
        except OSError as error:
            self._raise(error)

    def _raise(self, error: OSError) -> NoReturn:
        raise disk_error("read", self._text, error) from None
