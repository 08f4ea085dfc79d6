"""parse: one record, one event or one error."""

from __future__ import annotations

from typing import Any

import pytest
from support.processes import run_python
from support.records import GOOD, containers

from cfdns_fast import parse
from cfdns_fast.errors import MappingError, RecordError


def test_parse_when_the_record_has_a_line_end_then_the_message_is_exactly_the_bytes_given() -> None:
    for before, after in (
        (b"", b"\n"),
        (b"", b"\r\n"),
        (b"", b""),
        (b" \t", b" \r\n"),
        (b"\n\n", b"\n \n"),
        (b"\xef\xbb\xbf", b"\n"),
    ):
        data = before + GOOD.rstrip() + after
        event = parse(data)
        assert event["message"] == data.decode()
        assert {**event, "message": ""} == {**parse(GOOD), "message": ""}


def test_parse_when_a_field_has_a_problem_then_leaves_it_out_and_says_nothing() -> None:
    event = parse(b'{"QueryType":"A","Timestamp":"x","ColoCode":"AMS"}')
    assert "@timestamp" not in event and "dns" not in event and event["cloudflare"] == {"ColoCode": "AMS"}


@pytest.mark.parametrize(
    "data", [b"", b" ", b"\n", b"\r\n", b" \t\r\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"], ids=repr
)
def test_parse_when_the_input_is_blank_then_raises_record_empty(data: bytes, implementation: Any) -> None:
    with pytest.raises(RecordError) as caught:
        implementation.parse(data)
    assert caught.value.code == "record.empty"
    assert data.startswith(caught.value.raw)
    assert caught.value.line >= 1


@pytest.mark.parametrize(
    "data", [b"{}{}", b"{}\n{}", b"{}\n\n{}\n", b"{}x", b"{}[1]", b"x\n{}", b"x\ny", b"[1]\n[2]", b"{},"], ids=repr
)
def test_parse_when_there_are_several_records_then_raises_record_multiple(data: bytes, implementation: Any) -> None:
    with pytest.raises(RecordError) as caught:
        implementation.parse(data)
    assert caught.value.code == "record.multiple"
    assert caught.value.line >= 1


@pytest.mark.parametrize(
    ("data", "line", "offset", "length", "code"),
    [
        (b"oops\n", 1, 0, 4, "json.syntax"),
        (b"\n \r\n [1] \r\n\n", 3, 5, 4, "json.not_object"),
        (b"\xef\xbb\xbf{\xff}", 1, 3, 3, "json.utf8"),
        (b'{"a":"\\ud800"}', 1, 0, 14, "json.surrogate"),
        (b"[" * 257, 1, 0, 257, "json.depth"),
        (b'"' + b"x" * 1048576, 1, 0, 1048577, "record.too_large"),
    ],
    ids=["syntax", "not_object", "utf8", "surrogate", "depth", "too_large"],
)
def test_parse_when_the_record_is_a_reject_then_raises_with_the_attributes_of_that_reject(
    data: bytes, line: int, offset: int, length: int, code: str, implementation: Any
) -> None:
    with pytest.raises(RecordError) as caught:
        implementation.parse(data)
    error = caught.value
    assert (error.line, error.byte_offset, error.byte_length, error.code) == (line, offset, length, code)
    assert error.raw == data[offset : offset + length][:65536]


def test_parse_when_called_twice_then_gives_equal_and_separate_events() -> None:
    first, second = parse(GOOD), parse(GOOD)
    assert first == second
    assert not {id(c) for c in containers(first)} & {id(c) for c in containers(second)}


def test_parse_when_given_a_schema_then_uses_it() -> None:
    assert parse(GOOD, "sekoia") == parse(GOOD, schema="sekoia") == parse(GOOD)
    with pytest.raises(MappingError):
        parse(GOOD, "no such schema")


def test_parse_when_many_threads_call_it_first_then_each_gets_the_event() -> None:
    code = """
import threading, cfdns_fast
barrier, got = threading.Barrier(8), []
def work():
    barrier.wait()
    got.append(cfdns_fast.parse(b'{"QueryName":"a.b.co.uk"}')["dns"]["question"]["subdomain"])
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(got == ["a"] * 8)
"""
    done = run_python(code)
    assert (done.stdout, done.stderr) == ("True\n", "")
