"""The rejects of a task as one file of NDJSON."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from .. import Result
from ..io.reject_lines import reject_line_pieces, reject_lines
from ..io.spill_file import SpillFile
from .ndjson_files import CompressedFile
from .stores import Store
from .tasks import OutputFile

__all__ = ["REJECT_SUFFIX", "RejectFile"]

REJECT_SUFFIX = "ndjson.gz"


class RejectFile:
    """Rejects in the form that the command writes, each with all of its bytes. One thread at a time; raises OSError.

    Parameters
    ----------
    store : Store
        The store that the file is for.

    Attributes
    ----------
    name : str
        For messages.
    rows : int
    spill : SpillFile
        For the streams of the inputs: a reject that is too long for memory.
    """

    def __init__(self, store: Store) -> None:
        self.name = store.url
        self.rows = 0
        self.spill = SpillFile(self)
        self._store = store
        self._file: CompressedFile | None = None

    @property
    def temporary_folder(self) -> str | None:
        """The folder of the temporary file."""
        return os.path.dirname(self._opened().path)

    def add(self, input: str, part: Result[Any]) -> None:
        """Append the rejects of a part of an input."""
        if not part.rejects:
            return
        file = self._opened()
        for line in self._lines(input, part):
            file.write(line)
        self.rows += len(part.rejects)

    def finish(self, name: str) -> OutputFile | None:
        """Give the file its name in the store, and return it; None if there are no rejects. Raises StoreError too."""
        self.spill.close()
        if self._file is None or not self.rows:
            return None
        size_bytes = self._file.close()
        self._store.put_file(name, self._file.path)
        self._file = None
        return OutputFile(name, self.rows, size_bytes)

    def discard(self) -> None:
        """Remove the files."""
        self.spill.close()
        if self._file is not None:
            self._file.discard()
            self._file = None

    def _lines(self, input: str, part: Result[Any]) -> Iterator[bytes]:
        last = part.rejects[-1]
        # Only the last reject of a part can be too long for memory; the spill then holds all of its bytes.
        is_spilled = last.byte_length > len(last.raw)
        yield from reject_lines(input, part.rejects[:-1] if is_spilled else part.rejects)
        if is_spilled:
            yield from reject_line_pieces(input, last, self.spill.pieces(), is_text=self.spill.is_text)
            self.spill.clear()

    def _opened(self) -> CompressedFile:
        if self._file is None:
            self._file = CompressedFile(self._store.temporary(), REJECT_SUFFIX)
        return self._file
