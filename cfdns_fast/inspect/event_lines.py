"""Converted events as NDJSON: recognise them, and read the fields that are counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .arrow_library import pyarrow
from .columns import ATTRIBUTES, CACHED, FIELDS, TIME, columns_of

__all__ = ["EventLines", "is_event", "read_lines"]

#: The objects at the top of an event of the bundled schemas. A log record of Cloudflare has none of these keys.
_OBJECTS = frozenset({"cloudflare", "dns", "ecs", "event", "observer", "source"})
_MIN_OBJECTS = 2
#: The class of an event of OCSF, DNS Activity, and the objects that it may have.
_CLASS_UID = 4003
_OCSF_OBJECTS = ("metadata", "query")
_MAX_INTEGER = (1 << 63) - 1
_TIME_TYPE = pyarrow.timestamp("ns", tz="UTC")
#: The types of fields that are no texts.
_TYPES = {
    CACHED: pyarrow.bool_(),
    "unmapped.ResponseCached": pyarrow.bool_(),
    "time": pyarrow.int64(),
    "metadata.debug": pyarrow.list_(pyarrow.string()),
}


@dataclass(slots=True)
class EventLines:
    """The events of some lines.

    Attributes
    ----------
    rows : int
    columns : dict
        Columns by field, as `columns.columns_of` returns them.
    blank : int
        The number of blank lines.
    rejects : Counter of str
        The number of lines that are no events, by code.
    examples : dict of str to bytes
        The first line of each code.
    """

    rows: int
    columns: dict[str, Any]
    blank: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    examples: dict[str, bytes] = field(default_factory=dict)


def is_event(line: bytes) -> bool:
    """Return whether a line is a converted event, and not a log record."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(event, dict):
        return False
    if event.get("class_uid") == _CLASS_UID:
        return any(isinstance(event.get(key), dict) for key in _OCSF_OBJECTS)
    return sum(isinstance(event.get(key), dict) for key in _OBJECTS) >= _MIN_OBJECTS


def read_lines(lines: bytes) -> EventLines:
    """Read complete lines of events. Lines that are no JSON objects are rejects; a value of a wrong type is absent."""
    from pyarrow import json as arrow_json

    if not lines.strip():
        return EventLines(0, {}, lines.count(b"\n") or bool(lines))
    try:
        table = arrow_json.read_json(
            pyarrow.BufferReader(lines),
            arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
            arrow_json.ParseOptions(explicit_schema=_schema(_fields_of(lines)), unexpected_field_behavior="ignore"),
        )
        table.validate(full=True)
        if table.num_rows == lines.count(b"\n") + (not lines.endswith(b"\n")):
            return EventLines(table.num_rows, columns_of(_with_times(table)))
    except pyarrow.ArrowException:
        pass
    # A line is damaged, blank or of another form: each is read alone, to find it.
    return _read_each(lines)


def _fields_of(lines: bytes) -> tuple[str, ...]:
    """Return the fields that lines may have: those of OCSF take time."""
    return FIELDS if b'"class_uid"' in lines else tuple(each for each in FIELDS if each not in ATTRIBUTES)


def _schema(fields: tuple[str, ...]) -> Any:
    """Return the schema of an event with these fields; times are texts."""
    return pyarrow.schema(list(_members("", fields)))


def _members(prefix: str, fields: tuple[str, ...]) -> Iterator[Any]:
    inside = [each.removeprefix(prefix) for each in fields if each.startswith(prefix)]
    for name in dict.fromkeys(each.partition(".")[0] for each in inside):
        if f"{prefix}{name}" in fields:
            yield pyarrow.field(name, _TYPES.get(f"{prefix}{name}", pyarrow.string()))
        else:
            yield pyarrow.field(name, pyarrow.struct(list(_members(f"{prefix}{name}.", fields))))


def _with_times(table: Any) -> Any:
    """Return a table whose texts of times are times."""
    for name in (TIME, "time_dt"):
        position = table.schema.get_field_index(name)
        if position >= 0:
            table = table.set_column(position, name, _times(table.column(position)))
    return table


def _times(texts: Any) -> Any:
    try:
        return texts.cast(_TIME_TYPE)
    except pyarrow.ArrowException:
        values = [None if text is None else _time(text) for text in texts.to_pylist()]
        return pyarrow.array(values, pyarrow.int64()).cast(_TIME_TYPE)


def _time(text: str) -> int | None:
    try:
        return int(pyarrow.scalar(text).cast(_TIME_TYPE).value)
    except pyarrow.ArrowException:
        return None


def _read_each(lines: bytes) -> EventLines:
    found = EventLines(0, {})
    values: dict[str, list[Any]] = {each: [] for each in FIELDS}
    for line in lines.removesuffix(b"\n").split(b"\n"):
        if not line.strip(b" \t\r\0"):
            found.blank += 1
            continue
        code = ""
        try:
            event = json.loads(line.decode("utf-8-sig"))
            code = "" if isinstance(event, dict) else "json.not_object"
        except UnicodeDecodeError:
            code = "json.utf8"
        except RecursionError:
            code = "json.depth"
        except ValueError:
            code = "json.syntax"
        if code:
            found.rejects[code] += 1
            found.examples.setdefault(code, line[:256])
            continue
        found.rows += 1
        for name in FIELDS:
            values[name].append(_value_of(event, name))
    arrays = [pyarrow.array(values[name], _TYPES.get(name, pyarrow.string())) for name in FIELDS]
    found.columns = columns_of(_with_times(pyarrow.Table.from_arrays(arrays, list(FIELDS))))
    return found


def _value_of(event: Mapping[str, Any], name: str) -> Any:
    value: Any = event
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    type_ = _TYPES.get(name)
    if type_ == pyarrow.bool_():
        return value if isinstance(value, bool) else None
    if type_ == pyarrow.int64():
        return value if type(value) is int and -_MAX_INTEGER <= value <= _MAX_INTEGER else None
    if type_ is not None:
        return [_text(each) for each in value] if isinstance(value, list) else None
    return _text(value)


def _text(value: Any) -> str | None:
    # A text may have half of a surrogate pair, which UTF-8 does not have.
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else None
