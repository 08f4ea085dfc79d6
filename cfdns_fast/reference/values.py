"""Read the value of a field by its kind, or report its problem. Part of the specification."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..domains import is_ip_literal, split_domain
from ..mapping import NAME_PART_KINDS, Field
from .framing import Number, Record, exact_integer
from .timestamps import epoch_ns, rfc3339_ns, utc_text

__all__ = ["Problems", "Settings", "is_absent", "read_field", "source_of"]

#: QTYPE (RFC 1035 section 3.2.3) and the extended RCODE of the IANA registry have 16 bits.
_UINT16 = range(2**16)

#: Code and source key of each problem.
Problems = set[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Settings:
    """The options that change how values are read.

    Attributes
    ----------
    private_suffixes : bool
        Names are split by the PRIVATE section of the Public Suffix List too.
    timestamp_unit : str
        The unit of timestamps that are numbers (`timestamps.TIMESTAMP_UNITS`).
    """

    private_suffixes: bool
    timestamp_unit: str


class _Problem(Exception):
    """The value is invalid for the kind: the field is absent, and the event is kept."""

    def __init__(self, code: str) -> None:
        self.code = code


def read_field(field: Field, record: Record, settings: Settings, problems: Problems) -> Any:
    """Return the value of a field; None if it is absent. Invalid values are added to the problems."""
    key = source_of(field, record)
    value = record.members.get(key)

    def read(item: Any, reader: Callable[[Any], Any]) -> Any:
        """Read a value or an element; None if it is absent or invalid."""
        try:
            return None if is_absent(item) else reader(item)
        except _Problem as problem:
            problems.add((problem.code, key))
            return None

    if is_absent(value):
        if field.required:
            problems.add(("field.missing", key))
        return None
    reader = _scalar(_text) if field.kind == "objects" else _reader(field, settings)
    if not (field.list or field.kind == "objects"):
        return read(value, reader)
    if not isinstance(value, list):
        problems.add((_code_of_wrong(value), key))
        return None
    items = []
    for element in value:
        if field.kind != "objects":
            items.append(read(element, reader))
        elif isinstance(element, dict):
            members = {name: read(element.get(name), reader) for name in field.members}
            items.append({name: member for name, member in members.items() if member is not None} or None)
        elif not is_absent(element):
            problems.add(("field.type", key))
    items = [item for item in items if item is not None]
    if field.member is not None:
        items = [{field.member: item} for item in items]
    return items if items or field.keep_empty else None


def source_of(field: Field, record: Record) -> str:
    """Return the key that a field reads: the first one that has a value, or the first one if none has."""
    return next((key for key in field.sources if not is_absent(record.members.get(key))), field.sources[0])


def is_absent(value: Any) -> bool:
    """Return whether a value counts as absent for every kind."""
    return value is None or value == ""


def _code_of_wrong(value: Any) -> str:
    """Return the problem of a value of another type than the field accepts."""
    return "field.range" if isinstance(value, Number) and value.is_out_of_range else "field.type"


def _reader(field: Field, settings: Settings) -> Callable[[Any], Any]:
    """Return the function that reads a value, or an element of a list, by the kind of the field."""
    if field.kind == "timestamp":
        return lambda value: _timestamp(value, settings.timestamp_unit, field)
    if field.kind == "enum":
        names = dict(field.names)
        return _scalar(lambda value: _enum(value, names, field))
    if field.kind == "boolean" and field.if_true is not None:
        return _scalar(lambda value: field.if_true if _boolean(value) else field.if_false)
    if field.kind in NAME_PART_KINDS:
        return _scalar(lambda value: _name_part(field, value, settings.private_suffixes))
    return _scalar(_READERS[field.kind])


def _scalar(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the reader with a check that a value is not an array, an object or a number out of range."""

    def read(value: Any) -> Any:
        if isinstance(value, (dict, list)) or (isinstance(value, Number) and value.is_out_of_range):
            raise _Problem(_code_of_wrong(value))
        return reader(value)

    return read


def _timestamp(value: Any, unit: str, field: Field) -> str | int:
    """Read a number in `unit`, or text of one, as UTC text or as milliseconds. Text with a colon is RFC 3339."""
    text = value.text if isinstance(value, Number) else _only_text(value)
    try:
        value_ns = rfc3339_ns(text) if ":" in text else epoch_ns(text, unit)
    except ValueError:
        raise _Problem("field.type") from None
    if value_ns is None:
        raise _Problem("field.range")
    return utc_text(value_ns, field.digits) if field.epoch is None else value_ns // 1_000_000


def _integer(value: Any) -> int:
    """Read a number with an integer value (28, 28.0, 2.8e1), or ASCII text of one. "-0" is 0."""
    text = value.text if isinstance(value, Number) else _only_text(value)
    try:
        number = exact_integer(text)
    except ValueError:
        raise _Problem("field.type") from None
    if number is None:
        raise _Problem("field.range")
    return number


def _enum(value: Any, names: dict[int, str | int], field: Field) -> str | int | None:
    """Return the name of a number. A number without a name is `unassigned` and the number, or `default`, or absent."""
    number = _integer(value)
    if number not in _UINT16:
        raise _Problem("field.range")
    return names.get(number, field.default if field.unassigned is None else f"{field.unassigned}{number}")


def _boolean(value: Any) -> bool:
    """Read true and false, their text, and values that `_integer` reads as 0 or 1."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    number = _integer(value)
    if number not in (0, 1):
        raise _Problem("field.type")
    return number == 1


def _text(value: Any) -> str:
    """Return text as it is, and a number with an integer value as its digits: as written if it has only digits."""
    if not isinstance(value, Number):
        return _only_text(value)
    return value.text if value.text.lstrip("-").isdecimal() else str(_integer(value))


def _only_text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Problem("field.type")
    return value


def _ip(value: Any) -> str:
    """Return an IPv4 or IPv6 literal as sent. A zone id, port or prefix is invalid."""
    text = _only_text(value)
    if not is_ip_literal(text):
        raise _Problem("field.type")
    return text


def _name_part(field: Field, value: Any, private_suffixes: bool) -> str | None:
    """Return a name without its leading and trailing dots, or one of its parts; None if nothing remains.

    With `keep_root`, `.` alone is the root and a name. Parts are cut from the name as sent, not from escaped text.
    """
    text = _only_text(value)
    name = text.strip(".")
    if field.kind != "name":
        return getattr(split_domain(name, private_suffixes=private_suffixes), field.kind) if name else None
    if not field.trim or (field.keep_root and text == "."):
        name = text
    return (_escaped(name) if field.escape else name) or None


# An escape, or a byte that ECS requires to be escaped.
_TO_ESCAPE = re.compile(rb'\\[ -~]|[^ -~]|["\\]')
_SHORT_ESCAPES = {b"\t": rb"\t", b"\r": rb"\r", b"\n": rb"\n", b'"': rb"\"", b"\\": rb"\\"}


def _escaped(name: str) -> str:
    """Return a name in printable ASCII, as ECS defines dns.question.name.

    Tabs, carriage returns and newlines are escaped by a letter, quotes by a backslash, and other bytes by three decimal
    digits. Names are sent in presentation form (RFC 1035 section 5.1), so a backslash before a printable character is
    already an escape and is kept.
    """

    def escape(match: re.Match[bytes]) -> bytes:
        found = match.group()
        return found if len(found) == 2 else _SHORT_ESCAPES.get(found, b"\\%03d" % found[0])

    return _TO_ESCAPE.sub(escape, name.encode("utf-8")).decode("ascii")


_READERS: dict[str, Callable[[Any], Any]] = {"integer": _integer, "boolean": _boolean, "text": _text, "ip": _ip}
