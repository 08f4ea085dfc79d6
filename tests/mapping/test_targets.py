"""How a mapping writes its targets: nesting, order, lists, escapes, sizes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from golden import flatten
from support.mappings import field, write_mapping
from support.records import FULL_RECORD, event_of


def test_constant_list_is_new_in_every_event(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, field(to="tags", kind="constant", value=["a"]))
    first, second = implementation.to_dicts(b"{}{}", path).output
    first["tags"].append("b")
    assert second == {"tags": ["a"]}
    assert implementation.to_dicts(b"{}", path).output == [{"tags": ["a"]}]


def test_array_true_gives_a_list_of_one(tmp_path: Path, implementation: Any) -> None:
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
    assert event_of(implementation, FULL_RECORD, path) == {"out": expected}
    assert event_of(implementation, b"{}", path) == {}


def test_children_are_grouped_at_the_first_of_them(tmp_path: Path, implementation: Any) -> None:
    """The mapping lists the children of one parent apart from each other."""
    text = (
        field(**{"from": "ColoCode"}, to="a.b.x", kind="text")
        + field(to="z", kind="constant", value=1)
        + field(**{"from": "SourceIP"}, to="a.c", kind="ip")
        + field(to="y.k", kind="constant", value=2)
        + field(**{"from": "EDNSSubnet"}, to="a.b.w", kind="text")
    )
    path = write_mapping(tmp_path, text)
    for record, expected in (
        (FULL_RECORD, '{"a":{"b":{"x":"AMS","w":"198.51.100.0"},"c":"192.0.2.1"},"z":1,"y":{"k":2}}'),
        (b'{"EDNSSubnet":"w"}', '{"a":{"b":{"w":"w"}},"z":1,"y":{"k":2}}'),
        (b'{"SourceIP":"::1"}', '{"a":{"c":"::1"},"z":1,"y":{"k":2}}'),
        (b"{}", '{"z":1,"y":{"k":2}}'),
    ):
        assert implementation.to_ndjson(record, path).output.decode() == expected + "\n"
        event_of(implementation, record, path)


def test_event_without_values_is_an_empty_object(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, field(**{"from": "ColoCode"}, to="a.b.c", kind="text"))
    assert implementation.to_ndjson(b"{}{}\n{}", path).output == b"{}\n" * 3
    assert implementation.to_dicts(b"{}", path).output == [{}]


def test_dropped_message_alone_gives_empty_objects(tmp_path: Path, implementation: Any) -> None:
    """The message is the only field of the mapping."""
    path = write_mapping(tmp_path, field(to="raw.text", kind="raw"))
    assert implementation.to_ndjson(b"{}", path).output == b'{"raw":{"text":"{}"}}\n'
    assert implementation.to_ndjson(b"{}", path, keep_message=False).output == b"{}\n"


def test_keep_message_false_drops_every_raw_field(tmp_path: Path, implementation: Any) -> None:
    text = (
        field(to="message", kind="raw")
        + field(**{"from": "ColoCode"}, to="a", kind="text")
        + field(to="event.original", kind="raw")
    )
    path = write_mapping(tmp_path, text)
    assert event_of(implementation, FULL_RECORD, path) == {
        "message": FULL_RECORD.decode(),
        "a": "AMS",
        "event": {"original": FULL_RECORD.decode()},
    }
    assert event_of(implementation, FULL_RECORD, path, keep_message=False) == {"a": "AMS"}


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
def test_target_is_escaped_as_json_dumps_does(key: str, tmp_path: Path, implementation: Any) -> None:
    text = (
        field(to=f"{key}.{key}", kind="constant", value=key)
        + field(**{"from": "ColoCode"}, to=f"x.{key}", kind="text")
        + field(to=f"y{key}", kind="raw")
    )
    path = write_mapping(tmp_path, text)
    assert event_of(implementation, FULL_RECORD, path) == {
        key: {key: key},
        "x": {key: "AMS"},
        f"y{key}": FULL_RECORD.decode(),
    }


def test_thousand_fields_are_written(tmp_path: Path, implementation: Any) -> None:
    text = "".join(field(**{"from": f"K{n % 7}"}, to=f"p{n % 10}.q{n % 3}.t{n}", kind="text") for n in range(1000))
    path = write_mapping(tmp_path, text)
    event = event_of(implementation, b'{"K0":"a","K3":"b","K6":5}', path)
    expected = {f"p{n % 10}.q{n % 3}.t{n}": {0: "a", 3: "b", 6: "5"}[n % 7] for n in range(1000) if n % 7 in (0, 3, 6)}
    assert flatten(event) == expected


def test_target_of_maximum_depth_is_written(tmp_path: Path, implementation: Any) -> None:
    target = ".".join(f"k{n}" for n in range(32))
    path = write_mapping(
        tmp_path,
        field(**{"from": "ColoCode"}, to=target, kind="text") + field(to="c." * 31 + "c", kind="constant", value=1),
    )
    assert flatten(event_of(implementation, FULL_RECORD, path)) == {target: "AMS", "c." * 31 + "c": 1}


def test_constants_longer_than_records_are_written(tmp_path: Path, implementation: Any) -> None:
    value = 'long "constant" ' * 400
    path = write_mapping(tmp_path, field(to="a", kind="constant", value=value))
    line = json.dumps({"a": value}, separators=(",", ":")).encode() + b"\n"
    assert implementation.to_ndjson(b"{}" * 3000, path).output == line * 3000
