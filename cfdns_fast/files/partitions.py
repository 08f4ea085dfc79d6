"""Parquet files of several partitions, by event time, from one sequence of record batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress

from .. import Normalizer
from .hours import Hours, PartitionKey
from .layout import Layout
from .part_file import Part, PartFile
from .row_groups import WaitingRows
from .schema import Shaper, events_schema

try:
    import pyarrow
except ImportError as error:
    raise ImportError("Parquet files need pyarrow: pip install 'cfdns-fast[files]'", name="pyarrow") from error

__all__ = ["Part", "PartitionedOutput"]

#: Limits of what is in memory, of all partitions together.
_MAX_WAITING_ROWS = 262_144
_MAX_WAITING_BYTES = 192 << 20
#: A file that is not complete took 0.2 MB, and each of its row groups 35 KB (2026-11-30).
_MAX_FILES = 512
_MAX_GROUPS = 2_048
#: Batches of several partitions are divided together: small parts of many columns take time and memory.
_MIXED_ROWS = 65_536
_MIXED_BYTES = 32 << 20


class PartitionedOutput:
    """Parquet files by event time in UTC. One thread at a time.

    At most 262,144 rows, and about 192 MiB, of all partitions together wait in memory; beyond that, the largest
    partition gets a row group. Batches with events of several partitions wait until they have 65,536 rows or 32 MiB.
    One file is open at a time, whatever the number of partitions. The bytes of the files depend on the same things as
    those of `ParquetOutput`.

    Parameters
    ----------
    normalizer : Normalizer
        What makes the batches.
    layout : Layout
    metadata : Mapping of str to str or None
        As for `ParquetOutput`.
    open_part : callable
        Called with a partition when its file is needed; returns the path of a new temporary file, which is empty or
        does not exist. An error that it raises passes through `write` and `finish`.

    Raises
    ------
    MappingError, ValueError, ImportError
        As `check_layout`.
    """

    def __init__(
        self,
        normalizer: Normalizer,
        layout: Layout,
        metadata: Mapping[str, str] | None,
        open_part: Callable[[str], str],
    ) -> None:
        self._shaper = Shaper(events_schema(normalizer), layout)
        self._shaper.check_partitions()
        self._hours = Hours(layout, self._shaper.time_column)
        self._metadata = dict(metadata or {})
        self._open_part = open_part
        self._mixed = WaitingRows(_MIXED_ROWS, _MIXED_BYTES)
        #: By the time at which they got rows last.
        self._files: dict[PartitionKey, PartFile] = {}
        self._parts: list[Part] = []
        self._numbers: dict[PartitionKey, int] = {}

    def write(self, batch: pyarrow.RecordBatch) -> None:
        """Append a batch of `Normalizer.to_arrow`, or of a stream with ``output="arrow"``.

        Raises OSError; only `discard` may be called after that.
        """
        if not batch.num_rows:
            return
        key = self._hours.common_key(batch)
        if key == "mixed":
            self._mixed.add(batch)
            if self._mixed.is_full():
                self._divide(self._mixed.take())
        else:
            self._divide_all()
            self._add(key, batch)
        self._keep_limits()

    def finish(self) -> list[Part]:
        """Complete all files, and return them by partition and number; they belong to the caller now.

        A partition without rows has no file. The files are not synced. Raises OSError; only `discard` may be called
        after that.
        """
        self._divide_all()
        while self._files:
            self._complete_oldest()
        parts, self._parts = self._parts, []
        return sorted(parts)

    def discard(self) -> None:
        """Remove all files; errors are ignored. Does nothing after `finish`."""
        for file in self._files.values():
            file.discard()
        for part in self._parts:
            with suppress(OSError):
                os.unlink(part.path)
        self._files, self._parts = {}, []

    def _add(self, key: PartitionKey, rows: pyarrow.RecordBatch) -> None:
        file = self._files.pop(key, None) or self._new_file(key)
        self._files[key] = file
        file.add(rows)
        if len(self._files) > _MAX_FILES:
            self._complete_oldest()

    def _divide(self, batches: list[pyarrow.RecordBatch]) -> None:
        """Give the rows of batches of several partitions to these."""
        for batch in pyarrow.Table.from_batches(batches).combine_chunks().to_batches():
            for key, rows in self._hours.divided(batch):
                self._add(key, rows)

    def _divide_all(self) -> None:
        while self._mixed.rows:
            self._divide(self._mixed.take())

    def _new_file(self, key: PartitionKey) -> PartFile:
        number = self._numbers[key] = self._numbers.get(key, 0) + 1
        return PartFile(self._hours.name(key), number, self._shaper, self._metadata, self._open_part)

    def _keep_limits(self) -> None:
        files = self._files.values()
        while len(files) > 1 and (
            sum(file.waiting.rows for file in files) > _MAX_WAITING_ROWS
            or sum(file.waiting.size_bytes for file in files) > _MAX_WAITING_BYTES
        ):
            max(files, key=lambda file: file.waiting.size_bytes).flush()
        while sum(file.groups for file in files) > _MAX_GROUPS:
            self._complete_oldest()

    def _complete_oldest(self) -> None:
        key = next(iter(self._files))
        self._parts.append(self._files[key].complete())
        # Not before: `discard` removes the file after an error.
        del self._files[key]
