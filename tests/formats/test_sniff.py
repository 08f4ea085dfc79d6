"""Input shapes: options, what auto decides, errors, samples of others. The cases themselves are golden/shapes.toml."""

from __future__ import annotations

import array
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from support.mappings import field, write_mapping
from support.records import memory_mapped
from support.writers import WRITERS, consume, every_writer

from cfdns_fast import CfdnsError, InputFormatError, Normalizer, RecordError, _core
from cfdns_fast.errors import FORMAT_CODES
from cfdns_fast.formats.auto import open_stream

CORPUS = Path(__file__).parents[1] / "corpus"
SAMPLES = {
    row["file"]: row["data"].encode()
    for row in map(
        json.loads, (Path(__file__).parents[1] / "corpus/output_shapes.jsonl").read_text("utf-8").splitlines()
    )
}

DOCUMENT = b'{"events":[{"ColoCode":"AMS"},\n{"ColoCode":"CDG"},\noops]}'
ROWS = b"ColoCode,QueryType\nAMS,1\n\nx\nCDG,28\n"


def colos(result: Any) -> list[str]:
    return [event["cloudflare"]["ColoCode"] for event in result.output]


@pytest.fixture
def requests_mapping(tmp_path: Path) -> Path:
    entries = [field(kind="raw", to="message"), field(**{"from": "ClientIP", "to": "ip", "kind": "ip"})]
    entries.append(field(**{"from": "EdgeStartTimestamp", "to": "@timestamp", "kind": "timestamp"}))
    entries.append(field(**{"from": "RayID", "to": "ray", "kind": "text"}))
    return write_mapping(tmp_path, "\n".join(entries))


# Samples of others


@pytest.mark.parametrize("file", ["cloudflare_docs_output_nested.json", "cloudflare_docs_output.csv"])
def test_sample_when_output_options_frame_it_then_its_three_records_are_events(
    implementation: Any, requests_mapping: Path, file: str
) -> None:
    result = implementation.to_dicts(SAMPLES[file], requests_mapping, input_format="auto")
    assert not result.rejects and not result.problems
    expected = [
        ("192.0.2.206", "2017-09-29T16:28:24.433000Z", "3a6050bcbe121a87"),
        ("192.0.2.207", "2017-09-29T16:28:24.433000Z", "3a6050bcbe121a88"),
        ("192.0.2.208", "2017-09-29T16:28:24.433000Z", "3a6050bcbe121a89"),
    ]
    assert [(event["ip"], event["@timestamp"], event["ray"]) for event in result.output] == expected
    assert all(event["message"].encode() in SAMPLES[file] for event in result.output)


def test_sample_when_it_is_a_destination_check_then_is_lines(implementation: Any) -> None:
    result = implementation.to_dicts(SAMPLES["logpush_validation_bodies.ndjson"], input_format="auto")
    assert [event["message"] for event in result.output] == ['{"content":"tests"}', '{"content":"test"}']
    assert [(reject.line, reject.code, reject.raw) for reject in result.rejects] == [(3, "json.syntax", b"test")]
    for body in SAMPLES["logpush_validation_bodies.ndjson"].splitlines()[:2]:
        assert implementation.to_dicts(body, input_format="auto").output[0]["message"].encode() == body


@pytest.mark.parametrize("file", ["cloudflare_docs_rdata.ndjson", "elastic_gateway_dns.ndjson"])
def test_sample_when_it_is_lines_then_auto_gives_the_same_as_ndjson(implementation: Any, file: str) -> None:
    assert implementation.to_ndjson(SAMPLES[file], input_format="auto") == implementation.to_ndjson(SAMPLES[file])


# What auto decides

DECISIONS = [
    ("ndjson", b""),
    ("ndjson", b" \n\t\r\n"),
    ("ndjson", b'{"ColoCode":"AMS"}'),
    ("ndjson", b'{"ColoCode":"AMS"}\n\n'),
    ("ndjson", b'{"ColoCode":"AMS"}{"ColoCode":"CDG"}'),
    ("ndjson", b'\xef\xbb\xbf{"ColoCode":"AMS"}\n{"ColoCode":"CDG"}\n'),
    ("ndjson", b'{"a":1,\n{"b":2}\n{"c":3}\n'),
    ("ndjson", b'{"events":[]}'),
    ("ndjson", b'{"events":[]}\n{"ColoCode":"AMS"}\n'),
    ("ndjson", b'{"info":{"x":1}}\n'),
    ("ndjson", b'{"a":{"b":1}}'),
    ("ndjson", b"{"),
    ("ndjson", b"x\n y\n\t{"),
    ("ndjson", b"Timestamp\n{}"),
    ("json", b"[]"),
    ("json", b"\n [1,2]\n\n"),
    ("json", b'{"a":[{"b":1}]}\n{"a":[{"b":2}]}\n'),
    ("json", b'{"a":[{"b":1}]} x'),
    ("json", b'[{"a":1}]\n[{"b":2}]\n'),
    ("json", b'[{"a":1},oops]\n{"b":2}\n'),
    ("json", b'[{"a":1}\n{"b":2}\n'),
    ("json", b'{"info":{"ColoCode":"AMS"}}\n{"info":{"ColoCode":"CDG"}}\n'),
    ("json", b'\xef\xbb\xbf \n{"a":[{"b":1}]}'),
    ("json", b'{"a":[ {"b":1}'),
    ("json", b'[{"a":1},oops]\n'),
    ("json", b'[{"a":1},\n{"b":2}\noops\n{}\n'),
    ("json", b"[\n]\n"),
    ("json", b'{\n}\n{"b":1}'),
    ("csv", b"Timestamp,QueryName\n"),
    ("csv", b'\n \n"QueryName",x,"Timestamp"'),
    ("tsv", b"x\tTimestamp\tQueryName\n"),
]


@pytest.mark.parametrize(("shape", "data"), DECISIONS, ids=lambda value: str(value)[:40])
def test_auto_when_data_begins_so_then_is_read_as_that_shape(implementation: Any, shape: str, data: bytes) -> None:
    assert implementation.to_ndjson(data, input_format="auto") == implementation.to_ndjson(data, input_format=shape)


CHANGES_OF_MIND = [
    b'[\n]x\n{"ColoCode":"AMS"}\n',
    b'[{}\n,]x\n{"ColoCode":"AMS"}\n',
    b'{\n}oops\n{"ColoCode":"AMS"}\n',
    b"[{}\n]\n\n,7 x\n{}\n",
    b"[\n" + b" " * 9 + b"]x\n{}\n",
    b'[1\nx]\n{"ColoCode":"AMS"}\n',
    b' |\xef\xbb\xbf;|\n|{"a":[{}]|\n{}',
    b"x |;\n |{",
]


@pytest.mark.parametrize("data", [data for _, data in DECISIONS] + CHANGES_OF_MIND, ids=lambda value: str(value)[:40])
def test_auto_when_more_arrives_then_what_was_decided_stays(data: bytes) -> None:
    for delimiter in (None, "|", " |", "\ufeff;"):
        shaped = Normalizer(input_format="auto", record_delimiter=delimiter)._shaped
        assert shaped is not None
        decisions = [shaped.shape(data[:at], complete=False) for at in range(len(data) + 1)]
        made = [shape for shape in decisions if shape is not None]
        if made:
            assert {*made} == {shaped.shape(data, complete=True)}
            assert None not in decisions[decisions.index(made[0]) :]


UNKNOWN = [b"oops", b"1,2,3\n4,5,6\n", b"Timestamp\n1\n", b"timestamp,queryname\n", b'"test"\n', b"\x01", b"a\n[1]\n"]


@pytest.mark.parametrize("data", UNKNOWN, ids=str)
def test_auto_when_it_is_no_shape_then_a_clear_error_names_the_options(implementation: Any, data: bytes) -> None:
    with pytest.raises(InputFormatError) as caught:
        implementation.to_ndjson(data, input_format="auto")
    assert caught.value.code == "format.unknown"
    for name in ("input_format", "--input-format", "columns", "--columns"):
        assert name in str(caught.value)
    assert isinstance(caught.value, (CfdnsError, ValueError))


@pytest.mark.parametrize("shape", ["csv", "tsv"])
@pytest.mark.parametrize("data", [b"a.com,1\n", b'"', b"Timestamp,x\n", b'{"a":1}\n'])
def test_rows_when_nothing_names_the_columns_then_a_clear_error_says_how(
    implementation: Any, shape: str, data: bytes
) -> None:
    with pytest.raises(InputFormatError) as caught:
        implementation.to_ndjson(data, input_format=shape)
    assert caught.value.code == "format.no_header"
    assert "--columns" in str(caught.value)
    with pytest.raises(InputFormatError):
        Normalizer(input_format=shape).iter_dicts(b"\n" + data)


def test_rows_when_there_are_none_then_nothing_is_wrong(implementation: Any) -> None:
    for data in (b"", b"\n \r\n", b"Timestamp,QueryName\n"):
        result = implementation.to_dicts(data, input_format="csv")
        assert (result.output, result.rejects, result.blank) == ([], (), data.count(b"\n") if b"T" not in data else 0)


def test_auto_when_columns_are_given_then_rows_need_no_header(implementation: Any) -> None:
    columns = ("ColoCode", "QueryType")
    for data in (b"AMS,1\nCDG,28\n", b"AMS\t1\nCDG\t28\n", b"ColoCode,QueryType\nAMS,1\nCDG,28\n"):
        assert colos(implementation.to_dicts(data, input_format="auto", columns=columns)) == ["AMS", "CDG"]
    assert colos(implementation.to_dicts(b'{"ColoCode":"AMS"}', input_format="auto", columns=columns)) == ["AMS"]
    refused = implementation.to_dicts(b"AMS\nCDG,1,2\n", input_format="auto", columns=columns)
    assert [reject.code for reject in refused.rejects] == ["csv.columns"] * 2


@pytest.mark.slow
def test_auto_when_the_first_mebibyte_tells_nothing_then_later_bytes_do_not(implementation: Any) -> None:
    blank = b"\n" * 2**20
    assert implementation.to_dicts(blank + b"oops\n", input_format="auto").rejects[0].line == 2**20 + 1
    with pytest.raises(InputFormatError):
        implementation.to_dicts(b"x" * 2**20 + b'\n{"a":1}', input_format="auto")


def test_header_when_batches_were_put_together_then_is_no_record_anywhere(implementation: Any) -> None:
    header = b"ColoCode,QueryType\n"
    result = implementation.to_dicts(header + b"AMS,1\n" + header + b"CDG,1\n", input_format="auto")
    assert colos(result) == ["AMS", "CDG"] and not result.rejects


def test_row_when_the_mapping_has_no_raw_field_or_reads_the_key_row_then_is_an_event_too(tmp_path: Path) -> None:
    entries = [field(**{"from": key, "to": key, "kind": "text"}) for key in ("row", "row_")]
    path = write_mapping(tmp_path, "\n".join([*entries, field(to="text", kind="raw")]))
    data = b"row,row_\n1,2\n"
    assert Normalizer(path, input_format="csv").to_dicts(data).output == [{"row": "1", "row_": "2", "text": "1,2"}]
    without = Normalizer(path, input_format="csv", keep_message=False)
    assert without.to_dicts(data).output == [{"row": "1", "row_": "2"}]


# Every writer, every kind of data


@every_writer
@pytest.mark.parametrize("data", [DOCUMENT, ROWS, b'{"ColoCode":"AMS"}\noops\n'], ids=["json", "csv", "ndjson"])
def test_auto_when_given_any_bytes_like_object_then_gives_the_same(write: Any, data: bytes, tmp_path: Path) -> None:
    normalizer = Normalizer(input_format="auto")
    expected = write(normalizer, data)
    assert len(expected.rejects) == 1
    padded = data + b" " * (-len(data) % 4)
    for other in (bytearray(data), memoryview(data), memory_mapped(data, tmp_path)):
        assert write(normalizer, other) == expected
    assert write(normalizer, array.array("I", padded)) == write(normalizer, padded)


@every_writer
@pytest.mark.parametrize("shape", ["auto", "json", "csv", "tsv"])
def test_shape_when_given_what_is_not_bytes_then_raises_type_error(write: Any, shape: str) -> None:
    for data in ('{"a":1}', 5, None, memoryview(b"abcd")[::2]):
        with pytest.raises(TypeError, match="data must be"):
            write(Normalizer(input_format=shape), data)


@every_writer
@pytest.mark.parametrize(
    ("data", "code", "offset"), [(DOCUMENT, "json.syntax", 51), (ROWS, "csv.columns", 26)], ids=["json", "csv"]
)
def test_on_reject_raise_when_a_record_is_bad_then_raises_with_its_position(
    write: Any, data: bytes, code: str, offset: int
) -> None:
    with pytest.raises(RecordError) as caught:
        write(Normalizer(input_format="auto", on_reject="raise"), data)
    error = caught.value
    assert (error.code, error.byte_offset, error.line) == (code, offset, data.count(b"\n", 0, offset) + 1)
    assert error.raw == data[offset : offset + error.byte_length]


@pytest.mark.parametrize("data", [ROWS, b'[{"ColoCode":"AMS"},1,{"ColoCode":"CDG"}]'], ids=["csv", "json"])
def test_iterator_when_it_raises_then_goes_on_behind_it(data: bytes) -> None:
    iterator = Normalizer(input_format="auto", on_reject="raise").iter_dicts(data)
    assert next(iterator)["cloudflare"]["ColoCode"] == "AMS"
    assert (iterator.events, iterator.rejects) == (1, ())
    with pytest.raises(RecordError):
        next(iterator)
    assert len(iterator.rejects) == 1
    assert next(iterator)["cloudflare"]["ColoCode"] == "CDG"
    with pytest.raises(StopIteration):
        next(iterator)
    assert iterator.events == 2
    assert consume(Normalizer(input_format="auto").iter_dicts(data)) == Normalizer(input_format="auto").to_dicts(data)


def test_threads_when_given_with_any_shape_then_change_nothing() -> None:
    for data in (DOCUMENT, ROWS, b'{"ColoCode":"AMS"}\n' * 30_000):
        normalizer = Normalizer(input_format="auto")
        assert normalizer.to_ndjson(data, threads=4) == normalizer.to_ndjson(data)
    normalizer = Normalizer(record_delimiter="|")
    data = b'{"ColoCode":"A|S"}|{"ColoCode":"CDG"}|oops|\n' * 20_000
    assert normalizer.to_ndjson(data, threads=4) == normalizer.to_ndjson(data)


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"[x ", "more"),
        (b"[\n]x ", "more"),
        (b"[\n][x ", "more"),
        (b"[]x ", "rest"),
        (b"[]\n[x ", "rest"),
        (b"[]x \n", None),
    ],
)
def test_document_fault_costs_line_or_rest(data: bytes, outcome: str | None) -> None:
    """A fault ends at the newline if every document is on a line; without a fault there is no outcome."""
    reader = _core.DocumentReader(Normalizer(input_format="json")._plan)
    _, consumed_bytes, _ = reader.to_ndjson(data, final=False)
    assert reader.is_broken is (outcome is not None)
    if outcome is not None:
        reader.begin_long()
        assert reader.read_long(data[consumed_bytes:] + b"\n", final=False)[1] == outcome


# Options

BAD_OPTIONS: list[dict[str, Any]] = [
    {"input_format": "xml"},
    {"input_format": None},
    {"input_format": ["csv"]},
    {"columns": ["QueryName"]},
    {"input_format": "json", "columns": ["QueryName"]},
    {"input_format": "csv", "columns": "QueryName,Timestamp"},
    {"input_format": "csv", "columns": []},
    {"input_format": "csv", "columns": ["a", 1]},
    {"input_format": "csv", "columns": ["a", "b", "a"]},
    {"input_format": "csv", "columns": 5},
    {"input_format": "csv", "columns": ["a", ""]},
    {"input_format": "csv", "columns": ["QueryName", " \t"]},
    {"input_format": "csv", "columns": ["QueryName", "QueryName "]},
    {"input_format": "csv", "columns": {"a", "b"}},
    {"record_delimiter": ""},
    {"record_delimiter": "\r"},
    {"record_delimiter": " \t"},
    {"record_delimiter": " \n"},
    {"record_delimiter": "\ufeff"},
    {"record_delimiter": "true"},
    {"record_delimiter": "-1.5e3"},
    {"record_delimiter": "x" * 17},
    {"record_delimiter": b"|"},
    {"record_delimiter": "},{"},
    {"record_delimiter": '"'},
    {"record_delimiter": "a\nb"},
    {"record_delimiter": "\ud800"},
    {"input_format": "csv", "record_delimiter": "|"},
]


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=ascii)
def test_option_when_it_cannot_be_meant_then_raises_value_error_that_names_it(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=list(options)[-1]):
        Normalizer(**options)


def test_normalizer_when_pickled_then_reads_the_same_shapes() -> None:
    normalizer = Normalizer(input_format="csv", columns=["ColoCode", "QueryType"])
    twin = pickle.loads(pickle.dumps(normalizer))
    assert repr(twin) == repr(normalizer)
    assert twin.to_ndjson(b"AMS,1\n") == normalizer.to_ndjson(b"AMS,1\n")


@pytest.mark.parametrize("code", FORMAT_CODES)
def test_input_format_error_when_pickled_then_keeps_code_and_text(code: str) -> None:
    error = InputFormatError(code)
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), twin.code, str(twin)) == (InputFormatError, code, str(error))
    assert str(error).startswith(code)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_delimiter_when_it_is_only_line_ends_then_changes_nothing(write: Any) -> None:
    data = b'{"ColoCode":"AMS"}\r\n\n{"ColoCode":"CDG"}x\n'
    assert write(Normalizer(record_delimiter="\r\n"), data) == write(Normalizer(), data)


def test_csv_when_many_quotes_are_left_open_then_time_is_in_proportion(native: Any) -> None:
    # 100,000 lines that each open a quote: looking on from every one of them would not end within the run.
    result = native.to_dicts(b"QueryName,Timestamp\n" + b'a","\n' * 100_000, input_format="csv")
    assert (result.events, len(result.rejects)) == (0, 100_000)


def test_csv_when_the_header_names_other_columns_than_the_option_then_is_refused(implementation: Any) -> None:
    data = b"QueryName,Timestamp\na.com,1\n"
    for input_format in ("csv", "auto"):
        with pytest.raises(InputFormatError, match=r"format\.other_header"):
            implementation.to_dicts(data, input_format=input_format, columns=["Timestamp", "QueryName"])


@pytest.mark.parametrize("at", range(1, 9))
def test_stream_when_a_delimiter_begins_with_a_byte_order_mark_then_it_may_be_cut_anywhere(at: int) -> None:
    data = b"{}\xef\xbb\xbf|{}\n"
    for input_format in ("json", "ndjson", "auto"):
        normalizer = Normalizer(input_format=input_format, record_delimiter="\ufeff|")
        stream = open_stream(normalizer)
        parts = [stream.feed(data[:at]), stream.feed(data[at:]), stream.finish()]
        assert (sum(part.events for part in parts), [part.rejects for part in parts]) == (2, [()] * 3)


@pytest.mark.parametrize("dataset", ["dns_logs", "dns_firewall_logs"])
def test_columns_without_a_known_field_are_refused(implementation: Any, dataset: str) -> None:
    with pytest.raises(ValueError, match="columns must name at least one known field; known are: C") as caught:
        implementation.to_dicts(b"", dataset=dataset, input_format="csv", columns=["a", "queryname"])
    assert "QueryName, " in str(caught.value)
    assert ("UpstreamIP" in str(caught.value)) == (dataset == "dns_firewall_logs")
    assert implementation.to_dicts(b"x,1\n", input_format="csv", columns=["a", " QueryName\t"]).events == 1


def test_columns_error_lists_some_of_many_fields(tmp_path: Path) -> None:
    entries = [field(**{"from": f"key{number:03}", "to": f"a{number}", "kind": "text"}) for number in range(70)]
    with pytest.raises(ValueError, match=r"known are: key000, .*, key049 and 20 more$"):
        Normalizer(write_mapping(tmp_path, "\n".join(entries)), input_format="csv", columns=["a"])


def test_header_of_spaced_names_is_a_header(implementation: Any) -> None:
    data = b" ColoCode\t, QueryType \nAMS,1\n"
    assert colos(implementation.to_dicts(data, input_format="auto")) == ["AMS"]
    columns = ["QueryType", "ColoCode"]
    with pytest.raises(InputFormatError, match=r"format\.other_header"):
        implementation.to_dicts(data, input_format="csv", columns=columns)


@pytest.mark.parametrize("input_format", ["auto", "csv"])
def test_stream_names_columns_that_are_not_used(input_format: str) -> None:
    stream = open_stream(Normalizer(input_format=input_format))
    assert stream.unused_columns == ()
    for byte in b" Foo,ColoCode,QueryType, Bar ,Foo,,queryname\na,AMS,1,b,c,,d\n":
        stream.feed(bytes([byte]))
    stream.finish()
    assert stream.unused_columns == ("Foo", "Bar", "", "queryname")


def test_stream_of_other_formats_uses_all_columns() -> None:
    for data in (b"{}\n", b"[{}]", b"ColoCode,QueryType\n", b""):
        stream = open_stream(Normalizer(input_format="auto"))
        stream.feed(data)
        stream.finish()
        assert stream.unused_columns == ()
