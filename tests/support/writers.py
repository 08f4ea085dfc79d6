"""The ways to convert, each of which returns a Result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import Any

import pytest

from cfdns_fast import Normalizer, Result


def consume(iterator: Any) -> Result[list[dict[str, Any]]]:
    """Return the Result of `to_dicts` from an iterator of `iter_dicts`."""
    output = list(iterator)
    return Result(output, iterator.events, iterator.blank, tuple(iterator.rejects), dict(iterator.problems))


def time_text(ns: int, nine_digits: bool) -> str:
    """Return nanoseconds since 1970 as the text that events hold."""
    seconds, fraction_ns = divmod(ns, 10**9)
    text = (datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat()
    if nine_digits:
        return f"{text}.{fraction_ns:09}Z"
    return f"{text}.{fraction_ns // 1000:06}Z" if fraction_ns >= 1000 else f"{text}Z"


def events_of(batch: Any, nine_digits: Any = ()) -> list[dict[str, Any]]:
    """Return the events in an Arrow batch; `nine_digits` names the timestamps whose text has nine digits."""
    events: list[dict[str, Any]] = [{} for _ in range(batch.num_rows)]
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        is_time = "timestamp" in str(column.type)
        if is_time:
            # Python times have no nanoseconds.
            column = column.cast(_without_times(column.type))
        *parents, leaf = name.split(".")
        for event, value in zip(events, column.to_pylist(), strict=True):
            if value is None:
                continue
            node = event
            for key in parents:
                node = node.setdefault(key, {})
            if isinstance(value, list):
                items = [_present(item) for item in value]
                node[leaf] = [time_text(item, name in nine_digits) for item in items] if is_time else items
            else:
                node[leaf] = time_text(value, name in nine_digits) if is_time else value
    return events


def _without_times(kind: Any) -> Any:
    import pyarrow

    return pyarrow.list_(pyarrow.int64()) if pyarrow.types.is_list(kind) else pyarrow.int64()


def _present(item: Any) -> Any:
    return {key: value for key, value in item.items() if value is not None} if isinstance(item, dict) else item


def to_arrow_and_back(normalizer: Normalizer, data: Any, **options: Any) -> Result[list[dict[str, Any]]]:
    """Return the Result of `to_dicts` from the batch of `to_arrow`."""
    result = normalizer.to_arrow(data, **options)
    result.output.validate(full=True)
    return replace(result, output=events_of(result.output))


WRITERS: dict[str, Callable[[Normalizer, Any], Any]] = {
    "to_ndjson": lambda normalizer, data: normalizer.to_ndjson(data),
    "to_dicts": lambda normalizer, data: normalizer.to_dicts(data),
    "iter_dicts": lambda normalizer, data: consume(normalizer.iter_dicts(data)),
}

if find_spec("pyarrow") is not None:
    WRITERS["to_arrow"] = to_arrow_and_back

every_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
