"""Explain an input in which no record has a key that the mapping reads: the keys that it has, and an advice."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..mapping import is_path
from .report import printable, shown_name

if TYPE_CHECKING:
    from .schema import Schema

__all__ = ["UnknownInput", "explained"]

_MAX_KEYS = 8
_MAX_KEY_CHARACTERS = 40
#: The class DNS Activity of OCSF.
_OCSF_CLASS = 4003
_FIRST_KEY = re.compile(r'\{[ \t\r\n]*+("(?:[^"\\]|\\.)*+")[ \t\r\n]*+:')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


@dataclass(frozen=True)
class UnknownInput:
    """An input with records, of which none has a key that the mapping reads.

    Attributes
    ----------
    name : str
    records : int
    keys : list of str
        The first keys of its first record, each cut and printable.
    advice : str
    """

    name: str
    records: int
    keys: list[str]
    advice: str

    def __str__(self) -> str:
        owner = "its keys are" if self.records == 1 else "the first one has the keys"
        keys = f"; {owner} {', '.join(map(_quoted, self.keys))}" if self.keys else ""
        count = "the only record has no" if self.records == 1 else f"none of {self.records} records has a"
        return f"{shown_name(self.name)}: {count} key that the mapping reads{keys} ({self.advice})"


def explained(name: str, head: bytes, records: int, schema: Schema) -> UnknownInput:
    """Return why no record of an input is known.

    Parameters
    ----------
    name : str
    head : bytes
        The beginning of the input.
    records : int
        The number of its records.
    schema : Schema
    """
    text = head.decode("utf-8", "replace")
    path, event = _first_object(text, "ndjson")
    if _is_event(event):
        return UnknownInput(name, records, _shown_keys(event), _event_advice(path, event))
    path, record = _first_object(text, schema.input_format)
    if not record:
        return UnknownInput(name, records, [], "see --columns for rows without a header, and docs/mapping.md")
    return UnknownInput(name, records, _shown_keys(record), _advice(path, record, schema))


def _is_event(record: dict[str, Any]) -> bool:
    """Return whether a record is an event of a bundled schema."""
    if record.get("class_uid") == _OCSF_CLASS:
        return isinstance(record.get("metadata"), dict)
    return all(isinstance(record.get(key), dict) for key in ("dns", "event", "observer"))


def _event_advice(path: str, event: dict[str, Any]) -> str:
    advice = "they are converted events, which inspect reads as NDJSON"
    inner = event.get("event")
    original = inner.get("original") if isinstance(inner, dict) else None
    records = {"message": event.get("message"), "event.original": original, "raw_data": event.get("raw_data")}
    for key, record in records.items():
        if isinstance(record, str):
            whole = f"{path}.{key}"
            return f"{advice}; jq -r {repr(whole) if path else whole} unwraps their records"
    return advice


def _shown_keys(record: dict[str, Any]) -> list[str]:
    return [printable(key[:_MAX_KEY_CHARACTERS]) for key in list(record)[:_MAX_KEYS]]


def _advice(path: str, record: dict[str, Any], schema: Schema) -> str:
    known = schema.known()
    for key, value in record.items():
        holds = f"{_quoted(printable(key[:_MAX_KEY_CHARACTERS]))} holds the records"
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict) and known.intersection(inner):
            if len(record) == 1 and schema.input_format == "ndjson":
                return f"{holds}: --input-format json unwraps them"
            return f"{holds}: {_jq('-c', path, key, '[]' if isinstance(value, list) else '')} unwraps them"
        if isinstance(value, str) and known.intersection(_first_object(value, "ndjson")[1]):
            return f"{holds} as text: {_jq('-r', path, key, '')} unwraps them"
    if not is_path(schema.schema):
        datasets = schema.datasets_of(record)
        if datasets:
            return f"they are of --dataset {' or '.join(datasets)}"
    return "is it another dataset? see --dataset; for other names of keys see docs/mapping.md"


def _jq(option: str, path: str, key: str, rest: str) -> str:
    if not _NAME.fullmatch(key):
        return "jq"
    whole = f"{path}.{key}{rest}"
    return f"jq {option} '{whole}'" if "[" in whole else f"jq {option} {whole}"


def _first_object(text: str, input_format: str) -> tuple[str, dict[str, Any]]:
    """Return the first JSON object in a text that may be cut, and the path for jq to all such objects.

    The object is empty if there is none. In a document it is the first object that may be a record.
    """
    start = text.find("{")
    if start < 0 or text[:start].strip(" \t\r\n\0\ufeff["):
        return "", {}
    path = ".[]" if "[" in text[:start] else ""
    with suppress(ValueError, RecursionError):
        found = json.JSONDecoder().raw_decode(text, start)[0]
        # Arrays within an element are ignored.
        for key, value in found.items() if input_format != "ndjson" and not path else ():
            if isinstance(value, list) and value and isinstance(value[0], dict) and _NAME.fullmatch(key):
                return f"{path}.{key}[]", value[0]
        return path, found
    with suppress(ValueError):
        # The object is cut, but its first key can be named.
        key = _FIRST_KEY.match(text, start)
        return (path, {json.loads(key[1]): None}) if key else ("", {})
    return "", {}


def _quoted(key: str) -> str:
    return f'"{key}"'
