"""Converted events in Parquet files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import FileIO
from typing import Any, BinaryIO

from ..io import InputFault
from .arrow_library import pyarrow
from .columns import FIELDS, column_names

__all__ = ["PARQUET_MAGIC", "batches_of", "is_parquet", "spooled"]

PARQUET_MAGIC = b"PAR1"
#: Bytes of one column of a batch, about.
_MAX_COLUMN_BYTES = 64 << 20


def batches_of(file: str | BinaryIO, rows: int, *, use_threads: bool) -> Iterator[Any]:
    """Yield record batches of the columns that are counted.

    Parameters
    ----------
    file : str or binary file
        A path, or an open file that can seek.
    rows : int
        The number of rows of a batch.

    Raises
    ------
    InputFault
        The file is damaged or cannot be read, or it has none of the columns.
    """
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file, memory_map=False) as described:
            metadata, columns = described.metadata, column_names(described.schema_arrow)
            paths = [described.schema.column(number).path for number in range(len(described.schema))]
        leaves = [path for path in paths if path in columns or path.rpartition(".list.")[0] in columns]
        if not columns:
            raise InputFault(f"a Parquet file without any of the columns that are counted, such as {FIELDS[1]}")
        rows = min(rows, _max_rows(metadata, leaves))
        # Texts are read as dictionaries, because a few bytes of a file may be a long text of every row.
        with parquet.ParquetFile(file, memory_map=False, metadata=metadata, read_dictionary=leaves) as opened:
            for batch in opened.iter_batches(batch_size=rows, columns=columns, use_threads=use_threads):
                # Texts that are no UTF-8 would fail later, where they are counted.
                batch.validate(full=True)
                yield batch
    except (pyarrow.ArrowException, OSError, OverflowError, UnicodeDecodeError) as error:
        text = str(error).partition("\n")[0].rstrip(".")
        raise InputFault(f"not a readable Parquet file: {text or type(error).__name__}") from error


def _max_rows(metadata: Any, columns: list[str]) -> int:
    """Return the number of rows of a batch of bounded size, by the sizes that the file states."""
    size_bytes = 1
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema in columns:
                size_bytes = max(size_bytes, column.total_uncompressed_size // max(group.num_rows, 1))
    return max(_MAX_COLUMN_BYTES // size_bytes, 1)


def is_parquet(path: str) -> bool:
    """Return whether a file is Parquet itself, and not compressed as a whole."""
    try:
        with open(path, "rb") as file:
            return file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
    except OSError:
        return False


@contextmanager
def spooled(blocks: Iterable[bytes]) -> Iterator[BinaryIO]:
    """Return a temporary file with the content of the blocks, because Parquet is read from its end.

    Raises
    ------
    InputFault
        The temporary file cannot be written.
    """
    with _temporary() as file:
        for block in blocks:
            _write(file, block)
        file.seek(0)
        yield file


def _temporary() -> FileIO:
    try:
        # Without a buffer, closing the file after a failed write does not write again.
        return tempfile.TemporaryFile(prefix="cfdns-", buffering=0)
    except OSError as error:
        raise _fault(error) from error


def _write(file: FileIO, block: bytes) -> None:
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise _fault(error) from error


def _fault(error: OSError) -> InputFault:
    return InputFault(f"the temporary file for it cannot be written: {error.strerror or error}")
