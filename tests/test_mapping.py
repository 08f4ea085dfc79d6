"""The mapping file drives the output of every writer, and a wrong one says what is wrong with it."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from golden import INPUTS, flatten
from support import field, write_mapping

import cfdns_fast
from cfdns_fast import Normalizer

BUNDLED = (resources.files("cfdns_fast") / "data" / "dns_logs.sekoia.toml").read_text(encoding="utf-8")
RECORD = (
    b'{"ColoCode":"AMS","EDNSSubnet":"198.51.100.0","EDNSSubnetLength":24,"QueryName":"www.example.co.uk.","QueryType":28,'
    b'"ResponseCached":true,"ResponseCode":3,"SourceIP":"192.0.2.1","Timestamp":1657233726}'
)


def event_of(implementation: Any, data: bytes, schema: Any, **options: Any) -> dict[str, Any]:
    """Convert one record and check that all writers agree on its event."""
    (event,) = implementation.to_dicts(data, schema, **options).output
    line = implementation.to_ndjson(data, schema, **options).output
    assert line == json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    if implementation.name == "native":
        (built,) = Normalizer(schema, **options).iter_dicts(data)
        assert list(flatten(built).items()) == list(flatten(event).items())
    if not options:
        parsed = implementation.parse(data, schema)
        assert list(flatten(parsed).items()) == list(flatten(event).items())
    return event


def replaced(old: str, new: str) -> str:
    assert BUNDLED.count(old) == 1, old
    return BUNDLED.replace(old, new)


def without(to: str) -> str:
    entries = BUNDLED.split("[[field]]")
    kept = [entry for entry in entries if f'to = "{to}"' not in entry]
    assert len(kept) == len(entries) - 1
    return "[[field]]".join(kept)


# A copy of the bundled file, changed


def test_mapping_when_copied_unchanged_then_gives_the_same_bytes(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, BUNDLED)
    data = b"\n".join(data for data in INPUTS if len(data) < 2000)
    assert implementation.to_ndjson(data, str(path)) == implementation.to_ndjson(data)


def test_mapping_when_a_target_is_renamed_then_the_value_moves(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, replaced('to = "cloudflare.ColoCode"', 'to = "cloudflare.colo.code"'))
    event = event_of(implementation, RECORD, path)
    assert event["cloudflare"]["colo"] == {"code": "AMS"} and "ColoCode" not in event["cloudflare"]


def test_mapping_when_the_message_is_renamed_then_the_record_moves(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, replaced('to = "message"', 'to = "event.original"'))
    event = event_of(implementation, RECORD, path)
    assert "message" not in event
    assert next(iter(event["event"].items())) == ("original", RECORD.decode())
    assert "original" not in event_of(implementation, RECORD, path, keep_message=False)["event"]


def test_mapping_when_every_field_is_dropped_in_turn_then_only_that_one_is_missing(
    tmp_path: Path, implementation: Any
) -> None:
    whole = flatten(event_of(implementation, RECORD, "sekoia"))
    for target in whole:
        path = write_mapping(tmp_path, without(target), f"without.{target}.toml")
        rest = dict(whole)
        del rest[target]
        assert list(flatten(event_of(implementation, RECORD, path)).items()) == list(rest.items())


def test_mapping_when_the_timestamp_is_not_required_then_its_absence_is_no_problem(
    tmp_path: Path, implementation: Any
) -> None:
    path = write_mapping(tmp_path, replaced("required = true\n", ""))
    assert implementation.to_ndjson(b"{}", path).problems == {}
    path = write_mapping(tmp_path, replaced("required = true", "required = false"))
    assert implementation.to_ndjson(b'{"Timestamp":null}', path).problems == {}


def test_mapping_when_a_field_is_made_required_then_its_absence_is_a_problem(
    tmp_path: Path, implementation: Any
) -> None:
    path = write_mapping(
        tmp_path, replaced('to = "cloudflare.ColoCode"\n', 'to = "cloudflare.ColoCode"\nrequired = true\n')
    )
    values = (b"", b',"ColoCode":null', b',"ColoCode":""', b',"ColoCode":[]')
    data = b"".join(b'{"Timestamp":0%s}\n' % value for value in values)
    assert implementation.to_ndjson(data, path).problems == {"field.missing:ColoCode": 3, "field.type:ColoCode": 1}


@pytest.mark.parametrize(
    "value",
    [
        "text",
        "",
        0,
        -1,
        7,
        2**53 + 1,
        2**63 - 1,
        -(2**63),
        1.5,
        -0.0,
        1e16,
        1e-7,
        1.7976931348623157e308,
        0.1,
        True,
        False,
        [],
        ["a", "b"],
        [1, 2.5, True, "x", False, ""],
        "é😀\u2028\u007f/",
        '"\\\b\f\n\r\t\u0000\u0001\u001f',
    ],
    ids=ascii,
)
def test_mapping_when_a_constant_is_added_then_every_event_has_it_and_its_type(
    value: Any, tmp_path: Path, implementation: Any
) -> None:
    path = write_mapping(tmp_path, BUNDLED + field(to="labels.added", kind="constant", value=value))
    for data in (RECORD, b"{}"):
        event = event_of(implementation, data, path)
        assert json.dumps(event["labels"]) == json.dumps({"added": value})
        assert list(event)[-1] == "labels"


def test_mapping_when_a_constant_list_is_changed_in_an_event_then_the_next_event_has_its_own(
    tmp_path: Path, implementation: Any
) -> None:
    path = write_mapping(tmp_path, field(to="tags", kind="constant", value=["a"]))
    first, second = implementation.to_dicts(b"{}{}", path).output
    first["tags"].append("b")
    assert second == {"tags": ["a"]}
    assert implementation.to_dicts(b"{}", path).output == [{"tags": ["a"]}]


def test_mapping_when_an_array_is_asked_for_then_the_value_is_a_list_of_one(
    tmp_path: Path, implementation: Any
) -> None:
    kinds = {
        "text": ("ColoCode", "AMS"),
        "integer": ("EDNSSubnetLength", 24),
        "boolean": ("ResponseCached", True),
        "timestamp": ("Timestamp", "2022-07-07T22:42:06Z"),
        "ip": ("SourceIP", "192.0.2.1"),
        "name": ("QueryName", "www.example.co.uk"),
        "registered_domain": ("QueryName", "example.co.uk"),
        "subdomain": ("QueryName", "www"),
        "top_level_domain": ("QueryName", "co.uk"),
    }
    text = "".join(
        field(**{"from": source}, to=f"out.{kind}", kind=kind, array=True) for kind, (source, _) in kinds.items()
    )
    text += field(**{"from": "QueryType"}, to="out.enum", kind="enum", table="rr_type", naming="iana", array=True)
    path = write_mapping(tmp_path, text)
    expected = {kind: [value] for kind, (_, value) in kinds.items()} | {"enum": ["AAAA"]}
    assert event_of(implementation, RECORD, path) == {"out": expected}
    assert event_of(implementation, b"{}", path) == {}


def test_mapping_when_array_is_false_then_the_value_stands_alone(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(
        tmp_path,
        replaced('to = "related.ip"\nkind = "ip"\narray = true', 'to = "related.ip"\nkind = "ip"\narray = false'),
    )
    assert event_of(implementation, RECORD, path)["related"]["ip"] == "192.0.2.1"


def test_mapping_when_the_entries_have_another_order_then_the_output_follows(
    tmp_path: Path, implementation: Any
) -> None:
    head, *entries = BUNDLED.split("[[field]]")
    path = write_mapping(
        tmp_path,
        "[[field]]".join([head, *[entry if entry.endswith("\n") else entry + "\n" for entry in reversed(entries)]]),
    )
    straight, reverse = event_of(implementation, RECORD, "sekoia"), event_of(implementation, RECORD, path)
    assert reverse == straight
    assert list(flatten(reverse)) == list(reversed(flatten(straight)))


def test_mapping_when_children_of_a_parent_stand_apart_then_they_are_written_together_where_the_first_stands(
    tmp_path: Path, implementation: Any
) -> None:
    text = (
        field(**{"from": "ColoCode"}, to="a.b.x", kind="text")
        + field(to="z", kind="constant", value=1)
        + field(**{"from": "SourceIP"}, to="a.c", kind="ip")
        + field(to="y.k", kind="constant", value=2)
        + field(**{"from": "EDNSSubnet"}, to="a.b.w", kind="text")
    )
    path = write_mapping(tmp_path, text)
    for record, expected in (
        (RECORD, '{"a":{"b":{"x":"AMS","w":"198.51.100.0"},"c":"192.0.2.1"},"z":1,"y":{"k":2}}'),
        (b'{"EDNSSubnet":"w"}', '{"a":{"b":{"w":"w"}},"z":1,"y":{"k":2}}'),
        (b'{"SourceIP":"::1"}', '{"a":{"c":"::1"},"z":1,"y":{"k":2}}'),
        (b"{}", '{"z":1,"y":{"k":2}}'),
    ):
        assert implementation.to_ndjson(record, path).output.decode() == expected + "\n"
        event_of(implementation, record, path)


def test_mapping_when_an_event_has_nothing_then_it_is_an_empty_object(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, field(**{"from": "ColoCode"}, to="a.b.c", kind="text"))
    assert implementation.to_ndjson(b"{}{}\n{}", path).output == b"{}\n" * 3
    assert implementation.to_dicts(b"{}", path).output == [{}]


def test_mapping_when_only_the_message_is_mapped_and_dropped_then_events_are_empty_objects(
    tmp_path: Path, implementation: Any
) -> None:
    path = write_mapping(tmp_path, field(to="raw.text", kind="raw"))
    assert implementation.to_ndjson(b"{}", path).output == b'{"raw":{"text":"{}"}}\n'
    assert implementation.to_ndjson(b"{}", path, keep_message=False).output == b"{}\n"


def test_mapping_when_several_raw_fields_are_dropped_then_all_are(tmp_path: Path, implementation: Any) -> None:
    text = (
        field(to="message", kind="raw")
        + field(**{"from": "ColoCode"}, to="a", kind="text")
        + field(to="event.original", kind="raw")
    )
    path = write_mapping(tmp_path, text)
    assert event_of(implementation, RECORD, path) == {
        "message": RECORD.decode(),
        "a": "AMS",
        "event": {"original": RECORD.decode()},
    }
    assert event_of(implementation, RECORD, path, keep_message=False) == {"a": "AMS"}


@pytest.mark.parametrize(
    "key",
    [
        'quo"te',
        "back\\slash",
        "tab\there",
        "line\nfeed",
        "nul\x00",
        "\x1f",
        "\x7f",
        "é",
        "😀",
        "\u2028",
        "a b",
        "/",
        "%s{}",
        "message",
    ],
)
def test_mapping_when_a_target_needs_escaping_then_it_is_escaped_as_json_dumps_does(
    key: str, tmp_path: Path, implementation: Any
) -> None:
    text = (
        field(to=f"{key}.{key}", kind="constant", value=key)
        + field(**{"from": "ColoCode"}, to=f"x.{key}", kind="text")
        + field(to=f"y{key}", kind="raw")
    )
    path = write_mapping(tmp_path, text)
    assert event_of(implementation, RECORD, path) == {key: {key: key}, "x": {key: "AMS"}, f"y{key}": RECORD.decode()}


@pytest.mark.parametrize(
    "source",
    ['quo"te', "back\\slash", "\x00", "\n", "é", "😀", "a b", "Query Name", "x" * 300, "\x7f", "/", ".", "a.b"],
)
def test_mapping_when_a_source_key_needs_escaping_then_it_is_found_however_it_is_written(
    source: str, tmp_path: Path, implementation: Any
) -> None:
    path = write_mapping(tmp_path, field(**{"from": source}, to="out", kind="text"))
    units = source.encode("utf-16-be")
    spelt_out = "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    for written in (json.dumps(source)[1:-1], json.dumps(source, ensure_ascii=False)[1:-1], spelt_out):
        assert event_of(implementation, b'{"%s":"v"}' % written.encode(), path) == {"out": "v"}
        problems = implementation.to_ndjson(b'{"%s":[]}' % written.encode(), path).problems
        assert problems == {f"field.type:{source}": 1}
    assert event_of(implementation, b'{"%s_":"v","_%s":"v"}' % ((json.dumps(source)[1:-1].encode(),) * 2), path) == {}


def test_mapping_when_one_source_feeds_several_kinds_then_each_reads_it_in_its_way(
    tmp_path: Path, implementation: Any
) -> None:
    kinds = (
        "text",
        "integer",
        "boolean",
        "timestamp",
        "ip",
        "name",
        "subdomain",
        "top_level_domain",
        "registered_domain",
    )
    text = "".join(field(**{"from": "K"}, to=kind, kind=kind) for kind in kinds)
    text += field(**{"from": "K"}, to="type", kind="enum", table="rr_type", naming="standard")
    text += field(**{"from": "K"}, to="rcode", kind="enum", table="rcode", naming="standard")
    path = write_mapping(tmp_path, text)
    for token, expected, problems in (
        (
            "1",
            {
                "text": "1",
                "integer": 1,
                "boolean": True,
                "timestamp": "1970-01-01T00:00:01Z",
                "type": "A",
                "rcode": "FORMERR",
            },
            {"field.type": 1},
        ),
        (
            '"1"',
            {
                "text": "1",
                "integer": 1,
                "boolean": True,
                "timestamp": "1970-01-01T00:00:01Z",
                "name": "1",
                "type": "A",
                "rcode": "FORMERR",
            },
            {"field.type": 1},
        ),
        ("255", {"text": "255", "integer": 255, "timestamp": "1970-01-01T00:04:15Z", "type": "ANY"}, {"field.type": 1}),
        ('"192.0.2.1"', {"text": "192.0.2.1", "ip": "192.0.2.1", "name": "192.0.2.1"}, {"field.type": 1}),
        (
            '"a.b.com."',
            {
                "text": "a.b.com.",
                "name": "a.b.com",
                "subdomain": "a",
                "top_level_domain": "com",
                "registered_domain": "b.com",
            },
            {"field.type": 1},
        ),
        (
            "70000",
            {"text": "70000", "integer": 70000, "timestamp": "1970-01-01T19:26:40Z"},
            {"field.type": 1, "field.range": 1},
        ),
        ("18446744073709551616", {"timestamp": "2554-07-21T23:34:33.709551Z"}, {"field.range": 1}),
        ("1e400", {}, {"field.range": 1}),
        ("1.5", {"timestamp": "1970-01-01T00:00:01.500000Z"}, {"field.type": 1}),
        ("true", {"boolean": True}, {"field.type": 1}),
        ("[]", {}, {"field.type": 1}),
        ("null", {}, {}),
        ('""', {}, {}),
    ):
        data = b'{"K":%s}' % token.encode()
        assert flatten(event_of(implementation, data, path)) == expected, token
        counted = {f"{code}:K": count for code, count in problems.items()}
        assert implementation.to_ndjson(data, path).problems == counted, token
        assert implementation.to_ndjson(data * 3, path).problems == {key: 3 for key in counted}, token


def test_mapping_when_a_required_source_feeds_several_fields_then_its_absence_is_counted_once(
    tmp_path: Path, implementation: Any
) -> None:
    text = "".join(field(**{"from": "K"}, to=f"out{n}", kind="text", required=n == 1) for n in range(3))
    path = write_mapping(tmp_path, text)
    assert implementation.to_ndjson(b"{}{}", path).problems == {"field.missing:K": 2}


def test_mapping_when_two_enums_name_differently_then_each_has_its_names(tmp_path: Path, implementation: Any) -> None:
    text = "".join(
        field(**{"from": "ResponseCode"}, to=naming, kind="enum", table="rcode", naming=naming)
        for naming in ("iana", "sekoia", "standard")
    )
    path = write_mapping(tmp_path, text)
    assert event_of(implementation, b'{"ResponseCode":16}', path) == {
        "iana": "BADVERS",
        "sekoia": "BADVERS OR BADSIG",
        "standard": "BADVERS",
    }
    assert event_of(implementation, b'{"ResponseCode":3}', path) == {
        "iana": "NXDomain",
        "sekoia": "NXDomain",
        "standard": "NXDOMAIN",
    }


def test_mapping_when_it_holds_very_many_fields_then_all_are_written(tmp_path: Path, implementation: Any) -> None:
    text = "".join(field(**{"from": f"K{n % 7}"}, to=f"p{n % 10}.q{n % 3}.t{n}", kind="text") for n in range(1000))
    path = write_mapping(tmp_path, text)
    event = event_of(implementation, b'{"K0":"a","K3":"b","K6":5}', path)
    expected = {f"p{n % 10}.q{n % 3}.t{n}": {0: "a", 3: "b", 6: "5"}[n % 7] for n in range(1000) if n % 7 in (0, 3, 6)}
    assert flatten(event) == expected


def test_mapping_when_a_target_is_as_deep_as_allowed_then_it_is_nested_so_deep(
    tmp_path: Path, implementation: Any
) -> None:
    target = ".".join(f"k{n}" for n in range(32))
    path = write_mapping(
        tmp_path,
        field(**{"from": "ColoCode"}, to=target, kind="text") + field(to="c." * 31 + "c", kind="constant", value=1),
    )
    assert flatten(event_of(implementation, RECORD, path)) == {target: "AMS", "c." * 31 + "c": 1}


def test_normalizer_when_its_mapping_file_changes_or_goes_then_does_not_change(tmp_path: Path) -> None:
    path = write_mapping(tmp_path, BUNDLED)
    normalizer = Normalizer(path)
    expected = normalizer.to_ndjson(RECORD)
    write_mapping(tmp_path, field(to="a", kind="constant", value=1))
    assert normalizer.to_ndjson(RECORD) == expected
    assert Normalizer(path).to_ndjson(RECORD).output == b'{"a":1}\n'
    assert cfdns_fast.parse(RECORD, path) == {"a": 1}
    write_mapping(tmp_path, field(to="a", kind="constant", value=2))
    assert cfdns_fast.parse(RECORD, path) == {"a": 2}, "only the bundled schemas are cached"
    path.unlink()
    assert normalizer.to_ndjson(RECORD) == expected


def test_mapping_when_constants_are_far_longer_than_the_records_then_all_are_written(
    tmp_path: Path, implementation: Any
) -> None:
    value = 'long "constant" ' * 400
    path = write_mapping(tmp_path, field(to="a", kind="constant", value=value))
    line = json.dumps({"a": value}, separators=(",", ":")).encode() + b"\n"
    assert implementation.to_ndjson(b"{}" * 3000, path).output == line * 3000
