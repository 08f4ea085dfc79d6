"""Arrow batches: the types of the columns, and the import of what the core made. The one module that needs pyarrow."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

try:
    import pyarrow
except ImportError as error:
    raise ImportError("to_arrow needs pyarrow: pip install 'cfdns-fast[arrow]'", name="pyarrow") from error

from .plan.columns import Column, Columns
from .results import Result

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ._core import Converter

__all__ = ["convert"]

_TYPES = {
    "text": pyarrow.string(),
    "integer": pyarrow.int64(),
    "number": pyarrow.float64(),
    "boolean": pyarrow.bool_(),
    "time": pyarrow.timestamp("ns", tz="UTC"),
    # One width for all, so that a column keeps its type when a table grows beyond 127 names.
    "index": pyarrow.dictionary(pyarrow.int16(), pyarrow.string()),
}


def convert(converter: Converter, data: Buffer, **options: Any) -> Result[pyarrow.RecordBatch]:
    """Convert a batch; options as `Converter.to_arrow` takes them."""
    # With a schema made once: to import one each time took 10 of the 200 us of 1,000 records.
    take = partial(pyarrow.RecordBatch._import_from_c, schema=_schema(converter.plan.columns))
    return converter.to_arrow(data, take, **options)


@lru_cache(maxsize=64)
def _schema(columns: Columns) -> pyarrow.Schema:
    return pyarrow.schema([pyarrow.field(column.name, _type(column)) for column in columns.shown])


def _type(column: Column) -> pyarrow.DataType:
    if column.type == "objects":
        of = pyarrow.struct([pyarrow.field(key, pyarrow.string()) for key in column.members])
    else:
        of = _TYPES[column.type]
    return pyarrow.list_(of) if column.is_list else of
