"""MISP events: attributes of the event and of its objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.feeds import found, load, matches, skipped

from cfdns_fast.detect import FeedError


def attribute(number: int, kind: str, value: str, **members: Any) -> dict[str, Any]:
    uuid = f"{number:08d}-0000-4000-8000-000000000000"
    return {"uuid": uuid, "type": kind, "value": value, "to_ids": True, "timestamp": "1767225600", **members}


ATTRIBUTES = [
    attribute(1, "domain", "evil.example", comment="from a report"),
    attribute(2, "hostname", "host.bad.example"),
    attribute(3, "domain|ip", "both.example|192.0.2.1"),
    attribute(4, "ip-dst", "198.51.100.1"),
    attribute(5, "ip-src|port", "198.51.100.2|443"),
    attribute(6, "url", "http://site.example/"),
    attribute(7, "url", "http://shared.example/page"),
    attribute(8, "md5", "d41d8cd98f00b204e9800998ecf8427e"),
    attribute(9, "domain", "context.example", to_ids=False),
    attribute(10, "domain", "deleted.example", deleted=True),
]
OBJECT = {"name": "domain-ip", "Attribute": [attribute(11, "domain", "inside.example")]}


def event(attributes: list[dict[str, Any]], objects: list[dict[str, Any]], **members: Any) -> dict[str, Any]:
    """Return an event in which the publisher and the tags follow the attributes."""
    return {
        "Event": {
            "info": "A campaign",
            "Attribute": attributes,
            "Object": objects,
            "Orgc": {"name": "Example CERT"},
            "Tag": [{"name": "type:OSINT"}, {"name": "tlp:green"}],
            **members,
        }
    }


def test_misp_attributes_and_objects(tmp_path: Path) -> None:
    indicators = load(tmp_path, json.dumps(event(ATTRIBUTES, [OBJECT])), addresses=True)
    assert indicators.report.feeds[0].format == "misp"
    names = ["x.evil.example", "host.bad.example", "x.both.example", "site.example", "inside.example"]
    assert matches(indicators, *names) == names
    absent = ["x.host.bad.example", "x.site.example", "shared.example", "context.example", "deleted.example"]
    assert matches(indicators, *absent) == []
    assert {reason: count for reason, (count, _) in skipped(indicators).items()} == {
        "url.path": 1,
        "type.other": 1,
        "to_ids": 1,
        "revoked": 1,
    }
    assert indicators.match_address("198.51.100.1", role="answer") is not None
    assert indicators.match_address("198.51.100.1", role="source") is None
    assert indicators.match_address("198.51.100.2", role="source") is not None
    assert indicators.match_address("192.0.2.1", role="answer") is not None


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("form", ["event", "response", "list"])
def test_misp_event_says_who_and_for_whom(tmp_path: Path, is_large: bool, form: str) -> None:
    """The same for an event that is read by its members; each event has its own publisher."""
    padding = [attribute(100 + n, "comment", "x" * 500) for n in range(400)] if is_large else []
    first = event([*padding, ATTRIBUTES[0]], [OBJECT])
    second = event([attribute(50, "domain", "second.example")], [], Orgc={"name": "Another"}, Tag=[])
    forms = {"event": first, "response": {"response": [first, second]}, "list": [first, second]}
    indicators = load(tmp_path, json.dumps(forms[form]))
    for name in ("evil.example", "inside.example"):
        value = found(indicators, name)
        assert value is not None
        assert (value.provider, value.tlp) == ("Example CERT", "GREEN")
    if form != "event":
        value = found(indicators, "second.example")
        assert value is not None
        assert (value.provider, value.tlp) == ("Another", None)


def test_misp_tag_of_an_attribute_wins(tmp_path: Path) -> None:
    tagged = attribute(1, "domain", "evil.example", Tag=[{"name": "tlp:amber"}], first_seen="2026-01-01T00:00:00+00:00")
    value = found(load(tmp_path, json.dumps(event([tagged], []))), "evil.example")
    assert value is not None
    assert (value.tlp, value.first_seen_ns) == ("AMBER", 1_767_225_600 * 10**9)


def test_misp_manifest_is_refused_by_name(tmp_path: Path) -> None:
    manifest = {"5f0c1b5a-0000-4000-8000-000000000000": {"Orgc": {"name": "x"}, "info": "y", "timestamp": "1"}}
    with pytest.raises(FeedError, match="manifest") as caught:
        load(tmp_path, json.dumps(manifest))
    assert caught.value.code == "feed.format"


@pytest.mark.parametrize(
    "broken",
    [
        {"Event": None},
        {"Event": {"Attribute": None, "Object": "x", "Orgc": 5, "Tag": {"name": "x"}}},
        {"Event": {"Attribute": [None, 5, {"type": ["domain"], "value": {}}, {"type": "domain"}]}},
        {"Event": {"Object": [None, {"Attribute": [None, {"type": "domain", "value": 5}]}]}},
    ],
)
def test_misp_wrong_types_harm_no_neighbour(tmp_path: Path, broken: dict[str, Any]) -> None:
    text = json.dumps({"response": [broken, event([ATTRIBUTES[0]], [])]})
    assert matches(load(tmp_path, text), "evil.example") == ["evil.example"]
