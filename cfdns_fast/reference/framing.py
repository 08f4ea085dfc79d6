"""Cut lines of NDJSON into records and rejects, and decode their JSON. Part of the specification."""

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
    "Found",
    "Number",
    "Record",
    "cut",
    "decode_json",
    "exact_integer",
    "lines",
    "records",
    "reject_code",
]

# A NUL before a record is padding: a file that lost data in a power cut contains NULs.
_BLANK = b" \t\r\0"
_MARK = re.compile(rb"()\xef\xbb\xbf")
_MARK_AFTER_PADDING = re.compile(rb"(\0*+)\xef\xbb\xbf")
#: Maximum number of open brackets in a record.
DEPTH_LIMIT = 256
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes
    ----------
    text : str
        Its text as received.
    members : dict of str to Any
        Its members by unescaped key. The last of equal keys counts.
    """

    text: str
    members: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number as written, because int and float lose "-0" and long fractions, and int rejects 4,301 digits."""

    text: str

    @property
    def is_out_of_range(self) -> bool:
        """Whether the number is beyond every double, or an integer beyond int64."""
        try:
            return exact_integer(self.text) is None
        except ValueError:
            return False


#: A record, a reject, or None for a blank line or a run of NULs.
Found = Record | Reject | None

_NUMBER = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)(?:[eE]([+-]?)([0-9]+))?")
# With a longer exponent, no coefficient that fits into memory gives a number in the range of int64.
_EXPONENT_DIGITS = 12
#: The least number that rounds to infinity.
_BEYOND_DOUBLE = Decimal(2**1024 - 2**970)


def exact_integer(text: str) -> int | None:
    """Return the exact integer value of a decimal number; None if it is beyond int64 or beyond every double.

    Raises
    ------
    ValueError
        `text` is not ``-?digits[.digits][e[+-]digits]`` in ASCII (leading zeros allowed), or its value has a fraction.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError("not a number")
    coefficient, sign, exponent = match[1], match[2] or "", (match[3] or "0").lstrip("0") or "0"
    if not coefficient.strip("-.0"):
        return 0
    if len(exponent) > _EXPONENT_DIGITS:
        exponent = "9" * _EXPONENT_DIGITS
    # Exact: neither the constructor nor comparisons round to the context.
    number = Decimal(f"{coefficient}e{sign}{exponent}")
    if number.copy_abs() >= _BEYOND_DOUBLE:
        return None
    if number != number.to_integral_value():
        raise ValueError("not an integer")
    return int(number) if _INT64[0] <= number <= _INT64[-1] else None


def records(data: bytes, max_record_bytes: int) -> Iterator[Found]:
    """Yield the records and rejects of NDJSON, in order; None for a blank line or a run of NULs."""
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
    """Yield number, byte offset and content of every line, and whether NULs before it were skipped.

    A line ends at 0x0A, which cannot occur raw within a JSON string (RFC 8259). One CR before 0x0A belongs to the line
    end. A byte order mark is skipped (RFC 8259 section 8.1), with the NULs before it unless `nul_delimits` is True.

    Parameters
    ----------
    data : bytes
        The input.
    nul_delimits : bool
        NULs delimit records and are not padding.
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
    """Yield start, end, and a record, the code of a reject, or None for a run of NULs and space.

    Complete objects may follow each other without a newline (``{…}{…}``). Bytes that are not a complete object are
    rejected with the rest of the line, because the start of the next record is unknown.

    Parameters
    ----------
    line : bytes
        One line without its end.
    max_record_bytes : int
        Maximum size of a record.
    is_padded : bool
        NULs were skipped before the line.
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
    """Return the JSON object at `start` and its end; None if there is none. Unpaired surrogate escapes are accepted."""
    end = _object_end(line, start) if line.startswith(b"{", start) else None
    if end is None:
        return None, start
    try:
        text = line[start:end].decode("utf-8")
        return Record(text, decode_json(text)), end
    except ValueError:
        return None, start


def reject_code(rest: bytes, max_record_bytes: int) -> str:
    """Return the reject reason of bytes: the first code that applies, in the order of `errors.REJECT_CODES`."""
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


# A string, which may lack its closing quote, or a bracket.
_STRING_OR_BRACKET = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[][{}]', re.DOTALL)


def _depths(content: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Yield, for every bracket outside strings, the number of open brackets after it (at least 0), and its end."""
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


# The json module differs from RFC 8259 in three things: it accepts NaN and Infinity, unpaired surrogates, and without
# strict raw control characters. It recurses, so text must have at most 256 open brackets.
_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse_constant, strict=True)


def decode_json(text: str) -> Any:
    """Return the value of JSON text (RFC 8259) with numbers as `Number`; raises ValueError if it is invalid.

    The text must have at most 256 open brackets. The last of equal unescaped keys counts.
    """
    return _DECODER.decode(text)


# A character outside the BMP is a pair of escapes (RFC 8259 section 7). An escape without its pair matches `unpaired`.
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<unpaired>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)


def _has_unpaired_surrogate(text: str) -> bool:
    """Return whether valid JSON text escapes half a character (RFC 8259 section 8.2), which UTF-8 cannot encode."""
    return any(match["unpaired"] for match in _ESCAPE.finditer(text))
