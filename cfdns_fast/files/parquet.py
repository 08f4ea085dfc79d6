"""One Parquet file of events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import Normalizer
from .layout import Layout
from .row_groups import GROUP_BYTES, ROW_GROUP_ROWS, GroupWriter, WaitingRows, WritableFile
from .schema import Shaper, events_schema

if TYPE_CHECKING:
    import pyarrow

__all__ = ["ROW_GROUP_ROWS", "ParquetOutput", "WritableFile"]


class ParquetOutput:
    """A Parquet file of record batches. One thread at a time.

    The bytes of the file depend on the batches, the mapping, the layout, the metadata and the versions of this package
    and of pyarrow alone. Row groups do not depend on where the input was cut into batches, but pages do: equal files
    need equal batches.

    Parameters
    ----------
    file : WritableFile
        An open file, which stays open. It need not be seekable.
    normalizer : Normalizer
        What makes the batches.
    layout : Layout
        `Layout.partition_by` is not used.
    metadata : Mapping of str to str, optional
        Further metadata of the file; a key ``task`` is written as ``cfdns_fast.task``. The version is always there.

    Raises
    ------
    MappingError, ValueError, ImportError
        As `schema_of`.
    """

    def __init__(
        self, file: WritableFile, normalizer: Normalizer, layout: Layout, metadata: Mapping[str, str] | None = None
    ) -> None:
        self._writer = GroupWriter(file, Shaper(events_schema(normalizer), layout), metadata or {})
        self._waiting = WaitingRows(ROW_GROUP_ROWS, GROUP_BYTES)

    def write(self, batch: pyarrow.RecordBatch) -> None:
        """Append a batch of `Normalizer.to_arrow`, or of a stream with ``output="arrow"``.

        Raises OSError; only `discard` may be called after that.
        """
        self._waiting.add(batch)
        while self._waiting.is_full():
            self._writer.write(self._waiting.take())

    def close(self) -> int:
        """Write the rest and the footer, and return the number of rows. A file without rows has the schema.

        Raises OSError.
        """
        if self._waiting.rows:
            self._writer.write(self._waiting.take())
        self._writer.close()
        return self._writer.rows

    def discard(self) -> None:
        """Write nothing more. The file is not complete, unless it was closed."""
        self._writer.discard()
