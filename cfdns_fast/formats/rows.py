"""Cut CSV and TSV (RFC 4180) into rows and cells, with the position of every row.

The csv module of the standard library gives no positions, and after a row that it cannot read it does not say where
the next one begins. Rows are read as that module reads them in strict mode; the reference uses it, and the tests
compare both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..options import column_names
from .long_reject import LongReject, RejectBytes

__all__ = ["Row", "RowReader", "first_row", "is_header"]

_MIN_KNOWN_COLUMNS = 2
# NULs are padding where a row begins: a file that lost its data in a power cut holds them.
_PADDING = re.compile(rb"\0*+")
_ROW_START = re.compile(rb"\0*+(?:\xef\xbb\xbf\0*+)?")
# Possessive, so that a doubled quote is never read as a closing quote and text after it.
_QUOTED = r'"[^"]*+(?:""[^"]*+)*+"'


class Row(NamedTuple):
    """A row without its line end: text and cells, or the code of the reject, or neither if the row is blank.

    `raw` may hold only the first 64 KiB of a line that is too long for memory; `byte_length` is the size of the line.
    """

    line: int
    byte_offset: int
    byte_length: int
    raw: bytes
    text: str = ""
    cells: list[str] | None = None
    code: str | None = None


class RowReader:
    """The rows of input that arrives in blocks, which may be cut anywhere. NULs before a row are a blank row.

    A row ends at a newline outside quotes. A row of several lines must end within `max_record_bytes` bytes. If it does
    not, or if its quotes are invalid, only its first line is a reject, so that the following rows are not harmed. Of
    the lines that were read to find that out, the ones that need a further line are rejects as well: reading on from
    each of them would take quadratic time. A line that is longer than `max_record_bytes` is a reject, of which
    `kept` says which bytes are kept.
    """

    def __init__(self, delimiter: str, max_record_bytes: int, kept: RejectBytes) -> None:
        self._delimiter = delimiter
        self._opening = delimiter.encode() + b'"'
        cell = rf'(?:{_QUOTED}|(?!")[^{delimiter}\r\n]*+)'
        self._row_pattern = re.compile(rf"{cell}(?:{delimiter}{cell})*+(\r*+)".encode())
        self._cell_pattern = re.compile(rf"(?:^|{delimiter})({cell})")
        # In TSV, a row of tabs is a row of empty cells, and no blank line.
        self._blank = b" \r\0" if delimiter == "\t" else b" \t\r\0"
        self._max_record_bytes = max_record_bytes
        self._blocks: list[bytes] = []
        self._size_bytes = 0
        self._retry_bytes = 0
        self._is_untried = False
        self._offset = 0
        self._newlines = 0
        self._tried_until = 0  # rows of several lines were tried up to this offset
        self._kept = kept
        self._long: LongReject | None = None  # the current line, if it is too long
        self._is_blank = True  # the current line, so far
        self._is_padded = False  # NULs were skipped before the current row
        self._is_marked = False  # a byte order mark was skipped

    @property
    def unfinished_bytes(self) -> int:
        """Number of bytes of rows that are not complete."""
        return self._size_bytes + (self._long.byte_length if self._long else 0)

    def rows(self, block: bytes, *, final: bool, at_once: bool = False) -> Iterator[Row]:
        """Yield the rows that are complete with this block; the iterator must be exhausted before the next call.

        An unfinished row is read again when its size has doubled, or with `at_once` if there is a new newline.
        """
        self._blocks.append(block)
        self._size_bytes += len(block)
        self._is_untried |= b"\n" in block
        is_early = not self._is_untried if at_once else self._size_bytes < self._retry_bytes
        if not final and self._long is None and is_early:
            return
        self._is_untried = False
        data = b"".join(self._blocks)
        at = 0
        while at < len(data) or (final and self._long is not None):
            if self._long is not None:
                at, row = self._read_long(self._long, data, at, final)
                if row is None:
                    break
                yield from self._after_padding(row)
                continue
            start = self._skip_padding(data, at)
            cut = self._cut(data, start, final)
            if cut is None:
                at = start
                # A CR may belong to the line end.
                if len(data) - start <= self._max_record_bytes + 1 or data.find(b"\n", start) >= 0:
                    break
                self._long = LongReject(self._newlines + 1, self._offset + start, self._kept)
                self._is_blank = True
                continue
            end, is_valid = cut
            row = self._row(data[start:end], data.startswith(b"\n", end), is_valid, self._offset + start)
            yield from self._after_padding(row)
            at = end + data.startswith(b"\n", end)
            self._newlines += data.count(b"\n", start, at)
        if final and (self._is_padded or self._is_marked):
            # The input ends with NULs or a byte order mark.
            yield from self._after_padding(Row(self._newlines + 1, self._offset + at, 0, b""))
        self._offset += at
        self._blocks = [data[at:]]
        self._size_bytes = len(data) - at
        self._retry_bytes = min(2 * self._size_bytes, self._max_record_bytes + 2)

    def _skip_padding(self, data: bytes, at: int) -> int:
        """Return where the row begins, after NULs and a byte order mark."""
        found = (_PADDING if self._is_marked else _ROW_START).match(data, at)
        assert found is not None
        self._is_padded |= b"\0" in found.group()
        self._is_marked |= found.end() > at and not _PADDING.fullmatch(data, at, found.end())
        return found.end()

    def _after_padding(self, row: Row) -> Iterator[Row]:
        """Yield a blank row for the NULs before a row that is not blank itself, and the row."""
        if self._is_padded and (row.cells is not None or row.code is not None):
            yield Row(row.line, row.byte_offset, 0, b"")
        self._is_padded = self._is_marked = False
        yield row

    def _read_long(self, long: LongReject, data: bytes, at: int, final: bool) -> tuple[int, Row | None]:
        """Move the bytes of a long line to its reject; return the next offset, and the row if the line ends."""
        newline = data.find(b"\n", at)
        stop = len(data) if newline < 0 else newline
        if (newline >= 0 or not final) and data.endswith(b"\r", at, stop):
            stop -= 1
        piece = data[at:stop]
        long.append(piece)
        self._is_blank = self._is_blank and not piece.strip(self._blank)
        if newline < 0 and not final:
            return stop, None
        self._long = None
        reject = long.end("record.too_large")
        code: str | None = reject.code
        if self._is_blank:
            long.discard()
            code = None
        self._newlines += newline >= 0
        row = Row(reject.line, reject.byte_offset, reject.byte_length, reject.raw, code=code)
        return stop if newline < 0 else newline + 1, row

    def _row(self, raw: bytes, has_newline: bool, is_valid: bool, offset: int) -> Row:
        if has_newline:
            raw = raw.removesuffix(b"\r")
        line = self._newlines + 1
        if not raw.strip(self._blank):
            return Row(line, offset, len(raw), raw)
        text = ""
        code = None
        if len(raw) > self._max_record_bytes:
            code = "record.too_large"
        else:
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError:
                code = "csv.utf8"
        if code is None and not is_valid:
            code = "csv.syntax"
        if code is not None:
            return Row(line, offset, len(raw), raw, code=code)
        return Row(line, offset, len(raw), raw, text, self._cells(text.rstrip("\r")))

    def _cells(self, text: str) -> list[str]:
        if '"' not in text:
            return text.split(self._delimiter)
        cells = self._cell_pattern.findall(text)
        return [cell[1:-1].replace('""', '"') if cell.startswith('"') else cell for cell in cells]

    def _cut(self, data: bytes, start: int, final: bool) -> tuple[int, bool] | None:
        """Return the end of the row, and whether the row is valid; None if more bytes must be seen."""
        newline = data.find(b"\n", start)
        if newline < 0 and not final:
            return None
        line_end = len(data) if newline < 0 else newline
        if data.find(b'"', start, line_end) < 0:
            return line_end, b"\r" not in data[start:line_end].rstrip(b"\r")
        if self._offset + start < self._tried_until or self._length(data, start, line_end) > self._max_record_bytes:
            row = self._row_pattern.match(data, start, line_end)
            return line_end, row is not None and row.end() == line_end
        # A CR may follow the row.
        limit = start + self._max_record_bytes + 1
        last = min(len(data), limit)
        row = self._row_pattern.match(data, start, last)
        end = row.end() if row else start
        is_complete = row is not None and (data.startswith(b"\n", end) or (final and end == len(data)))
        if is_complete and (end == line_end or self._length(data, start, end) <= self._max_record_bytes):
            return end, True
        # A quote that is open at the end of the data may be closed later.
        is_open = row is None or end == last or (not row[1] and data.startswith(self._opening, end))
        if not final and len(data) <= limit and (is_open or data.find(b"\n", end) < 0):
            return None
        self._tried_until = self._offset + self._last_line_end(data, start, None if is_open else end)
        return line_end, False

    def _last_line_end(self, data: bytes, start: int, fault: int | None) -> int:
        """Return the end of the last line that a row from `start` may use, or of an earlier line with the fault."""
        limit = start + self._max_record_bytes
        if len(data) <= limit and not data.endswith(b"\n"):
            end = len(data)
        else:
            newline = data.rfind(b"\n", start, limit + 2)
            if self._length(data, start, newline) > self._max_record_bytes:
                newline = data.rfind(b"\n", start, newline)
            end = newline + 1
        if fault is None or fault >= end:
            return end
        newline = data.find(b"\n", fault, end)
        return end if newline < 0 else newline + 1

    def _length(self, data: bytes, start: int, end: int) -> int:
        """Return the number of bytes between `start` and a line end at `end`."""
        return end - start - (data.startswith(b"\n", end) and data.endswith(b"\r", start, end))


def first_row(head: bytes, delimiter: str, complete: bool, max_record_bytes: int) -> Row | None:
    """Return the first complete row that is not blank; None if there is none."""
    rows = RowReader(delimiter, max_record_bytes, RejectBytes()).rows(head, final=complete)
    return next((row for row in rows if row.cells is not None or row.code is not None), None)


def is_header(cells: Sequence[str], known: frozenset[str]) -> bool:
    """Whether the cells of a row name at least `_MIN_KNOWN_COLUMNS` known fields, so that the row is a header."""
    return len(known.intersection(column_names(cells))) >= _MIN_KNOWN_COLUMNS
