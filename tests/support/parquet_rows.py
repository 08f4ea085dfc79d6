"""The rows that a Parquet file of events must have, made of NDJSON alone, and readers of Parquet files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

#: Times that 64 bits of nanoseconds can hold; others are null in Arrow.
_FIRST = datetime(1677, 9, 21, 0, 12, 43, 145225, UTC)
_LAST = datetime(2262, 4, 11, 23, 47, 16, 854775, UTC)


def rows_of(ndjson: bytes, names: str, without: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return the row of each event; a field that the event does not have is absent."""
    return [row_of(json.loads(line), names, without) for line in ndjson.split(b"\n")[:-1]]


def row_of(event: dict[str, Any], names: str, without: Iterable[str] = ()) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    _collect(event, [], fields)
    for name in ("@timestamp", "time_dt"):
        time = fields.pop(name, None)
        # Python has no nanoseconds; further digits are left out.
        moment = time and datetime.fromisoformat(time[:19] + (time[19:26] if "." in time else "") + "+00:00")
        if moment and _FIRST <= moment <= _LAST:
            fields[name] = moment
    for name in without:
        fields.pop(name, None)
    if names == "dotted":
        return fields
    if names == "underscore":
        return {"_".join(name.lstrip("@").lower().split(".")): value for name, value in fields.items()}
    row: dict[str, Any] = {}
    for name, value in fields.items():
        node = row
        *parents, leaf = name.split(".")
        for key in parents:
            node = node.setdefault(key, {})
        node[leaf] = value
    return row


def _collect(value: Any, path: list[str], fields: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _collect(item, [*path, key], fields)
    else:
        fields[".".join(path)] = value


def present(value: Any) -> Any:
    """Return a row without what is null, and without objects of nulls only, which events do not have."""
    if isinstance(value, list):
        return [_members(item) if isinstance(item, dict) else item for item in value]
    if isinstance(value, dict):
        items = {key: present(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not None and item != {}}
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _members(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if value is not None}


def _read_with_pyarrow(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet

    rows: list[dict[str, Any]] = pyarrow.parquet.ParquetFile(path).read().to_pylist()
    return rows


def _read_with_duckdb(path: Path) -> list[dict[str, Any]]:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.sql("FROM read_parquet($1)", params=[str(path)])
        rows: list[dict[str, Any]] = found.to_arrow_table().to_pylist()
        return rows


def _read_with_polars(path: Path) -> list[dict[str, Any]]:
    import polars

    rows: list[dict[str, Any]] = polars.read_parquet(path).to_dicts()
    return rows


_READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "pyarrow": _read_with_pyarrow,
    "duckdb": _read_with_duckdb,
    "polars": _read_with_polars,
}

#: The names of the readers, of which those that are not installed are skipped.
READERS = tuple(_READERS)
every_reader = pytest.mark.parametrize("reader", READERS)


def read_with(reader: str, path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, without what is null. Skips the test if the reader is not installed."""
    if find_spec(reader) is None:
        pytest.skip(f"{reader} is not installed")
    return [present(row) for row in _READERS[reader](path)]
