"""The columns of the events as types of Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import Normalizer
from ..files import Layout
from ..files.schema import schema_of

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql.types import DataType, StructType

__all__ = ["schema", "spark_schema", "time_column"]

#: The name of the event's time in the event.
_TIME = b"@timestamp"


def schema(normalizer: Normalizer, layout: Layout | None = None) -> StructType:
    """Return the columns of the events of a normalizer as a StructType.

    It is the schema of the data source ``cloudflare_dns`` with the same options, and of the Parquet files of `convert`
    without the columns that Spark adds for the folders. Given to ``spark.read.schema``, it saves Spark reading the
    footer of a file.

    Parameters
    ----------
    normalizer : Normalizer
        Its mapping decides the columns.
    layout : cfdns_fast.files.Layout, optional
        The names and the selection of the columns; ``Layout()`` by default.

    Raises
    ------
    MappingError, ValueError
        The mapping has no columns in this layout; see `cfdns_fast.files.Layout`.
    ImportError
        pyspark or pyarrow is not installed.
    """
    return spark_schema(schema_of(normalizer, layout or Layout()))


def spark_schema(arrow: pyarrow.Schema) -> StructType:
    """Return a schema of Parquet files as Spark has it; every field may be null, as in files that Spark reads."""
    from pyspark.sql.types import StructField, StructType

    return StructType([StructField(field.name, _type_of(field.type)) for field in arrow])


def time_column(arrow: pyarrow.Schema) -> str | None:
    """Return the name of the column of the event's time, or None."""
    return next((field.name for field in arrow if (field.metadata or {}).get(b"ecs") == _TIME), None)


def _type_of(arrow: Any) -> DataType:
    import pyarrow.types as is_type
    from pyspark.sql import types

    if is_type.is_struct(arrow):
        fields = [arrow.field(index) for index in range(arrow.num_fields)]
        return types.StructType([types.StructField(field.name, _type_of(field.type)) for field in fields])
    if is_type.is_map(arrow):
        return types.MapType(_type_of(arrow.key_type), _type_of(arrow.item_type))
    if is_type.is_list(arrow):
        return types.ArrayType(_type_of(arrow.value_type))
    for is_this, made in (
        (is_type.is_string, types.StringType),
        (is_type.is_binary, types.BinaryType),
        (is_type.is_int64, types.LongType),
        (is_type.is_float64, types.DoubleType),
        (is_type.is_boolean, types.BooleanType),
        (is_type.is_timestamp, types.TimestampType),
    ):
        if is_this(arrow):
            return made()
    raise TypeError(f"Spark has no type for {arrow}")
