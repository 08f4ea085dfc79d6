"""Arrow batches: the types of the columns, and the import of batches. The one module that needs pyarrow."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

try:
    import pyarrow
except ImportError as error:
    raise ImportError("Arrow output needs pyarrow: pip install 'cfdns-fast[arrow]'", name="pyarrow") from error

from ._core import Converter, DocumentReader, NdjsonReader
from .plan.columns import Column, Columns
from .results import Result

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ArrowWriter"]

_TYPES = {
    "text": pyarrow.string(),
    "integer": pyarrow.int64(),
    "number": pyarrow.float64(),
    "boolean": pyarrow.bool_(),
    "time": pyarrow.timestamp("ns", tz="UTC"),
    # One width for all columns, so that a column keeps its type when its table grows beyond 127 names.
    "index": pyarrow.dictionary(pyarrow.int16(), pyarrow.string()),
}


class ArrowWriter:
    """Events as record batches with the columns of this converter; a `Writer`."""

    def __init__(self, converter: Converter) -> None:
        self._converter = converter
        self._import = partial(pyarrow.RecordBatch._import_from_c, schema=_schema(converter.plan.columns))
        self._empty: pyarrow.RecordBatch | None = None

    def convert(self, converter: Converter, data: Buffer, /, **options: Any) -> Result[pyarrow.RecordBatch]:
        """Convert a batch of records."""
        return converter.to_arrow(data, self._import, **options)

    def of_reader(
        self, reader: NdjsonReader | DocumentReader
    ) -> Callable[..., tuple[Result[pyarrow.RecordBatch], int, bool]]:
        """Return the method of a reader that converts the next part."""
        return partial(reader.to_arrow, take=self._import)

    def join(self, outputs: list[pyarrow.RecordBatch]) -> pyarrow.RecordBatch:
        """Return several batches as one; of none, a batch without rows.

        ValueError if the rows do not fit into one batch.
        """
        filled = [batch for batch in outputs if batch.num_rows]
        if len(filled) == 1:
            return filled[0]
        if not filled:
            return self._without_rows()
        try:
            batches = pyarrow.Table.from_batches(filled).combine_chunks().to_batches()
        except pyarrow.ArrowInvalid:
            batches = []
        # If offsets cannot count the text of a column, pyarrow divides it, or raises if it is a column of lists.
        if len(batches) != 1:
            raise ValueError("a column would hold more than 2 GiB of text: take `parts`, or feed smaller blocks")
        return batches[0]

    def _without_rows(self) -> pyarrow.RecordBatch:
        if self._empty is None:
            # The core makes it in microseconds; pyarrow would import pandas to make it of Python objects.
            self._empty = self._converter.to_arrow(b"", self._import).output
        return self._empty


@lru_cache(maxsize=64)
def _schema(columns: Columns) -> pyarrow.Schema:
    return pyarrow.schema([pyarrow.field(column.name, _type(column)) for column in columns.shown])


def _type(column: Column) -> pyarrow.DataType:
    if column.type == "objects":
        of = pyarrow.struct([pyarrow.field(key, pyarrow.string()) for key in column.members])
    else:
        of = _TYPES[column.type]
    return pyarrow.list_(of) if column.is_list else of
