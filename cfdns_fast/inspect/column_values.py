"""Changes of columns: values of several columns together, first elements of lists, and values that are left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .arrow_library import compute, pyarrow
from .event_times import nanoseconds_of

__all__ = ["coalesced", "first_elements", "value_type_of", "without_values"]


def coalesced(columns: list[Any]) -> Any:
    """Return the first value of each row. The type depends on the types alone, because batches are joined."""
    if len(columns) == 1:
        return columns[0]
    if pyarrow.types.is_timestamp(columns[0].type):
        times = _first_values(columns, nanoseconds_of)
        return times.cast(pyarrow.timestamp("ns", "UTC"))
    type_ = value_type_of(columns[0].type)
    return _first_values(columns, lambda column: column.cast(type_))


def _first_values(columns: list[Any], change: Callable[[Any], Any]) -> Any:
    """Return the first value of each row, after `change`. Most often all values are in one column."""
    with_values = [each for each in columns if each.null_count < len(each)] or columns[:1]
    first = change(with_values[0])
    return compute.coalesce(first, *map(change, with_values[1:])) if first.null_count else first


def first_elements(lists: Any) -> Any:
    """Return the first text of each list; null without one. A dictionary stays one, as its texts may be long."""
    if isinstance(lists, pyarrow.ChunkedArray):
        lists = lists.combine_chunks()
    starts = lists.offsets[:-1] if len(lists) else pyarrow.array([], lists.offsets.type)
    has_one = compute.fill_null(compute.greater(compute.list_value_length(lists), 0), pyarrow.scalar(False))
    return lists.values.take(compute.if_else(has_one, starts, pyarrow.nulls(1, starts.type)[0]))


def without_values(column: Any, values: Any) -> Any:
    """Return a column of texts in which these values are null."""
    if isinstance(column, pyarrow.DictionaryArray):
        is_absent = compute.is_in(column.dictionary, values.cast(column.dictionary.type))
        if not compute.any(is_absent).as_py():
            return column
        nothing = pyarrow.nulls(1, column.indices.type)[0]
        indices = compute.if_else(is_absent.take(column.indices), nothing, column.indices)
        return pyarrow.DictionaryArray.from_arrays(indices, column.dictionary)
    is_absent = compute.is_in(column, values.cast(column.type))
    if not compute.any(is_absent).as_py():
        return column
    return compute.if_else(is_absent, pyarrow.nulls(1, column.type)[0], column)


def value_type_of(type_: Any) -> Any:
    """Return the type of the values of a column, also of a dictionary."""
    return type_.value_type if pyarrow.types.is_dictionary(type_) else type_
