"""parse converts one record to one event, or raises one error."""

from __future__ import annotations

from typing import Any

import pytest
from support.processes import run_python
from support.records import GOOD, containers

from cfdns_fast import parse
from cfdns_fast.errors import MappingError, RecordError


def test_parse_message_is_the_whole_input() -> None:
    """The message includes a byte order mark, blanks and line ends around the record."""
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


def test_parse_omits_a_field_with_a_problem() -> None:
    event = parse(b'{"QueryType":"A","Timestamp":"x","ColoCode":"AMS"}')
    assert "@timestamp" not in event and "dns" not in event and event["cloudflare"] == {"ColoCode": "AMS"}


@pytest.mark.parametrize(
    "data", [b"", b" ", b"\n", b"\r\n", b" \t\r\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"], ids=repr
)
def test_parse_of_blank_input_raises_record_empty(data: bytes, implementation: Any) -> None:
    with pytest.raises(RecordError) as caught:
        implementation.parse(data)
    assert caught.value.code == "record.empty"
    assert data.startswith(caught.value.raw)
    assert caught.value.line >= 1


@pytest.mark.parametrize(
    "data", [b"{}{}", b"{}\n{}", b"{}\n\n{}\n", b"{}x", b"{}[1]", b"x\n{}", b"x\ny", b"[1]\n[2]", b"{},"], ids=repr
)
def test_parse_of_more_data_raises_record_multiple(data: bytes, implementation: Any) -> None:
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
def test_parse_error_has_the_attributes_of_the_reject(
    data: bytes, line: int, offset: int, length: int, code: str, implementation: Any
) -> None:
    with pytest.raises(RecordError) as caught:
        implementation.parse(data)
    error = caught.value
    assert (error.line, error.byte_offset, error.byte_length, error.code) == (line, offset, length, code)
    assert error.raw == data[offset : offset + length][:65536]


def test_parse_calls_share_no_dict_and_no_list() -> None:
    first, second = parse(GOOD), parse(GOOD)
    assert first == second
    assert not {id(c) for c in containers(first)} & {id(c) for c in containers(second)}


def test_parse_uses_the_given_schema() -> None:
    assert parse(GOOD, "sekoia") == parse(GOOD, schema="sekoia") == parse(GOOD)
    with pytest.raises(MappingError):
        parse(GOOD, "no such schema")


def test_parse_first_call_is_thread_safe() -> None:
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
