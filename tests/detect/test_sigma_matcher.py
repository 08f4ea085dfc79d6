"""Rules in the loop of a Normalizer find what their conditions say."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("yaml", reason="rules are YAML")

from hypothesis import assume, given
from hypothesis import strategies as st
from support.sigma_rules import EVENTS, RULES, detection, rule_text, rules_of

from cfdns_fast import Normalizer
from cfdns_fast.detect import Rules
from cfdns_fast.detect.sigma.automaton import Automaton
from cfdns_fast.matching import Match, Predicates, automaton_matches, automaton_of

#: Rules with the constructs of SigmaHQ's; the variable names a folder with the originals, whose licence is another one.
DNS_RULES = Path(os.environ.get("CFDNS_SIGMA_RULES", Path(__file__).parents[1] / "corpus" / "sigma" / "dns_rules.yml"))
KEYS = {"name": "QueryName", "type": "QueryType", "rcode": "ResponseCode", "source": "SourceIP"}
TYPES = {"A": 1, "TXT": 16, "AAAA": 28}
CODES = {"NOERROR": 0, "NXDOMAIN": 3}


def found_by(rules: Rules, events: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Return event and rule of each detection."""
    records = []
    for event in events:
        values = {KEYS[key]: value for key, value in event.items() if value is not None}
        records.append(json.dumps({"Timestamp": 1767225600, **values}).encode() + b"\n")
    result = Normalizer(detect=[rules]).to_ndjson(b"".join(records))
    assert result.events == len(events)
    return [(each.event, each.rule) for each in result.detections]


def rules_from(*texts: str) -> Rules:
    return Rules([rule for text in texts for rule in rules_of(text).rules])


@given(rule=RULES, events=st.lists(EVENTS, min_size=1, max_size=8))
def test_loop_finds_what_the_condition_says(rule: dict[str, Any], events: list[dict[str, Any]]) -> None:
    content = rules_of(rule)
    assume(content.rules)
    records, seen = [], []
    for event in events:
        name = event["name"] and event["name"].strip(".")
        event = {**event, "name": name, "type": event["type"] if event["type"] in TYPES else None}
        if event["source"] == "no address":
            event["source"] = None
        seen.append(event)
        records.append({**event, "type": TYPES.get(event["type"]), "rcode": CODES.get(event["rcode"])})
    found = found_by(Rules(content.rules), records)
    assert found == [(number, 0) for number, event in enumerate(seen) if content.rules[0].matches(event)]


def values_of(rules: Rules) -> list[str]:
    return [
        value
        for rule in rules
        for value in str(rule.condition).split("'")
        if len(value) > 3 and "=" not in value and " " not in value and "," not in value
    ]


def test_corpus_in_the_loop_finds_what_it_says() -> None:
    rules = Rules.load(DNS_RULES)
    values = values_of(rules)
    names = [name.strip(".") for value in values for name in (value, f"x{value}", f"x.{value}", f"{value}x", value[1:])]
    names = [name for name in names if name]
    expected = [
        (number, index)
        for number, name in enumerate(names)
        for index, rule in enumerate(rules)
        if rule.matches({"name": name})
    ]
    assert len(expected) > 500
    assert found_by(rules, [{"name": name} for name in names]) == expected


@pytest.mark.parametrize("count", [2_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_corpus_in_the_loop_agrees_on_generated_names(count: int) -> None:
    """Names are made of values of the rules, of parts of them, and of other text."""
    rules = Rules.load(DNS_RULES)
    values = values_of(rules)
    rng = random.Random(5)
    found = 0
    for first in range(0, count, 1_000):
        names = []
        while len(names) < min(1_000, count - first):
            parts = []
            for _ in range(rng.randint(1, 4)):
                value = rng.choice(values) if rng.random() < 0.6 else rng.choice(("x", "www.", "-", ".", "com", "A7."))
                start = rng.randrange(len(value)) if rng.random() < 0.3 else 0
                parts.append(value[start : rng.randint(start, len(value))] if rng.random() < 0.3 else value[start:])
            name = "".join(parts).strip(".")
            if name and len(name) < 254:
                names.append(name.upper() if rng.random() < 0.1 else name)
        events = [{"name": name} for name in names]
        expected = [
            (number, index)
            for number, event in enumerate(events)
            for index, rule in enumerate(rules)
            if rule.matches(event)
        ]
        assert found_by(rules, events) == expected
        found += len(expected)
    assert found > count // 10


@pytest.mark.parametrize(
    ("pattern", "name", "is_found"),
    [
        ("^abcd[0-9]+[.]", "abcd12.example.com", True),
        ("^abcd[0-9]+[.]", "xabcd12.example.com", False),
        ("^abcd.x", "abcd\N{LATIN SMALL LETTER U WITH DIAERESIS}x", True),
        ("^abcd..x", "abcd\N{LATIN SMALL LETTER U WITH DIAERESIS}x", False),
        ("^abcd..x", "abcd\N{SNOWMAN}\N{GRINNING FACE}x", True),
        (r"abcd\w$", "abcd\N{SNOWMAN}", False),
        ("abcd$", "www.abcd", True),
        ("abcd", "abc", False),
    ],
)
def test_expression_is_exact_in_the_loop(pattern: str, name: str, is_found: bool) -> None:
    assert Automaton(pattern).matches(name) == is_found
    assert automaton_matches(Automaton(pattern).to_bytes(), name.encode()) == is_found
    rules = rules_from(detection(f"query|re: '{pattern}'"))
    assert found_by(rules, [{"name": name}]) == ([(0, 0)] if is_found else [])


@pytest.mark.parametrize(
    ("key", "hits"), [("query|re", [0, 1, 2, 3]), ("query|re|all", [2]), ("query|re|i", [0, 1, 2, 3, 4])]
)
def test_several_expressions_are_exact_in_the_loop(key: str, hits: list[int]) -> None:
    rules = rules_from(detection(f"{key}: ['abcd[0-9]', '^(xy|z.)[0-9]*abc']"))
    names = ["abcd1.example", "xyabc.example", "xy1abcd1.example", "zqabc", "ABCD1.example", "abcd.xyabc", "x.abc"]
    assert found_by(rules, [{"name": name} for name in names]) == [(number, 0) for number in hits]


def test_first_two_characters_are_a_screen() -> None:
    rules = rules_from(detection("query|startswith: [ab, C1, '.d']"), detection("query|re: ^q7.*x$"))
    names = ["ab", "Abc", "c1.example", "c2.example", "xab", "a", "q7", "q7.x", "Q7.x", "q7x"]
    expected = [(0, 0), (1, 0), (2, 0), (7, 1), (9, 1)]
    assert found_by(rules, [{"name": name} for name in names]) == expected


def automaton(**changed: Any) -> bytes:
    """Return an automaton that finds an "a", with some parts replaced."""
    parts = {
        "classes": bytes(97) + b"\1" + bytes(158),
        "table": [(), (), (2, 1)],
        "start": 2,
        "accepting": frozenset[int](),
    }
    return automaton_of(**{**parts, **changed})


def test_automaton_of_another_origin_runs() -> None:
    assert [automaton_matches(automaton(), text) for text in (b"", b"ba", b"b")] == [False, True, False]
    assert automaton_matches(automaton(start=1), b"")
    assert not automaton_matches(automaton(start=0), b"a")
    assert automaton_matches(automaton(accepting=frozenset({2})), b"b")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda: automaton(classes=bytes(256)[:-1]), "size|class|number"),
        (lambda: automaton(classes=b"\2" * 256), "wrong class or state"),
        (lambda: automaton(table=[(), (), (2, 3)]), "wrong class or state"),
        (lambda: automaton(start=3), "number of classes or states"),
        (lambda: checked(b""), "too short"),
        (lambda: checked(automaton()[:-1]), "wrong size"),
        (lambda: checked(automaton() + b"\0"), "wrong size"),
        (lambda: checked("text"), "must be bytes"),  # type: ignore[arg-type]
    ],
)
def test_wrong_automaton_is_refused(wrong: Callable[[], object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        wrong()


def checked(value: bytes) -> Predicates:
    return Predicates([Match("name", "automaton", (value,))])


@given(data=st.data())
def test_changed_automaton_is_refused_or_runs(data: st.DataObject) -> None:
    value = bytearray(Automaton("^abcd[0-9]+[.]").to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    try:
        predicates = checked(bytes(value))
    except ValueError:
        return
    result = Normalizer(detect=[Fixed(predicates)]).to_ndjson(b'{"QueryName":"abcd1.example"}')
    assert len(result.detections) == automaton_matches(bytes(value), b"abcd1.example")


class Fixed:
    """A detector with a given matcher."""

    def __init__(self, matcher: Predicates) -> None:
        self.matcher = lambda: matcher

    def annotation(self, detection: object, event: object) -> None:
        return None


def test_negated_expression_is_exact_in_the_loop() -> None:
    rules = rules_from(rule_text("s:\n    query|endswith: .example\nf:\n    query|re: ^abcd[0-9]", "s and not f"))
    names = ["abcd1.example", "abcde.example", "abcd.test"]
    assert found_by(rules, [{"name": name} for name in names]) == [(1, 0)]


def test_longer_name_matches_no_rule() -> None:
    rules = rules_from(rule_text("s:\n    query: nothing", "not s"))
    assert found_by(rules, [{"name": "a" * 1023}, {"name": "a" * 1024}, {"name": ""}, {}]) == [(0, 0)]


def test_shipped_rules_find_nothing_in_usual_names() -> None:
    names = ["www.example.com", "selector1._domainkey.example.com", "_dmarc.example.com", "a.b.c.example.net"]
    assert found_by(Rules.shipped(), [{"name": name} for name in names]) == []


def test_annotation_describes_the_rule() -> None:
    rules = rules_from(
        rule_text(
            "s:\n    query: a.example",
            "s",
            id="x-1",
            level="critical",
            description="Finds.",
            author="An Author",
            references="[https://example.com/a, https://example.com/b]",
            tags="[attack.command-and-control, attack.t1071.004, attack.t1572]",
        ).replace("level: low\n", "")
    )
    normalizer = Normalizer(detect=[rules], on_detection="annotate")
    (event,) = normalizer.to_dicts(b'{"QueryName":"A.Example."}').output
    assert event["rule"] == {
        "id": "x-1",
        "name": "Test",
        "ruleset": "sigma",
        "description": "Finds.",
        "reference": "https://example.com/a",
        "author": ["An Author"],
    }
    assert event["threat"] == {
        "framework": "MITRE ATT&CK",
        "tactic": {"id": ["TA0011"], "name": ["Command and Control"]},
        "technique": {"id": ["T1071", "T1572"], "subtechnique": {"id": ["T1071.004"]}},
    }


def test_rule_without_details_has_a_short_annotation() -> None:
    normalizer = Normalizer(detect=[rules_from(detection("query: a"))], on_detection="annotate")
    (event,) = normalizer.to_dicts(b'{"QueryName":"a"}').output
    assert event["rule"] == {"id": "test", "name": "Test", "ruleset": "sigma"}
    assert "threat" not in event
