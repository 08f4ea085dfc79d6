"""Hours in names, ranges of hours, files that are no logs, and patterns."""

from __future__ import annotations

import pytest

from cfdns_fast.files import FilesError
from cfdns_fast.files.globs import has_magic, literal_start, pattern_of
from cfdns_fast.files.names import Hours, hour_of, skip_reason

NAME = "20260825T125930Z_20260825T130000Z_9af500e2.log.gz"


@pytest.mark.parametrize(
    ("key", "hour"),
    [
        (NAME, "20260825T12"),
        (f"20260826/{NAME}", "20260825T12"),
        (f"dns/dt=2026-08-26/{NAME}", "20260825T12"),
        ("x/20260825T125930Z_20260825T130000Z_9af500e2.log", "20260825T12"),
        ("20260825/part.gz", "20260825"),
        ("dt=20260825/part.gz", "20260825"),
        ("date=2026-08-25/hour=07/part.gz", "20260825T07"),
        ("2026-08-25T07/part.gz", "20260825T07"),
        ("2026082507/part.gz", "20260825T07"),
        ("20260825/07/part.gz", "20260825T07"),
        ("20260825/zone/07/part.gz", "20260825"),
        ("year=2026/month=08/day=25/part.gz", "20260825"),
        ("year=2026/month=8/day=5/hour=7/part.gz", "20260805T07"),
        ("logs/2026/08/25/07/part.gz", "20260825T07"),
        ("20250101/20260825/part.gz", "20260825"),
        ("20260825.gz", None),
        ("part.gz", None),
        ("12345678/part.gz", None),
        ("07/part.gz", None),
        ("", None),
    ],
)
def test_hour_is_in_the_name_or_the_folder(key: str, hour: str | None) -> None:
    assert hour_of(key) == hour


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("20260825/test.txt.gz", "check file"),
        ("test.txt.gz", "check file"),
        ("20260825/ownership-challenge-1a2b3c4d.txt", "ownership challenge"),
        ("ownership-challenge.txt", "ownership challenge"),
        (".DS_Store", "hidden"),
        ("a/.tmp/x.gz", "hidden"),
        ("20260825/mytest.txt.gz", None),
        ("test.txt.gz/x", None),
        ("20260825/test.txt", None),
        (NAME, None),
    ],
)
def test_what_is_no_log_is_skipped(key: str, reason: str | None) -> None:
    assert skip_reason(key, 10) == reason
    assert skip_reason(key, 0) == (reason or "empty")


@pytest.mark.parametrize(
    "text", ["2026-08-25T12", "20260825T12", "2026-08-25 12", "2026-08-25T12:00Z", " 20260825T12 "]
)
def test_an_hour_is_written_in_several_ways(text: str) -> None:
    hours = Hours(text, "2026-08-26")
    assert hours.has("20260825T12") and hours.has("20260825T23")
    assert not hours.has("20260825T11") and not hours.has("20260826T00")
    assert hours.has("20260825") and not hours.has("20260826") and not hours.has("20260824")
    assert not hours.has(None) and not hours.has("20260899")


def test_a_range_may_have_one_end() -> None:
    assert Hours(since="2026-08-25").has("20990101T00") and not Hours(since="2026-08-25").has("20260824T23")
    assert Hours(until="2026-08-25").has("20000101T00") and not Hours(until="2026-08-25").has("20260825T00")
    assert Hours().has(None) and Hours().is_unlimited


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-08-32", "2026-08-25T24", "2026", "٢٠٢٦-08-25"])
def test_a_wrong_hour_is_refused(text: str) -> None:
    with pytest.raises(FilesError) as caught:
        Hours(text)
    assert caught.value.code == "files.time"


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(FilesError, match="is empty"):
        Hours("2026-08-25", "2026-08-25")


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("*.gz", ["a.gz", ".gz", "a\nb.gz", "a.gz/b"], ["a/b.gz", "a.gz2", "a.GZ"]),
        ("a*/", ["ab/c", "a/b/c", "ab"], ["b/a"]),
        ("a?c", ["abc", "aüc"], ["ac", "a/c", "abbc"]),
        ("**/*.gz", ["a.gz", "a/b.gz", "a/b/c.gz"], ["a/b.txt"]),
        ("a/**", ["a/b", "a/b/c"], ["b/a"]),
        ("2026082[4-6]/*", ["20260825/x"], ["20260827/x", "2026082-/x"]),
        ("[!a]b", ["bb", "]b"], ["ab", "/b"]),
        ("[]]b", ["]b"], ["ab"]),
        ("[b", ["[b"], ["b"]),
        ("a.+(b)|^$", ["a.+(b)|^$"], ["aa+(b)|^$"]),
        ("[a-c^]x", ["ax", "^x"], ["dx"]),
    ],
)
def test_a_pattern_matches_keys(pattern: str, matching: list[str], other: list[str]) -> None:
    found = pattern_of(pattern)
    assert [key for key in matching if not found.fullmatch(key)] == []
    assert [key for key in other if found.fullmatch(key)] == []
    assert all(key.startswith(literal_start(pattern)) for key in matching)
    assert has_magic(pattern) or pattern == "a.+(b)|^$"
