"""How the reference reads values and builds events."""

from __future__ import annotations

import array
import json
import subprocess
import sys
from typing import Any

import pytest

from cfdns_fast.errors import MappingError, RecordError
from cfdns_fast.mapping import Field, Mapping
from cfdns_fast.reference import parse, to_dicts, to_ndjson


def mapping(*fields: Field) -> Mapping:
    return Mapping("test", "test", "dns_logs", fields)


def one_kind(kind: str, **more: Any) -> Mapping:
    return mapping(Field("out", kind, sources=("In",), **more))


def read(kind: str, token: str, **more: Any) -> Any:
    """Return the value of a JSON token, None if it is absent, or the code of its problem."""
    result = to_dicts(f'{{"In":{token}}}'.encode(), one_kind(kind, **more))
    assert result.events == 1
    if result.problems:
        assert result.output == [{}]
        ((problem, count),) = result.problems.items()
        assert count == 1
        assert problem.endswith(":In")
        return problem.removesuffix(":In")
    return result.output[0].get("out")


class TestKeys:
    def test_escaped_key_is_the_same_key(self) -> None:
        assert parse(rb'{"\u0051ueryName":"a.com"}')["dns"]["question"]["name"] == "a.com"

    @pytest.mark.parametrize(
        ("members", "expected"),
        [
            ('"In":"a","In":"b"', {"out": "b"}),
            ('"In":"a","In":null', {}),
            ('"In":[1],"In":"b"', {"out": "b"}),
            (r'"In":"a","\u0049n":"b"', {"out": "b"}),
            ('"In":"a","in":"b","x":{"In":"c"}', {"out": "a"}),
        ],
    )
    def test_last_of_repeated_keys_wins(self, members: str, expected: dict[str, str]) -> None:
        result = to_dicts(f"{{{members}}}".encode(), one_kind("text"))
        assert (result.output, result.problems) == ([expected], {})

    def test_last_of_repeated_keys_may_be_a_problem(self) -> None:
        result = to_dicts(b'{"In":"a","In":[]}', one_kind("text"))
        assert (result.output, result.problems) == ([{}], {"field.type:In": 1})


KINDS_WITH_SOURCE = [
    *("text", "integer", "boolean", "enum", "timestamp", "ip"),
    *("name", "registered_domain", "subdomain", "top_level_domain"),
]


class TestValues:
    @pytest.mark.parametrize("kind", KINDS_WITH_SOURCE)
    def test_null_or_empty_value_is_absent(self, kind: str) -> None:
        assert read(kind, "null") is None
        assert read(kind, '""') is None
        assert to_dicts(b"{}", one_kind(kind)).problems == {"record.unknown": 1}

    @pytest.mark.parametrize("kind", KINDS_WITH_SOURCE)
    def test_absent_required_value_is_missing(self, kind: str) -> None:
        missing = {"field.missing:In": 1}
        for record in (b'{"In":null}', b'{"In":""}'):
            assert to_dicts(record, one_kind(kind, required=True)).problems == missing
        assert to_dicts(b"{}", one_kind(kind, required=True)).problems == missing | {"record.unknown": 1}

    @pytest.mark.parametrize("kind", KINDS_WITH_SOURCE)
    def test_array_or_object_is_a_type_problem(self, kind: str) -> None:
        for token in ("[]", "{}", "[1]", '{"a":"b"}'):
            assert read(kind, token) == "field.type"

    @pytest.mark.parametrize("kind", KINDS_WITH_SOURCE)
    def test_number_beyond_64_bits_is_a_range_problem(self, kind: str) -> None:
        beyond = ["1e400", "-1e400", "9" * 5000]
        if kind != "timestamp":
            beyond += ["9223372036854775808", "-9223372036854775809", "18446744073709551615", "1e19"]
        for token in beyond:
            assert read(kind, token) == "field.range", token

    def test_unmapped_number_beyond_64_bits_is_ignored(self) -> None:
        result = to_dicts(b'{"x":1e400,"y":' + b"9" * 5000 + b"}", one_kind("text"))
        assert (result.events, result.problems) == (1, {"record.unknown": 1})

    @pytest.mark.parametrize(
        ("token", "expected"),
        [
            ("0", 0),
            ("-0", 0),
            ("7", 7),
            ("9223372036854775807", 2**63 - 1),
            ("-9223372036854775808", -(2**63)),
            ('"0"', 0),
            ('"-12"', -12),
            ('"007"', 7),
            ('"-0"', 0),
            pytest.param(f'"{"0" * 5000}1"', 1, id="5001 digits, most of them zero"),
            ('"9223372036854775808"', "field.range"),
            pytest.param(f'"{"9" * 5000}"', "field.range", id="5000 digits"),
            ("1.0", 1),
            ("-2.80e1", -28),
            ('"28.0"', 28),
            ("0e999999999", 0),
            ("1e400", "field.range"),
            ("1e-400", "field.type"),
            ("9223372036854775808.5", "field.type"),
            ('"+1"', "field.type"),
            ('" 1"', "field.type"),
            (r'"1\n"', "field.type"),
            ('"1_0"', "field.type"),
            ('"\u0661"', "field.type"),
            ('"--1"', "field.type"),
            ('"-"', "field.type"),
            ('"A"', "field.type"),
            ("true", "field.type"),
            ("false", "field.type"),
        ],
    )
    def test_integer_is_an_int64(self, token: str, expected: Any) -> None:
        value = read("integer", token)
        assert (value, type(value)) == (expected, type(expected))

    @pytest.mark.parametrize(
        ("token", "expected"),
        [
            ("1", "A"),
            ('"1"', "A"),
            ("-0", "zero"),
            ("65535", "last"),
            ("2", None),
            ("65534", None),
            ("65536", "field.range"),
            ("-1", "field.range"),
            ('"70000"', "field.range"),
            ("1.0", "A"),
            ("1.5", "field.type"),
            ('"A"', "field.type"),
            ("true", "field.type"),
        ],
    )
    def test_enum_is_the_name_of_the_number(self, token: str, expected: str | None) -> None:
        assert read("enum", token, names=((0, "zero"), (1, "A"), (65535, "last"))) == expected

    @pytest.mark.parametrize(
        ("token", "expected"),
        [
            ("true", True),
            ("false", False),
            ("1", True),
            ("0", False),
            ("-0", False),
            ('"true"', True),
            ('"false"', False),
            ('"1"', True),
            ('"0"', False),
            ("2", "field.type"),
            ("1.0", True),
            ("0e5", False),
            ('"1.0"', True),
            ('"-0"', False),
            ("0.5", "field.type"),
            ('"True"', "field.type"),
        ],
    )
    def test_boolean_is_true_or_false(self, token: str, expected: Any) -> None:
        value = read("boolean", token)
        assert (value, type(value)) == (expected, type(expected))

    @pytest.mark.parametrize(
        ("token", "expected"),
        [
            ('"AMS"', "AMS"),
            ('" "', " "),
            (r'"\u0000\ud83d\ude00"', "\x00\U0001f600"),
            ("12", "12"),
            ("-0", "-0"),
            ("1.0", "1"),
            ("1e2", "100"),
            ("-0.0", "0"),
            ("1.5", "field.type"),
            ("true", "field.type"),
        ],
    )
    def test_text_is_a_string_or_digits(self, token: str, expected: str) -> None:
        assert read("text", token) == expected

    @pytest.mark.parametrize(
        ("token", "expected"),
        [
            ('"192.0.2.1"', "192.0.2.1"),
            ('"2001:DB8:0::1"', "2001:DB8:0::1"),
            ('"fe80::1%eth0"', "field.type"),
            ('"192.0.2.01"', "field.type"),
            ('"192.0.2.0/24"', "field.type"),
            ("1", "field.type"),
            ("true", "field.type"),
        ],
    )
    def test_ip_is_kept_as_sent(self, token: str, expected: str) -> None:
        assert read("ip", token) == expected

    @pytest.mark.parametrize(
        ("token", "expected"),
        [
            ('"foO.xYz."', "foO.xYz"),
            ('"..a.."', "a"),
            (r'"a\\.."', "a\\"),
            ('"."', None),
            ('"..."', None),
            ('" . "', " . "),
            ("1", "field.type"),
            ("false", "field.type"),
        ],
    )
    def test_name_loses_only_outer_dots(self, token: str, expected: str | None) -> None:
        assert read("name", token) == expected
        assert read("name", token, array=True) == ([expected] if expected not in (None, "field.type") else expected)

    def test_name_is_split_by_private_suffixes(self) -> None:
        record = b'{"In":"a.b.github.io"}'
        assert to_dicts(record, one_kind("registered_domain")).output == [{"out": "github.io"}]
        private = to_dicts(record, one_kind("registered_domain"), private_suffixes=True)
        assert private.output == [{"out": "b.github.io"}]

    def test_problem_of_a_source_counts_once_per_record(self) -> None:
        """The source feeds several fields."""
        result = to_dicts(b'{"SourceIP":1,"QueryName":[],"Timestamp":1}\n{"SourceIP":"x"}')
        assert result.problems == {"field.type:SourceIP": 2, "field.type:QueryName": 1, "field.missing:Timestamp": 1}
        both = mapping(Field("a", "enum", sources=("In",), names=()), Field("b", "integer", sources=("In",)))
        assert to_dicts(b'{"In":70000}', both).output == [{"b": 70000}]
        assert to_dicts(b'{"In":70000}', both).problems == {"field.range:In": 1}
        several = mapping(Field("a", "enum", sources=("In",), names=()), Field("b", "boolean", sources=("In",)))
        assert to_dicts(b'{"In":70000}', several).problems == {"field.range:In": 1, "field.type:In": 1}


class TestOutput:
    def test_event_has_the_order_of_the_mapping(self) -> None:
        record = (
            '{"ColoCode":"AMS","EDNSSubnet":"192.0.2.0","EDNSSubnetLength":0,"QueryName":"www.Example.co.uk.",'
            '"QueryType":255,"ResponseCached":false,"ResponseCode":16,"SourceIP":"192.0.2.1",'
            '"Timestamp":"2022-07-07T22:42:06Z","x":"\u00e9\\u007f"}'
        )
        expected = {
            "message": record,
            "event": {"category": ["network"], "dataset": "dns_logs", "kind": "event", "type": ["info"]},
            "@timestamp": "2022-07-07T22:42:06Z",
            "dns": {
                "question": {
                    "name": "www.Example.co.uk",
                    "registered_domain": "Example.co.uk",
                    "subdomain": "www",
                    "top_level_domain": "co.uk",
                    "type": "*",
                },
                "response_code": "BADVERS OR BADSIG",
            },
            "observer": {"type": "dns", "vendor": "Cloudflare"},
            "related": {"hosts": ["www.Example.co.uk"], "ip": ["192.0.2.1"]},
            "cloudflare": {
                "ColoCode": "AMS",
                "EDNSSubnet": "192.0.2.0",
                "EDNSSubnetLength": 0,
                "ResponseCached": False,
            },
            "source": {"address": "192.0.2.1", "ip": "192.0.2.1"},
        }
        line = json.dumps(expected, ensure_ascii=False, separators=(",", ":")) + "\n"
        result = to_ndjson(record.encode() + b"\r\n")
        assert result.output == line.encode()
        assert to_dicts(record.encode()).output == [expected]

    def test_event_of_an_empty_record_holds_only_constants(self) -> None:
        result = to_ndjson(b"{}", keep_message=False)
        assert result.output == (
            b'{"event":{"category":["network"],"dataset":"dns_logs","kind":"event","type":["info"]},'
            b'"observer":{"type":"dns","vendor":"Cloudflare"}}\n'
        )
        assert result.problems == {"field.missing:Timestamp": 1, "record.unknown": 1}

    def test_children_of_a_parent_are_grouped(self) -> None:
        apart = mapping(
            Field("a.x.y", "text", sources=("X",)),
            Field("b", "constant", value=1.5),
            Field("a.z", "constant", value=("q", True, 0)),
            Field("c.d.e", "text", sources=("X",)),
        )
        assert to_ndjson(b"{}", apart).output == b'{"a":{"z":["q",true,0]},"b":1.5}\n'
        assert (
            to_ndjson(b'{"X":"v"}', apart).output
            == b'{"a":{"x":{"y":"v"},"z":["q",true,0]},"b":1.5,"c":{"d":{"e":"v"}}}\n'
        )
        assert to_ndjson(b"{}", one_kind("text")).output == b"{}\n"

    def test_event_change_affects_no_other_event(self) -> None:
        first, second = to_dicts(b'{"QueryName":"a.com"}\n' * 2).output
        first["event"]["category"].append("x")
        first["related"]["hosts"].clear()
        first["dns"]["question"].clear()
        assert second == to_dicts(b'{"QueryName":"a.com"}').output[0]

    def test_message_is_the_bytes_of_the_record(self) -> None:
        data = b'\xef\xbb\xbf { "a" :\t"\\u00e9\xc3\xa9" } {"b":1}\r\n'
        messages = [event["message"] for event in to_dicts(data).output]
        assert messages == ['{ "a" :\t"\\u00e9é" }', '{"b":1}']


class TestParse:
    @pytest.mark.parametrize("data", [b"{}", b"{}\n", b"\n \n{}\r\n\n", b"\xef\xbb\xbf{} "])
    def test_parse_message_is_the_whole_input(self, data: bytes) -> None:
        assert parse(data)["message"] == data.decode()

    @pytest.mark.parametrize(
        ("data", "line", "byte_offset", "byte_length", "code"),
        [
            (b"", 1, 0, 0, "record.empty"),
            (b" \n\r\n", 1, 0, 4, "record.empty"),
            (b"{}{}", 1, 0, 4, "record.multiple"),
            (b"{}\n{}", 1, 0, 5, "record.multiple"),
            (b"{}x", 1, 0, 3, "record.multiple"),
            (b"{}\xff", 1, 0, 3, "record.multiple"),
            (b"\n [1]\r\n", 2, 2, 3, "json.not_object"),
            (b'{"a":"\xff"}', 1, 0, 9, "json.utf8"),
            (b'{"a":"' + b"x" * 1048576 + b'"}', 1, 0, 1048584, "record.too_large"),
        ],
    )
    def test_parse_of_other_than_one_record_raises(
        self, data: bytes, line: int, byte_offset: int, byte_length: int, code: str
    ) -> None:
        with pytest.raises(RecordError) as caught:
            parse(data)
        error = caught.value
        assert (error.line, error.byte_offset, error.byte_length, error.code) == (line, byte_offset, byte_length, code)
        assert error.raw == data[byte_offset : byte_offset + byte_length][:65536]

    def test_parse_omits_a_field_with_a_problem(self) -> None:
        assert "@timestamp" not in parse(b'{"Timestamp":[]}')


class TestArguments:
    @pytest.mark.parametrize("convert", [to_dicts, to_ndjson, parse])
    def test_str_data_error_says_to_encode(self, convert: Any) -> None:
        with pytest.raises(TypeError, match="encode"):
            convert("{}")

    @pytest.mark.parametrize("data", [None, 1, ["{}"]])
    def test_data_of_another_type_raises_type_error(self, data: Any) -> None:
        with pytest.raises(TypeError):
            to_dicts(data)

    @pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, lambda data: array.array("B", data)])
    def test_bytes_like_data_is_read(self, wrap: Any) -> None:
        assert to_dicts(wrap(b"{}\n{}")).events == 2

    @pytest.mark.parametrize(
        "options",
        [
            {"timestamp_unit": "h"},
            {"timestamp_unit": None},
            {"keep_message": 1},
            {"private_suffixes": None},
            {"max_record_bytes": 0},
            {"max_record_bytes": -1},
            {"max_record_bytes": 2**30 + 1},
            {"max_record_bytes": True},
            {"max_record_bytes": 1.0},
            {"max_record_bytes": None},
        ],
    )
    def test_invalid_option_value_raises_value_error(self, options: dict[str, Any]) -> None:
        with pytest.raises(ValueError):
            to_dicts(b"{}", **options)

    def test_max_record_bytes_accepts_its_limits(self) -> None:
        assert to_dicts(b"{}", max_record_bytes=2**30).events == 1
        assert to_dicts(b"{}", max_record_bytes=1).rejects[0].code == "record.too_large"

    def test_unknown_schema_raises_mapping_error(self) -> None:
        with pytest.raises(MappingError):
            to_dicts(b"{}", "nothing")

    def test_import_does_not_import_tldextract(self) -> None:
        code = "import sys, cfdns_fast.reference; sys.exit('tldextract' in sys.modules)"
        assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0
