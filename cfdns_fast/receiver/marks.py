"""Where the lines of a batch end in files of lines, so that the lines of later batches can be removed."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..sinks import SinkFault

__all__ = ["Mark", "Marks", "sync_folder"]


class Mark(NamedTuple):
    """The lines of batches up to `after` end in file `name` at `size_bytes`; an empty name is before all files."""

    after: int
    name: str
    size_bytes: int


class Marks:
    """The marks of a folder, in a file in it.

    A mark is written before the cursor of the sink. The newest mark that is not after the cursor is therefore kept
    until the cursor has moved.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "marks.json"
        self._marks: list[Mark] | None = None

    def all(self) -> list[Mark]:
        """Return the marks in ascending order; empty if there is no file, or if it cannot be read."""
        if self._marks is None:
            self._marks = []
            with suppress(OSError, ValueError, TypeError):
                found = json.loads(self._path.read_text())
                self._marks = [Mark(int(after), str(name), int(size)) for after, name, size in found]
        return self._marks

    def add(self, mark: Mark, stored: int) -> None:
        """Add a mark, and drop those that are not needed when the cursor is at `stored`. Raises `SinkFault`."""
        before = [each for each in self.all() if each.after < mark.after]
        if before and before[-1][1:] == mark[1:]:
            return
        needed = max((each.after for each in before if each.after <= stored), default=0)
        self.replace([*(each for each in before if each.after >= needed), mark])

    def replace(self, marks: list[Mark]) -> None:
        """Replace all marks. Raises `SinkFault`."""
        temporary = self._path.with_suffix(".tmp")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(temporary, "w", opener=_private) as file:
                json.dump(marks, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise SinkFault("disk", f"{self._path}: {error.strerror or type(error).__name__}") from error
        self._marks = marks


def sync_folder(path: Path) -> None:
    """Return when the names in a folder are on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
