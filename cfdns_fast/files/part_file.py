"""The Parquet file of one partition while it grows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from .row_groups import GROUP_BYTES, ROW_GROUP_ROWS, GroupWriter, WaitingRows
from .schema import Shaper

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Part", "PartFile"]


class Part(NamedTuple):
    """A complete file of a partition.

    Attributes
    ----------
    partition : str
        ``date=2026-08-25/hour=12``, ``date=2026-08-25``, or empty without partitions. An event without a time has the
        value ``__HIVE_DEFAULT_PARTITION__`` for each of them.
    number : int
        The number of the file in its partition, from 1. It is 1, except for inputs with events of more than 512 hours
        or with thousands of row groups: their files are completed early. Names of files must have the number.
    path : str
        The temporary file.
    rows, size_bytes : int
    """

    partition: str
    number: int
    path: str
    rows: int
    size_bytes: int


class PartFile:
    """A file that is open during writes only, because there may be one for each of many partitions.

    Parameters
    ----------
    partition, number
        As in `Part`.
    shaper : Shaper
    metadata : Mapping of str to str
    open_part : callable
        Returns the path of a new temporary file for a partition.
    """

    def __init__(
        self,
        partition: str,
        number: int,
        shaper: Shaper,
        metadata: Mapping[str, str],
        open_part: Callable[[str], str],
    ) -> None:
        self.waiting = WaitingRows(ROW_GROUP_ROWS, GROUP_BYTES)
        self._partition = partition
        self._number = number
        self._shaper = shaper
        self._metadata = metadata
        self._open_part = open_part
        self._path = ""
        self._target = _Target()
        self._writer: GroupWriter | None = None

    @property
    def groups(self) -> int:
        """The number of row groups that the file has."""
        return self._writer.groups if self._writer else 0

    def add(self, batch: pyarrow.RecordBatch) -> None:
        """Append rows, and write those that fill row groups. Raises OSError."""
        self.waiting.add(batch)
        while self.waiting.is_full():
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait as a row group, at most as many as fill one. Raises OSError."""
        with self._opened() as writer:
            writer.write(self.waiting.take())

    def complete(self) -> Part:
        """Write the rest and the footer. Raises OSError."""
        if self.waiting.rows:
            self.flush()
        with self._opened() as writer:
            writer.close()
        return Part(self._partition, self._number, self._path, writer.rows, writer.size_bytes)

    def discard(self) -> None:
        """Remove the file; errors are ignored."""
        if self._writer is not None:
            self._writer.discard()
        if self._path:
            with suppress(OSError):
                os.unlink(self._path)

    @contextmanager
    def _opened(self) -> Iterator[GroupWriter]:
        if self._writer is None:
            self._path = self._open_part(self._partition)
            self._writer = GroupWriter(self._target, self._shaper, self._metadata)
        # Not for appending after the first write: this would create again a file that another program has removed.
        with open(self._path, "r+b" if self._writer.size_bytes else "wb") as file:
            file.seek(self._writer.size_bytes)
            self._target.file = file
            yield self._writer


class _Target:
    """What the writer of row groups writes to. Not the object that owns the writer: that would make a circle."""

    file: BinaryIO

    def write(self, data: bytes) -> int:
        return self.file.write(data)
