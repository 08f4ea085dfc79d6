"""CSV files: one indicator a row, in a column by name or number."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping

from .collector import Collector
from .errors import FeedError
from .lines import LineBlock
from .store import Facts
from .times import time_ns
from .values import BELOW, BOTH, Address, Name, read_value

__all__ = ["columns_of_header", "delimiter_of", "read_csv"]

#: Maximum number of lines of a row, as after a quote that is not closed.
_MAX_ROW_LINES = 1_000

DELIMITERS = ",;\t|"

#: Names of columns in feeds, in lower case with underscores, by what they hold. The first one that a file has counts.
_HEADER_NAMES: Mapping[str, tuple[str, ...]] = {
    "value": (
        "ioc",
        "ioc_value",
        "indicator",
        "indicator_value",
        "value",
        "domain",
        "domain_name",
        "hostname",
        "host",
        "fqdn",
        "observable",
        "ip",
        "ip_address",
        "dst_ip",
        "c2",
        "url",
    ),
    "type": ("ioc_type", "indicator_type", "type", "observable_type", "category_type"),
    "id": ("ioc_id", "indicator_id", "id", "uuid", "stix_id"),
    "valid_from": ("valid_from", "validfrom", "active_from"),
    "valid_until": ("valid_until", "validuntil", "valid_to", "expires", "expiration", "expiry", "expiration_date"),
    "first_seen": ("first_seen", "firstseen", "first_seen_utc", "dateadded", "date_added", "date"),
    "last_seen": ("last_seen", "lastseen", "last_seen_utc", "last_online"),
    "modified": ("modified", "modified_at", "updated", "updated_at", "last_updated"),
    "confidence": ("confidence", "confidence_level", "score"),
    "tlp": ("tlp", "marking"),
    "provider": ("provider", "source", "reporter", "feed"),
    "reference": ("reference", "references", "link", "urlhaus_link", "report", "ref"),
    "description": ("description", "comment", "threat", "malware", "malware_printable", "notes"),
}
#: Values of a type column that are not about names, addresses or URLs begin with one of these.
_OTHER_TYPES = ("md5", "sha", "hash", "file", "email", "mail", "cve", "yara", "ja3", "mutex", "registry", "user")


def read_csv(blocks: Iterator[LineBlock], collector: Collector) -> None:
    """Read a CSV file.

    Raises
    ------
    FeedError
        ``feed.csv``: a field is larger than 128 KiB, as after a quote that is not closed. ``feed.column``: a named
        column is absent.
    """
    lines = _Lines(blocks)
    first = next(lines, None)
    if first is None:
        return
    feed = collector.feed
    delimiter = feed.delimiter or delimiter_of(lines.header or first)
    rows = csv.reader(_chain(first, lines), delimiter=delimiter, skipinitialspace=True)
    reader: _Rows | None = None
    try:
        for row in rows:
            line = lines.first_line_of_row
            lines.row_is_done()
            if not any(cell.strip() for cell in row):
                continue
            if reader is None:
                is_header, columns = _columns(row, lines.header, delimiter, collector)
                reader = _Rows(collector, columns)
                if is_header:
                    continue
            reader.read(row, line)
    except csv.Error as error:
        raise FeedError("feed.csv", collector.file, lines.first_line_of_row, str(error)) from error


class _Lines:
    """The lines of the file for the csv module, without comments. The last comment may be a header."""

    def __init__(self, blocks: Iterator[LineBlock]) -> None:
        self.header: str | None = None
        self.first_line_of_row = 1
        self._is_between = True
        self._is_started = False
        self._source = self._all(blocks)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._source)

    def row_is_done(self) -> None:
        """Note that the next line begins a row."""
        self._is_between = True

    def _all(self, blocks: Iterator[LineBlock]) -> Iterator[str]:
        for block in blocks:
            for number, line in enumerate(block.data.split(b"\n"), block.first_line):
                if self._is_between:
                    if line.startswith(b"#"):
                        if not self._is_started:
                            self.header = line.lstrip(b"# ").decode("utf-8", "replace")
                        continue
                    if not line:
                        continue
                    self._is_between, self._is_started, self.first_line_of_row = False, True, number
                elif number - self.first_line_of_row > _MAX_ROW_LINES:
                    raise csv.Error(f"a row has more than {_MAX_ROW_LINES} lines")
                yield line.decode("utf-8", "replace") + "\n"


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def delimiter_of(line: str) -> str:
    """Return the delimiter that the line has most often; comma if it has none."""
    return max(DELIMITERS, key=line.count)


def columns_of_header(row: list[str]) -> dict[str, int]:
    """Return role -> index of the columns whose names are known."""
    names = [re.sub(r"[\s-]+", "_", cell.strip().strip('"').lower()) for cell in row]
    found = {}
    for role, candidates in _HEADER_NAMES.items():
        index = next((names.index(each) for each in candidates if each in names), None)
        if index is not None:
            found[role] = index
    return found


def _columns(row: list[str], comment: str | None, delimiter: str, collector: Collector) -> tuple[bool, dict[str, int]]:
    """Return whether the first row is the header, and role -> index."""
    wanted = collector.feed.columns
    known = columns_of_header(row)
    # A cell of a type column may be the word "domain", which names a column elsewhere.
    is_header = "value" in known and all(isinstance(read_value(cell), str) for cell in row)
    if not is_header:
        known = {}
    if not is_header and comment is not None:
        row_of_comment = next(csv.reader([comment], delimiter=delimiter, skipinitialspace=True), [])
        in_comment = columns_of_header(row_of_comment)
        if "value" in in_comment and len(row_of_comment) == len(row):
            known, row = in_comment, row_of_comment
    names = [cell.strip().lower() for cell in row]
    found: dict[str, int] = {}
    for role, column in wanted.items():
        if isinstance(column, int):
            if column > len(names):
                raise FeedError("feed.column", collector.file, 1, f"{role}: the file has {len(names)} columns")
            found[role] = column - 1
        elif column.strip().lower() in names:
            found[role] = names.index(column.strip().lower())
        else:
            raise FeedError("feed.column", collector.file, 1, f"{role}: the header has no column of this name")
    if any(isinstance(column, str) for column in wanted.values()):
        is_header = True
    # Columns that are named replace all guesses, so that no guess surprises.
    if not wanted:
        found = known
    found.setdefault("value", known.get("value", 0))
    return is_header, found


class _Rows:
    """Reads rows with known columns."""

    def __init__(self, collector: Collector, columns: dict[str, int]) -> None:
        self._collector = collector
        self._columns = columns
        self._has_facts = bool(columns.keys() - {"value", "type"})

    def read(self, row: list[str], line: int) -> None:
        """Read one row."""
        collector = self._collector
        written = self._cell(row, "value") or ""
        kind = (self._cell(row, "type") or "").lower()
        if kind.startswith(_OTHER_TYPES):
            collector.skip("type.other", line, written)
            return
        wildcard = BOTH if collector.feed.wildcard == "both" else BELOW
        # An address with a port (`192.0.2.1:443`) is one in columns that say so.
        if "ip:port" in kind or "ip_port" in kind:
            written = written.rpartition(":")[0]
        value = read_value(written, wildcard)
        if isinstance(value, str):
            collector.skip(value, line, written)
            return
        if isinstance(value, Name):
            value = value._replace(flags=value.flags or collector.default_flags)
        if not self._has_facts:
            if isinstance(value, Address):
                collector.add_address(value, line)
            else:
                collector.add_name(value.text, line, value.flags)
            return
        try:
            facts = self._facts(row)
        except ValueError:
            collector.skip("time.invalid", line, written)
            return
        collector.add_entry((value,), facts, line)

    def _facts(self, row: list[str]) -> Facts:
        confidence = self._cell(row, "confidence")
        identifier = self._cell(row, "id")
        return Facts(
            key=f"{self._collector.file}:{identifier}" if identifier else None,
            id=identifier,
            modified_ns=time_ns(self._cell(row, "modified")),
            valid_from_ns=time_ns(self._cell(row, "valid_from")),
            valid_until_ns=time_ns(self._cell(row, "valid_until")),
            first_seen_ns=time_ns(self._cell(row, "first_seen")),
            last_seen_ns=time_ns(self._cell(row, "last_seen")),
            confidence=_confidence(confidence),
            tlp=_tlp(self._cell(row, "tlp")),
            provider=self._cell(row, "provider"),
            reference=self._cell(row, "reference"),
            description=self._cell(row, "description"),
        )

    def _cell(self, row: list[str], role: str) -> str | None:
        index = self._columns.get(role)
        return row[index].strip() if index is not None and index < len(row) else None


def _confidence(text: str | None) -> int | None:
    """Return a confidence of 0 to 100; words are the middle of their range in STIX 2.1, appendix A."""
    if not text:
        return None
    words = {"none": 0, "low": 15, "medium": 50, "moderate": 50, "high": 85}
    if text.lower() in words:
        return words[text.lower()]
    digits = text.rstrip("%").strip()
    return min(100, int(digits)) if digits.isdecimal() and digits.isascii() and len(digits) < 10 else None


def _tlp(text: str | None) -> str | None:
    return text.upper().removeprefix("TLP:").strip() or None if text else None
