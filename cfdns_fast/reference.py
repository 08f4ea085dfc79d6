"""The same conversion in plain Python: the specification for readers, and the oracle the compiled core is tested with.

One function a rule, in the order in which data meets them: reference_records.py cuts bytes into records, this module
reads their values (reference_time.py the timestamps) and builds the events. With the compiled core it shares the
mapping, the suffix rules and the result types, and no code that converts anything. It is not made for speed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from .errors import RecordError
from .mapping import NAME_PART_KINDS, Field, Mapping, Node, load
from .reference_records import Number, Record, int64, records
from .reference_shapes import shaped_records
from .reference_time import TIMESTAMP_UNITS, epoch_text, rfc3339_text
from .results import RAW_LIMIT_BYTES, Reject, Result
from .suffixes import is_ip_literal, split_domain

__all__ = ["parse", "to_dicts", "to_ndjson"]

_DEFAULT_MAX_RECORD_BYTES = 1048576
_MAX_RECORD_BYTES_LIMIT = 2**30
#: QTYPE (RFC 1035 section 3.2.3) and the extended RCODE as the IANA registry numbers it are 16 bits wide.
_UINT16 = range(2**16)


def to_dicts(
    data: Any,
    schema: str | PathLike[str] | Mapping = "sekoia",
    *,
    keep_message: bool = True,
    private_suffixes: bool = False,
    timestamp_unit: str = "auto",
    max_record_bytes: int = _DEFAULT_MAX_RECORD_BYTES,
    input_format: str = "ndjson",
    columns: Sequence[str] | None = None,
    record_delimiter: str | None = None,
) -> Result[list[dict[str, Any]]]:
    """Convert a batch of Logpush `dns_logs` records to events.

    Parameters
    ----------
    data : bytes-like
        NDJSON in UTF-8: records are JSON objects, lines end at byte 0x0A, blank lines are counted and left out.
    schema : str, os.PathLike or Mapping
        A bundled name, the path of a mapping file, or a mapping already loaded.
    keep_message : bool
        False: fields of kind raw are left out.
    private_suffixes : bool
        True: names are split by the Public Suffix List's PRIVATE section too.
    timestamp_unit : str
        "s", "ms", "us" or "ns": what a Timestamp counts that is a number; "auto": by magnitude.
    max_record_bytes : int
        A longer record is a reject; 1 to 2**30 bytes.
    input_format, columns, record_delimiter
        As for `Normalizer`; reference_shapes.py says what they mean.

    Returns
    -------
    Result
        One event per accepted record, in order; they share no object with each other or with `data`.

    Raises
    ------
    TypeError
        `data` is a str or not bytes-like.
    ValueError
        An option has a value that is not allowed; MappingError (a ValueError) if that is `schema`.
    """
    for option, value in (("keep_message", keep_message), ("private_suffixes", private_suffixes)):
        if not isinstance(value, bool):
            raise ValueError(f"{option} must be True or False")
    if timestamp_unit not in TIMESTAMP_UNITS:
        raise ValueError(f"timestamp_unit must be one of {', '.join(TIMESTAMP_UNITS)}")
    is_integer = isinstance(max_record_bytes, int) and not isinstance(max_record_bytes, bool)
    if not is_integer or not 1 <= max_record_bytes <= _MAX_RECORD_BYTES_LIMIT:
        raise ValueError(f"max_record_bytes must be an integer from 1 to {_MAX_RECORD_BYTES_LIMIT}")
    mapping = schema if isinstance(schema, Mapping) else load(schema)
    if not keep_message:
        mapping = mapping.without_raw()
    settings = _Settings(mapping.fields, mapping.tree(), private_suffixes, timestamp_unit)
    events: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    problems: Counter[str] = Counter()
    blank = 0
    found_in_data = shaped_records(
        _bytes_of(data),
        max_record_bytes,
        known={field.source for field in mapping.fields if field.source is not None},
        input_format=input_format,
        columns=columns,
        record_delimiter=record_delimiter,
    )
    for found in found_in_data:
        if found is None:
            blank += 1
        elif isinstance(found, Reject):
            rejects.append(found)
        else:
            event, record_problems = _event(found, settings)
            events.append(event)
            problems.update(record_problems)
    return Result(events, len(events), blank, tuple(rejects), dict(problems))


def to_ndjson(
    data: Any,
    schema: str | PathLike[str] | Mapping = "sekoia",
    *,
    keep_message: bool = True,
    private_suffixes: bool = False,
    timestamp_unit: str = "auto",
    max_record_bytes: int = _DEFAULT_MAX_RECORD_BYTES,
    input_format: str = "ndjson",
    columns: Sequence[str] | None = None,
    record_delimiter: str | None = None,
) -> Result[bytes]:
    """Convert as `to_dicts`; the output is NDJSON in UTF-8, one event a line, 0x0A after each, the last too."""
    result = to_dicts(
        data,
        schema,
        keep_message=keep_message,
        private_suffixes=private_suffixes,
        timestamp_unit=timestamp_unit,
        max_record_bytes=max_record_bytes,
        input_format=input_format,
        columns=columns,
        record_delimiter=record_delimiter,
    )
    lines = (json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n" for event in result.output)
    output = "".join(lines).encode("utf-8")
    return Result(output, result.events, result.blank, result.rejects, result.problems)


def parse(data: Any, schema: str | PathLike[str] | Mapping = "sekoia") -> dict[str, Any]:
    """Convert exactly one record. Its text in the event is exactly the data given, line end and blanks included.

    Raises
    ------
    RecordError
        No record (record.empty), more than one (record.multiple; both with the position of all the data), or a reject.
    TypeError, ValueError
        As `to_dicts`.
    """
    mapping = schema if isinstance(schema, Mapping) else load(schema)
    content = _bytes_of(data)
    found = [record for record in records(content, _DEFAULT_MAX_RECORD_BYTES) if record is not None]
    if len(found) != 1:
        code = "record.multiple" if found else "record.empty"
        raise RecordError(1, 0, len(content), code, content[:RAW_LIMIT_BYTES])
    record = found[0]
    if isinstance(record, Reject):
        raise RecordError(record.line, record.byte_offset, record.byte_length, record.code, record.raw)
    # What is around a lone record is space and BOMs: UTF-8 as well.
    whole = Record(content.decode("utf-8"), record.members)
    settings = _Settings(mapping.fields, mapping.tree(), private_suffixes=False, timestamp_unit="auto")
    return _event(whole, settings)[0]


@dataclass(frozen=True, slots=True)
class _Settings:
    fields: tuple[Field, ...]
    tree: tuple[Node, ...]
    private_suffixes: bool
    timestamp_unit: str


def _bytes_of(data: Any) -> bytes:
    if isinstance(data, str):
        raise TypeError("data must be bytes-like, not str: encode it, for example data.encode('utf-8')")
    return bytes(memoryview(data))


def _event(record: Record, settings: _Settings) -> tuple[dict[str, Any], set[str]]:
    """Return the event, and its problems as "code:SourceKey": each once, however many fields one source feeds."""
    values: dict[str, Any] = {}
    problems = set()
    for field in settings.fields:
        try:
            value = _field_value(field, record, settings)
        except _Problem as problem:
            problems.add(f"{problem.code}:{field.source}")
            continue
        if value is not None:
            values[field.to] = [value] if field.array else value
    return _assemble(settings.tree, values), problems


def _assemble(nodes: tuple[Node, ...], values: dict[str, Any]) -> dict[str, Any]:
    """Return the object of what has a value, in the mapping file's order, without objects that would be empty."""
    content = {}
    for key, node in nodes:
        if isinstance(node, Field):
            if node.to in values:
                content[key] = values[node.to]
        elif below := _assemble(node, values):
            content[key] = below
    return content


class _Problem(Exception):
    """A value that its field cannot take: the field is left out, the event is kept."""

    def __init__(self, code: str) -> None:
        self.code = code


def _field_value(field: Field, record: Record, settings: _Settings) -> Any:
    """Return a field's value, None if it is absent."""
    if field.kind == "raw":
        return record.text
    if field.kind == "constant":
        return list(field.value) if isinstance(field.value, tuple) else field.value
    value = record.members.get(field.source or "")
    if value is None or value == "":
        if field.required:
            raise _Problem("field.missing")
        return None
    if isinstance(value, (dict, list)):
        raise _Problem("field.type")
    if field.kind == "timestamp":
        return _timestamp(value, settings.timestamp_unit)
    if isinstance(value, Number) and value.is_out_of_range:
        raise _Problem("field.range")
    if field.kind == "enum":
        return _enum(value, dict(field.names))
    if field.kind in NAME_PART_KINDS:
        return _name_part(field.kind, value, settings.private_suffixes)
    return _READERS[field.kind](value)


def _timestamp(value: Any, unit: str) -> str:
    """Read a number in `unit`, or text that holds one; any other text is RFC 3339, and only that holds a colon."""
    text = value.text if isinstance(value, Number) else _only_text(value)
    try:
        utc = rfc3339_text(text) if ":" in text else epoch_text(text, unit)
    except ValueError:
        raise _Problem("field.type") from None
    if utc is None:
        raise _Problem("field.range")
    return utc


def _integer(value: Any) -> int:
    """Read a JSON integer or ASCII text of one; "-0" is 0."""
    text = value.text if isinstance(value, Number) else _only_text(value)
    try:
        number = int64(text)
    except ValueError:
        raise _Problem("field.type") from None
    if number is None:
        raise _Problem("field.range")
    return number


def _enum(value: Any, names: dict[int, str]) -> str | None:
    """Name a number; one that the registry has not assigned is absent, which is no fault of the record."""
    number = _integer(value)
    if number not in _UINT16:
        raise _Problem("field.range")
    return names.get(number)


def _boolean(value: Any) -> bool:
    """Read true, false, the integers 0 and 1, and the texts of these four."""
    if isinstance(value, bool):
        return value
    if isinstance(value, Number):
        known = {"0": False, "-0": False, "1": True}.get(value.text)
    else:
        known = {"true": True, "false": False, "0": False, "1": True}.get(value)
    if known is None:
        raise _Problem("field.type")
    return known


def _text(value: Any) -> str:
    """Take text as it is, an integer by its digits as written."""
    if isinstance(value, Number) and value.is_integer:
        return value.text
    return _only_text(value)


def _only_text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Problem("field.type")
    return value


def _ip(value: Any) -> str:
    """Take an IPv4 or IPv6 literal as it was sent: no zone id, port or prefix."""
    text = _only_text(value)
    if not is_ip_literal(text):
        raise _Problem("field.type")
    return text


def _name_part(kind: str, value: Any, private_suffixes: bool) -> str | None:
    """Take a name without its leading and trailing dots, or one of its parts; only dots (the root) is no name."""
    name = _only_text(value).strip(".")
    if not name:
        return None
    return name if kind == "name" else getattr(split_domain(name, private_suffixes=private_suffixes), kind)


_READERS: dict[str, Callable[[Any], Any]] = {"integer": _integer, "boolean": _boolean, "text": _text, "ip": _ip}
