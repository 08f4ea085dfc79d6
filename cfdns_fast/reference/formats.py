"""Input shapes in plain Python: delimited records, rows, and which shape it is. Part of the specification.

Rows are read by the csv module of the standard library.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

from ..errors import InputFormatError
from ..options import DETECTION_BYTES, FIELD_DELIMITERS
from ..results import RAW_LIMIT_BYTES, Reject
from .documents import Documents, Fault
from .framing import DEPTH_LIMIT, Record, cut, lines

__all__ = ["shaped_records"]

Found = Record | Reject | None

_ARRAY_OF_OBJECTS = re.compile(rb"\[[ \t\r\n\0]*\{")
_ROW_START = re.compile(rb"\0*+(?:\xef\xbb\xbf\0*+)?")


def shaped_records(
    data: bytes,
    max_record_bytes: int,
    *,
    known: set[str],
    input_format: str,
    columns: Sequence[str] | None,
    delimiter: bytes,
) -> Iterator[Found]:
    """Give the records and rejects of data in any shape, in order; None for a blank line.

    Parameters
    ----------
    known : set of str
        The keys that the mapping reads.

    Raises
    ------
    InputFormatError
        The shape cannot be told, or rows have no header.
    """
    if input_format == "auto":
        input_format = _shape(data, known, columns, delimiter, max_record_bytes)
    if input_format == "json":
        return Documents(data, known, delimiter, max_record_bytes).records()
    if input_format in FIELD_DELIMITERS:
        return _row_records(_Rows(data, FIELD_DELIMITERS[input_format], max_record_bytes), known, columns)
    return _delimited(data, delimiter, max_record_bytes)


def _delimited(data: bytes, delimiter: bytes, max_record_bytes: int) -> Iterator[Found]:
    """Read NDJSON whose lines a delimiter between objects cuts into pieces, each read as a line is."""
    for number, line_offset, line, is_padded in lines(data, nul_delimits=b"\0" in delimiter):
        pieces = list(_pieces(line, delimiter))
        if len(pieces) == 1 and not line.strip(b" \t\r\0"):
            yield None
            continue
        for place, (offset, piece) in enumerate(pieces):
            for start, end, found in cut(piece, max_record_bytes, is_padded=is_padded and place == 0):
                if found is None or isinstance(found, Record):
                    yield found
                else:
                    raw = piece[start : min(end, start + RAW_LIMIT_BYTES)]
                    yield Reject(number, line_offset + offset + start, end - start, found, raw)


def _pieces(line: bytes, delimiter: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut a line at its delimiters: those behind JSON objects.

    What is no object ends at the first delimiter that reaches the place where it stops being one, wherever that stands.
    """
    start = at = 0
    while delimiter and at < len(line):
        if line.startswith(delimiter, at):
            yield start, line[start:at]
            start = at = at + len(delimiter)
        elif line[at] in b" \t\r\0":
            at += 1
        else:
            end, is_whole = _object_or_fault(line, at)
            at = end if is_whole else line.find(delimiter, max(at, end - len(delimiter)))
            if at < 0:
                break
    yield start, line[start:]


# A string as far as it is one; a quote behind that closes it.
_STRING = r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*'
_TOKEN = re.compile(rf"[ \t\r]*+(?:(?P<mark>[][{{}}:,])|(?P<string>{_STRING})|(?P<word>[-+.0-9A-Za-z]++))".encode())
# What a word may begin with.
_WORD_START = re.compile(
    rb"t(?:r(?:ue?)?)?|f(?:a(?:l(?:se?)?)?)?|n(?:u(?:ll?)?)?"
    rb"|-?+(?:(?:0|[1-9][0-9]*+)(?:\.(?![0-9])|(?:\.[0-9]++)?+(?:[eE][-+]?+[0-9]*+)?+))?+"
)
_MAX_GAP_BYTES = 64
_WORD = re.compile(rb"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


def _object_or_fault(line: bytes, at: int) -> tuple[int, bool]:
    """Return the end of the JSON object at `at` and True, or the end of what fits of it and False.

    What fits are whole tokens (RFC 8259 section 2), with at most 256 brackets open, and of a string its beginning; of
    what follows them, all but the last 64 bytes before the first byte that does not fit. Bytes that are no UTF-8 fit
    too: delimiters in such strings separate nothing.
    """
    closing: list[str] = []
    # What may come: of "key", "value" and the marks.
    wanted = {"{"}
    while wanted and (token := _TOKEN.match(line, at)):
        mark = (token["mark"] or b"").decode()
        if token["string"] is not None:
            if wanted.isdisjoint(("key", "value")):
                break
            if not line.startswith(b'"', token.end()):
                return token.end(), False
            at = token.end() + 1
            wanted = {":"} if "key" in wanted else _behind_value(closing)
            continue
        if token["word"] is not None:
            if "value" not in wanted or not _WORD.fullmatch(token["word"]):
                break
            wanted = _behind_value(closing)
        elif mark in ("{", "["):
            if wanted.isdisjoint((mark, "value")) or len(closing) == DEPTH_LIMIT:
                break
            closing.append("}" if mark == "{" else "]")
            wanted = {"key", "}"} if mark == "{" else {"value", "]"}
        elif mark not in wanted:
            break
        elif mark == ":":
            wanted = {"value"}
        elif mark == ",":
            wanted = {"key"} if closing[-1] == "}" else {"value"}
        else:
            closing.pop()
            wanted = _behind_value(closing)
        at = token.end()
    if not wanted:
        return at, True
    fault = len(line) - len(line[at:].lstrip(b" \t\r"))
    if "value" in wanted and (word := _WORD_START.match(line, fault)):
        fault = word.end()
    return max(at, fault - _MAX_GAP_BYTES), False


def _behind_value(closing: list[str]) -> set[str]:
    return {",", closing[-1]} if closing else set()


class _Rows:
    """The rows of CSV: (line, offset, bytes without the line end, cells or the code of a reject, or None if blank)."""

    def __init__(self, data: bytes, delimiter: str, max_record_bytes: int) -> None:
        self._data = data
        self._delimiter = delimiter
        self._max_record_bytes = max_record_bytes
        self._looked_until = 0

    def __iter__(self) -> Iterator[tuple[int, int, bytes, list[str] | str | None]]:
        offset, number = 0, 1
        while offset < len(self._data):
            beginning = _ROW_START.match(self._data, offset)
            assert beginning is not None
            start = beginning.end()
            end = self._line_end(start)
            cells: list[str] | str | None = None
            if self._data[start:end].strip(b" \r\n\0" if self._delimiter == "\t" else b" \t\r\n\0"):
                if b"\0" in beginning.group():
                    yield number, offset, b"", None
                cells, end = self._read(start)
            raw = self._data[start:end]
            if raw.endswith(b"\n"):
                raw = raw[:-1].removesuffix(b"\r")
            if cells is not None:
                cells = self._code(raw) or cells
            yield number, start, raw, cells
            number += self._data.count(b"\n", offset, end)
            offset = end

    def _code(self, raw: bytes) -> str | None:
        if len(raw) > self._max_record_bytes:
            return "record.too_large"
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            return "csv.utf8"
        return None

    def _line_end(self, start: int) -> int:
        newline = self._data.find(b"\n", start)
        return len(self._data) if newline < 0 else newline + 1

    def _read(self, start: int) -> tuple[list[str] | str, int]:
        """Return the cells of the row and its end; a row that cannot be read is its first line, so no other is lost.

        A row of several lines must end within max_record_bytes. Of the lines that were read without success, those that
        need a further line cannot be read either.
        """
        end = start
        alone = start < self._looked_until
        if self._content_end(start) - start > self._max_record_bytes:
            return "record.too_large", self._line_end(start)

        def texts() -> Iterator[str]:
            nonlocal end
            while end < len(self._data) and self._content_end(end) - start <= self._max_record_bytes:
                if alone and end > start:
                    break
                line_start, end = end, self._line_end(end)
                yield self._data[line_start:end].decode("utf-8", "surrogateescape")

        reader = csv.reader(texts(), delimiter=self._delimiter, strict=True)
        limit = csv.field_size_limit(2**31 - 1)
        try:
            return next(reader), end
        except csv.Error:
            self._looked_until = max(self._looked_until, end)
            return "csv.syntax", self._line_end(start)
        finally:
            csv.field_size_limit(limit)

    def _content_end(self, start: int) -> int:
        """Return the end of the line at `start` without its line end."""
        end = self._line_end(start)
        line = self._data[start:end]
        return start + len(line[:-1].removesuffix(b"\r") if line.endswith(b"\n") else line)


def _names(cells: Sequence[str]) -> list[str]:
    """Return names of columns; spaces and tabs around a name do not count."""
    return [re.sub(r"^[ \t]+|[ \t]+\Z", "", cell) for cell in cells]


def _is_header(cells: Sequence[str], known: set[str]) -> bool:
    return len(known & set(_names(cells))) >= 2


def _row_records(rows: _Rows, known: set[str], columns: Sequence[str] | None) -> Iterator[Found]:
    """Read rows as records of text values; the header, or a row that repeats it, is none."""
    names = None if columns is None else list(columns)
    is_first = True
    for line, offset, raw, cells in rows:
        if cells is None:
            yield None
            continue
        is_header = isinstance(cells, list) and _is_header(cells, known)
        if is_first and names is not None and is_header and _names(cells) != names:
            raise InputFormatError("format.other_header")
        is_first = False
        if names is None:
            if isinstance(cells, str) or not is_header:
                raise InputFormatError("format.no_header")
            names = _names(cells)
        if isinstance(cells, list) and _names(cells) == names:
            continue
        if isinstance(cells, str) or len(cells) != len(names):
            code = cells if isinstance(cells, str) else "csv.columns"
            yield Reject(line, offset, len(raw), code, raw[:RAW_LIMIT_BYTES])
        else:
            yield Record(raw.decode("utf-8"), dict(zip(names, cells, strict=True)))


def _shape(data: bytes, known: set[str], columns: Sequence[str] | None, delimiter: bytes, max_record_bytes: int) -> str:
    """Tell the shape by the first MiB after the NULs that the data begins with.

    JSON begins with a bracket. It is NDJSON if the first line is a value without records in it and not alone, or if
    something in that line is broken and it is not alone; a document spans lines, or holds records. What is neither JSON
    nor rows is NDJSON with bad first lines if an object begins a later line.
    """
    head = data.lstrip(b"\0")[:DETECTION_BYTES]
    between = (re.escape(delimiter) + b"|" if delimiter else b"") + rb"[ \t\r\0]|\xef\xbb\xbf"
    beginning = re.match(rb"(?:" + between + rb"|\n)*+", head)
    assert beginning is not None
    head_start = beginning.end()
    if head_start == len(head):
        return "ndjson"
    if head[head_start : head_start + 1] in (b"{", b"["):
        return _json_shape(Documents(head[head_start:], known, delimiter, max_record_bytes))
    for name, field_delimiter in FIELD_DELIMITERS.items():
        rows = _Rows(head, field_delimiter, max_record_bytes)
        cells = next((cells for _, _, _, cells in rows if cells is not None), None)
        if isinstance(cells, list) and (len(cells) == len(columns) if columns else _is_header(cells, known)):
            return name
    if re.compile(rb"\n(?:" + between + rb")*+\{").search(head, head_start):
        return "ndjson"
    if columns:
        return "csv"
    raise InputFormatError("format.unknown")


def _json_shape(head: Documents) -> str:
    newline = head.data.find(b"\n")
    line_end = len(head.data) if newline < 0 else newline
    end = head.value_end(0, line_end)
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
            # Its own end is in a later line.
            return "json"
    return "json" if head.is_wrapper(0) else "ndjson"
