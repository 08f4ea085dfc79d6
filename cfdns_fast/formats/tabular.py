"""CSV and TSV: every row becomes a JSON record of text values, which the same plan and writers convert."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from json.encoder import encode_basestring as quoted
from typing import TYPE_CHECKING, Any, TypeVar

from .._core import Converter, DetectionCollector, Detections, RejectBuilder, Rejects
from ..errors import InputFormatError
from ..mapping import Mapping
from ..options import FIELD_DELIMITERS, Options, column_names
from ..plan.compiler import compile_plan
from ..plan.slots import matched_sources
from ..results import RAW_LIMIT_BYTES, Detection, EventIterator, Reject, Result, record_error
from .base import FixedFormat
from .long_reject import RejectBytes
from .rows import Row, RowReader, first_row, is_header
from .streams import FormatStream, LineCount, StreamSettings, Writer, to_bytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["RowPlan", "TabularFormat"]

Output = TypeVar("Output")

#: The maximum number of rows converted at a time: rows of a few bytes become many times their size.
_MAX_PART_ROWS = 1 << 14

#: Rows are measured before they become JSON, which is longer.
_UNLIMITED_BYTES = 1 << 40


class RowPlan:
    """How every row is converted. Immutable.

    The JSON record holds the text of the row under a key that the mapping does not read. No column has this key,
    because only columns that the mapping reads become members.
    """

    def __init__(self, mapping: Mapping, options: Options, matchers: tuple[Any, ...] = ()) -> None:
        self.known = mapping.sources
        # The keys of a record: what the mapping reads, and the name that matchers see.
        self.read = self.known | set(matched_sources(mapping)) if matchers else self.known
        self.columns = options.columns
        self.max_record_bytes = options.max_record_bytes
        self.text_key = "row"
        while self.text_key in self.read:
            self.text_key += "_"
        fields = (replace(f, kind="text", sources=(self.text_key,)) if f.kind == "raw" else f for f in mapping.fields)
        plan = compile_plan(
            replace(mapping, fields=tuple(fields)),
            max_record_bytes=_UNLIMITED_BYTES,
            own_key=self.text_key,
            private_suffixes=options.private_suffixes,
            timestamp_unit=options.timestamp_unit,
            is_matched=bool(matchers),
        )
        self.converter = Converter(plan, matchers)

    def check_header(self, row: Row) -> list[str]:
        """Return the columns that a header row names. Raises InputFormatError if the row is not a header."""
        if row.cells is None or not is_header(row.cells, self.known):
            raise InputFormatError("format.no_header")
        return column_names(row.cells)

    def check_other_header(self, row: Row, columns: list[str]) -> None:
        """Raise InputFormatError if the first row is a header of other columns than `columns`."""
        if row.cells is None or not is_header(row.cells, self.known):
            return
        if column_names(row.cells) != columns:
            raise InputFormatError("format.other_header")


class _Rows:
    """The JSON records and rejects of the rows of one input; the header names the columns."""

    def __init__(self, plan: RowPlan, *, whole_rejects: bool = False) -> None:
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
        # The last of several columns with one name counts, like the last of equal keys in JSON.
        indexes = {name: index for index, name in enumerate(columns) if name in self._plan.read}
        self._indexes = list(indexes.values())
        keys = (quoted(key).replace("%", "%%") for key in (*indexes, self._plan.text_key))
        self._template = "{" + ",".join(f"{key}:%s" for key in keys) + "}"
        return columns

    def records(self, rows: Iterable[Row]) -> Iterator[bytes | Reject | None]:
        """Yield a record or a reject for each row, and None for a blank row; headers are skipped.

        Raises
        ------
        InputFormatError
            There is neither a header nor the option `columns`.
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
                # Concatenated batches repeat the header.
                continue
            if row.cells is None or len(row.cells) != len(columns):
                code = row.code or "csv.columns"
                yield Reject(row.line, row.byte_offset, row.byte_length, code, row.raw[: self._raw_limit_bytes])
                continue
            cells = [quoted(row.cells[index]) for index in self._indexes]
            yield (self._template % (*cells, quoted(row.text))).encode("utf-8")


def _repeats(cells: list[str], columns: list[str]) -> bool:
    # The first cell is compared first: this runs for every row.
    return cells == columns or (cells[0].strip(" \t") == columns[0] and column_names(cells) == columns)


class TabularFormat(FixedFormat):
    """Rows of CSV or TSV.

    Parameters
    ----------
    plan : RowPlan
    name : {"csv", "tsv"}
    raises : bool
        Whether the first reject ends a call.
    """

    def __init__(self, plan: RowPlan, name: str, *, raises: bool) -> None:
        self._plan = plan
        self._delimiter = FIELD_DELIMITERS[name]
        self._raises = raises

    def convert(self, data: Buffer, writer: Writer[Output], threads: int) -> Result[Output]:
        records, rejects, blank = self._records(data)
        return replace(writer.convert(self._plan.converter, records), blank=blank, rejects=rejects)

    def to_dicts(self, data: Buffer) -> Result[list[dict[str, Any]]]:
        records, rejects, blank = self._records(data)
        return replace(self._plan.converter.to_dicts(records), blank=blank, rejects=rejects)

    def iter_dicts(self, data: Buffer) -> EventIterator:
        return _RowIterator(self._plan, self._delimiter, to_bytes(data), raises=self._raises)

    def open(self, settings: StreamSettings[Output]) -> FormatStream[Output]:
        return _RowStream(self._plan, self._delimiter, settings)

    def _records(self, data: Buffer) -> tuple[bytes, Rejects, int]:
        return _collect(_records_of(self._plan, self._delimiter, to_bytes(data)), self._raises)


class _RowStream(FormatStream[Output]):
    """One input of rows."""

    def __init__(self, plan: RowPlan, delimiter: str, settings: StreamSettings[Output]) -> None:
        self._converter = plan.converter
        self._writer = settings.writer
        self._rows = _Rows(plan, whole_rejects=settings.rejects.whole)
        self._reader = RowReader(delimiter, plan.max_record_bytes, settings.rejects)
        self._lines = LineCount()

    @property
    def lines(self) -> int:
        return self._lines.total

    @property
    def unused_columns(self) -> tuple[str, ...]:
        return self._rows.unused_columns

    @property
    def unfinished_bytes(self) -> int:
        return self._reader.unfinished_bytes

    def parts(self, block: bytes, *, final: bool = False, at_once: bool = False) -> Iterator[Result[Output]]:
        self._lines.add(block)
        part: list[bytes | Reject | None] = []
        for found in self._rows.records(self._reader.rows(block, final=final, at_once=at_once)):
            part.append(found)
            # The spill holds the bytes of one reject, so a reject that is too long for memory ends the part.
            is_long = isinstance(found, Reject) and found.byte_length > len(found.raw)
            if is_long or len(part) == _MAX_PART_ROWS:
                yield self._convert(part)
                part.clear()
        yield self._convert(part)

    def _convert(self, found: list[bytes | Reject | None]) -> Result[Output]:
        records, rejects, blank = _collect(found, False)
        return replace(self._writer.convert(self._converter, records), blank=blank, rejects=rejects)


def _collect(found: Iterable[bytes | Reject | None], raises: bool) -> tuple[bytes, Rejects, int]:
    """Return the records as NDJSON, the rejects, and the number of blank rows."""
    records = []
    rejects = RejectBuilder()
    blank = 0
    for each in found:
        if each is None:
            blank += 1
        elif isinstance(each, Reject):
            if raises:
                raise record_error(each)
            rejects.add(each)
        else:
            records.append(each)
    return b"\n".join(records), rejects.rejects(), blank


def _records_of(plan: RowPlan, delimiter: str, data: bytes) -> Iterator[bytes | Reject | None]:
    """Yield the record or the reject of each row of a whole input; see `_Rows.records`."""
    reader = RowReader(delimiter, plan.max_record_bytes, RejectBytes())
    return _Rows(plan).records(reader.rows(data, final=True))


class _RowIterator:
    """The events of rows; an `EventIterator`."""

    def __init__(self, plan: RowPlan, delimiter: str, data: bytes, *, raises: bool) -> None:
        if plan.columns is None:
            header = first_row(data, delimiter, True, plan.max_record_bytes)
            if header is not None:
                plan.check_header(header)
        # Rows are converted one by one, and a call sees one version of the tables.
        self._converter = plan.converter.pinned()
        self._found = _records_of(plan, delimiter, data)
        self._raises = raises
        self._rejects = RejectBuilder()
        self._problems: Counter[str] = Counter()
        self._detections = DetectionCollector() if self._converter.matchers else None
        self.events = 0
        self.blank = 0

    @property
    def rejects(self) -> Rejects:
        return self._rejects.rejects()

    @property
    def problems(self) -> dict[str, int]:
        return dict(self._problems)

    @property
    def detections(self) -> Sequence[Detection]:
        return () if self._detections is None else self._detections.detections()

    def __iter__(self) -> _RowIterator:
        return self

    def __next__(self) -> dict[str, Any]:
        for found in self._found:
            if found is None:
                self.blank += 1
            elif isinstance(found, Reject):
                self._rejects.add(found)
                if self._raises:
                    raise record_error(found)
            else:
                result = self._converter.to_dicts(found)
                if self._detections is not None and isinstance(result.detections, Detections):
                    self._detections.add(result.detections, self.events)
                self.events += 1
                self._problems.update(result.problems)
                return result.output[0]
        raise StopIteration
