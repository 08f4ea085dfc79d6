"""Alerts and annotated events have the fields, types and arrays of the Elastic Common Schema 9.4."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.alerts import NOW_NS, alerts_of, nop, record
from support.detectors import Found

from cfdns_fast import Normalizer
from cfdns_fast.detect import Alerts, Feed, Indicators, Sliver
from cfdns_fast.detect.documents import ECS_VERSION
from cfdns_fast.mapping import bundled
from cfdns_fast.matching import NameTableBuilder

#: ECS field -> (type, whether it is an array). The head of the file names its origin.
FIELDS = {
    name: (kind, form == "array")
    for name, kind, form in (
        line.split("\t")
        for line in (Path(__file__).parents[1] / "mapping" / "ecs_fields.tsv").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3,9})?Z")
LOOKS_LIKE: dict[str, Any] = {
    "keyword": lambda value: isinstance(value, str) and value != "",
    "wildcard": lambda value: isinstance(value, str) and value != "",
    "match_only_text": lambda value: isinstance(value, str),
    "long": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "ip": lambda value: ipaddress.ip_address(value) is not None,
    "date": lambda value: RFC3339.fullmatch(value) is not None,
}
#: Members that are not of ECS: ours, and those of the mappings.
OTHER = ("cfdns.", "cloudflare.")

SLIVER = nop(7_000_000, 1, "c2.evil.example")
STIX = {
    "type": "bundle",
    "objects": [
        {
            "type": "indicator",
            "spec_version": "2.1",
            "id": "indicator--11111111-2222-4333-8444-555555555555",
            "created": "2026-01-01T00:00:00Z",
            "modified": "2026-02-01T00:00:00Z",
            "pattern": "[domain-name:value = 'evil.example']",
            "pattern_type": "stix",
            "valid_from": "2026-01-01T00:00:00Z",
            "confidence": 85,
            "description": "A name of the “test”",
            "object_marking_refs": ["marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9"],
            "external_references": [{"source_name": "report", "url": "https://report.example/1"}],
        }
    ],
}

RULE = """
title: Names of a campaign
id: 0d3d3a9c-6a0e-4f0e-9f57-5d7f3a2f2b11
description: Host names as a campaign made them
author: An author
references: [https://report.example/2]
level: critical
tags: [attack.command-and-control, attack.t1071.004]
logsource: {category: dns}
detection:
    selection: {query|startswith: upd-}
    condition: selection
"""


def fields_of(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the fields of a document, dotted; objects of a list of objects one by one."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from fields_of(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        kind, is_array = FIELDS[name]
        assert (kind, is_array) == ("nested", True), name
        for each in value:
            yield from fields_of(each, name)
    else:
        yield name, value


def check(document: Mapping[str, Any]) -> None:
    """Compare a document with the list of fields."""
    for name, value in fields_of(document):
        if name.startswith(OTHER):
            continue
        kind, is_array = FIELDS[name]
        assert isinstance(value, list) == is_array, name
        assert value != [], name
        assert all(LOOKS_LIKE[kind](each) for each in (value if is_array else [value])), (name, value)


@pytest.fixture
def feed(tmp_path: Path) -> Indicators:
    (tmp_path / "feed.json").write_text(json.dumps(STIX), encoding="utf-8")
    (tmp_path / "list.txt").write_text("evil.example\nother.example\n", encoding="utf-8")
    return Indicators.load(tmp_path / "feed.json", Feed(tmp_path / "list.txt"))


@pytest.mark.parametrize("dataset", sorted(bundled()))
@pytest.mark.parametrize("at_once", [False, True])
def test_alerts_have_fields_of_ecs(feed: Indicators, dataset: str, at_once: bool) -> None:
    names = [SLIVER, "x.evil.example", "other.example", SLIVER, nop(7_000_000, 2, "c2.evil.example")]
    members = {
        "Datetime": "2026-09-21T14:20:00Z",
        "SrcIP": "192.0.2.8",
        "Email": "user@example.com",
        "PolicyID": "p",
        "ResponseCode": 3,
        "ColoID": 7,
    }
    records = [record(name, second, **members) for second, name in enumerate(names)]
    found = alerts_of([feed, Sliver()], records, dataset=dataset, at_once=at_once)
    assert len(found) >= 4
    for document in found:
        check(document)
        assert document["ecs"] == {"version": ECS_VERSION}
        assert document["event"]["kind"] == "alert"
        assert document["event"]["dataset"] == dataset
        assert "original" not in document["event"]


@pytest.mark.parametrize("dataset", sorted(bundled()))
def test_alerts_of_the_other_schema_have_fields_of_ecs(feed: Indicators, dataset: str) -> None:
    found = alerts_of([feed, Sliver()], [record(SLIVER), record("evil.example")], dataset=dataset, schema="sekoia")
    assert len(found) == 3
    for document in found:
        check(document)
        assert "message" not in document
        assert document["dns"]["question"]["name"]


def test_alerts_of_ocsf_hold_the_event_as_an_object(feed: Indicators) -> None:
    found = alerts_of([feed, Sliver()], [record(SLIVER, 1), record("evil.example", 2)], schema="ocsf")
    assert len(found) == 3
    for document in found:
        event = document.pop("ocsf")
        check(document)
        assert event["query"]["hostname"] in (SLIVER, "evil.example")
        assert not {"raw_data", "enrichments"} & event.keys()
        assert document["@timestamp"] == document["event"]["start"] == event["time_dt"]
    opened = [document for document in found if document["cfdns"]["alert"]["state"] == "open"]
    assert len({document["event"]["id"] for document in opened}) == len(opened) == 2


def test_alert_key_of_ocsf_is_the_registered_domain() -> None:
    """Events of OCSF do not have it, and it must not become `co.uk`."""
    names = NameTableBuilder()
    names.add("example.co.uk")
    records = [record("a.example.co.uk", 1), record("b.example.co.uk", 2)]
    found = alerts_of([Found(names.build())], records, schema="ocsf")
    assert {each["cfdns"]["alert"]["key"] for each in found} == {"example.co.uk"}
    assert found[-1]["cfdns"]["alert"]["count"] == 2


def test_alert_of_sliver_is_this_document() -> None:
    (document,) = alerts_of([Sliver()], [record("11d5hqrb342f4y93bc2qegjf.any-name.example.com")])
    document["event"].pop("id")
    assert document == {
        "@timestamp": "2026-09-21T14:20:00.000000000Z",
        "ecs": {"version": "9.4.0"},
        "event": {
            "category": ["network", "intrusion_detection"],
            "created": "2026-09-22T14:20:00.000Z",
            "dataset": "dns_logs",
            "end": "2026-09-21T14:20:00.000000000Z",
            "kind": "alert",
            "severity": 47,
            "start": "2026-09-21T14:20:00.000000000Z",
            "type": ["info"],
        },
        "rule": {
            "id": "cfdns-sliver",
            "name": "Sliver DNS Beaconing",
            "description": "The query name carries a message of Sliver's DNS channel",
            "ruleset": "cfdns_fast",
            "version": "1",
            "reference": "https://github.com/BishopFox/sliver",
        },
        "threat": {
            "framework": "MITRE ATT&CK",
            "tactic": {"id": ["TA0011"], "name": ["Command and Control"]},
            "technique": {
                "id": ["T1071", "T1572", "T1132"],
                "name": ["Application Layer Protocol", "Protocol Tunneling", "Data Encoding"],
                "subtechnique": {"id": ["T1071.004", "T1132.002"], "name": ["DNS", "Non-Standard Encoding"]},
            },
            "software": {
                "id": "S0633",
                "name": "Sliver",
                "type": "Tool",
                "reference": "https://attack.mitre.org/software/S0633/",
            },
        },
        "cfdns": {
            "sliver": {"message": "NOP", "encoder": "base32", "session": "37d30a", "parent": "any-name.example.com"},
            "alert": {
                "key": "any-name.example.com 37d30a",
                "level": "medium",
                "state": "open",
                "count": 1,
                "window_seconds": 600,
            },
        },
        "dns": {
            "question": {
                "name": "11d5hqrb342f4y93bc2qegjf.any-name.example.com",
                "registered_domain": "example.com",
                "subdomain": "11d5hqrb342f4y93bc2qegjf.any-name",
                "top_level_domain": "com",
                "type": "A",
            },
            "type": "query",
        },
        "network": {"protocol": "dns"},
        "observer": {"type": "dns", "vendor": "Cloudflare"},
        "related": {"hosts": ["11d5hqrb342f4y93bc2qegjf.any-name.example.com"], "ip": ["192.0.2.7"]},
        "source": {"address": "192.0.2.7", "ip": "192.0.2.7"},
    }


def test_alert_of_an_indicator_lists_the_feeds(feed: Indicators) -> None:
    (document,) = alerts_of([feed], [record("x.evil.example")])
    first, second = document["threat"]["enrichments"]
    assert first["matched"] == {
        "atomic": "evil.example",
        "field": "dns.question.name",
        "id": "indicator--11111111-2222-4333-8444-555555555555",
        "occurred": document["@timestamp"],
        "type": "indicator_match_rule",
    }
    assert first["indicator"]["confidence"] == "High"
    assert first["indicator"]["marking"] == {"tlp": "WHITE"}
    assert first["indicator"]["reference"] == "https://report.example/1"
    assert second["indicator"]["provider"] == "list.txt"
    assert document["cfdns"]["indicator"] == {"match": "parent"}
    (exact,) = alerts_of([feed], [record("evil.example")])
    assert exact["cfdns"]["indicator"] == {"match": "exact"}


@pytest.mark.parametrize("occurred", ["yesterday", "", 5, None])
def test_event_without_a_time_is_annotated(feed: Indicators, occurred: Any) -> None:
    """A mapping of the user may write anything as the time."""
    normalizer = Normalizer("ecs", detect=[feed])
    (detection,) = normalizer.to_ndjson(record("evil.example")).detections
    annotation = feed.annotation(detection, {"@timestamp": occurred})
    assert annotation is not None
    assert annotation.rule["id"] == "cfdns-indicators"


def test_alert_of_a_rule_has_fields_of_ecs(tmp_path: Path) -> None:
    """Names of one registered domain are one alert: a tunnel makes a new name for each message."""
    pytest.importorskip("yaml", reason="rules are YAML")
    from cfdns_fast.detect import Rules

    (tmp_path / "rule.yml").write_text(RULE, encoding="utf-8")
    names = ["upd-1.campaign.example.com", "upd-2.campaign.example.com", "upd-1.example.com", "other.example.org"]
    found = alerts_of([Rules.load(tmp_path)], [record(name) for name in names], at_once=False)
    (document,) = found
    check(document)
    assert document["cfdns"]["alert"]["count"] == 3
    assert document["cfdns"]["alert"]["key"] == "example.com"
    assert document["event"]["severity"] == 99
    assert document["rule"]["id"] == "0d3d3a9c-6a0e-4f0e-9f57-5d7f3a2f2b11"
    assert document["rule"]["author"] == ["An author"]
    assert document["threat"]["technique"]["subtechnique"]["id"] == ["T1071.004"]


def test_shipped_rules_find_what_the_decoder_finds() -> None:
    pytest.importorskip("yaml", reason="rules are YAML")
    from cfdns_fast.detect import Rules

    found = alerts_of([Sliver(), Rules.shipped()], [record(SLIVER)])
    assert [each["rule"]["name"] for each in found] == ["Sliver DNS Beaconing"] * 2
    for document in found:
        check(document)


def test_annotated_events_have_fields_of_ecs(feed: Indicators) -> None:
    detect = [feed, Sliver()]
    normalizer = Normalizer("ecs", detect=detect, on_detection="annotate")
    (event,) = normalizer.to_dicts(record(SLIVER)).output
    check(event)
    assert event["event"]["kind"] == "event"
    # Both rules are found in the name; the more severe one is the rule of the event.
    assert event["rule"]["id"] == "cfdns-indicators"
    assert event["threat"]["enrichments"][0]["matched"]["atomic"] == "evil.example"
    assert event["cfdns"]["sliver"]["message"] == "NOP"
    (quiet,) = normalizer.to_dicts(record("baa8.c2.fine.example")).output
    assert "rule" not in quiet


def test_members_of_the_mapping_do_not_hide_the_rule() -> None:
    """Gateway's policy is in ``rule.id`` of an event; the alert has its own rule."""
    (document,) = alerts_of([Sliver()], [record(SLIVER, PolicyID="policy")], dataset="gateway_dns")
    assert document["rule"]["id"] == "cfdns-sliver"


def test_annotation_without_threat_makes_a_document() -> None:
    detector = Found(Sliver().matcher(), level=0)
    (document,) = alerts_of([detector], [record(SLIVER, None)])
    assert document["cfdns"]["alert"]["level"] == "informational"
    assert document["event"]["severity"] == 0


def test_event_of_another_mapping_makes_a_document() -> None:
    """Events of a user's mapping may have any form."""
    normalizer = Normalizer("ecs", detect=[Sliver()])
    detections = normalizer.to_ndjson(record(SLIVER)).detections
    event = {"@timestamp": "yesterday", "event": "text", "dns": 7, "message": "x", "name": "é"}
    (line,) = Alerts([Sliver()], clock=lambda: NOW_NS).take_event(event, detections)
    document = json.loads(line)
    assert document["@timestamp"] == "yesterday"
    assert document["event"]["kind"] == "alert"
    assert (document["dns"], document["name"]) == (7, event["name"])
