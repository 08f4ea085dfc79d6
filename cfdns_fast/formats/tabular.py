"""Rows to events, through the same plan and writers as JSON: every row becomes a JSON record of text values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from json.encoder import encode_basestring as quoted
from typing import Any

from .. import _core
from .._core import Rejects
from ..errors import InputFormatError, RecordError
from ..mapping import Mapping
from ..plan.compiler import compile_plan
from ..results import RAW_LIMIT_BYTES, Reject, Result
from .base import BlockStream
from .long_reject import Spill
from .ndjson import LineCount
from .rows import FIELD_DELIMITERS, Row, RowReader, column_names, first_row
from .sniff import is_header

__all__ = ["RowIterator", "RowPlan", "RowStream", "collect", "records_of"]

#: Number of rows converted at a time: rows of a few bytes take many times their size.
_MAX_PART_ROWS = 1 << 14

#: Rows are measured before they become JSON, which is longer.
_UNLIMITED_BYTES = 1 << 40


class RowPlan:
    """What to do with every row. Immutable.

    The text of a row stands in the JSON record under a key of its own, which no column can have because only columns
    that the mapping reads are taken over.
    """

    def __init__(
        self,
        mapping: Mapping,
        reading: dict[str, Any],
        known: frozenset[str],
        columns: tuple[str, ...] | None,
        max_record_bytes: int,
    ) -> None:
        self.known = known
        self.columns = columns
        self.max_record_bytes = max_record_bytes
        self.text_key = "row"
        while self.text_key in known:
            self.text_key += "_"
        fields = (replace(f, kind="text", sources=(self.text_key,)) if f.kind == "raw" else f for f in mapping.fields)
        self.plan = _core.Converter(
            compile_plan(
                replace(mapping, fields=tuple(fields)),
                max_record_bytes=_UNLIMITED_BYTES,
                own_key=self.text_key,
                **reading,
            )
        )

    def check_header(self, row: Row) -> list[str]:
        """Return the columns that a header row names; InputFormatError if it is none."""
        if row.cells is None or not is_header(row.cells, self.known):
            raise InputFormatError("format.no_header")
        return column_names(row.cells)

    def check_other_header(self, row: Row, columns: list[str]) -> None:
        """Raise InputFormatError if the first row is a header of other columns than those named."""
        if row.cells is None or not is_header(row.cells, self.known):
            return
        if column_names(row.cells) != columns:
            raise InputFormatError("format.other_header")


class _Rows:
    """Rows of one input to JSON records and rejects; the header is taken on the way."""

    def __init__(self, plan: RowPlan, *, whole_rejects: bool) -> None:
        self._plan = plan
        self._raw_limit_bytes = None if whole_rejects else RAW_LIMIT_BYTES
        self._columns: list[str] | None = None
        self.unused_columns: tuple[str, ...] = ()
        self._is_first = True
        if plan.columns is not None:
            self._name_columns(list(plan.columns))

    def _name_columns(self, columns: list[str]) -> list[str]:
        self._columns = columns
        self.unused_columns = tuple(dict.fromkeys(name for name in columns if name not in self._plan.known))
        # Of columns of one name the last counts, as of equal keys in JSON.
        places = {name: place for place, name in enumerate(columns) if name in self._plan.known}
        self._places = list(places.values())
        keys = (quoted(key).replace("%", "%%") for key in (*places, self._plan.text_key))
        self._template = "{" + ",".join(f"{key}:%s" for key in keys) + "}"
        return columns

    def records(self, rows: Iterable[Row]) -> Iterator[bytes | Reject | None]:
        """Give a record or a reject for each row, None for a blank one, nothing for a header.

        Raises
        ------
        InputFormatError
            There is no header, and nobody named the columns.
        """
        for row in rows:
            columns = self._columns
            if row.cells is None and row.code is None:
                yield None
                continue
            if self._is_first and columns is not None:
                self._plan.check_other_header(row, columns)
            self._is_first = False
            if columns is None:
                columns = self._name_columns(self._plan.check_header(row))
            if row.cells is not None and _repeats(row.cells, columns):
                # Batches that were put together repeat it.
                continue
            if row.cells is None or len(row.cells) != len(columns):
                code = row.code or "csv.columns"
                yield Reject(row.line, row.byte_offset, row.byte_length, code, row.raw[: self._raw_limit_bytes])
                continue
            cells = [quoted(row.cells[place]) for place in self._places]
            yield (self._template % (*cells, quoted(row.text))).encode("utf-8")


def _repeats(cells: list[str], columns: list[str]) -> bool:
    # The first cell is compared first: this runs for every row.
    return cells == columns or (cells[0].strip(" \t") == columns[0] and column_names(cells) == columns)


class RowStream(BlockStream):
    """One input of rows to NDJSON, block by block; otherwise like `NdjsonStream`."""

    def __init__(self, plan: RowPlan, shape: str, *, spill: Spill | None = None) -> None:
        self._plan = plan.plan
        self._rows = _Rows(plan, whole_rejects=spill is not None)
        self._reader = RowReader(FIELD_DELIMITERS[shape], plan.max_record_bytes, spill)
        self._lines = LineCount()

    @property
    def lines(self) -> int:
        """Lines begun so far."""
        return self._lines.total

    @property
    def unused_columns(self) -> tuple[str, ...]:
        """Names of columns that the mapping does not read."""
        return self._rows.unused_columns

    @property
    def unfinished_bytes(self) -> int:
        """Number of bytes of the row that is not complete."""
        return self._reader.unfinished_bytes

    def parts(self, block: bytes, *, final: bool = False, at_once: bool = False) -> Iterator[Result[bytes]]:
        """Take the next block and convert what is complete, part by part."""
        self._lines.add(block)
        part: list[bytes | Reject | None] = []
        for found in self._rows.records(self._reader.rows(block, final=final, at_once=at_once)):
            part.append(found)
            # The spill holds one reject, so a reject that is too long for memory ends the part.
            is_long = isinstance(found, Reject) and found.byte_length > len(found.raw)
            if is_long or len(part) == _MAX_PART_ROWS:
                yield self._convert(part)
                part.clear()
        yield self._convert(part)

    def _discard_long(self) -> None:
        self._reader.discard_long()

    def _convert(self, found: list[bytes | Reject | None]) -> Result[bytes]:
        records, rejects, blank = collect(found, False)
        return replace(self._plan.to_ndjson(records), blank=blank, rejects=rejects)


def collect(found: Iterable[bytes | Reject | None], raise_on_reject: bool) -> tuple[bytes, Rejects, int]:
    """Return records as NDJSON, rejects, and how many rows were blank."""
    records = []
    rejects = _core.RejectBuilder()
    blank = 0
    for each in found:
        if each is None:
            blank += 1
        elif isinstance(each, Reject):
            if raise_on_reject:
                raise _error(each)
            rejects.add(each)
        else:
            records.append(each)
    return b"\n".join(records), rejects.rejects(), blank


def records_of(plan: RowPlan, shape: str, data: bytes) -> Iterator[bytes | Reject | None]:
    """Give what every row of a whole input becomes."""
    reader = RowReader(FIELD_DELIMITERS[shape], plan.max_record_bytes)
    return _Rows(plan, whole_rejects=False).records(reader.rows(data, final=True))


def _error(reject: Reject) -> RecordError:
    return RecordError(reject.line, reject.byte_offset, reject.byte_length, reject.code, reject.raw)


class RowIterator:
    """Events of rows, built when they are asked for; like the iterator for JSON.

    Attributes
    ----------
    events, blank : int
    rejects : Rejects
    problems : dict[str, int]
        As in `Result`; true for what was consumed so far, final at the end.
    """

    def __init__(self, plan: RowPlan, shape: str, data: bytes, *, raise_on_reject: bool) -> None:
        if plan.columns is None:
            header = first_row(data, FIELD_DELIMITERS[shape], True, plan.max_record_bytes)
            if header is not None:
                plan.check_header(header)
        self._plan = plan.plan
        self._found = records_of(plan, shape, data)
        self._raise_on_reject = raise_on_reject
        self._rejects = _core.RejectBuilder()
        self._problems: Counter[str] = Counter()
        self.events = 0
        self.blank = 0

    @property
    def rejects(self) -> Rejects:
        return self._rejects.rejects()

    @property
    def problems(self) -> dict[str, int]:
        return dict(self._problems)

    def __iter__(self) -> RowIterator:
        return self

    def __next__(self) -> dict[str, Any]:
        for found in self._found:
            if found is None:
                self.blank += 1
            elif isinstance(found, Reject):
                self._rejects.add(found)
                if self._raise_on_reject:
                    raise _error(found)
            else:
                result = self._plan.to_dicts(found)
                self.events += 1
                self._problems.update(result.problems)
                return result.output[0]
        raise StopIteration
