"""Tell the shape of input by its first bytes, and check the options that say it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..errors import InputFormatError
from ..mapping import Mapping
from .rows import FIELD_DELIMITERS, column_names, first_row

if TYPE_CHECKING:
    from .._core import Converter

__all__ = [
    "HEAD_BYTES",
    "INPUT_FORMATS",
    "check_columns_known",
    "check_options",
    "detect",
    "is_header",
    "known_fields",
]

INPUT_FORMATS = ("ndjson", "json", "csv", "tsv", "auto")

#: How many bytes are looked at, after the NULs that the input begins with. A stream keeps as many at most.
HEAD_BYTES = 1 << 20

_LEAST_KNOWN_FIELDS = 2
_MOST_DELIMITER_CHARACTERS = 16
_MAX_LISTED_FIELDS = 50
_SPACE = b" \t\r\n\0"
_SCALAR = re.compile(r"true|false|null|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_ARRAY_OF_OBJECTS = re.compile(rb"\[[ \t\r\n\0]*\{")


def check_options(
    input_format: object, columns: Sequence[str] | None, record_delimiter: object
) -> tuple[tuple[str, ...] | None, bytes]:
    """Return the columns, and the delimiter as it is looked for, empty if there is none; raise ValueError."""
    if not isinstance(input_format, str) or input_format not in INPUT_FORMATS:
        raise ValueError(f"input_format must be one of {', '.join(map(repr, INPUT_FORMATS))}, not {input_format!r}")
    return _check_columns(input_format, columns), _check_delimiter(input_format, record_delimiter)


def _check_columns(input_format: str, columns: Sequence[str] | None) -> tuple[str, ...] | None:
    if columns is None:
        return None
    if input_format not in ("csv", "tsv", "auto"):
        raise ValueError(f"columns are for input_format 'csv', 'tsv' or 'auto', not {input_format!r}")
    names = tuple(columns) if isinstance(columns, Sequence) and not isinstance(columns, (str, bytes)) else ()
    if all(isinstance(name, str) for name in names):
        names = tuple(column_names(names))
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("columns must be a sequence of one name or more, none of them empty")
    if len(set(names)) != len(names):
        raise ValueError("columns must differ from each other")
    return names


def check_columns_known(columns: Iterable[str], known: Iterable[str]) -> None:
    """Raise ValueError if no column is a known field."""
    fields = sorted(known)
    if not fields:
        raise ValueError("columns are for a mapping that reads at least one field")
    if set(fields).isdisjoint(columns):
        more = len(fields) - _MAX_LISTED_FIELDS
        listed = ", ".join(fields[:_MAX_LISTED_FIELDS]) + (f" and {more} more" if more > 0 else "")
        raise ValueError(f"columns must name at least one known field; known are: {listed}")


def _check_delimiter(input_format: str, record_delimiter: object) -> bytes:
    if record_delimiter is None:
        return b""
    if input_format in ("csv", "tsv"):
        raise ValueError("record_delimiter is for JSON; rows end at newlines")
    if not isinstance(record_delimiter, str) or not 1 <= len(record_delimiter) <= _MOST_DELIMITER_CHARACTERS:
        raise ValueError(f"record_delimiter must be text of 1 to {_MOST_DELIMITER_CHARACTERS} characters")
    try:
        # Newlines separate records in any case, so they need not be looked for again at its ends.
        delimiter = record_delimiter.strip("\r\n").encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("record_delimiter must be text that UTF-8 can hold") from None
    # Space between records is skipped anyway, and looking for it besides would take exponential time in `detect`.
    if not record_delimiter.strip(" \t\r\n\ufeff") and (delimiter or "\n" not in record_delimiter):
        raise ValueError("record_delimiter must hold more than white space, or be a newline")
    if _SCALAR.fullmatch(record_delimiter):
        raise ValueError("record_delimiter must not be a JSON value")
    if re.search(rb'[][{}"\n]', delimiter):
        raise ValueError("record_delimiter must not hold brackets or quotes, nor a newline between other characters")
    return delimiter


def known_fields(mapping: Mapping) -> frozenset[str]:
    """Return the keys that a mapping reads."""
    return frozenset(key for field in mapping.fields for key in field.sources)


def is_header(cells: Sequence[str], known: frozenset[str]) -> bool:
    """Whether the cells of a row name enough of the known fields to be no data."""
    return len(known.intersection(column_names(cells))) >= _LEAST_KNOWN_FIELDS


def detect(
    head: bytes,
    *,
    complete: bool,
    converter: Converter,
    known: frozenset[str],
    columns: tuple[str, ...] | None,
    max_record_bytes: int,
    delimiter: bytes,
) -> str | None:
    """Return the shape of input that begins with `head`; None if more of it must be seen.

    What is returned for some bytes is returned for the same and more, and for `HEAD_BYTES` it is never None.

    Parameters
    ----------
    head : bytes
        At most `HEAD_BYTES`, without the NULs that the input begins with.
    complete : bool
        There is no more than this.

    Raises
    ------
    InputFormatError
        It has none of the shapes.
    """
    final = complete or len(head) >= HEAD_BYTES
    # Possessive, or each byte of space would take two hundred of memory.
    between = (re.escape(delimiter) + b"|" if delimiter else b"") + rb"[ \t\r\0]|\xef\xbb\xbf"
    beginning = re.match(rb"(?:" + between + rb"|\n)*+", head)
    start = beginning.end() if beginning else 0
    if start == len(head):
        return "ndjson" if final else None
    if head[start] in b"{[":
        return _json_shape(head[start:], converter, final=final)
    rows = _row_shape(head, complete, final, known, columns, max_record_bytes)
    if rows is not None:
        return rows
    undecided = not final and first_row(head, ",", complete, max_record_bytes) is None
    if not undecided and re.compile(rb"\n(?:" + between + rb")*+\{").search(head, start):
        return "ndjson"
    if not final:
        return None
    if columns is not None:
        return "csv"
    raise InputFormatError("format.unknown")


def _json_shape(head: bytes, converter: Converter, *, final: bool) -> str | None:
    newline = head.find(b"\n")
    if newline < 0 and not final:
        return None
    line_bytes = len(head) if newline < 0 else newline
    end, is_wrapper, is_frame, later = converter.inspect_start(head, line_bytes=line_bytes, final=final)
    if end >= 0:
        if is_frame or (is_wrapper and _ARRAY_OF_OBJECTS.search(head, 0, end)):
            return "json"
        if head[end:].strip(_SPACE) or not head.startswith(b"["):
            return "ndjson"
    elif newline >= 0:
        if later == "item":
            return "json"
        if later == "fault" and head[newline:].strip(_SPACE):
            # Lines that a bad first one must not harm.
            return "ndjson"
    elif is_wrapper is False:
        return "ndjson"
    if not final:
        return None
    return "json" if is_wrapper else "ndjson"


def _row_shape(
    head: bytes,
    complete: bool,
    final: bool,
    known: frozenset[str],
    columns: tuple[str, ...] | None,
    max_record_bytes: int,
) -> str | None:
    for name, delimiter in FIELD_DELIMITERS.items():
        row = first_row(head, delimiter, complete, max_record_bytes)
        if row is None and not final:
            # What comes next may complete a row of this format, which goes before the others.
            return None
        if row is None or row.cells is None:
            continue
        if len(row.cells) == len(columns) if columns is not None else is_header(row.cells, known):
            return name
    return None
