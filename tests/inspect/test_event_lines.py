"""Converted events as input: damaged lines, wrong types, long lines, and how they are recognised."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from support.inspected import inspected

from cfdns_fast import Normalizer
from cfdns_fast.inspect.event_lines import is_event, read_lines
from cfdns_fast.inspect.input_blocks import Head, LongLine, whole_lines
from cfdns_fast.io import InputFault

EVENT = (
    Normalizer()
    .to_ndjson(b'{"QueryName":"www.example.com","SourceIP":"192.0.2.1","ResponseCode":3,"Timestamp":1767225600}')
    .output
)
RECORD = b'{"QueryName":"www.example.com","Timestamp":1767225600}\n'


@pytest.mark.parametrize(
    ("damaged", "code"),
    [
        (b"{bad\n", "json.syntax"),
        (b"[1]\n", "json.not_object"),
        (b'{"dns":"\xff"}\n', "json.utf8"),
        (b"[" * 100_000 + b"\n", "json.depth"),
        (b"1" * 5000 + b"\n", "json.syntax"),
    ],
)
def test_damaged_line_costs_itself_only(damaged: bytes, code: str) -> None:
    summary = inspected(EVENT + damaged + EVENT)
    assert (summary.events, summary.rejects, summary.lines) == (2, 1, 3)
    (example,) = summary.reject_examples
    assert (example.code, example.count) == (code, 1)
    assert summary.top("names").rows == (("www.example.com", 2),)


@pytest.mark.parametrize(
    "event",
    [
        {"dns": 5, "event": {}, "source": {}},
        {"dns": {"question": {"name": 7}}, "event": {}},
        {"dns": {"question": []}, "event": {}, "@timestamp": 5},
        {"dns": {}, "event": {}, "@timestamp": "never"},
        {"dns": {}, "event": {}, "@timestamp": "9999-01-01T00:00:00Z"},
        {"dns": {}, "event": {}, "cloudflare": {"ResponseCached": "yes"}},
        {"dns": {}, "event": {}, "source": {"ip": "\ud800"}},
    ],
)
def test_value_of_a_wrong_type_is_absent(event: dict[str, Any]) -> None:
    summary = inspected(EVENT + json.dumps(event).encode() + b"\n")
    assert (summary.events, summary.rejects, summary.without_time) == (2, 0, 1)
    assert summary.top("names").total == 1
    assert summary.cached["unknown"] == 2


def test_blank_lines_are_counted() -> None:
    summary = inspected(EVENT + b"\n \t\n" + EVENT[:-1])
    assert (summary.events, summary.blank, summary.lines) == (2, 2, 4)


def test_times_keep_nanoseconds() -> None:
    lines = Normalizer("ecs").to_ndjson(b'{"QueryName":"a.example","Timestamp":1767225600123456789}').output
    assert inspected(lines).first_ns == 1767225600123456789


def test_several_events_on_a_line_are_a_reject() -> None:
    assert read_lines(EVENT + EVENT[:-1] * 2 + b"\n").rejects == {"json.syntax": 1}


@pytest.mark.parametrize("schema", ["sekoia", "ecs", "ocsf"])
@pytest.mark.parametrize("dataset", ["dns_logs", "dns_firewall_logs", "gateway_dns"])
def test_events_of_all_mappings_are_recognised(schema: str, dataset: str) -> None:
    line = Normalizer(schema, dataset=dataset).to_ndjson(RECORD).output
    assert is_event(line)
    assert inspected(line).files.listed[0].kind == "events"


@pytest.mark.parametrize(
    "first", [RECORD, b"{}\n", b'{"dns":{}}\n', b'{"event":"x","dns":1}\n', b"[]\n", b"x\n", b"\n\n", b"{" * 9999]
)
def test_other_inputs_are_logs(first: bytes) -> None:
    assert not Head(iter([first])).is_event


def test_damaged_first_line_does_not_hide_events() -> None:
    assert Head(iter([b"\n{bad\n" + EVENT])).is_event


def test_longest_line_is_a_reject() -> None:
    """A line that is complete in a block may be longer than the limit."""
    long_line = b'{"dns":{"question":{"name":"%s"}},"event":{}}\n' % (b"x" * 12_000_000)
    summary = inspected(EVENT + long_line + EVENT, block_bytes=1 << 17)
    (example,) = summary.reject_examples
    assert (summary.events, summary.lines, example.code, example.input) == (2, 3, "record.too_large", "input 0")
    assert example.example == long_line[:64].decode() + "…"


@pytest.mark.parametrize("schema", ["sekoia", "ocsf"])
def test_events_of_the_longest_records_are_read(schema: str) -> None:
    """An event has its record as text, in which each quote is escaped."""
    record = b'{"QueryName":"www.example.com","Other":"%s"}\n' % (rb"\"" * 500_000)
    events = Normalizer(schema).to_ndjson(record * 3).output
    assert len(events) > 6_000_000
    summary = inspected(events, block_bytes=1 << 17)
    assert (summary.events, summary.rejects, summary.top("names").total) == (3, 0, 3)


@pytest.mark.parametrize("size", [1, 2, 5, 7, 100])
def test_lines_are_whole_wherever_blocks_end(size: int) -> None:
    text = b"aa\nbbbb\n\ncc\nddd"
    blocks = (text[start : start + size] for start in range(0, len(text), size))
    found = list(whole_lines(blocks, 100))
    assert b"".join(each for each in found if isinstance(each, bytes)) == text
    assert all(isinstance(each, bytes) and each.endswith(b"\n") for each in found[:-1])


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_lines_above_the_limit_are_left_out(size: int) -> None:
    text = b"aa\n" + b"b" * 50 + b"\ncc\n" + b"d" * 50
    blocks = (text[start : start + size] for start in range(0, len(text), size))
    found = list(whole_lines(blocks, 10))
    lines = b"".join(each for each in found if isinstance(each, bytes))
    long_lines = [each.beginning[:1] for each in found if isinstance(each, LongLine)]
    # A line that is complete in a block is not left out.
    assert (lines, long_lines) == ((b"aa\ncc\n", [b"b", b"d"]) if size < 50 else (text[:57], [b"d"]))


def test_fault_comes_after_the_lines_before_it() -> None:
    def blocks() -> Iterator[bytes]:
        yield b"a\nb"
        raise InputFault("broken")

    found = []
    with pytest.raises(InputFault, match="broken"):
        for lines in whole_lines(blocks(), 10):
            found.append(lines)
    assert found == [b"a\n", b"b"]
