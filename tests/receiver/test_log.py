"""The lines of the log."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

pytest.importorskip("xxhash", reason="the extra receiver is not installed")

from cfdns_fast.receiver.log import LOGGER, configure_log, redacted
from cfdns_fast.receiver.metrics import SinkReport
from cfdns_fast.receiver.minutes import MinuteLine
from cfdns_fast.spool import SpoolStatus


@pytest.fixture
def loggers() -> Iterator[None]:
    root, package = logging.getLogger(), logging.getLogger("cfdns_fast")
    kept = root.handlers[:], root.level, package.level
    yield
    root.handlers[:] = kept[0]
    root.setLevel(kept[1])
    package.setLevel(kept[2])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:secret@host/path?key=secret failed", "https://***@host/path?*** failed"),
        ("http://host/x?a=1&b=2", "http://host/x?***"),
        ("what is this? nothing = all", "what is this? nothing = all"),
        ("sink out: http://[::1]:80/x: refused", "sink out: http://[::1]:80/x: refused"),
    ],
)
def test_secrets_of_urls_are_removed(text: str, expected: str) -> None:
    assert redacted(text) == expected


def test_json_lines_have_their_fields(loggers: None) -> None:
    stream = io.StringIO()
    configure_log("json", stream)
    LOGGER.info("ready on %s", "http://x/?key=secret", extra={"fields": {"ports": [1]}, "sink": "out"})
    LOGGER.debug("not shown")
    (line,) = stream.getvalue().splitlines()
    members = json.loads(line)
    assert members.pop("time").endswith("Z")
    assert members == {"level": "info", "message": "ready on http://x/?***", "sink": "out", "ports": [1]}


def test_text_is_one_line(loggers: None) -> None:
    stream = io.StringIO()
    configure_log("text", stream)
    LOGGER.error("two\nlines", extra={"sink": "out"})
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("Z error: sink out: two\\nlines")


def test_long_text_is_cut(loggers: None) -> None:
    """A library of a sink can write a line of any length."""
    stream = io.StringIO()
    configure_log("text", stream)
    LOGGER.info("%s", "a?" * 500_000)
    assert len(stream.getvalue()) < 4100 and "(1000000 characters)" in stream.getvalue()


def test_exception_has_no_content(loggers: None) -> None:
    stream = io.StringIO()
    configure_log("text", stream)
    try:
        raise ValueError("www.example.com")
    except ValueError:
        LOGGER.exception("failed")
    assert "example" not in stream.getvalue() and "ValueError at test_exception" in stream.getvalue()


def test_minute_has_the_difference() -> None:
    spool = SpoolStatus(5 << 20, 3, 1, 10, 1, False, False, 0, True)
    minute = MinuteLine()
    sink = SinkReport("out", {"events": 100}, True, 0, 10, 0)
    assert minute.text(5, 50, spool, [sink]) == "received 5 batches with 50 records; spool 5 MiB; out 100 events"
    sink = SinkReport("out", {"events": 130}, False, 0, 8, 1)
    text = minute.text(7, 70, spool, [sink])
    assert text.startswith("received 2 batches with 20 records; spool 5 MiB; out 30 events, 2 batches wait since ")
    assert text.endswith(" s, down")
