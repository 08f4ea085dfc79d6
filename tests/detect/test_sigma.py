"""Conditions of Sigma rules are what the specification, a slow evaluator and pySigma say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

pytest.importorskip("yaml", reason="rules are YAML")

import yaml
from support.naive_sigma import NaiveRule
from support.sigma_rules import EVENTS, RULES, detection, rule_text, rules_of

from cfdns_fast.detect.sigma.conditions import matches_of, predicate_of
from cfdns_fast.detect.sigma.strings import Wildcard, operator_of, parse

DNS_RULES = Path(__file__).parents[1] / "corpus" / "sigma" / "dns_rules.yml"


def matches(rule: str, name: str | None, **fields: str) -> bool:
    content = rules_of(rule)
    assert content.faults == []
    return content.rules[0].matches({"name": name, **fields})


@given(rule=RULES, events=st.lists(EVENTS, min_size=1, max_size=8))
def test_rule_matches_what_the_naive_one_does(rule: dict[str, Any], events: list[dict[str, str | None]]) -> None:
    content = rules_of(rule)
    # Whatever is refused is refused for its condition as a whole.
    assert {fault.code for fault in content.faults} <= {"regex.literal", "condition.syntax"}
    assume(content.rules)
    naive = NaiveRule(rule)
    read = content.rules[0]
    screen = predicate_of(read.screen)
    for event in events:
        # Without a name, no rule matches.
        expected = bool(event["name"]) and naive.matches(event)
        assert read.matches(event) == expected, event
        assert screen(event) >= expected, event
    assert all(each.operator != "re" for each in matches_of(read.screen))


@pytest.mark.parametrize(
    ("item", "hits", "misses"),
    [
        ("query: a.com", ["a.com", "A.CoM"], ["a.co", "xa.com", "a.com.x", ""]),
        ("query|endswith: a.com", ["a.com", "b.a.com", "xA.com"], ["a.com.x"]),
        ("query|endswith: .a.com", ["b.a.com"], ["a.com", "xa.com"]),
        ("query|startswith: a.", ["a.com", "A."], ["ba.com"]),
        ("query|contains: a.", ["a.com", "ba.com"], ["acom"]),
        ("query|contains|all: [ab, cd]", ["abxcd", "cdab", "abcd"], ["ab", "cd"]),
        ("query|endswith|all: [b, ab]", ["xab"], ["b"]),
        ("query|contains|cased: Ab", ["xAbx"], ["ab", "AB"]),
        ("query|cased: Ab", ["Ab"], ["ab"]),
        ("query: [a, b]", ["a", "B"], ["ab"]),
        ("query: a*c", ["ac", "abc", "ab.c"], ["acx", "xac"]),
        ("query: a?c", ["abc", "a.c"], ["ac", "abbc"]),
        ("query: '*a*b*'", ["ab", "xaxbx"], ["ba"]),
        (r"query: a\*c", ["a*c"], ["abc", r"a\c"]),
        (r"query: a\?c", ["a?c"], ["abc"]),
        (r"query: a\b", [r"a\b"], ["ab"]),
        (r"query: a\\b", [r"a\b"], [r"a\\b"]),
        (r"query: a\\*b", [r"a\b", r"a\xb"], ["ab"]),
        (r"query: a\\\*b", [r"a\*b"], [r"a\xb"]),
        ("query|contains: a\\", ["a\\", "ba\\c"], ["a"]),
        (r"query|startswith: a\*", ["a*b"], ["ab"]),
        ("query|startswith: a*", ["ab", "a"], ["b"]),
        ("query|contains: ''", ["a"], [""]),
        ("query: ''", [], ["a", ""]),
        ("query: '*'", ["a"], [""]),
        ("query: 12", ["12"], ["1"]),
        ("query|contains: '12'", ["a12"], ["a1"]),
        ("query|contains: 'null'", ["xnullx"], ["x"]),
        ("query|re: ^abc[0-9]+$", ["abc1"], ["ABC1", "abc", "xabc1"]),
        ("query|re|i: ^abc[0-9]+$", ["abc1", "aBC12"], ["abc"]),
        ("query|re|all: [abc, def]", ["abcdef", "defxabc"], ["abc", "def"]),
        ("query|re: ['abc', 'def']", ["xabc", "xdef"], ["ab"]),
        ("query: k", ["K"], ["\N{KELVIN SIGN}"]),
    ],
)
def test_item_matches_as_specified(item: str, hits: list[str], misses: list[str]) -> None:
    assert [name for name in [*hits, *misses] if matches(detection(item), name)] == hits
    assert not matches(detection(item), None)


@pytest.mark.parametrize(
    ("item", "present", "absent"),
    [
        ("record_type: null", False, True),
        ("record_type: ~", False, True),
        ("record_type:", False, True),
        ("record_type: [null, TXT]", False, True),
        ("record_type: [null, A]", True, True),
        ("record_type|all: [null, A]", False, False),
        ("record_type|exists: true", True, False),
        ("record_type|exists: no", False, True),
        ("record_type|exists: FALSE", False, True),
    ],
)
def test_absent_field_is_null(item: str, present: bool, absent: bool) -> None:
    assert matches(detection(item), "a", type="A") == present
    assert matches(detection(item), "a") == absent


@pytest.mark.parametrize(
    ("address", "is_in"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("2001:db8:1::", True),
        ("2001:db9::", False),
        ("10.1.2", False),
        ("x", False),
        ("", False),
    ],
)
def test_network_holds_addresses(address: str, is_in: bool) -> None:
    assert matches(detection("src_ip|cidr: [10.0.0.0/8, '2001:db8::/32']"), "a", source=address) == is_in


@pytest.mark.parametrize(
    "field",
    [
        *("query", "QueryName", "QNAME", "dns.question.name", "record_type", "qtype_name", "QueryType"),
        *("dns.question.type", "rcode_name", "dns.response_code", "src_ip", "source.ip"),
    ],
)
def test_each_name_of_a_field_is_known(field: str) -> None:
    event = {"name": "x1", "type": "x1", "rcode": "x1", "source": "x1"}
    content = rules_of(detection(f"{field}: x1"))
    assert content.rules[0].matches(event)
    missing = sum(content.rules[0].matches({**event, name: "y"}) for name in event)
    assert missing == 3


@pytest.mark.parametrize(
    ("condition", "hits"),
    [
        ("a", ["a", "ab", "abc"]),
        ("not a", ["b", "c", "bc"]),
        ("a and b", ["ab", "abc"]),
        ("a or b", ["a", "b", "ab", "bc", "abc"]),
        ("a or b and c", ["a", "ab", "bc", "abc"]),
        ("(a or b) and c", ["bc", "abc"]),
        ("not a and b", ["b", "bc"]),
        ("not (a and b)", ["a", "b", "c", "bc"]),
        ("not not a", ["a", "ab", "abc"]),
        ("1 of them", ["a", "b", "c", "ab", "bc", "abc"]),
        ("all of them", ["abc"]),
        ("any of them", ["a", "b", "c", "ab", "bc", "abc"]),
        ("a and not 1 of b*", ["a"]),
        ("all of a* and 1 of *", ["a", "ab", "abc"]),
        ("[a and b, c]", ["c", "ab", "bc", "abc"]),
    ],
)
def test_condition_binds_as_specified(condition: str, hits: list[str]) -> None:
    rule = rule_text("\n".join(f"{letter}:\n    query|contains: {letter}" for letter in "abc"), condition)
    assert [name for name in ("a", "b", "c", "ab", "bc", "abc") if matches(rule, name)] == hits


@pytest.mark.parametrize(
    ("value", "operator", "operand"),
    [
        ("a", "equals", "a"),
        ("", "equals", ""),
        ("a**", "startswith", "a"),
        ("**a", "endswith", "a"),
        ("**a**", "contains", "a"),
        ("***", "exists", ""),
        (r"\**", "startswith", "*"),
        ("a?", "like", ("a", Wildcard.ONE)),
    ],
)
def test_value_needs_the_simplest_operator(value: str, operator: str, operand: object) -> None:
    assert operator_of(parse(value)) == (operator, operand)


def test_hidden_search_is_not_selected() -> None:
    searches = "_hidden:\n    query: a\nselection:\n    query: b"
    assert not matches(rule_text(searches, "1 of them"), "a")
    assert matches(rule_text(searches, "1 of _*"), "a")


def test_map_needs_all_fields_and_a_list_one_map() -> None:
    both = "selection:\n    query: a\n    record_type: TXT"
    assert matches(rule_text(both), "a", type="TXT")
    assert not matches(rule_text(both), "a", type="A")
    either = "selection:\n    - query: a\n    - record_type: TXT"
    assert matches(rule_text(either), "a", type="A")
    assert matches(rule_text(either), "b", type="TXT")
    assert not matches(rule_text(either), "b", type="A")


def test_words_of_conditions_may_begin_names() -> None:
    searches = "notable:\n    query: a\nandroid:\n    query: b\norigin-1:\n    query: c"
    assert matches(rule_text(searches, "notable or android or origin-1"), "c")


def test_corpus_has_the_constructs_of_sigmahq() -> None:
    rules = list(yaml.safe_load_all(DNS_RULES.read_text(encoding="utf-8")))
    counts: dict[str, int] = {}
    for rule in rules:
        for name, search in rule["detection"].items():
            for key, value in search.items() if name != "condition" else ():
                operator = key.partition("|")[2]
                counts[operator] = counts.get(operator, 0) + (len(value) if isinstance(value, list) else 1)
    assert len(rules) == 28
    assert counts == {"endswith": 135, "contains": 68, "": 28, "contains|all": 6, "startswith": 4}


def names_near(rules: list[dict[str, Any]]) -> st.SearchStrategy[str]:
    """Return a strategy for names that hold values of rules."""
    values = [
        str(value)
        for rule in rules
        for name, search in rule["detection"].items()
        if name != "condition"
        for item in search.values()
        for value in (item if isinstance(item, list) else [item])
    ]
    pieces = st.sampled_from(values) | st.text("ab.-", max_size=3)
    return st.lists(pieces, min_size=1, max_size=3).map("".join)


def test_corpus_matches_as_the_naive_evaluator() -> None:
    text = DNS_RULES.read_text(encoding="utf-8")
    plain = list(yaml.safe_load_all(text))
    read = rules_of(text).rules
    naive = [NaiveRule(rule) for rule in plain]
    hit: set[int] = set()

    @given(name=names_near(plain), upper=st.booleans())
    def compare(name: str, upper: bool) -> None:
        event = {"name": name.upper() if upper else name}
        for number, (one, other) in enumerate(zip(read, naive, strict=True)):
            assert one.matches(event) == other.matches(event)
            hit.update([number] if other.matches(event) else [])

    compare()
    assert hit
