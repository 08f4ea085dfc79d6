"""Cut CSV and TSV (RFC 4180) into rows and cells, with the position of every row.

The csv module of the standard library knows no positions, and of a row it cannot read it does not say where the next
one begins. Rows are read as it reads them where it is strict; reference_shapes.py uses it, and the tests compare them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["FIELD_DELIMITERS", "Row", "RowReader", "column_names", "first_row"]

#: By input format.
FIELD_DELIMITERS = {"csv": ",", "tsv": "\t"}

# NULs are padding where a row begins: a file that lost its data in a power cut holds them.
_ROW_START = re.compile(rb"(\0*+)(?:\xef\xbb\xbf\0*+)?")
# Possessive: a doubled quote is never taken for the closing one and something behind it.
_QUOTED = r'"[^"]*+(?:""[^"]*+)*+"'


class Row(NamedTuple):
    """A row: its bytes without the line end, and text and cells or the code of the reject; neither if it is blank."""

    line: int
    byte_offset: int
    raw: bytes
    text: str
    cells: list[str] | None
    code: str | None


class RowReader:
    """The rows of input that arrives in blocks, which may be cut anywhere. NULs before a row are a blank row.

    A row ends at a newline outside quotes. A quote must be closed in a line that begins in the first
    `max_record_bytes` bytes of the row. Otherwise, or if something is wrong about the quotes, the first line of the row
    alone is refused, so that the rows behind it are not harmed. Of those that begin before the place where that showed,
    the ones that need a further line are refused as well: looking on from each of them would take quadratic time.
    """

    def __init__(self, delimiter: str, max_record_bytes: int) -> None:
        self._delimiter = delimiter
        self._opening = delimiter.encode() + b'"'
        cell = rf'(?:{_QUOTED}|(?!")[^{delimiter}\r\n]*+)'
        self._row_pattern = re.compile(rf"{cell}(?:{delimiter}{cell})*+(\r*+)".encode())
        self._cell_pattern = re.compile(rf"(?:^|{delimiter})({cell})")
        # Of a row of nothing but tabs it is TSV that knows what they mean.
        self._blank = b" \r\0" if delimiter == "\t" else b" \t\r\0"
        self._max_record_bytes = max_record_bytes
        self._blocks: list[bytes] = []
        self._size_bytes = 0
        self._retry_bytes = 0
        self._is_untried = False
        self._offset = 0
        self._newlines = 0
        self._looked_until = 0
        self._limit = 0  # the first newline behind some earlier row's limit, -1 if there is none; of the data at hand

    @property
    def unfinished_bytes(self) -> int:
        """Number of bytes of rows that are not complete."""
        return self._size_bytes

    def rows(self, block: bytes, *, final: bool, at_once: bool = False) -> Iterator[Row]:
        """Give the rows that are complete with this block; exhaust it before the next call.

        An unfinished row is read again when its size has doubled, or `at_once` if a newline was added.
        """
        self._blocks.append(block)
        self._size_bytes += len(block)
        self._is_untried |= b"\n" in block
        if not final and self._size_bytes < self._retry_bytes and not (at_once and self._is_untried):
            return
        self._is_untried = False
        data = b"".join(self._blocks)
        self._limit = 0
        at = 0
        while at < len(data):
            beginning = _ROW_START.match(data, at)
            assert beginning is not None
            start = beginning.end()
            cut = self._cut(data, start, final)
            if cut is None:
                # Only one NUL is kept: it counts as the whole run does.
                at += max(len(beginning[1]) - 1, 0)
                break
            end, is_readable = cut
            row = self._row(data[start:end], data.startswith(b"\n", end), is_readable, self._offset + start)
            if b"\0" in beginning.group() and (row.cells is not None or row.code is not None):
                yield Row(row.line, self._offset + at, b"", "", None, None)
            yield row
            at = end + data.startswith(b"\n", end)
            self._newlines += data.count(b"\n", start, at)
        self._offset += at
        self._blocks = [data[at:]]
        self._size_bytes = len(data) - at
        self._retry_bytes = 2 * self._size_bytes

    def _row(self, raw: bytes, has_newline: bool, is_readable: bool, offset: int) -> Row:
        if has_newline:
            raw = raw.removesuffix(b"\r")
        line = self._newlines + 1
        if not raw.strip(self._blank):
            return Row(line, offset, raw, "", None, None)
        if len(raw) > self._max_record_bytes:
            return Row(line, offset, raw, "", None, "record.too_large")
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            return Row(line, offset, raw, "", None, "csv.utf8")
        if not is_readable:
            return Row(line, offset, raw, "", None, "csv.syntax")
        return Row(line, offset, raw, text, self._cells(text.rstrip("\r")), None)

    def _cells(self, text: str) -> list[str]:
        if '"' not in text:
            return text.split(self._delimiter)
        cells = self._cell_pattern.findall(text)
        return [cell[1:-1].replace('""', '"') if cell.startswith('"') else cell for cell in cells]

    def _cut(self, data: bytes, start: int, final: bool) -> tuple[int, bool] | None:
        """Return where the row ends, and whether it can be read; None if more must be seen."""
        newline = data.find(b"\n", start)
        if newline < 0 and not final:
            return None
        line_end = len(data) if newline < 0 else newline
        if data.find(b'"', start, line_end) < 0:
            return line_end, b"\r" not in data[start:line_end].rstrip(b"\r")
        if self._offset + start < self._looked_until:
            row = self._row_pattern.match(data, start, line_end)
            return line_end, row is not None and row.end() == line_end
        if 0 <= self._limit < start + self._max_record_bytes:
            self._limit = data.find(b"\n", start + self._max_record_bytes)
        limit = self._limit
        last = len(data) if limit < 0 else limit
        row = self._row_pattern.match(data, start, last)
        end = row.end() if row else start
        if row and (end == last or data.startswith(b"\n", end)):
            return None if end == len(data) and not final else (end, True)
        # A quote that is open at the end of what there is may be closed later.
        is_open = row is None or (not row[1] and data.startswith(self._opening, end))
        if is_open and limit < 0 and not final:
            return None
        looked = data.find(b"\n", last if is_open else end)
        self._looked_until = self._offset + (len(data) if looked < 0 else looked + 1)
        return line_end, False


def column_names(cells: Iterable[str]) -> list[str]:
    """Return names of columns without the spaces and tabs around them."""
    return [cell.strip(" \t") for cell in cells]


def first_row(head: bytes, delimiter: str, complete: bool, max_record_bytes: int) -> Row | None:
    """Return the first row that is not blank; None if there is none, or not yet."""
    rows = RowReader(delimiter, max_record_bytes).rows(head, final=complete)
    return next((row for row in rows if row.cells is not None or row.code is not None), None)
