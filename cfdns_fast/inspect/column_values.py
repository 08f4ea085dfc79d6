"""Changes of columns: values of several columns together, first elements of lists, and values that are left out."""

from __future__ import annotations

from typing import Any

from .arrow_library import compute, pyarrow
from .event_times import nanoseconds_of

__all__ = ["coalesced", "first_elements", "value_type_of", "without_values"]


def coalesced(columns: list[Any]) -> Any:
    """Return the first value of each row. Most often all values are in one column."""
    if len(columns) == 1:
        return columns[0]
    first, *others = [each for each in columns if each.null_count < len(each)] or columns[:1]
    others = [each for each in others if first.null_count]
    if not others:
        return first
    type_ = pyarrow.int64() if pyarrow.types.is_timestamp(first.type) else value_type_of(first.type)
    if type_ != pyarrow.int64():
        return compute.coalesce(*(each.cast(type_) for each in (first, *others)))
    times = compute.coalesce(*(nanoseconds_of(each) for each in (first, *others)))
    return times.cast(pyarrow.timestamp("ns", "UTC"))


def first_elements(lists: Any) -> Any:
    """Return the first text of each list; null without one."""
    if isinstance(lists, pyarrow.ChunkedArray):
        lists = lists.combine_chunks()
    starts = lists.offsets[:-1] if len(lists) else pyarrow.array([], lists.offsets.type)
    has_one = compute.fill_null(compute.greater(compute.list_value_length(lists), 0), pyarrow.scalar(False))
    values = lists.values
    values = values.dictionary_decode() if pyarrow.types.is_dictionary(values.type) else values
    return values.take(compute.if_else(has_one, starts, pyarrow.nulls(1, starts.type)[0]))


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
