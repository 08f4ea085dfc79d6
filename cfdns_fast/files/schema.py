"""The columns of Parquet files: the schema of a layout, and record batches in this schema."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import MappingError, Normalizer
from .layout import Layout
from .selection import selected

try:
    import pyarrow
    import pyarrow.compute
except ImportError as error:
    raise ImportError("Parquet files need pyarrow: pip install 'cfdns-fast[files]'", name="pyarrow") from error

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Shaper", "check_layout", "events_schema", "floor_divided", "schema_of"]

_TIME = pyarrow.timestamp("us", tz="UTC")
_EVENT_TIME = "@timestamp"
#: A `MappingError` names a file, and a normalizer does not tell its own.
_MAPPING = "mapping"


def schema_of(normalizer: Normalizer, layout: Layout) -> pyarrow.Schema:
    """Return the schema of the files of a layout. It depends on the mapping and on the option ``detect`` alone.

    Text is ``string``, times are ``timestamp[us, UTC]``, and all else is as in `Normalizer.to_arrow`. Each column, and
    each member of a struct of an object, has the metadata ``ecs``, its name in the event (``dns.question.name``).

    Raises
    ------
    MappingError
        Two fields have one name in this layout.
    ValueError
        `Layout.columns` or `Layout.without` names no field, or no field is left.
    ImportError
        pyarrow is not installed.
    """
    return Shaper(events_schema(normalizer), layout).schema


def check_layout(normalizer: Normalizer, layout: Layout) -> None:
    """Raise what `schema_of` raises, and MappingError if events cannot be divided by `Layout.partition_by`."""
    Shaper(events_schema(normalizer), layout).check_partitions()


def events_schema(normalizer: Normalizer) -> pyarrow.Schema:
    """Return the schema of the batches that a normalizer makes."""
    return normalizer.to_arrow(b"").output.schema


class _Node(NamedTuple):
    """A column or a member of a struct: its name, its name in the event, and a column of events or more nodes."""

    name: str
    ecs: str
    content: int | list[_Node]


class Shaper:
    """Converts record batches of events to the schema of a layout. Immutable; may be used by any thread.

    Parameters
    ----------
    events : pyarrow.Schema
        The schema of the batches, as `Normalizer.to_arrow` makes them.
    layout : Layout

    Attributes
    ----------
    layout : Layout
    schema : pyarrow.Schema
        As `schema_of` returns it.
    stored_schema : pyarrow.Schema
        The same with dictionaries, which pyarrow writes several times faster than their texts.
    time_column : int
        The position of the event time in batches of events: ``@timestamp``, or the first column of times; -1 if there
        is none.

    Raises
    ------
    MappingError, ValueError
        As `schema_of`.
    """

    def __init__(self, events: pyarrow.Schema, layout: Layout) -> None:
        self.layout = layout
        kept = [(position, events.names[position]) for position in selected(events.names, layout)]
        is_nested = layout.names == "nested"
        self._nodes = _nested(kept) if is_nested else [_Node(_flat(ecs, layout), ecs, at) for at, ecs in kept]
        self._is_nested = is_nested
        _check_names(self._nodes)
        self.schema = pyarrow.schema([_field(node, events, _plain) for node in self._nodes])
        self.stored_schema = pyarrow.schema([_field(node, events, _stored) for node in self._nodes])
        self.time_column = _time_column(events)

    def check_partitions(self) -> None:
        """Raise MappingError if events cannot be divided by `Layout.partition_by`."""
        if not self.layout.partition_by:
            return
        if self.time_column < 0:
            raise MappingError(_MAPPING, None, "events have no time, so they can have no partitions of dates and hours")
        partitions = {name.lower() for name in self.layout.partition_by}
        for field in self.schema:
            if field.name.lower() in partitions:
                reason = "the name of its column is that of a partition; leave the field out, or set partition_by"
                raise MappingError(_MAPPING, field.metadata[b"ecs"].decode(), reason)

    def shape(self, data: Any) -> Any:
        """Return a record batch or table of events with `schema`. Columns may share their memory."""
        return self._converted(data, self.schema)

    def store(self, data: Any) -> Any:
        """Return a record batch or table of events with `stored_schema`, for writing."""
        return self._converted(data, self.stored_schema)

    def _converted(self, data: Any, schema: pyarrow.Schema) -> Any:
        if self._is_nested and isinstance(data, pyarrow.Table):
            # Structs are made of arrays, and a table has arrays in chunks.
            batches = [self._converted(batch, schema) for batch in data.to_batches()]
            return pyarrow.Table.from_batches(batches, schema)
        columns = [_array(node, data, field.type) for node, field in zip(self._nodes, schema, strict=True)]
        return type(data).from_arrays(columns, schema=schema)


def floor_divided(numbers: Any, by: int) -> Any:
    """Return 64-bit integers divided, and rounded down. Arrow rounds towards zero."""
    # pyarrow would import pandas to make a scalar of a Python object.
    content = pyarrow.py_buffer(by.to_bytes(8, sys.byteorder))
    divisor = pyarrow.Array.from_buffers(pyarrow.int64(), 1, [None, content])[0]
    quotients = pyarrow.compute.divide(numbers, divisor)
    is_above = pyarrow.compute.greater(pyarrow.compute.multiply(quotients, divisor), numbers)
    return pyarrow.compute.subtract(quotients, is_above.cast(pyarrow.int64()))


def _flat(ecs: str, layout: Layout) -> str:
    if layout.names == "dotted":
        return ecs
    return re.sub(r"[^a-z0-9_]", "_", ecs.replace("@", "").lower())


def _nested(kept: Iterable[tuple[int, str]]) -> list[_Node]:
    root: list[_Node] = []
    objects: dict[str, list[_Node]] = {"": root}
    for position, ecs in kept:
        above = ""
        *parents, leaf = ecs.split(".")
        for key in parents:
            path = f"{above}.{key}" if above else key
            if path not in objects:
                objects[path] = []
                objects[above].append(_Node(key, path, objects[path]))
            above = path
        objects[above].append(_Node(leaf, ecs, position))
    return root


def _check_names(nodes: list[_Node]) -> None:
    fields: dict[str, str] = {}
    for node in nodes:
        if not node.name:
            raise MappingError(_MAPPING, node.ecs, "there is no name for its column; use nested or dotted names")
        other = fields.setdefault(node.name, node.ecs)
        if other != node.ecs:
            reason = f"its column has the name {node.name}, as that of {other}; use nested or dotted names, or omit one"
            raise MappingError(_MAPPING, node.ecs, reason)


def _time_column(events: pyarrow.Schema) -> int:
    times = [position for position, type_ in enumerate(events.types) if pyarrow.types.is_timestamp(type_)]
    return next((at for at in times if events.names[at] == _EVENT_TIME), times[0] if times else -1)


def _field(node: _Node, events: pyarrow.Schema, type_of: Any) -> pyarrow.Field:
    metadata = {"ecs": node.ecs}
    if isinstance(node.content, list):
        of = pyarrow.struct([_field(child, events, type_of) for child in node.content])
        return pyarrow.field(node.name, of, metadata=metadata)
    field = events.field(node.content)
    return pyarrow.field(node.name, type_of(field.type), field.nullable, metadata=metadata)


def _plain(type_: pyarrow.DataType) -> pyarrow.DataType:
    """Return the type of a column of a file for one of events."""
    if pyarrow.types.is_list(type_):
        return pyarrow.list_(type_.value_field.with_type(_plain(type_.value_type)))
    if pyarrow.types.is_dictionary(type_):
        return type_.value_type
    return _TIME if pyarrow.types.is_timestamp(type_) else type_


def _stored(type_: pyarrow.DataType) -> pyarrow.DataType:
    """Return the type with which a column of events is written."""
    if pyarrow.types.is_list(type_):
        return pyarrow.list_(type_.value_field.with_type(_stored(type_.value_type)))
    return _TIME if pyarrow.types.is_timestamp(type_) else type_


def _array(node: _Node, data: Any, type_: pyarrow.DataType) -> Any:
    if isinstance(node.content, list):
        children = [_array(child, data, field.type) for child, field in zip(node.content, type_, strict=True)]
        # An object is never null, as its members say what is absent, and finding out takes time.
        return pyarrow.StructArray.from_arrays(children, fields=list(type_))
    column = data.column(node.content)
    if column.type == type_:
        return column
    return _in_microseconds(column) if type_ == _TIME else column.cast(type_, safe=False)


def _in_microseconds(times: Any) -> Any:
    """Return times in microseconds, rounded down, so that a time stays in its hour and its text only gets shorter."""
    earliest = pyarrow.compute.min(times)
    if not earliest.is_valid or earliest.value >= 0:
        return times.cast(_TIME, safe=False)
    return floor_divided(times.cast(pyarrow.int64()), 1000).cast(_TIME)
