"""Framing in plain Python: bytes -> records and rejects. Part of the specification that reference.py is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from ..results import RAW_LIMIT_BYTES, Reject

__all__ = [
    "DEPTH_LIMIT",
    "Number",
    "Record",
    "cut",
    "decode_json",
    "exact_integer",
    "lines",
    "records",
    "reject_code",
]

# NULs are padding where a record may begin: a file that lost its data in a power cut holds them.
_BLANK = b" \t\r\0"
_MARK = re.compile(rb"()\xef\xbb\xbf")
_MARK_AFTER_PADDING = re.compile(rb"(\0*+)\xef\xbb\xbf")
DEPTH_LIMIT = 256
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its own text, and its members with keys unescaped and the last of equal keys."""

    text: str
    members: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number as it was written: int and float would lose "-0" and long fractions, and refuse 4,301 digits."""

    text: str

    @property
    def is_out_of_range(self) -> bool:
        """Whether it is beyond every double, or an integer that no int64 holds."""
        try:
            return exact_integer(self.text) is None
        except ValueError:
            return False


_NUMBER = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)(?:[eE]([+-]?)([0-9]+))?")
# An exponent of more digits: no coefficient that fits into memory brings such a number back into the range of int64.
_EXPONENT_DIGITS = 12
#: Halfway above the greatest double: rounds to infinity.
_BEYOND_DOUBLE = Decimal(2**1024 - 2**970)


def exact_integer(text: str) -> int | None:
    """Return the integer that a decimal number is exactly, None if no int64 holds it, or no double holds the number.

    Raises
    ------
    ValueError
        `text` is not ``-?digits[.digits][e[+-]digits]`` in ASCII (leading zeros allowed), or has a fraction.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError("not a number")
    coefficient, sign, exponent = match[1], match[2] or "", (match[3] or "0").lstrip("0") or "0"
    if not coefficient.strip("-.0"):
        return 0
    if len(exponent) > _EXPONENT_DIGITS:
        exponent = "9" * _EXPONENT_DIGITS
    # Nothing rounds: neither the constructor nor comparisons use the context.
    number = Decimal(f"{coefficient}e{sign}{exponent}")
    if number.copy_abs() >= _BEYOND_DOUBLE:
        return None
    if number != number.to_integral_value():
        raise ValueError("not an integer")
    return int(number) if _INT64[0] <= number <= _INT64[-1] else None


def records(data: bytes, max_record_bytes: int) -> Iterator[Record | Reject | None]:
    """Give what every line holds: records and rejects, in order; None for a blank line, and for a run of NULs."""
    for number, line_offset, line, is_padded in lines(data):
        if not line.strip(_BLANK):
            yield None
            continue
        for start, end, found in cut(line, max_record_bytes, is_padded=is_padded):
            if found is None or isinstance(found, Record):
                yield found
            else:
                raw = line[start : min(end, start + RAW_LIMIT_BYTES)]
                yield Reject(number, line_offset + start, end - start, found, raw)


def lines(data: bytes, *, nul_delimits: bool = False) -> Iterator[tuple[int, int, bytes, bool]]:
    """Give number, byte offset and content of every line: NDJSON ends lines at 0x0A, and RFC 8259 has no such byte raw.

    One CR before 0x0A belongs to the line end. A byte order mark is skipped, with NULs before it: RFC 8259 section 8.1
    lets a reader do so. The last item says whether there were such NULs. `nul_delimits`: NULs there delimit records.
    """
    pattern = _MARK if nul_delimits else _MARK_AFTER_PADDING
    number = offset = 0
    while offset < len(data):
        newline = data.find(b"\n", offset)
        end = len(data) if newline < 0 else newline
        line = data[offset:end] if newline < 0 else data[offset:end].removesuffix(b"\r")
        mark = pattern.match(line)
        start = mark.end() if mark else 0
        number += 1
        yield number, offset + start, line[start:], mark is not None and bool(mark[1])
        offset = end + 1


def cut(line: bytes, max_record_bytes: int, *, is_padded: bool) -> Iterator[tuple[int, int, Record | str | None]]:
    """Cut a line from the left: start, end, and a record or the code of a reject, or None for a run of NULs.

    A run may hold other space. `is_padded`: NULs were skipped before the line. Complete objects may stand side by side
    (``{…}{…}``: a writer lost a newline); whatever is not one takes the rest of the line with it, for there is no
    telling where the next record would begin.
    """
    position = 0
    while position < len(line) or is_padded:
        start = position
        while position < len(line) and line[position] in _BLANK:
            position += 1
        if is_padded or b"\0" in line[start:position]:
            yield start, position, None
            is_padded = False
        if position == len(line):
            return
        record, end = _complete_object(line, position)
        if record is None:
            yield position, len(line), reject_code(line[position:], max_record_bytes)
            return
        if end - position > max_record_bytes:
            yield position, end, "record.too_large"
        elif _has_unpaired_surrogate(record.text):
            yield position, end, "json.surrogate"
        else:
            yield position, end, record
        position = end


def _complete_object(line: bytes, start: int) -> tuple[Record | None, int]:
    """Return the JSON object that begins at `start`, and its end; unpaired surrogate escapes are let through here."""
    end = _object_end(line, start) if line.startswith(b"{", start) else None
    if end is None:
        return None, start
    try:
        text = line[start:end].decode("utf-8")
        return Record(text, decode_json(text)), end
    except ValueError:
        return None, start


def reject_code(rest: bytes, max_record_bytes: int) -> str:
    """Say why bytes are no record; the codes in the order of errors.REJECT_CODES, the first that applies."""
    if len(rest) > max_record_bytes:
        return "record.too_large"
    try:
        text = rest.decode("utf-8")
    except UnicodeDecodeError:
        return "json.utf8"
    if any(depth > DEPTH_LIMIT for depth, _ in _depths(rest, 0)):
        return "json.depth"
    try:
        decode_json(text)
    except ValueError:
        return "json.syntax"
    return "json.surrogate" if _has_unpaired_surrogate(text) else "json.not_object"


# A whole string (without its quote where it is not closed), or a bracket.
_STRING_OR_BRACKET = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[][{}]', re.DOTALL)


def _depths(content: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Give, after every bracket outside strings, how many are open (never below zero), and where it ends."""
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(content, start):
        token = match.group()
        if token in b"[{":
            depth += 1
        elif token in b"]}":
            depth = max(depth - 1, 0)
        else:
            continue
        yield depth, match.end()


def _object_end(line: bytes, start: int) -> int | None:
    for depth, end in _depths(line, start):
        if depth > DEPTH_LIMIT:
            return None
        if depth == 0:
            return end
    return None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON (RFC 8259 section 6)")


# json is RFC 8259 but for three things: it takes NaN and Infinity (refused here), unpaired surrogates (see below), and
# raw control characters unless strict. It recurses, so only text that is at most 256 deep may come here. Of equal keys
# the last wins, and keys are compared unescaped: both as wanted.
_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse_constant, strict=True)


def decode_json(text: str) -> Any:
    return _DECODER.decode(text)


# RFC 8259 section 7: a character outside the BMP is a pair of escapes. A half that stands alone matches `unpaired`.
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<unpaired>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)


def _has_unpaired_surrogate(text: str) -> bool:
    """Say whether valid JSON text escapes half a character (RFC 8259 section 8.2): no UTF-8 could carry it on."""
    return any(match["unpaired"] for match in _ESCAPE.finditer(text))
