"""The public API: what it takes and what it refuses."""

from __future__ import annotations

import array
import ctypes
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from golden import INPUTS
from support import GOOD, MIXED, WRITERS, containers, every_writer, memory_mapped, run_python

import cfdns_fast
from cfdns_fast import Normalizer, parse, split_domain
from cfdns_fast.errors import CfdnsError, EngineError, MappingError, RecordError

EVENT_NAME = "www.example.com"
ALL_GOLDEN = b"\n".join(INPUTS)


# What there is


@pytest.mark.parametrize("name", ["parse", "Normalizer", "Result", "Reject", "split_domain"])
def test_package_when_asked_for_a_public_name_then_has_it(name: str) -> None:
    assert name in cfdns_fast.__all__
    assert callable(getattr(cfdns_fast, name))


@pytest.mark.parametrize("error", [CfdnsError, MappingError, RecordError, EngineError])
def test_package_when_asked_for_an_exception_then_has_that_of_errors(error: type) -> None:
    assert getattr(cfdns_fast, error.__name__) is error


def test_exceptions_when_caught_by_a_base_then_follow_the_documented_tree() -> None:
    assert issubclass(CfdnsError, Exception)
    assert issubclass(MappingError, CfdnsError) and issubclass(MappingError, ValueError)
    assert issubclass(RecordError, CfdnsError) and issubclass(RecordError, ValueError)
    assert issubclass(EngineError, CfdnsError) and issubclass(EngineError, RuntimeError)


def test_import_when_nothing_is_converted_then_loads_no_heavy_module() -> None:
    heavy = [
        "tldextract",
        "idna",
        "requests",
        "click",
        "typer",
        "rich",
        "tqdm",
        "simdjson",
        "cfdns_fast.cli",
        "cfdns_fast.reference",
    ]
    done = run_python(f"import sys, cfdns_fast; print([m for m in {heavy!r} if m in sys.modules])")
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_conversion_when_the_network_and_the_home_folder_are_closed_then_works_and_writes_no_cache(
    tmp_path: Path,
) -> None:
    code = """
import socket, sys
def refuse(*args, **kwargs): raise SystemExit("network used")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
import cfdns_fast
print(cfdns_fast.parse(b'{"QueryName":"a.b.co.uk"}')["dns"]["question"]["registered_domain"])
print(cfdns_fast.split_domain("a.github.io", private_suffixes=True).registered_domain)
print("simdjson" in sys.modules)
"""
    done = run_python(code, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path), TLDEXTRACT_CACHE=str(tmp_path / "cache"))
    assert (done.stdout, done.stderr) == ("b.co.uk\na.github.io\nFalse\n", "")
    assert list(tmp_path.iterdir()) == []


# Input types


EVEN = MIXED if len(MIXED) % 2 == 0 else MIXED + b" "
BUFFERS: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda folder: EVEN,
    "bytearray": lambda folder: bytearray(EVEN),
    "memoryview": lambda folder: memoryview(EVEN),
    "memoryview of a slice": lambda folder: memoryview(b"junk" + EVEN + b"junk")[4:-4],
    "memoryview in two dimensions": lambda folder: memoryview(EVEN).cast("B", (2, len(EVEN) // 2)),
    "memoryview of chars": lambda folder: memoryview(EVEN).cast("c"),
    "array of bytes": lambda folder: array.array("B", EVEN),
    "array of 16-bit items": lambda folder: array.array("H", EVEN),
    "ctypes array": lambda folder: (ctypes.c_ubyte * len(EVEN)).from_buffer_copy(EVEN),
    "mmap": lambda folder: memory_mapped(EVEN, folder),
}


@pytest.mark.parametrize("make", BUFFERS.values(), ids=BUFFERS)
@every_writer
def test_conversion_when_given_any_bytes_like_object_then_gives_the_same(write: Any, make: Any, tmp_path: Path) -> None:
    assert write(Normalizer(), make(tmp_path)) == write(Normalizer(), EVEN)


@every_writer
def test_conversion_when_the_input_ends_with_a_page_of_memory_then_reads_no_further(write: Any, tmp_path: Path) -> None:
    for tail in (b'{"a":1}', b'{"a":"\\', b"\xe2\x82", b'"', b"-", b" "):
        data = GOOD.ljust(4 * 4096 - len(tail)) + tail
        assert write(Normalizer(), memory_mapped(data, tmp_path)) == write(Normalizer(), data)


@pytest.mark.parametrize(
    "make", [bytearray, memoryview, lambda b: array.array("B", b)], ids=["bytearray", "memoryview", "array"]
)
def test_parse_when_given_any_bytes_like_object_then_gives_the_same(make: Any) -> None:
    assert parse(make(GOOD)) == parse(GOOD)


@every_writer
def test_conversion_when_given_no_bytes_then_gives_an_empty_result(write: Any) -> None:
    for empty in (b"", bytearray(), memoryview(b"")):
        result = write(Normalizer(), empty)
        assert (len(result.output), result.events, result.blank, result.rejects, result.problems) == (0, 0, 0, (), {})


@every_writer
def test_conversion_when_given_str_then_says_to_encode(write: Any) -> None:
    with pytest.raises(TypeError, match="encode") as caught:
        write(Normalizer(), GOOD.decode())
    assert EVENT_NAME not in str(caught.value)


def test_parse_when_given_str_then_says_to_encode() -> None:
    with pytest.raises(TypeError, match="encode") as caught:
        parse(GOOD.decode())
    assert EVENT_NAME not in str(caught.value)


NOT_BUFFERS = [None, 5, 1.5, True, [123, 125], (b"{}",), {"a": 1}, object(), iter([b"{}"]), Path("x")]


@pytest.mark.parametrize("data", NOT_BUFFERS, ids=lambda data: type(data).__name__)
@every_writer
def test_conversion_when_given_what_is_not_bytes_like_then_raises_type_error(write: Any, data: Any) -> None:
    with pytest.raises(TypeError):
        write(Normalizer(), data)


@pytest.mark.parametrize("data", NOT_BUFFERS, ids=lambda data: type(data).__name__)
def test_parse_when_given_what_is_not_bytes_like_then_raises_type_error(data: Any) -> None:
    with pytest.raises(TypeError):
        parse(data)


@every_writer
def test_conversion_when_the_memory_is_not_contiguous_then_refuses(write: Any) -> None:
    with pytest.raises((TypeError, ValueError, BufferError)):
        write(Normalizer(), memoryview(GOOD)[::2])


@every_writer
def test_conversion_when_it_is_done_then_holds_no_buffer(write: Any) -> None:
    data = bytearray(MIXED)
    view = memoryview(data)
    write(Normalizer(), view)
    view.release()
    data.clear()  # a BufferError if anything still held it


def test_conversion_when_it_raises_then_holds_no_buffer() -> None:
    data = bytearray(MIXED)
    with pytest.raises(RecordError):
        Normalizer(on_reject="raise").to_dicts(data)
    data.clear()
    data += b"[1]"
    with pytest.raises(RecordError):
        parse(data)
    data.clear()


# Options


@pytest.mark.parametrize(
    "options",
    [
        {"on_reject": "skip"},
        {"on_reject": "RAISE"},
        {"on_reject": ""},
        {"on_reject": None},
        {"on_reject": 1},
        {"on_reject": ["raise"]},
        {"timestamp_unit": "m"},
        {"timestamp_unit": "S"},
        {"timestamp_unit": "µs"},
        {"timestamp_unit": ""},
        {"timestamp_unit": None},
        {"timestamp_unit": 1},
        {"timestamp_unit": {}},
        {"max_record_bytes": 0},
        {"max_record_bytes": -1},
        {"max_record_bytes": 2**30 + 1},
        {"max_record_bytes": 2**64 + 1},
        {"max_record_bytes": -(2**64)},
        {"max_record_bytes": True},
        {"max_record_bytes": 1024.0},
        {"max_record_bytes": "1024"},
        {"max_record_bytes": None},
        {"keep_message": "no"},
        {"keep_message": None},
        {"private_suffixes": "no"},
        {"private_suffixes": None},
    ],
    ids=str,
)
def test_normalizer_when_an_option_has_a_bad_value_then_raises_value_error_that_names_it(
    options: dict[str, Any],
) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Normalizer(**options)


@pytest.mark.parametrize("options", [{"threads": 2}, {"strict": True}, {"output": "ndjson"}], ids=str)
def test_normalizer_when_an_option_does_not_exist_then_raises_type_error(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Normalizer(**options)


def test_writers_when_given_an_option_then_raise_type_error() -> None:
    for name in WRITERS:
        with pytest.raises(TypeError):
            getattr(Normalizer(), name)(GOOD, keep_message=False)


def test_normalizer_when_options_are_positional_then_raises_type_error() -> None:
    with pytest.raises(TypeError):
        Normalizer("sekoia", "raise")


def test_normalizer_when_options_have_their_documented_values_then_takes_them() -> None:
    for options in (
        *({"on_reject": value} for value in ("collect", "raise")),
        *({"timestamp_unit": value} for value in ("auto", "s", "ms", "us", "ns")),
        *({"max_record_bytes": value} for value in (1, 2, 1048576, 2**30)),
        *({"keep_message": value} for value in (True, False)),
        *({"private_suffixes": value} for value in (True, False)),
    ):
        Normalizer(**options)
        Normalizer("sekoia", **options)
        Normalizer(schema="sekoia", **options)


def test_normalizer_when_options_are_left_out_then_uses_the_documented_defaults() -> None:
    given = Normalizer(
        "sekoia",
        on_reject="collect",
        keep_message=True,
        private_suffixes=False,
        timestamp_unit="auto",
        max_record_bytes=1048576,
    )
    assert Normalizer().to_dicts(ALL_GOLDEN) == given.to_dicts(ALL_GOLDEN)


@every_writer
def test_keep_message_when_false_then_drops_the_message_and_nothing_else(write: Any) -> None:
    with_message = Normalizer().to_dicts(MIXED).output
    without = write(Normalizer(keep_message=False), MIXED)
    output = (
        without.output
        if isinstance(without.output, list)
        else [json.loads(line) for line in without.output.splitlines()]
    )
    for event in with_message:
        del event["message"]
    assert output == with_message


@every_writer
def test_private_suffixes_when_true_then_rules_of_the_private_section_count(write: Any) -> None:
    record = b'{"QueryName":"a.foo.github.io"}'
    for private, registered in ((True, "foo.github.io"), (False, "github.io")):
        result = write(Normalizer(private_suffixes=private), record)
        event = result.output[0] if isinstance(result.output, list) else json.loads(result.output)
        assert event["dns"]["question"]["registered_domain"] == registered


@every_writer
def test_max_record_bytes_when_a_record_is_one_byte_longer_then_rejects_that_record_only(write: Any) -> None:
    exact = write(Normalizer(max_record_bytes=len(GOOD) - 1), GOOD + b"{}\n" + GOOD)
    assert (exact.events, exact.rejects) == (3, ())
    less = write(Normalizer(max_record_bytes=len(GOOD) - 2), GOOD + b"{}\n" + GOOD)
    assert less.events == 1
    assert [(r.line, r.byte_offset, r.byte_length, r.code) for r in less.rejects] == [
        (1, 0, len(GOOD) - 1, "record.too_large"),
        (3, len(GOOD) + 3, len(GOOD) - 1, "record.too_large"),
    ]


# Normalizer


@pytest.mark.parametrize(
    "name", ["schema", "on_reject", "keep_message", "timestamp_unit", "max_record_bytes", "brand_new", "to_dicts"]
)
def test_normalizer_when_an_attribute_is_set_or_deleted_then_refuses(name: str) -> None:
    normalizer = Normalizer()
    with pytest.raises((AttributeError, TypeError)):
        setattr(normalizer, name, None)
    with pytest.raises((AttributeError, TypeError)):
        delattr(normalizer, name)
    assert normalizer.to_dicts(GOOD) == Normalizer().to_dicts(GOOD)


def test_normalizer_when_made_again_in_place_then_refuses() -> None:
    normalizer = Normalizer()
    with pytest.raises(AttributeError, match="immutable"):
        normalizer.__init__("ecs")  # type: ignore[misc]
    assert normalizer.to_dicts(b"{}") == Normalizer().to_dicts(b"{}")


def test_normalizer_when_used_again_and_again_then_remembers_nothing() -> None:
    normalizer = Normalizer()
    first = normalizer.to_dicts(MIXED)
    normalizer.to_ndjson(ALL_GOLDEN)
    abandoned = normalizer.iter_dicts(MIXED)
    next(abandoned)
    assert normalizer.to_dicts(MIXED) == first


def test_normalizer_when_many_threads_use_one_then_each_gets_what_it_gets_alone() -> None:
    normalizer = Normalizer()
    batches = [b"\n".join(INPUTS[number::8]) for number in range(8)]
    serial = [[write(normalizer, batch) for write in WRITERS.values()] for batch in batches]
    barrier = threading.Barrier(8)
    got: list[Any] = [None] * 8

    def work(number: int) -> None:
        barrier.wait()
        got[number] = [[write(normalizer, batches[number]) for write in WRITERS.values()] for _ in range(3)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [[expected] * 3 for expected in serial]


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


# parse


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


# split_domain


def test_split_domain_when_a_part_is_absent_then_it_is_none() -> None:
    parts = split_domain("www.example.co.uk")
    assert (parts.registered_domain, parts.top_level_domain, parts.subdomain) == ("example.co.uk", "co.uk", "www")
    parts = split_domain("localhost")
    assert (parts.registered_domain, parts.top_level_domain, parts.subdomain) == (None, None, None)
    parts = split_domain("")
    assert (parts.registered_domain, parts.top_level_domain, parts.subdomain) == (None, None, None)


@pytest.mark.parametrize("name", [b"example.com", None, 5, ["a", "com"]], ids=repr)
def test_split_domain_when_the_name_is_no_text_then_raises_type_error(name: Any) -> None:
    with pytest.raises(TypeError):
        split_domain(name)


def test_split_domain_when_the_option_is_positional_then_raises_type_error() -> None:
    with pytest.raises(TypeError):
        split_domain("example.com", True)
