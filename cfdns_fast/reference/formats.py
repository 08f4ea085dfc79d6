"""Detect the input format and read its records. Part of the specification."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..errors import InputFormatError
from ..options import DETECTION_BYTES, FIELD_DELIMITERS, Options
from .delimited import delimited_records
from .documents import Documents, Fault
from .framing import Found
from .members import value_end
from .rows import Rows, is_header, row_records

__all__ = ["detect_format", "input_records"]

_ARRAY_OF_OBJECTS = re.compile(rb"\[[ \t\r\n\0]*\{")


def input_records(data: bytes, known: set[str], given: Options) -> Iterator[Found]:
    """Yield the records and rejects of an input of any format, in order; None for a blank line.

    Parameters
    ----------
    data : bytes
        The input.
    known : set of str
        The keys that the mapping reads.
    given : Options
        The options of the conversion.

    Raises
    ------
    InputFormatError
        The format cannot be detected, or rows have no header.
    """
    input_format, max_record_bytes = given.input_format, given.max_record_bytes
    if input_format == "auto":
        input_format = detect_format(data, known, given.columns, given.delimiter, max_record_bytes)
    if input_format == "json":
        return Documents(data, known, given.delimiter, max_record_bytes).records()
    if input_format in FIELD_DELIMITERS:
        return row_records(Rows(data, FIELD_DELIMITERS[input_format], max_record_bytes), known, given.columns)
    return delimited_records(data, given.delimiter, max_record_bytes)


def detect_format(
    data: bytes, known: set[str], columns: Sequence[str] | None, delimiter: bytes, max_record_bytes: int
) -> str:
    """Return the input format of data, detected by the first MiB after leading NULs.

    1. Blank data is NDJSON, and data that begins with a bracket is JSON (`_detect_json`).
    2. Data whose first row is a header of known fields, or has as many cells as there are columns, is CSV or TSV.
    3. Other data is NDJSON with invalid first lines if an object begins a later line.
    """
    head = data.lstrip(b"\0")[:DETECTION_BYTES]
    between = (re.escape(delimiter) + b"|" if delimiter else b"") + rb"[ \t\r\0]|\xef\xbb\xbf"
    blank = re.match(rb"(?:" + between + rb"|\n)*+", head)
    assert blank is not None
    start = blank.end()
    if start == len(head):
        return "ndjson"
    if head[start : start + 1] in (b"{", b"["):
        return _detect_json(Documents(head[start:], known, delimiter, max_record_bytes))
    for name, field_delimiter in FIELD_DELIMITERS.items():
        rows = Rows(head, field_delimiter, max_record_bytes)
        cells = next((row.cells for row in rows if row.cells is not None), None)
        if isinstance(cells, list) and (len(cells) == len(columns) if columns else is_header(cells, known)):
            return name
    if re.compile(rb"\n(?:" + between + rb")*+\{").search(head, start):
        return "ndjson"
    if columns:
        return "csv"
    raise InputFormatError("format.unknown")


def _detect_json(head: Documents) -> str:
    """Return "json" for a document, "ndjson" for lines.

    Data is a document if its first value spans lines, holds records, or is an array with only blanks after it. If the
    first line is invalid, data is NDJSON when it has further lines.
    """
    newline = head.data.find(b"\n")
    line_end = len(head.data) if newline < 0 else newline
    end = value_end(head.data, 0, line_end)
    if end is not None:
        if head.frames_record(end) or (head.is_wrapper(0) and _ARRAY_OF_OBJECTS.search(head.data, 0, end)):
            return "json"
        return "json" if head.data.startswith(b"[") and not head.data[end:].strip(b" \t\r\n\0") else "ndjson"
    if newline >= 0:
        try:
            if any(item is not None and item[1] > line_end for item in head.document(0)):
                return "json"
        except Fault:
            if head.data[newline:].strip(b" \t\r\n\0"):
                return "ndjson"
        else:
            # The value ends in a later line.
            return "json"
    return "json" if head.is_wrapper(0) else "ndjson"
