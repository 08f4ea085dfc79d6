"""Detect the format of an input by its first bytes."""

from __future__ import annotations

import re

from .._core import Converter
from ..errors import InputFormatError
from ..options import DETECTION_BYTES, FIELD_DELIMITERS, Options
from .rows import first_row, is_header

__all__ = ["detect"]

_SPACE = b" \t\r\n\0"
_ARRAY_OF_OBJECTS = re.compile(rb"\[[ \t\r\n\0]*\{")


def detect(head: bytes, *, complete: bool, converter: Converter, known: frozenset[str], options: Options) -> str | None:
    """Return the format of the input that begins with `head`; None if more bytes must be seen.

    A format is never changed by more bytes, and `DETECTION_BYTES` are always enough.

    Parameters
    ----------
    head : bytes
        The first bytes after leading NULs; more than `DETECTION_BYTES` are not looked at.
    complete : bool
        Whether they are the whole input.
    known : frozenset of str
        The keys that the mapping reads.

    Raises
    ------
    InputFormatError
        No format fits.
    """
    complete = complete and len(head) < DETECTION_BYTES
    head = head[:DETECTION_BYTES]
    final = complete or len(head) == DETECTION_BYTES
    # Possessive, or each byte of space would take two hundred bytes of memory.
    delimiter = re.escape(options.delimiter) + b"|" if options.delimiter else b""
    between = delimiter + rb"[ \t\r\0]|\xef\xbb\xbf"
    beginning = re.match(rb"(?:" + between + rb"|\n)*+", head)
    start = beginning.end() if beginning else 0
    if start == len(head):
        return "ndjson" if final else None
    if head[start] in b"{[":
        return _json_format(head[start:], converter, final=final)
    rows = _row_format(head, complete, final, known, options)
    if rows is not None:
        return rows
    undecided = not final and first_row(head, ",", complete, options.max_record_bytes) is None
    if not undecided and re.compile(rb"\n(?:" + between + rb")*+\{").search(head, start):
        return "ndjson"
    if not final:
        return None
    if options.columns is not None:
        return "csv"
    raise InputFormatError("format.unknown")


def _json_format(head: bytes, converter: Converter, *, final: bool) -> str | None:
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
            # In NDJSON, a broken first line does not harm the others.
            return "ndjson"
    elif is_wrapper is False:
        return "ndjson"
    if not final:
        return None
    return "json" if is_wrapper else "ndjson"


def _row_format(head: bytes, complete: bool, final: bool, known: frozenset[str], options: Options) -> str | None:
    columns = options.columns
    for name, delimiter in FIELD_DELIMITERS.items():
        row = first_row(head, delimiter, complete, options.max_record_bytes)
        if row is None and not final:
            # More bytes may complete a row of this format, which is tried before the others.
            return None
        if row is None or row.cells is None:
            continue
        if len(row.cells) == len(columns) if columns is not None else is_header(row.cells, known):
            return name
    return None
