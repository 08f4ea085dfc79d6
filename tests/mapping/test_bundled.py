"""A copy of the bundled mapping file, changed: the output of every writer follows."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from golden import INPUTS, flatten
from support.mappings import field, write_mapping
from support.records import FULL_RECORD, event_of

import cfdns_fast
from cfdns_fast import Normalizer

BUNDLED = (resources.files("cfdns_fast") / "data" / "dns_logs.sekoia.toml").read_text(encoding="utf-8")


def replaced(old: str, new: str) -> str:
    assert BUNDLED.count(old) == 1, old
    return BUNDLED.replace(old, new)


def without(to: str) -> str:
    entries = BUNDLED.split("[[field]]")
    kept = [entry for entry in entries if f'to = "{to}"' not in entry]
    assert len(kept) == len(entries) - 1
    return "[[field]]".join(kept)


def test_mapping_when_copied_unchanged_then_gives_the_same_bytes(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, BUNDLED)
    data = b"\n".join(data for data in INPUTS if len(data) < 2000)
    assert implementation.to_ndjson(data, str(path)) == implementation.to_ndjson(data)


def test_mapping_when_a_target_is_renamed_then_the_value_moves(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, replaced('to = "cloudflare.ColoCode"', 'to = "cloudflare.colo.code"'))
    event = event_of(implementation, FULL_RECORD, path)
    assert event["cloudflare"]["colo"] == {"code": "AMS"} and "ColoCode" not in event["cloudflare"]


def test_mapping_when_the_message_is_renamed_then_the_record_moves(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, replaced('to = "message"', 'to = "event.original"'))
    event = event_of(implementation, FULL_RECORD, path)
    assert "message" not in event
    assert next(iter(event["event"].items())) == ("original", FULL_RECORD.decode())
    assert "original" not in event_of(implementation, FULL_RECORD, path, keep_message=False)["event"]


def test_mapping_when_every_field_is_dropped_in_turn_then_only_that_one_is_missing(
    tmp_path: Path, implementation: Any
) -> None:
    whole = flatten(event_of(implementation, FULL_RECORD, "sekoia"))
    for target in whole:
        path = write_mapping(tmp_path, without(target), f"without.{target}.toml")
        rest = dict(whole)
        del rest[target]
        assert list(flatten(event_of(implementation, FULL_RECORD, path)).items()) == list(rest.items())


def test_mapping_when_the_timestamp_is_not_required_then_its_absence_is_no_problem(
    tmp_path: Path, implementation: Any
) -> None:
    path = write_mapping(tmp_path, replaced("required = true\n", ""))
    assert implementation.to_ndjson(b'{"ColoCode":"AMS"}', path).problems == {}
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
    for data in (FULL_RECORD, b"{}"):
        event = event_of(implementation, data, path)
        assert json.dumps(event["labels"]) == json.dumps({"added": value})
        assert list(event)[-1] == "labels"


def test_mapping_when_array_is_false_then_the_value_stands_alone(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(
        tmp_path,
        replaced('to = "related.ip"\nkind = "ip"\narray = true', 'to = "related.ip"\nkind = "ip"\narray = false'),
    )
    assert event_of(implementation, FULL_RECORD, path)["related"]["ip"] == "192.0.2.1"


def test_mapping_when_the_entries_have_another_order_then_the_output_follows(
    tmp_path: Path, implementation: Any
) -> None:
    head, *entries = BUNDLED.split("[[field]]")
    path = write_mapping(
        tmp_path,
        "[[field]]".join([head, *[entry if entry.endswith("\n") else entry + "\n" for entry in reversed(entries)]]),
    )
    straight, reverse = event_of(implementation, FULL_RECORD, "sekoia"), event_of(implementation, FULL_RECORD, path)
    assert reverse == straight
    assert list(flatten(reverse)) == list(reversed(flatten(straight)))


def test_normalizer_when_its_mapping_file_changes_or_goes_then_does_not_change(tmp_path: Path) -> None:
    path = write_mapping(tmp_path, BUNDLED)
    normalizer = Normalizer(path)
    expected = normalizer.to_ndjson(FULL_RECORD)
    write_mapping(tmp_path, field(to="a", kind="constant", value=1))
    assert normalizer.to_ndjson(FULL_RECORD) == expected
    assert Normalizer(path).to_ndjson(FULL_RECORD).output == b'{"a":1}\n'
    assert cfdns_fast.parse(FULL_RECORD, path) == {"a": 1}
    write_mapping(tmp_path, field(to="a", kind="constant", value=2))
    assert cfdns_fast.parse(FULL_RECORD, path) == {"a": 2}, "only the bundled schemas are cached"
    path.unlink()
    assert normalizer.to_ndjson(FULL_RECORD) == expected
