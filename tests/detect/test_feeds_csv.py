"""CSV files: columns by name and number, types, times, and headers in comments."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.feeds import DAY_NS, found, load, matches, skipped

from cfdns_fast.detect import FeedError

SPACED = """\
IOC, Valid From, Valid Until, Link
evil.example, 2026-01-01, 2026-02-01T00:00:00Z, https://blog.example/post
"bad.example", 2026-01-01 10:00:00, None, https://blog.example/post
d41d8cd98f00b204e9800998ecf8427e, 2026-01-01, , https://blog.example/post
late.example, 2026-01-01, not a date, https://blog.example/post
"""


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 10**9  # type: ignore[misc,arg-type]


def test_csv_with_spaces_after_commas(tmp_path: Path) -> None:
    indicators = load(tmp_path, SPACED)
    assert indicators.report.feeds[0].format == "csv"
    evil = found(indicators, "x.evil.example", at(2026, 1, 15))
    assert evil is not None
    assert (evil.valid_from_ns, evil.valid_until_ns) == (at(2026, 1, 1), at(2026, 2, 1))
    assert evil.reference == "https://blog.example/post"
    assert found(indicators, "evil.example", at(2026, 2, 1)) is None
    assert found(indicators, "bad.example", at(2026, 1, 1, 10)) is not None
    assert found(indicators, "bad.example", at(2026, 1, 1, 9, 59, 59)) is None
    assert found(indicators, "bad.example", at(2036, 1, 1)) is not None
    assert skipped(indicators) == {"value.hash": (1, 4), "time.invalid": (1, 5)}


COMMENTED = """\
################
# A dump of hosts
# "first_seen_utc","ioc_id","ioc_value","ioc_type","confidence_level","reference"
"2026-03-01 10:00:00", "1", "c2.example", "domain", "75", "None"
"2026-03-01 10:00:00", "2", "192.0.2.1:443", "ip:port", "100", "https://r.example/2"
"2026-03-01 10:00:00", "3", "0123456789abcdef", "md5_hash", "100", ""
"2026-03-01 10:00:00", "4", "low.example", "domain", "10", ""
"""


def test_csv_header_in_a_comment(tmp_path: Path) -> None:
    indicators = load(tmp_path, COMMENTED, addresses=True, min_confidence=50)
    c2 = found(indicators, "c2.example")
    assert c2 is not None
    assert (c2.id, c2.confidence, c2.first_seen_ns) == ("1", 75, at(2026, 3, 1, 10))
    address = indicators.match_address("192.0.2.1")
    assert address is not None
    assert address.reference == "https://r.example/2"
    assert skipped(indicators) == {"type.other": (1, 6), "confidence.low": (1, 7)}


def test_csv_columns_by_number_and_delimiter(tmp_path: Path) -> None:
    text = "1;evil.example;high\n2;bad.example;low\n"
    feed = {"format": "csv", "columns": {"value": 2, "confidence": 3}, "delimiter": ";"}
    indicators = load(tmp_path, text, feed=feed, min_confidence=50)
    assert matches(indicators, "evil.example", "bad.example") == ["evil.example"]


def test_csv_columns_by_name(tmp_path: Path) -> None:
    text = "Ziel\tArt\nevil.example\tx\n"
    indicators = load(tmp_path, text, feed={"columns": {"value": "ziel", "description": "ART"}})
    evil = found(indicators, "evil.example")
    assert evil is not None
    assert evil.description == "x"


@pytest.mark.parametrize("column", ["missing", 3])
def test_csv_missing_column_is_an_error(tmp_path: Path, column: str | int) -> None:
    with pytest.raises(FeedError) as caught:
        load(tmp_path, "a,b\nevil.example,1\n", feed={"format": "csv", "columns": {"value": column}})
    assert (caught.value.code, caught.value.line) == ("feed.column", 1)


def test_csv_newest_version_of_an_id(tmp_path: Path) -> None:
    text = "id,domain,modified\n7,new.example,2026-02-01\n7,old.example,2026-01-01\n8,other.example,2026-01-01\n"
    indicators = load(tmp_path, text)
    assert matches(indicators, "new.example", "old.example", "other.example") == ["new.example", "other.example"]
    assert skipped(indicators) == {"version.old": (1, 3)}


def test_csv_quoted_line_breaks_keep_lines(tmp_path: Path) -> None:
    text = 'domain,comment\nevil.example,"two\nlines"\nbad..example,x\n'
    indicators = load(tmp_path, text)
    evil = found(indicators, "evil.example")
    assert evil is not None
    assert evil.description == "two\nlines"
    assert skipped(indicators) == {"name.syntax": (1, 4)}


def test_csv_open_quote_is_an_error(tmp_path: Path) -> None:
    text = 'domain,comment\nevil.example,x\nbad.example,"open\n' + "more text\n" * 20_000
    with pytest.raises(FeedError) as caught:
        load(tmp_path, text)
    assert (caught.value.code, caught.value.line) == ("feed.csv", 3)


def test_csv_expired_is_loaded_and_counted(tmp_path: Path) -> None:
    """Old events are matched by what was valid in their time."""
    indicators = load(tmp_path, "domain,valid_until\nevil.example,2020-01-01\n", grace_s=86_400)
    assert (indicators.report.expired, indicators.report.names) == (1, 1)
    assert found(indicators, "evil.example", at(2019, 12, 31)) is not None
    # The grace of one day ends at the exact second.
    assert found(indicators, "evil.example", at(2020, 1, 1) + DAY_NS - 1) is not None
    assert found(indicators, "evil.example", at(2020, 1, 1) + DAY_NS) is None
