"""Arrow batches: the types of the columns, and the import of batches. The one module that needs pyarrow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

try:
    import pyarrow
except ImportError as error:
    raise ImportError("Arrow output needs pyarrow: pip install 'cfdns-fast[arrow]'", name="pyarrow") from error

from ._core import Converter, Detections, DocumentReader, NdjsonReader
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
        self._detects = bool(converter.matchers)

    def convert(self, converter: Converter, data: Buffer, /, **options: Any) -> Result[pyarrow.RecordBatch]:
        """Convert a batch of records."""
        result = converter.to_arrow(data, self._import, **options)
        return _with_detections(result) if self._detects else result

    def of_reader(
        self, reader: NdjsonReader | DocumentReader
    ) -> Callable[..., tuple[Result[pyarrow.RecordBatch], int, bool]]:
        """Return the method of a reader that converts the next part."""
        convert = partial(reader.to_arrow, take=self._import)
        if not self._detects:
            return convert

        def convert_part(*arguments: Any, **options: Any) -> tuple[Result[pyarrow.RecordBatch], int, bool]:
            result, consumed, more = convert(*arguments, **options)
            return _with_detections(result), consumed, more

        return convert_part

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
            self._empty = self.convert(self._converter, b"").output
        return self._empty


#: The names of a detection's members that a row has. The row stands for the event.
#: The field is its index in ("name", "source", "answer").
_NUMBERS = ("matcher", "rule", "detail", "start", "field")
_DETECTION = pyarrow.struct([(name, pyarrow.int64()) for name in _NUMBERS])
_DETECTIONS = pyarrow.field("cfdns.detection", pyarrow.list_(_DETECTION), nullable=False)


def _with_detections(result: Result[pyarrow.RecordBatch]) -> Result[pyarrow.RecordBatch]:
    """Return a result whose batch has a column of the detections; an empty list for a row without any."""
    detections = result.detections
    assert isinstance(detections, Detections)
    rows = result.output.num_rows
    offsets, columns = detections._columns(rows)
    count = len(detections)
    fields = [
        pyarrow.Array.from_buffers(pyarrow.int64(), count, [None, pyarrow.py_buffer(column)]) for column in columns
    ]
    items = pyarrow.StructArray.from_arrays(fields, fields=list(_DETECTION))
    lists = pyarrow.Array.from_buffers(_DETECTIONS.type, rows, [None, pyarrow.py_buffer(offsets)], children=[items])
    columns_of = result.output.columns
    batch = pyarrow.RecordBatch.from_arrays([*columns_of, lists], schema=result.output.schema.append(_DETECTIONS))
    return replace(result, output=batch)


@lru_cache(maxsize=64)
def _schema(columns: Columns) -> pyarrow.Schema:
    return pyarrow.schema([pyarrow.field(column.name, _type(column)) for column in columns.shown])


def _type(column: Column) -> pyarrow.DataType:
    if column.type == "objects":
        of = pyarrow.struct([pyarrow.field(key, _TYPES[type_]) for key, type_ in column.members])
    else:
        of = _TYPES[column.type]
    return pyarrow.list_(of) if column.is_list else of
