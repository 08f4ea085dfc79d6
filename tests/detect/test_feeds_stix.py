"""STIX 2.1: containers, patterns, versions, markings and publishers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.feeds import SECOND_NS, found, found_all, load, matches, skipped, write

from cfdns_fast.detect import Feed, Indicators
from cfdns_fast.detect.feeds.stix_pattern import read_pattern
from cfdns_fast.detect.feeds.values import BOTH, SELF, Address, Name

IDENTITY = {"type": "identity", "id": "identity--1", "name": "Example CERT", "spec_version": "2.1"}
TLP2_AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"


def indicator(number: int, pattern: str, **members: Any) -> dict[str, Any]:
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{number:08d}-0000-4000-8000-000000000000",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-02T00:00:00.000Z",
        "pattern": pattern,
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
        **members,
    }


def domain(number: int, name: str, **members: Any) -> dict[str, Any]:
    return indicator(number, f"[domain-name:value = '{name}']", **members)


def bundle(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"type": "bundle", "id": "bundle--1", "objects": list(objects)}


ONE, TWO = domain(1, "one.example"), domain(2, "two.example")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(bundle(ONE, TWO)),
        json.dumps(bundle(ONE, TWO), indent=4),
        json.dumps([ONE, TWO]),
        json.dumps([bundle(ONE), bundle(TWO)]),
        json.dumps(ONE) + "\n" + json.dumps(TWO) + "\n",
        json.dumps(bundle(ONE)) + json.dumps(bundle(TWO)),
        json.dumps({"more": True, "next": "2", "objects": [ONE, TWO]}),
        json.dumps({"items": [ONE, TWO], "next_cursor": "x"}),
    ],
    ids=["bundle", "indented", "array", "bundles", "lines", "joined", "envelope", "items"],
)
def test_stix_containers(tmp_path: Path, text: str) -> None:
    indicators = load(tmp_path, text)
    assert indicators.report.feeds[0].format == "stix"
    assert matches(indicators, "one.example", "x.two.example", "example") == ["one.example", "x.two.example"]


def test_stix_empty_envelope_is_a_feed(tmp_path: Path) -> None:
    assert len(load(tmp_path, "{}")) == 0


def test_stix_members_reach_the_indicator(tmp_path: Path) -> None:
    value = domain(
        1,
        "evil.example",
        confidence=80,
        description="A phishing kit",
        created_by_ref="identity--1",
        object_marking_refs=["marking-definition--x", TLP2_AMBER],
        external_references=[{"source_name": "x"}, {"source_name": "blog", "url": "https://blog.example/1"}],
        kill_chain_phases=[{"kill_chain_name": "lockheed-martin-cyber-kill-chain", "phase_name": "delivery"}],
        valid_until="2026-03-01T00:00:00Z",
    )
    # The identity follows the indicator that refers to it.
    indicators = Indicators.load(Feed(write(tmp_path, json.dumps(bundle(value, IDENTITY))), name="my feed"))
    evil = found(indicators, "x.evil.example")
    assert evil is not None
    assert (evil.value, evil.type, evil.is_exact, evil.source) == ("evil.example", "domain-name", False, "my feed")
    assert (evil.id, evil.confidence, evil.provider, evil.tlp) == (value["id"], 80, "Example CERT", "AMBER")
    assert (evil.reference, evil.description) == ("https://blog.example/1", "A phishing kit")
    assert evil.kill_chain == ("delivery",)
    assert evil.version == indicators.version
    assert evil.modified_ns == 1_767_312_000 * SECOND_NS


def test_stix_marking_of_the_publisher(tmp_path: Path) -> None:
    marking = {"type": "marking-definition", "id": "marking-definition--9", "name": "TLP:AMBER+STRICT"}
    value = domain(1, "evil.example", object_marking_refs=["marking-definition--9"])
    evil = found(load(tmp_path, json.dumps(bundle(value, marking))), "evil.example")
    assert evil is not None
    assert evil.tlp == "AMBER+STRICT"


def test_stix_expires_at_the_exact_second(tmp_path: Path) -> None:
    value = domain(1, "evil.example", valid_from="2026-01-01T00:00:00Z", valid_until="2026-01-02T00:00:00.500Z")
    indicators = load(tmp_path, json.dumps(value))
    start, end = 1_767_225_600 * SECOND_NS, 1_767_312_000 * SECOND_NS + SECOND_NS // 2
    assert [found(indicators, "evil.example", at) is not None for at in (start - 1, start, end - 1, end)] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_stix_newest_version_counts(tmp_path: Path, order: tuple[int, ...]) -> None:
    versions = [
        domain(1, "old.example", modified="2026-01-01T00:00:00Z"),
        domain(1, "older.example", modified="2025-01-01T00:00:00Z"),
        domain(1, "new.example", modified="2026-06-01T00:00:00Z"),
    ]
    indicators = load(tmp_path, json.dumps(bundle(*(versions[each] for each in order))))
    assert matches(indicators, "old.example", "older.example", "new.example") == ["new.example"]
    assert indicators.report.names == 1
    assert indicators.report.skipped == {"version.old": 2}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_stix_revoked_removes_other_files(tmp_path: Path, order: tuple[int, int]) -> None:
    objects = [
        domain(1, "evil.example"),
        domain(1, "evil.example", modified="2026-06-01T00:00:00Z", revoked=True),
    ]
    paths = [write(tmp_path, json.dumps(objects[each]), f"page{each}") for each in order]
    indicators = Indicators.load(*paths)
    assert matches(indicators, "evil.example") == []
    assert indicators.report.skipped["revoked"] == 1
    assert indicators.report.feeds[0].names == 0


@pytest.mark.parametrize("is_reversed", [False, True])
def test_stix_unread_version_replaces_the_old(tmp_path: Path, is_reversed: bool) -> None:
    newer = indicator(1, "[file:hashes.MD5 = 'x']", modified="2026-06-01T00:00:00Z")
    objects = [newer, ONE] if is_reversed else [ONE, newer]
    indicators = load(tmp_path, json.dumps(bundle(*objects)))
    assert matches(indicators, "one.example") == []
    assert indicators.report.skipped == {"pattern.object": 1, "version.old": 1}


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"revoked": True, "pattern": None}, "revoked"),
        ({"revoked": True, "pattern_type": "sigma"}, "revoked"),
        ({"revoked": True, "valid_from": "soon"}, "revoked"),
        ({"pattern_type": "sigma"}, "pattern.type"),
        ({"pattern": None}, "pattern.type"),
        ({"valid_until": "soon"}, "time.invalid"),
    ],
)
def test_stix_broken_version_replaces_the_old(
    tmp_path: Path, members: dict[str, Any], reason: str, is_reversed: bool
) -> None:
    """A publisher has withdrawn the old version, whatever else is wrong with the new one."""
    newer = domain(1, "one.example", modified="2026-06-01T00:00:00Z") | members
    indicators = load(tmp_path, json.dumps([newer, ONE, TWO] if is_reversed else [ONE, newer, TWO]))
    assert matches(indicators, "one.example", "two.example") == ["two.example"]
    assert indicators.report.skipped == {reason: 1, "version.old": 1}


def test_stix_confidence_and_score(tmp_path: Path) -> None:
    objects = [
        domain(1, "low.example", confidence=10),
        domain(2, "high.example", confidence=90),
        domain(3, "score.example", x_opencti_score=20),
        domain(4, "unstated.example"),
        domain(5, "off.example", confidence=90, x_opencti_detection=False),
    ]
    indicators = load(tmp_path, json.dumps(objects), min_confidence=30)
    names = [f"{name}.example" for name in ("low", "high", "score", "unstated", "off")]
    assert matches(indicators, *names) == ["high.example", "unstated.example"]
    assert indicators.report.skipped == {"confidence.low": 2, "to_ids": 1}


def test_stix_several_indicators_of_a_name(tmp_path: Path) -> None:
    """A valid one counts, whatever an expired one says; the highest confidence is first."""
    objects = [
        domain(1, "evil.example", valid_until="2026-02-01T00:00:00Z", confidence=90),
        domain(2, "evil.example", confidence=10),
        domain(3, "evil.example", confidence=50),
    ]
    indicators = load(tmp_path, json.dumps(objects))
    january, march = (1_767_225_600 + days * 86_400 for days in (1, 60))
    assert [each.confidence for each in found_all(indicators, "evil.example", january * SECOND_NS)] == [90, 50, 10]
    assert [each.confidence for each in found_all(indicators, "evil.example", march * SECOND_NS)] == [50, 10]


def test_stix_large_file_is_read_by_members(tmp_path: Path) -> None:
    """The objects of a large bundle are read one by one, and the line of a fault is that of its object."""
    objects = [domain(number, f"n{number}.example", description="x" * 300) for number in range(1_000)]
    objects.append(domain(1_000, "bad..example"))
    text = json.dumps({"objects": objects, "type": "bundle", "id": "bundle--1"}, indent=1)
    indicators = load(tmp_path, text)
    assert indicators.report.names == 1_000
    line = text[: text.index('"id": "indicator--00001000')].count("\n")
    assert skipped(indicators)["name.syntax"] == (1, line - 2)


def test_stix_large_indicator_in_json_lines(tmp_path: Path) -> None:
    large = domain(1, "large.example", x_data="y" * 200_000)
    indicators = load(tmp_path, json.dumps(large) + "\n" + json.dumps(TWO))
    assert matches(indicators, "large.example", "two.example") == ["large.example", "two.example"]


NAMES = {
    "[domain-name:value = 'a.example']": (Name("a.example", BOTH),),
    "[domain-name:value='A.Example.']": (Name("a.example", BOTH),),
    "[ domain-name:value = 'a.example' OR domain-name:value = 'b.example' ]": (
        Name("a.example", BOTH),
        Name("b.example", BOTH),
    ),
    "[domain-name:value = 'a.example'] OR [domain-name:value = 'b.example']": (
        Name("a.example", BOTH),
        Name("b.example", BOTH),
    ),
    "[domain-name:value IN ('a.example', 'b.example')]": (Name("a.example", BOTH), Name("b.example", BOTH)),
    "([(domain-name:value = 'a.example')])": (Name("a.example", BOTH),),
    "[url:value = 'http://a.example/']": (Name("a.example", SELF),),
}


@pytest.mark.parametrize("pattern", NAMES)
def test_pattern_of_names(pattern: str) -> None:
    assert read_pattern(pattern) == NAMES[pattern]


def test_pattern_of_addresses() -> None:
    values = read_pattern("[ipv4-addr:value = '192.0.2.0/24' OR ipv6-addr:value ISSUBSET '2001:db8::/32']")
    assert not isinstance(values, str)
    assert [str(each.network) for each in values if isinstance(each, Address)] == ["192.0.2.0/24", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[domain-name:value = 'a.example' AND file:name = 'x']", "pattern.operator"),
        ("[domain-name:value = 'a.example'] AND [domain-name:value = 'b.example']", "pattern.operator"),
        ("[domain-name:value = 'a.example'] FOLLOWEDBY [url:value = 'http://b.example']", "pattern.operator"),
        ("[domain-name:value != 'a.example']", "pattern.operator"),
        ("[domain-name:value LIKE '%.example']", "pattern.operator"),
        ("[domain-name:value MATCHES '.*']", "pattern.operator"),
        ("[NOT domain-name:value = 'a.example']", "pattern.operator"),
        ("[domain-name:value NOT = 'a.example']", "pattern.operator"),
        ("[file:hashes.MD5 = 'x']", "pattern.object"),
        ("[domain-name:resolves_to_refs[*].value = '192.0.2.1']", "pattern.object"),
        ("[domain-name:value = 'a.example' OR file:name = 'x']", "pattern.object"),
        ("[url:value = 'http://a.example/x']", "url.path"),
        ("[domain-name:value = 'com']", "name.single_label"),
        ("[ipv4-addr:value = 'a.example']", "name.syntax"),
        ("[domain-name:value = 'a.example'", "pattern.unsupported"),
        ("domain-name:value = 'a.example'", "pattern.unsupported"),
        ("[domain-name:value = 'a.example' OR ]", "pattern.unsupported"),
        ("", "pattern.unsupported"),
        ("[" * 5_000, "pattern.unsupported"),
        ("(" * 60_000 + "[domain-name:value = 'a.example'", "pattern.unsupported"),
    ],
)
def test_pattern_with_more_is_refused(pattern: str, reason: str) -> None:
    assert read_pattern(pattern) == reason


def test_pattern_of_the_library() -> None:
    """Quoted path steps and comments are read by stix2-patterns only."""
    pytest.importorskip("stix2patterns", reason="the extra stix")
    assert read_pattern("[domain-name:'value' = 'a.example' /* a comment */]") == (Name("a.example", BOTH),)
    assert read_pattern("[domain-name:'value' = 'a.example' AND url:'value' = 'x']") == "pattern.operator"
    assert read_pattern("[domain-name:'value' = 'a.example'] REPEATS 2 TIMES") == "pattern.operator"
    assert read_pattern("[EXISTS domain-name:'value']") == "pattern.operator"
    assert read_pattern("[domain-name:value = 'a.example'] WITHIN 5 SECONDS") == "pattern.operator"


@pytest.mark.parametrize(
    "members",
    [
        {"pattern_type": "sigma"},
        {"pattern": None},
        {"pattern": 5},
        {"valid_until": "soon"},
        {"valid_from": {"x": 1}},
        {"modified": float("inf")},
        {"confidence": float("inf")},
        {"confidence": "high"},
        {"id": 7},
        {"object_marking_refs": "x"},
        {"external_references": [1, None, {"url": 5}]},
        {"kill_chain_phases": [None, {"phase_name": 3}]},
        {"description": "\ud800 lone"},
        {"revoked": "yes"},
    ],
)
def test_stix_wrong_types_harm_no_neighbour(tmp_path: Path, members: dict[str, Any]) -> None:
    text = json.dumps([{**domain(1, "odd.example"), **members}, TWO])
    indicators = load(tmp_path, text.replace("Infinity", "1e999"))  # which is JSON, and infinite all the same
    assert matches(indicators, "two.example") == ["two.example"]
    for each in found_all(indicators, "odd.example"):
        str(each).encode("utf-8")
