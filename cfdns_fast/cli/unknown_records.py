"""Explain an input in which no record has a key that the mapping reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .. import Result
from ..mapping import bundled, is_path, load
from .report import UNKNOWN, printable, shown_name

__all__ = ["FirstRecord", "Schema", "UnknownInput"]

_HEAD_BYTES = 1 << 16
_MAX_KEYS = 8
_MAX_KEY_CHARACTERS = 40
_FIRST_KEY = re.compile(r'\{[ \t\r\n]*+("(?:[^"\\]|\\.)*+")[ \t\r\n]*+:')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


@dataclass(frozen=True)
class Schema:
    """The mapping and the input format that the options name."""

    schema: str
    dataset: str
    input_format: str

    def known(self) -> frozenset[str]:
        """Return the keys that the mapping reads."""
        return load(self.schema, self.dataset).sources

    def datasets_of(self, keys: Iterable[str]) -> list[str]:
        """Return the datasets whose bundled mapping of this name reads any of the keys."""
        found = [name for name, schemas in bundled().items() if self.schema in schemas]
        return [name for name in found if load(self.schema, name).sources.intersection(keys)]


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


class FirstRecord:
    """The beginning of an input, which is kept until a record has a known key."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._records = 0
        self._is_known = False

    def feed(self, block: bytes) -> None:
        """Append the next block of the input."""
        if not self._is_known and len(self._head) < _HEAD_BYTES:
            self._head += block[: _HEAD_BYTES - len(self._head)]

    def add(self, result: Result[bytes]) -> None:
        """Count the result of a block."""
        self._records += result.events
        if not self._is_known and result.events > result.problems.get(UNKNOWN, 0):
            self._is_known = True
            self._head.clear()

    def explain(self, name: str, schema: Schema) -> UnknownInput | None:
        """Return why no record is known; None if one is, or if there is none."""
        if self._is_known or not self._records:
            return None
        path, record = _first_object(self._head.decode("utf-8", "replace"), schema.input_format)
        if not record:
            return UnknownInput(name, self._records, [], "see --columns for rows without a header, and docs/mapping.md")
        keys = [printable(key[:_MAX_KEY_CHARACTERS]) for key in list(record)[:_MAX_KEYS]]
        return UnknownInput(name, self._records, keys, _advice(path, record, schema))


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
