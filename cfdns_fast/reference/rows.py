"""Read rows of CSV and TSV with the csv module of the standard library. Part of the specification."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..errors import InputFormatError
from ..results import RAW_LIMIT_BYTES, Reject
from .framing import Found, Record

__all__ = ["Row", "Rows", "column_names", "is_header", "row_records"]


_MIN_KNOWN_FIELDS = 2
_ROW_START = re.compile(rb"\0*+(?:\xef\xbb\xbf\0*+)?")


class Row(NamedTuple):
    """One row of an input.

    Attributes
    ----------
    line : int
        The line of its first byte, from 1.
    byte_offset : int
        The offset of its first byte in the input.
    raw : bytes
        Its bytes without the line end.
    cells : list of str, str or None
        Its cells, the code of a reject, or None if it is blank.
    """

    line: int
    byte_offset: int
    raw: bytes
    cells: list[str] | str | None


class Rows:
    """An iterable of the rows of an input, in order.

    Parameters
    ----------
    data : bytes
        The input.
    delimiter : str
        Separates the cells of a row.
    max_record_bytes : int
        Maximum size of a row in bytes, without its line end.
    """

    def __init__(self, data: bytes, delimiter: str, max_record_bytes: int) -> None:
        self._data = data
        self._delimiter = delimiter
        self._max_record_bytes = max_record_bytes
        self._searched_end = 0

    def __iter__(self) -> Iterator[Row]:
        offset, number = 0, 1
        while offset < len(self._data):
            row_start = _ROW_START.match(self._data, offset)
            assert row_start is not None
            start = row_start.end()
            end = self._line_end(start)
            cells: list[str] | str | None = None
            if self._data[start:end].strip(b" \r\n\0" if self._delimiter == "\t" else b" \t\r\n\0"):
                if b"\0" in row_start.group():
                    yield Row(number, offset, b"", None)
                cells, end = self._read(start)
            raw = self._data[start:end]
            if raw.endswith(b"\n"):
                raw = raw[:-1].removesuffix(b"\r")
            if cells is not None:
                cells = self._reject_code(raw) or cells
            yield Row(number, start, raw, cells)
            number += self._data.count(b"\n", offset, end)
            offset = end

    def _reject_code(self, raw: bytes) -> str | None:
        """Return why a row is rejected whatever its cells are; None if it is not."""
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
        """Return the cells of the row at `start` and its end, or the code of a reject and the end of its first line.

        A row of several lines must end within max_record_bytes. If it does not, only its first line is rejected, and
        each of the lines that were read for it is a row only if it ends in its own line.
        """
        end = start
        one_line = start < self._searched_end
        if self._content_end(start) - start > self._max_record_bytes:
            return "record.too_large", self._line_end(start)

        def texts() -> Iterator[str]:
            nonlocal end
            while end < len(self._data) and self._content_end(end) - start <= self._max_record_bytes:
                if one_line and end > start:
                    break
                line_start, end = end, self._line_end(end)
                yield self._data[line_start:end].decode("utf-8", "surrogateescape")

        reader = csv.reader(texts(), delimiter=self._delimiter, strict=True)
        limit = csv.field_size_limit(2**31 - 1)
        try:
            return next(reader), end
        except csv.Error:
            self._searched_end = max(self._searched_end, end)
            return "csv.syntax", self._line_end(start)
        finally:
            csv.field_size_limit(limit)

    def _content_end(self, start: int) -> int:
        """Return the end of the line at `start` without its line end."""
        end = self._line_end(start)
        line = self._data[start:end]
        return start + len(line[:-1].removesuffix(b"\r") if line.endswith(b"\n") else line)


def column_names(cells: Sequence[str]) -> list[str]:
    """Return the cells of a header without the spaces and tabs around each name."""
    return [re.sub(r"^[ \t]+|[ \t]+\Z", "", cell) for cell in cells]


def is_header(cells: Sequence[str], known: set[str]) -> bool:
    """Return whether cells are a header: at least two of them name a key that the mapping reads."""
    return len(known & set(column_names(cells))) >= _MIN_KNOWN_FIELDS


def row_records(rows: Rows, known: set[str], columns: Sequence[str] | None) -> Iterator[Found]:
    """Yield the records and rejects of rows, in order; None for a blank row.

    The values of a record are text. The header is not a record, and a row that repeats it is skipped.

    Parameters
    ----------
    rows : Rows
        The input.
    known : set of str
        The keys that the mapping reads.
    columns : sequence of str or None
        The names of the columns; None if the first row is the header.

    Raises
    ------
    InputFormatError
        The first row is not a header (format.no_header), or is another one than `columns` (format.other_header).
    """
    names = None if columns is None else list(columns)
    is_first = True
    for row in rows:
        if row.cells is None:
            yield None
            continue
        cells = row.cells if isinstance(row.cells, list) else None
        has_header = cells is not None and is_header(cells, known)
        if is_first and names is not None and has_header and cells is not None and column_names(cells) != names:
            raise InputFormatError("format.other_header")
        is_first = False
        if names is None:
            if cells is None or not has_header:
                raise InputFormatError("format.no_header")
            names = column_names(cells)
        if cells is not None and column_names(cells) == names:
            continue
        if cells is None or len(cells) != len(names):
            code = row.cells if isinstance(row.cells, str) else "csv.columns"
            yield Reject(row.line, row.byte_offset, len(row.raw), code, row.raw[:RAW_LIMIT_BYTES])
        else:
            yield Record(row.raw.decode("utf-8"), dict(zip(names, cells, strict=True)))
