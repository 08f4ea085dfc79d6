"""Read the entries of a file of cases: ``[[case]]`` and ``[[values]]``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from dataclasses import fields
from typing import Any

from ..errors import PROBLEM_CODES, REJECT_CODES
from ..options import Options
from .case import Case, Defaults, ExpectedReject
from .flatten import flatten

__all__ = ["EntryError", "input_bytes", "value_cases", "whole_case"]

_CASE_KEYS = frozenset(
    {"name", "rule", "input", "options", "events", "messages", "rejects", "blank", "problems", "ndjson"}
)
_VALUES_KEYS = frozenset({"name", "rule", "source", "targets", "lists", "options", "rows"})
#: The mapping is given, and events are compared without detections.
_NO_OPTIONS = frozenset({"schema", "dataset", "on_reject", "detect", "on_detection"})
_OPTIONS = frozenset(each.name for each in fields(Options)) - _NO_OPTIONS
_REJECT_KEYS = frozenset({"line", "offset", "length", "code"})
#: Maximum size of an input, because `repeat` makes many bytes of few.
_MAX_INPUT_BYTES = 1 << 24
_MAX_TOKEN_CHARACTERS = 60


class EntryError(ValueError):
    """An entry is not as docs/mapping.md describes."""


def whole_case(entry: dict[str, Any], line: int, defaults: Defaults) -> Iterator[Case]:
    """Yield the case of a ``[[case]]`` entry, which begins in that line."""
    check_keys(entry, _CASE_KEYS)
    _need(entry, "name", "input")
    events = tuple(flatten(event) for event in _tables(entry, "events"))
    _check_values("events", events)
    messages = None
    if "messages" in entry:
        messages = tuple(_text(message) for message in _typed(entry, "messages", list, "a list of inputs"))
        if len(messages) != len(events):
            raise EntryError(f"messages has {len(messages)} records, and events has {len(events)} events")
    problems = _typed(entry, "problems", dict, "a table of numbers", default=defaults.problems(events))
    if not all(type(count) is int for count in problems.values()):
        raise EntryError("problems must be a table of numbers")
    yield Case(
        name=_typed(entry, "name", str, "text"),
        rule=_typed(entry, "rule", str, "text", default=""),
        line=line,
        data=input_bytes(entry["input"]),
        options=_options(entry),
        events=events,
        messages=messages,
        rejects=tuple(map(_reject, _tables(entry, "rejects"))),
        blank=_typed(entry, "blank", int, "a number", default=0),
        problems=problems,
        ndjson=_typed(entry, "ndjson", str, "text").encode() if "ndjson" in entry else None,
    )


def value_cases(entry: dict[str, Any], line: int, defaults: Defaults) -> Iterator[Case]:
    """Yield a case for each row of a ``[[values]]`` entry, which begins in that line."""
    check_keys(entry, _VALUES_KEYS)
    _need(entry, "name", "source", "targets", "rows")
    name, source = _typed(entry, "name", str, "text"), _typed(entry, "source", str, "text")
    targets, lists = (_typed(entry, key, list, "a list of targets", default=[]) for key in ("targets", "lists"))
    if not all(isinstance(target, str) for target in (*targets, *lists)):
        raise EntryError("targets and lists must be lists of targets")
    for row in _typed(entry, "rows", list, "a list of rows"):
        if not isinstance(row, list) or len(row) != 2:
            raise EntryError("a row must be a list of a JSON token and the value that it becomes")
        token, expected = input_bytes(row[0]), row[1]
        record = b"{%s:%s}" % (json.dumps(source, ensure_ascii=False).encode(), token)
        event: dict[str, Any] = {}
        problems = defaults.problems_without(source)
        if isinstance(expected, dict) and "problem" in expected:
            if expected["problem"] not in PROBLEM_CODES:
                raise EntryError(f"problem must be one of {', '.join(PROBLEM_CODES)}, not {expected['problem']!r}")
            problems[f"{expected['problem']}:{source}"] = 1
        elif expected != {}:
            value = _text(expected) if isinstance(expected, dict) else expected
            _check_values("a row", value)
            event = {target: value for target in targets} | {target: [value] for target in lists}
        yield Case(
            name=f"{name} {token[:_MAX_TOKEN_CHARACTERS].decode('utf-8', 'replace')}",
            rule=_typed(entry, "rule", str, "text", default=""),
            line=line,
            data=record,
            options=_options(entry),
            events=(event,),
            messages=(_decoded(record),),
            problems=problems,
        )


def input_bytes(written: Any) -> bytes:
    """Return an input: text, `{hex = "ff"}`, `{repeat = "[", times = 256}`, or a list of these parts."""
    made = bytearray()
    for part in written if isinstance(written, list) else [written]:
        if isinstance(part, list):
            made += input_bytes(part)
        elif isinstance(part, str):
            made += part.encode()
        elif isinstance(part, dict) and part.keys() == {"hex"}:
            made += _from_hex(part["hex"])
        elif isinstance(part, dict) and part.keys() == {"repeat", "times"} and type(part["times"]) is int:
            repeated = input_bytes(part["repeat"])
            _check_size(len(made) + len(repeated) * part["times"])
            made += repeated * part["times"]
        else:
            raise EntryError("an input must be text, {hex = TEXT}, {repeat = TEXT, times = NUMBER}, or a list of these")
        _check_size(len(made))
    return bytes(made)


def _from_hex(text: Any) -> bytes:
    try:
        return bytes.fromhex(text)
    except (TypeError, ValueError):
        raise EntryError("hex must be text of pairs of hexadecimal digits") from None


def _check_size(size_bytes: int) -> None:
    if size_bytes > _MAX_INPUT_BYTES:
        raise EntryError(f"an input may have at most {_MAX_INPUT_BYTES >> 20} MiB")


def check_keys(entry: dict[str, Any], allowed: Set[str]) -> None:
    """Raise EntryError if an entry has a key that is not allowed."""
    unknown = [key for key in entry if key not in allowed]
    if unknown:
        raise EntryError(f"unknown key {unknown[0]!r}; allowed: {', '.join(sorted(allowed))}")


def _need(entry: dict[str, Any], *keys: str) -> None:
    missing = [key for key in keys if key not in entry]
    if missing:
        raise EntryError(f"needs {', '.join(missing)}")


def _typed(entry: dict[str, Any], key: str, kind: type, words: str, default: Any = None) -> Any:
    """Return a value of an entry; EntryError if it is of another type. True is no number."""
    value = entry.get(key, default)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise EntryError(f"{key} must be {words}")
    return value


def _tables(entry: dict[str, Any], key: str) -> list[dict[str, Any]]:
    tables: list[dict[str, Any]] = _typed(entry, key, list, "a list of tables", default=[])
    if not all(isinstance(table, dict) for table in tables):
        raise EntryError(f"{key} must be a list of tables")
    return tables


def _check_values(place: str, value: Any) -> None:
    """Raise EntryError for a value that is not of JSON: TOML also has dates and times."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (list, tuple)):
        for each in value:
            _check_values(place, each)
    elif not isinstance(value, (str, int, float)):
        raise EntryError(f"{place} must hold texts, numbers, true and false; a time is text in quotes, not {value}")


def _options(entry: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = _typed(entry, "options", dict, "a table", default={})
    unknown = [key for key in options if key not in _OPTIONS]
    if unknown:
        raise EntryError(f"unknown option {unknown[0]!r}; allowed: {', '.join(sorted(_OPTIONS))}")
    return options


def _reject(written: dict[str, Any]) -> ExpectedReject:
    check_keys(written, _REJECT_KEYS)
    _need(written, *sorted(_REJECT_KEYS))
    if written["code"] not in REJECT_CODES:
        raise EntryError(f"code must be one of {', '.join(REJECT_CODES)}, not {written['code']!r}")
    for key in ("line", "offset", "length"):
        _typed(written, key, int, "a number")
    return ExpectedReject(**written)


def _text(written: Any) -> str:
    return _decoded(input_bytes(written))


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise EntryError("a message and the token of a row must be UTF-8") from None
