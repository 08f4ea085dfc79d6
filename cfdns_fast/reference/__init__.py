"""The same conversion in plain Python: the specification for readers, and the oracle the compiled core is tested with.

One function a rule, in the order in which data meets them: reference_records.py cuts bytes into records,
reference_values.py reads their values (reference_time.py the timestamps), this module builds the events. With the
compiled core it shares the mapping, the suffix rules and the result types, and no code that converts anything. It is
not made for speed.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from os import PathLike
from typing import Any

from .._core import Rejects
from ..errors import PROBLEM_CODES, RecordError
from ..mapping import Field, Mapping, Node, load
from ..options import DEFAULT_DATASET, DEFAULT_MAX_RECORD_BYTES, DEFAULT_SCHEMA, Options
from ..results import RAW_LIMIT_BYTES, Reject, Result
from .formats import shaped_records
from .framing import Record, records
from .signatures import check_signature
from .values import Settings, read_field

__all__ = ["parse", "to_dicts", "to_ndjson"]

_UNKNOWN = ("record.unknown", "")


def to_dicts(
    data: Any,
    schema: str | PathLike[str] | Mapping = DEFAULT_SCHEMA,
    **options: Any,
) -> Result[list[dict[str, Any]]]:
    """Convert a batch of Logpush `dns_logs` records to events.

    Parameters
    ----------
    data : bytes-like
        NDJSON in UTF-8: records are JSON objects, lines end at byte 0x0A, blank lines are counted and left out.
    schema : str, os.PathLike or Mapping
        A bundled name, the path of a mapping file, or a mapping already loaded.
    options
        As for `Normalizer`; `on_reject` has no effect.

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
    InputFormatError
        `data` begins like a format that is not read, or has none of the shapes that may be meant.
    """
    given = Options(**options)
    mapping = schema if isinstance(schema, Mapping) else load(schema, given.dataset)
    given.check_known(mapping.sources)
    if not given.keep_message:
        mapping = mapping.without_raw()
    settings = _Settings(given.private_suffixes, given.timestamp_unit, mapping.fields, mapping.tree())
    events: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    problems: Counter[str] = Counter()
    blank = 0
    content = _bytes_of(data)
    check_signature(content)
    found_in_data = shaped_records(
        content,
        given.max_record_bytes,
        known=set(mapping.sources),
        input_format=given.input_format,
        columns=given.columns,
        delimiter=given.delimiter,
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
    return Result(events, len(events), blank, Rejects(rejects), dict(problems))


def to_ndjson(
    data: Any,
    schema: str | PathLike[str] | Mapping = DEFAULT_SCHEMA,
    **options: Any,
) -> Result[bytes]:
    """Convert as `to_dicts`; the output is NDJSON in UTF-8, one event a line, 0x0A after each, the last too."""
    result = to_dicts(data, schema, **options)
    lines = (json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n" for event in result.output)
    output = "".join(lines).encode("utf-8")
    return Result(output, result.events, result.blank, result.rejects, result.problems)


def parse(
    data: Any, schema: str | PathLike[str] | Mapping = DEFAULT_SCHEMA, *, dataset: str = DEFAULT_DATASET
) -> dict[str, Any]:
    """Convert exactly one record. Its text in the event is exactly the data given, line end and blanks included.

    Raises
    ------
    RecordError
        No record (record.empty), more than one (record.multiple; both with the position of all the data), or a reject.
    InputFormatError, TypeError, ValueError
        As `to_dicts`.
    """
    mapping = schema if isinstance(schema, Mapping) else load(schema, dataset)
    content = _bytes_of(data)
    check_signature(content)
    found = [record for record in records(content, DEFAULT_MAX_RECORD_BYTES) if record is not None]
    if len(found) != 1:
        code = "record.multiple" if found else "record.empty"
        raise RecordError(1, 0, len(content), code, content[:RAW_LIMIT_BYTES])
    record = found[0]
    if isinstance(record, Reject):
        raise RecordError(record.line, record.byte_offset, record.byte_length, record.code, record.raw)
    # What is around a lone record is space and BOMs: UTF-8 as well.
    whole = Record(content.decode("utf-8"), record.members)
    settings = _Settings(False, "auto", mapping.fields, mapping.tree())
    return _event(whole, settings)[0]


@dataclass(frozen=True, slots=True)
class _Settings(Settings):
    fields: tuple[Field, ...]
    tree: tuple[Node, ...]


def _bytes_of(data: Any) -> bytes:
    if isinstance(data, str):
        raise TypeError("data must be bytes-like, not str: encode it, for example data.encode('utf-8')")
    return bytes(memoryview(data))


def _event(record: Record, settings: _Settings) -> tuple[dict[str, Any], set[str]]:
    """Return the event, and its problems: each once, however many fields one source feeds.

    A problem is "code:SourceKey". "record.unknown" has no key: the record has none of the keys that the mapping reads,
    whatever their values (a mapping that reads no key knows every record).
    """
    problems: set[tuple[str, str]] = set()
    keys = {key for field in settings.fields for key in field.sources}
    if keys and keys.isdisjoint(record.members):
        problems.add(_UNKNOWN)
    values: dict[str, Any] = {}
    for field in settings.fields:
        if field.kind == "raw":
            values[field.to] = record.text
        elif field.sources:
            value = read_field(field, record, settings, problems)
            # The first of several fields for one target that has a value counts; all of them are read.
            if value is not None:
                values.setdefault(field.to, value)
    for field in settings.fields:
        if field.kind == "collect":
            values[field.to] = _collected(field, values)
        elif field.kind == "constant":
            value = field.if_problem if problems and field.if_problem is not None else field.value
            values[field.to] = list(value) if isinstance(value, tuple) else value
        elif field.kind == "problems":
            values[field.to] = _problems_text(problems, settings.fields)
    arrays = {field.to for field in settings.fields if field.array}
    present = {to: [value] if to in arrays else value for to, value in values.items() if value is not None}
    return _assemble(settings.tree, present), {_key_of(problem) for problem in problems}


def _key_of(problem: tuple[str, str]) -> str:
    code, key = problem
    return f"{code}:{key}" if key else code


def _collected(field: Field, values: dict[str, Any]) -> list[str] | None:
    """Return what the targets hold, each text once, in the order of its first appearance."""
    found: dict[str, None] = {}
    for to in field.of:
        value = values.get(to)
        found.update(dict.fromkeys(value if isinstance(value, list) else [] if value is None else [value]))
    return list(found) or None


def _problems_text(problems: set[tuple[str, str]], fields: tuple[Field, ...]) -> str | None:
    """Return the problems as text, never content of the record.

    record.unknown comes first, the others in the order in which the mapping first names their keys.
    """
    keys = dict.fromkeys(key for field in fields for key in field.sources)
    ordered = [_UNKNOWN, *((code, key) for key in keys for code in PROBLEM_CODES)]
    return ", ".join(_key_of(problem) for problem in ordered if problem in problems) or None


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
