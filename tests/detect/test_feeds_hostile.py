"""Broken and hostile feeds: an error with file, line and code, in bounded memory."""

from __future__ import annotations

import functools
import gzip
import json
import os
import re
import threading
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from support.feeds import load, matches, skipped, write

from cfdns_fast import CfdnsError, detect
from cfdns_fast.detect import FEED_CODES, SKIP_REASONS, Feed, FeedError, Indicators, Limits
from cfdns_fast.detect.feeds.detection import detect_format
from cfdns_fast.detect.feeds.options import FORMATS

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis makes the examples")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

CODES_PAGE = Path(__file__).parents[2] / "docs" / "codes.md"
TEXT_FORMATS = [name for name in FORMATS if name not in ("auto", "misp", "stix")]


def error_of(folder: Path, content: str | bytes, **options: object) -> FeedError:
    with pytest.raises(FeedError) as caught:
        load(folder, content, **options)  # type: ignore[arg-type]
    assert caught.value.code in FEED_CODES
    assert str(folder / "feed") in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"", "feed.empty", None),
        (gzip.compress(b""), "feed.empty", None),
        (gzip.compress(b"evil.example\n" * 500)[:-9], "feed.unreadable", None),
        (b"<!DOCTYPE html>\n<html>", "feed.format", 1),
        (b'<?xml version="1.0"?><x/>', "feed.format", 1),
        ("evil.example\n".encode("utf-16"), "feed.format", None),
        (b"PK\x03\x04\0\0", "feed.format", None),
        (b'{"a": 1}', "feed.format", 1),
        (b'{"objects": [1, 2', "feed.json", 1),
        (b'{"objects":\n [1,\n ,2]}', "feed.json", 3),
        (b'{"objects": [{"type": "indicator"]}', "feed.json", 1),
        (b'{"objects": []}, {}', "feed.json", 1),
        (b'{"objects": [], "x" 1}', "feed.json", 1),
        (b'{"objects": ["\xff"]}', "feed.encoding", 1),
        (b'{"objects": [' + b"[" * 100_000, "feed.json", 1),
        (b'{"objects": [' + b"1" * 5_000 + b"]}", "feed.json", 1),
        (b'{"objects": [{"confidence": NaN}]}', "feed.json", 1),
        (b'{"objects": [\n-Infinity]}', "feed.json", 1),
        (b"localhost\nnot a name\n", "feed.nothing_valid", 1),
        (b"$TTL 5\n@ SOA a b ( 1\nevil.example CNAME .\n", "feed.zone", 2),
    ],
)
def test_broken_feed_is_an_error(tmp_path: Path, content: bytes, code: str, line: int | None) -> None:
    error = error_of(tmp_path, content)
    assert (error.code, error.line) == (code, line)
    assert isinstance(error, CfdnsError)


@pytest.mark.parametrize("name", ["missing", "folder"])
def test_unreadable_feed_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FeedError) as caught:
        Indicators.load(tmp_path / name)
    assert caught.value.code == "feed.unreadable"


@pytest.mark.skipif(os.name != "posix", reason="POSIX limits and pipes")
def test_many_feeds_are_not_open_at_once(tmp_path: Path) -> None:
    import resource

    # More than the part that is read to find the format.
    comments = ("# " + "x" * 1_000 + "\n") * 70
    paths = [write(tmp_path, f"{comments}n{number}.example\n{comments * 8}", f"feed{number}") for number in range(60)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 60), hard))
    try:
        indicators = Indicators.load(*paths)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert indicators.report.names == 60


@pytest.mark.skipif(os.name != "posix", reason="POSIX limits and pipes")
def test_pipe_is_read_once(tmp_path: Path, never_stuck: None) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    text = "".join(f"n{number}.example\n" for number in range(50_000))
    thread = threading.Thread(target=path.write_text, args=(text,))
    thread.start()
    indicators = Indicators.load(path)
    thread.join()
    assert indicators.report.names == 50_000


def test_json_fault_after_megabytes_has_its_line(tmp_path: Path) -> None:
    """A fault is found where it is, not where the value would be too large."""
    objects = "".join(f'{{"type": "x", "text": "{"y" * 400}"}},\n' for _ in range(500))
    text = f'{{"objects": [\n{objects}{{"type": oops}},\n{objects * 4}]}}'
    error = error_of(tmp_path, text, limits=Limits(max_object_bytes=1 << 18))
    assert (error.code, error.line) == ("feed.json", 502)


@functools.cache
def endless_line(start: bytes) -> bytes:
    return gzip.compress(start + b"a" * (16 << 20), compresslevel=1)


@pytest.mark.parametrize("kind", TEXT_FORMATS)
@pytest.mark.parametrize("start", [b"", b"evil.example\n"])
def test_endless_line_stays_in_bounds(tmp_path: Path, kind: str, start: bytes) -> None:
    """A compressed line of 16 MB is refused after the first pieces of it."""
    content = endless_line(start)
    tracemalloc.start()
    try:
        error = error_of(tmp_path, content, feed={"format": kind})
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (error.code, error.line) == ("feed.line_too_long", 2 if start else 1)
    assert peak_bytes < 6 << 20


def test_long_line_within_a_block_is_found(tmp_path: Path) -> None:
    content = b"evil.example\n" * 1_000 + b"x" * 2_000 + b"\n" + b"evil.example\n" * 1_000
    error = error_of(tmp_path, content, limits=Limits(max_line_bytes=1_000))
    assert (error.code, error.line) == ("feed.line_too_long", 1_001)
    assert len(load(tmp_path, content, limits=Limits(max_line_bytes=2_000))) == 1


@pytest.mark.parametrize("tail", [b'"x', b'{"k": "x', b"[1"])
def test_endless_json_value_stays_in_bounds(tmp_path: Path, tail: bytes) -> None:
    content = gzip.compress(b'{"objects": [' + tail + b",1" * (1 << 20), compresslevel=1)
    tracemalloc.start()
    try:
        error = error_of(tmp_path, content, limits=Limits(max_object_bytes=1 << 18))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.code in ("feed.object_too_large", "feed.json")
    assert peak_bytes < 32 << 20


def test_many_members_of_the_top_stay_in_bounds(tmp_path: Path) -> None:
    members = ",".join(f'"k{number}": "{"x" * 1_000}"' for number in range(2_000))
    error = error_of(tmp_path, f'{{"objects": [], {members}}}', limits=Limits(max_object_bytes=1 << 20))
    assert error.code == "feed.object_too_large"


@pytest.mark.parametrize("is_clean", [True, False])
def test_too_many_indicators_are_refused(tmp_path: Path, is_clean: bool) -> None:
    text = "".join(f"n{number}.example{'' if is_clean else ' # x'}\n" for number in range(2_000))
    assert load(tmp_path, text, limits=Limits(max_indicators=2_000)).report.names == 2_000
    error = error_of(tmp_path, text, limits=Limits(max_indicators=1_999))
    assert error.code == "feed.too_many"


def test_too_much_detail_is_refused(tmp_path: Path) -> None:
    """Revoked indicators without a value count, too."""
    values = [{"type": "indicator", "id": f"indicator--{n}", "pattern": "x", "revoked": True} for n in range(1_000)]
    error = error_of(tmp_path, json.dumps(values), limits=Limits(max_details_bytes=1 << 18))
    assert error.code == "feed.too_large"


@pytest.mark.slow
def test_ten_million_lines_are_refused_in_bounds(tmp_path: Path) -> None:
    """The default limit ends a load of 10 million names at 4 million."""
    path = tmp_path / "feed"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for start in range(0, 10_000_000, 100_000):
            file.write(b"".join(b"n%d.example\n" % number for number in range(start, start + 100_000)))
    tracemalloc.start()
    try:
        with pytest.raises(FeedError) as caught:
            Indicators.load(path)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.code == "feed.too_many"
    assert caught.value.line is not None
    assert 3_900_000 < caught.value.line <= 4_000_001
    assert peak_bytes < 32 << 20


def test_csv_row_of_endless_lines_is_an_error(tmp_path: Path) -> None:
    """Each quote is closed on the next line, so no field is long."""
    text = 'domain,x\nevil.example,"a\n' + '","b\n' * 50_000
    error = error_of(tmp_path, text)
    assert (error.code, error.line) == ("feed.csv", 2)


@pytest.mark.parametrize(
    "line",
    [
        '"' + '\\"' * 30_000,
        '"' * 60_000,
        "x" + " " * 60_000 + "y",
        "[" * 30_000 + "." * 30_000,
        "[ " * 30_000,
        "://" * 20_000,
        "a." * 30_000,
        "." * 60_000,
        "||" * 30_000,
        "%" * 60_000 + ":",
        "(" * 60_000,
        "address=/" + "/" * 50_000,
        "é." * 20_000,
        "é" * 30_000,
    ],
)
def test_hostile_line_is_read_in_linear_time(tmp_path: Path, line: str, never_stuck: None) -> None:
    """A regular expression that tries again and again would take minutes for one of these lines."""
    for kind in TEXT_FORMATS:
        path = write(tmp_path, f"evil.example CNAME .\n{line}\n")
        try:
            Indicators.load(Feed(path, format=kind))
        except FeedError as error:
            assert error.code in ("feed.csv", "feed.nothing_valid", "feed.zone")
    with suppress(FeedError):
        detect_format(line.encode("utf-8"), "feed")


@pytest.mark.parametrize("name", ["a" * 63 + ".example", ".".join(["a" * 61] * 4) + ".abcde", "é" * 20 + ".example"])
def test_longest_names_are_read(tmp_path: Path, name: str) -> None:
    assert len(load(tmp_path, name + "\n")) == 1
    assert len(load(tmp_path, name + " # x\n")) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a" * 64 + ".example", "name.too_long"),
        (".".join(["a" * 61] * 4) + ".abcdef", "name.too_long"),
        ("xn--.ex ample", "name.syntax"),
        ("\u2665\u200d.example", "name.idn"),
        ("é" * 64 + ".example", "name.idn"),
        ("a.*.example", "name.wildcard"),
        ("evil.example:443", "value.port"),
        ("user:secret@evil.example", "name.syntax"),
        ("http://user@evil.example/", "url.userinfo"),
        ("http://evil.example/#x", "url.path"),
        ("http://evil.example?x", "url.path"),
        ("evil.example/x", "url.path"),
        ("*.", "name.syntax"),
        ("d41d8cd98f00b204e9800998ecf8427e", "value.hash"),
        ("me@evil.example", "name.syntax"),
    ],
)
def test_invalid_name_is_skipped_by_reason(tmp_path: Path, name: str, reason: str) -> None:
    indicators = load(tmp_path, f"fine.example # x\n{name} # x\n")
    assert skipped(indicators) == {reason: (1, 2)}
    assert reason in SKIP_REASONS
    assert matches(indicators, "fine.example") == ["fine.example"]


def test_report_shows_one_printable_line(tmp_path: Path) -> None:
    indicators = load(tmp_path, "fine.example\n\x1b[31m" + "x" * 200 + "\n")
    (value,) = (each.value for each in indicators.report.feeds[0].skipped.values())
    assert len(value) == 101
    assert value.isprintable()


@given(
    data=st.binary(max_size=400) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")),
    kind=st.sampled_from(FORMATS),
)
def test_any_bytes_load_or_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: str) -> None:
    path = write(tmp_path_factory.mktemp("any"), data)
    try:
        indicators = Indicators.load(Feed(path, format=kind), addresses=True)
    except FeedError as error:
        assert error.code in FEED_CODES
    else:
        assert set(indicators.report.skipped) <= set(SKIP_REASONS)
        str(indicators.report).encode("utf-8")


WORDS = """
evil.example , ; " CNAME . ( ) SOA $ORIGIN x. || ^ @@ 0.0.0.0 address=/ local-zone: static * # http:// [.] 2026
192.0.2.0/24 domain,valid_until rpz-passthru. 32.1.2.0.192.rpz-ip é server=/ domain,id,modified
"""


@given(
    text=st.lists(st.sampled_from([*WORDS.split(), " ", "\t", "\n", "\n"]), max_size=40).map("".join),
    kind=st.sampled_from(FORMATS),
)
def test_any_words_load_or_raise(tmp_path_factory: pytest.TempPathFactory, text: str, kind: str) -> None:
    path = write(tmp_path_factory.mktemp("words"), text)
    try:
        Indicators.load(Feed(path, format=kind), addresses=True, allow=Feed(path, format=kind))
    except FeedError as error:
        assert error.code in FEED_CODES


KEYS = """
type pattern id objects Event Attribute Object Tag Orgc name value to_ids response uuid timestamp modified revoked
confidence external_references items
"""
VALUES = ["evil.example", "domain", "1", "tlp:red", "indicator", "identity", "[domain-name:value = 'x.y']"]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=6),
    max_leaves=25,
)


@given(value=JSON_VALUES, kind=st.sampled_from(["auto", "stix", "misp"]))
def test_any_json_loads_or_raises(tmp_path_factory: pytest.TempPathFactory, value: object, kind: str) -> None:
    path = write(tmp_path_factory.mktemp("json"), json.dumps(value))
    try:
        Indicators.load(Feed(path, format=kind), addresses=True)
    except FeedError as error:
        assert error.code in FEED_CODES


@pytest.mark.skipif(not CODES_PAGE.exists(), reason="no documentation around the tests")
def test_codes_and_reasons_are_documented() -> None:
    documented = set(re.findall(r"^\| `([a-z_.]+)` \|", CODES_PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert {*FEED_CODES, *SKIP_REASONS} <= documented


def test_codes_and_reasons_are_used() -> None:
    """Every code in the tables is one that a reader gives."""
    folder = Path(detect.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    unused = [code for code in (*FEED_CODES, *SKIP_REASONS) if text.count(f'"{code}"') < 2]
    assert unused == []
