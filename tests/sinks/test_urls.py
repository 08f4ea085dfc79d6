"""URLs of sinks: options, their types, and messages that help and hold no secret."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.sinks import Record

from cfdns_fast.sinks import SinkSettingError, check_sink, kinds, open_sink, options_table, parse_duration, parse_size
from cfdns_fast.sinks.secrets import Secret
from cfdns_fast.sinks.urls import Option, Target, parse_target, redacted

OPTIONS = (
    Option("size", "size", "256MiB", "a size", minimum=1024, maximum=1 << 40),
    Option("age", "duration", "5m", "an age", minimum=1),
    Option("mode", "choice", "a", "a mode", choices=("a", "b", "c")),
    Option("fast", "bool", False, "a switch"),
    Option("count", "int", 8, "a number", minimum=1, maximum=64),
    Option("label", "text", "", "a text"),
    Option("key", "secret", None, "a key"),
)


def parsed(query: str, environment: Mapping[str, str] | None = None) -> Target:
    return parse_target(f"https://host/path?{query}", OPTIONS, environment or {})


def message_of(query: str) -> str:
    with pytest.raises(SinkSettingError) as caught:
        parsed(query)
    start = "sink https://host/path: "
    assert str(caught.value).startswith(start)
    return str(caught.value).removeprefix(start)


def test_url_has_its_parts_and_the_defaults() -> None:
    target = parse_target("OpenSearch+HTTPS://[::1]:9200/a%20b/{date}", OPTIONS, {})
    assert (target.scheme, target.host, target.port) == ("opensearch+https", "::1", 9200)
    assert (target.path, target.raw_path, target.authority) == ("/a b/{date}", "/a%20b/{date}", "[::1]:9200")
    assert target.options == {
        "size": 256 << 20,
        "age": 300.0,
        "mode": "a",
        "fast": False,
        "count": 8,
        "label": "",
        "key": None,
    }


def test_options_have_the_types_that_they_declare() -> None:
    query = "size=2KB&age=1.5h&mode=b&fast=on&count=64&label=a%26b+%2Bc%3D"
    assert dict(parsed(query).options) == {
        "size": 2000,
        "age": 5400.0,
        "mode": "b",
        "fast": True,
        "count": 64,
        "label": "a&b++c=",
        "key": None,
    }


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("cuont=3", "unknown option 'cuont'; did you mean count?"),
        ("key_fil=x", "unknown option 'key_fil'; did you mean key_file or key?"),
        ("%3D/a-secret%20x=1", "unknown option (not shown); did you mean"),
        ("hunter2", "unknown option (not shown); did you mean"),
        ("size=1GX", "option size: use a number of bytes, or a number with KB, MB, GB, KiB, MiB or GiB"),
        ("size=1023", "option size: the minimum is 1024 bytes"),
        ("age=5", "option age: use a number with ms, s, m, h or d, such as 5m"),
        ("age=1ms", "option age: the minimum is 1 seconds"),
        ("mode=d", "option mode: use a, b or c"),
        ("fast=maybe", "option fast: use on or off"),
        ("count=x", "option count: use a whole number"),
        ("count=65", "option count: the maximum is 64"),
        ("count=1&count=2", "option count is set twice"),
        ("key_file=/a&key=env:B", "option key is set twice"),
        (
            "key=hunter2",
            "option key: a secret cannot be in the URL; use key_file=PATH, key=env:NAME or key=credential:",
        ),
        ("key=credential:../x", "option key: the name of a credential has no slash"),
    ],
)
def test_option_that_cannot_be_used_is_named(query: str, message: str) -> None:
    text = message_of(query)
    assert text.startswith(message)
    assert "hunter2" not in text and "a-secret" not in text


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "https://joe:hunter2@host/x?size=2KB",
            "sink https://host/x: user names and passwords cannot be in the URL; use",
        ),
        ("https://joe@host/x", "sink https://host/x: user names and passwords cannot be in the URL"),
        ("https://host/x?a=1#hunter2", "sink https://host/x: a URL of a sink has no fragment"),
        ("https://host:99999/x", "sink https://host:99999/x: the port is not a number from 0 to 65535"),
        ("https://[::1/hunter2", "a URL of a sink cannot be parsed"),
        ("https://joe:hunter2/x@host/x", "sink https://(not shown): the port is not a number"),
        ("https://joe:hunter2#x@host/x", "sink https://(not shown): a URL of a sink has no fragment"),
        ("https://a b/x", "sink https://a b/x: each host is a name or an address"),
        ("https://a/x\n", "a URL of a sink has no spaces around it and no control characters"),
        ("https://a\t.example/x", "a URL of a sink has no spaces around it and no control characters"),
    ],
)
def test_url_that_cannot_be_used_is_explained(url: str, message: str) -> None:
    with pytest.raises(SinkSettingError) as caught:
        parse_target(url, OPTIONS, {})
    assert str(caught.value).startswith(message)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a:b@host/x?key=1#2", "https://host/x"),
        ("https://a:b@c@host?x", "https://host"),
        ("kafka://h1:1,h2:2/topic", "kafka://h1:1,h2:2/topic"),
        ("user:secret@host", "host"),
        ("https://user:se/cret@host/x", "https://(not shown)"),
        ("https://user:se?cret@host/x", "https://(not shown)"),
        ("https://[::1]:9/x", "https://[::1]:9/x"),
        ("-", "-"),
    ],
)
def test_redacted_url_has_no_secret(url: str, expected: str) -> None:
    assert redacted(url) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("htps://host/", "unknown scheme 'htps'; use https, http"),
        ("/var/log", "the URL has no scheme; use az, "),
    ],
)
def test_unknown_scheme_names_close_ones(url: str, message: str) -> None:
    with pytest.raises(SinkSettingError) as caught:
        check_sink(url)
    assert message in str(caught.value)


def test_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "find_spec", lambda name: None)
    with pytest.raises(SinkSettingError) as caught:
        check_sink("https://host/")
    expected = "sink https://host/: the library urllib3 is missing: pip install 'cfdns-fast[receiver]'"
    assert str(caught.value) == expected


def test_secret_that_cannot_be_read_is_a_setting_error() -> None:
    pytest.importorskip("urllib3", reason="the kind needs urllib3")
    with pytest.raises(SinkSettingError) as caught:
        check_sink("https://host/?kind=sekoia&key_file=/no/such/key")
    assert str(caught.value) == "sink https://host/: option key: cannot read /no/such/key: No such file or directory"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file://var/log", "a file URL has three slashes before its path: file:///folder/"),
        ("file:///", "a file URL names a folder by its absolute path: file:///folder/"),
        ("file:relative", "a file URL names a folder by its absolute path: file:///folder/"),
        ("file:///a/{day}/", "the path has {day}; it can have {date} and {hour}"),
        ("file:///a/{date/", "the path has a single brace; it can have {date} and {hour}"),
        ("file:///a?prefix=a/b", "option prefix: use 1 to 100 characters of A-Z, a-z, 0-9, . _ and -"),
        ("file:///a?format=csv", "option format: use ndjson.gz, ndjson or parquet"),
        ("stdout:///x", "standard output has no host and no path: use - or stdout:"),
    ],
)
def test_urls_of_files_are_checked(url: str, message: str) -> None:
    if sys.platform == "win32":
        pytest.skip("the receiver and its sinks need POSIX")
    with pytest.raises(SinkSettingError) as caught:
        check_sink(url)
    assert str(caught.value).endswith(f": {message}")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("-", ("stdout", "ndjson", "-")),
        ("file:///a/?format=ndjson", ("files", "ndjson", "file:///a/")),
        ("https://host/in?send=ecs", ("http", "ndjson", "https://host/in")),
        ("https://host/in", ("http", "raw", "https://host/in")),
    ],
)
def test_check_says_what_a_sink_is(url: str, expected: tuple[str, str, str]) -> None:
    if sys.platform == "win32":
        pytest.skip("the receiver and its sinks need POSIX")
    pytest.importorskip("urllib3", reason="the kinds need urllib3")
    info = check_sink(url)
    assert (info.kind, info.wants, info.url) == expected
    assert info.guarantee


def test_open_raises_setting_errors(tmp_path: Path) -> None:
    with pytest.raises(SinkSettingError, match=r"unknown option 'fdd'; did you mean fd\?"):
        open_sink("stdout:?fdd=1", Record(tmp_path).context)


def test_table_of_options_is_complete_and_valid() -> None:
    if sys.platform == "win32":
        pytest.skip("the receiver and its sinks need POSIX")
    table = options_table()
    assert {name for name, _ in table} <= set(kinds.KINDS)
    for name, option in table:
        where = f"{name}: {option.name}"
        assert option.help and not option.help.endswith("."), where
        assert (option.type == "choice") == bool(option.choices), where
        default: Any = parse_target("x:", (option,), {}).options[option.name]
        if option.type == "choice":
            assert default in option.choices, where
        if option.minimum is not None and default is not None:
            assert option.minimum <= default <= (option.maximum or default), where


@pytest.mark.parametrize(("text", "expected"), [("0", 0), ("1b", 1), ("3kb", 3000), ("2MiB", 2 << 20), ("1GB", 10**9)])
def test_sizes_are_parsed(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "1.5MB", "1 MB x", "MiB", "1TB", "٣"])
def test_sizes_of_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="use a number of bytes"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("500ms", 0.5), ("1.5s", 1.5), ("2m", 120), ("1h", 3600), ("1d", 86_400)]
)
def test_durations_are_parsed(text: str, expected: float) -> None:
    assert parse_duration(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "5", "-1s", "1 s", "s", "1w", "1.2345s"])
def test_durations_of_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="use a number with"):
        parse_duration(text)


def test_secrets_are_not_in_a_target() -> None:
    target = parsed("key=env:TOKEN", {"TOKEN": "hunter2"})
    assert isinstance(target.options["key"], Secret)
    assert target.options["key"].read() == "hunter2"
    assert "hunter2" not in repr(target)
