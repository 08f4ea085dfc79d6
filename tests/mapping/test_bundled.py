"""Changes to a copy of the bundled mapping file change the output of every writer."""

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


def test_mapping_copy_gives_the_same_bytes(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, BUNDLED)
    data = b"\n".join(data for data in INPUTS if len(data) < 2000)
    assert implementation.to_ndjson(data, str(path)) == implementation.to_ndjson(data)


def test_renamed_target_moves_the_value(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, replaced('to = "cloudflare.ColoCode"', 'to = "cloudflare.colo.code"'))
    event = event_of(implementation, FULL_RECORD, path)
    assert event["cloudflare"]["colo"] == {"code": "AMS"} and "ColoCode" not in event["cloudflare"]


def test_renamed_message_moves_the_record(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, replaced('to = "message"', 'to = "event.original"'))
    event = event_of(implementation, FULL_RECORD, path)
    assert "message" not in event
    assert next(iter(event["event"].items())) == ("original", FULL_RECORD.decode())
    assert "original" not in event_of(implementation, FULL_RECORD, path, keep_message=False)["event"]


def test_removed_field_alone_is_missing(tmp_path: Path, implementation: Any) -> None:
    whole = flatten(event_of(implementation, FULL_RECORD, "sekoia"))
    for target in whole:
        path = write_mapping(tmp_path, without(target), f"without.{target}.toml")
        rest = dict(whole)
        del rest[target]
        assert list(flatten(event_of(implementation, FULL_RECORD, path)).items()) == list(rest.items())


def test_optional_timestamp_may_be_missing(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, replaced("required = true\n", ""))
    assert implementation.to_ndjson(b'{"ColoCode":"AMS"}', path).problems == {}
    path = write_mapping(tmp_path, replaced("required = true", "required = false"))
    assert implementation.to_ndjson(b'{"Timestamp":null}', path).problems == {}


def test_required_field_missing_is_a_problem(tmp_path: Path, implementation: Any) -> None:
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
def test_constant_keeps_its_type_in_every_event(value: Any, tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, BUNDLED + field(to="labels.added", kind="constant", value=value))
    for data in (FULL_RECORD, b"{}"):
        event = event_of(implementation, data, path)
        assert json.dumps(event["labels"]) == json.dumps({"added": value})
        assert list(event)[-1] == "labels"


def test_array_false_writes_the_bare_value(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(
        tmp_path,
        replaced('to = "related.ip"\nkind = "ip"\narray = true', 'to = "related.ip"\nkind = "ip"\narray = false'),
    )
    assert event_of(implementation, FULL_RECORD, path)["related"]["ip"] == "192.0.2.1"


def test_output_follows_the_order_of_the_entries(tmp_path: Path, implementation: Any) -> None:
    head, *entries = BUNDLED.split("[[field]]")
    path = write_mapping(
        tmp_path,
        "[[field]]".join([head, *[entry if entry.endswith("\n") else entry + "\n" for entry in reversed(entries)]]),
    )
    straight, reverse = event_of(implementation, FULL_RECORD, "sekoia"), event_of(implementation, FULL_RECORD, path)
    assert reverse == straight
    assert list(flatten(reverse)) == list(reversed(flatten(straight)))


def test_normalizer_ignores_later_file_changes(tmp_path: Path) -> None:
    """A new Normalizer reads the file again; only bundled schemas are cached."""
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
