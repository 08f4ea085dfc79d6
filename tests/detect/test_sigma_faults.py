"""What rules may not have is refused with its line, a code and the construct; hostile files stay within limits."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytest.importorskip("yaml", reason="rules are YAML")

import yaml
from support.sigma_rules import detection, rule_text, rules_of, texts

from cfdns_fast.detect.sigma import nodes
from cfdns_fast.detect.sigma.faults import RULE_CODES

SELECTION = "selection:\n    query: a"


def fault_of(text: str | bytes) -> tuple[int | None, str, str]:
    """Return line, code and reason of the only fault."""
    content = rules_of(text)
    assert len(content.faults) == 1, content.faults
    assert content.rules == []
    fault = content.faults[0]
    assert fault.code in RULE_CODES
    return fault.line, fault.code, fault.reason


@pytest.mark.parametrize(
    ("item", "code", "construct"),
    [
        ("Image: x", "field.unsupported", "'Image'"),
        ("EventID: 3008", "field.unsupported", "'EventID'"),
        ("answer|contains: x", "field.unsupported", "'answer'"),
        ("Query: x", "field.unsupported", "did you mean query?"),
        ("dns.question.nme: x", "field.unsupported", "did you mean dns.question.name?"),
        ("query|base64: x", "modifier.unsupported", "'base64' is not supported"),
        ("query|windash: x", "modifier.unsupported", "'windash' is not supported"),
        ("query|neq: x", "modifier.unsupported", "'neq' is not supported"),
        ("query|gt: 1", "modifier.unsupported", "'gt' is not supported"),
        ("query|fieldref: x", "modifier.unsupported", "'fieldref' is not supported"),
        ("query|re|m: xabc", "modifier.unsupported", "'m' is not supported"),
        ("query|strtswith: x", "modifier.unsupported", "no modifier 'strtswith'"),
        ("query|contains|contains: x", "modifier.unsupported", "'contains' is there twice"),
        ("query|contains|startswith: x", "modifier.unsupported", "'contains' and 'startswith' cannot be together"),
        ("query|contains|re: abcd", "modifier.unsupported", "cannot be together"),
        ("query|i: x", "modifier.unsupported", "directly after 're'"),
        ("query|i|re: abcd", "modifier.unsupported", "directly after 're'"),
        ("query|all|re: [abcd, efgh]", "modifier.unsupported", "first modifier"),
        ("query|re|cased: abcd", "modifier.unsupported", "'cased'"),
        ("query|exists|all: true", "modifier.unsupported", "'all'"),
        ("record_type|re: abcd", "modifier.unsupported", "query name only"),
        ("query|cidr: 10.0.0.0/8", "modifier.unsupported", "source address only"),
        ("query|expand: '%x%'", "placeholder.unsupported", "expand"),
        ("Image|expand: '%x%'", "placeholder.unsupported", "expand"),
        ("'|all': [a, b]", "keywords.unsupported", "no field"),
        ("query: []", "rule.form", "empty list"),
        ("query: [[a]]", "rule.form", "must be a text"),
        ("query: {a: b}", "rule.form", "must be a text"),
        ("query: yes", "value.unsupported", "true or false"),
        ("query: 1.10", "value.unsupported", "quote it"),
        ("query: 2026-01-01", "value.unsupported", "quote it"),
        ("query|contains: 12", "value.unsupported", "a number"),
        ("query|contains: null", "value.unsupported", "empty value"),
        ("query|re:", "value.unsupported", "empty value"),
        ("record_type: 16", "value.unsupported", "TXT"),
        ("rcode_name: 3", "value.unsupported", "NXDOMAIN"),
        ("query|exists: x", "value.unsupported", "true or false"),
        ("query|exists: [true, false]", "value.unsupported", "true or false"),
        ("src_ip|cidr: 10.0.0.1/8", "value.unsupported", "host bits"),
        ("src_ip|cidr: x", "value.unsupported", "not a network"),
        ("query|re: '(?=a)bcd'", "regex.unsupported", "lookahead"),
        ("query|re: '[a-z]+'", "regex.literal", "no text of 3 characters"),
        ("query|re: 'a.{30}xyz'", "regex.limit", "states"),
        (f"query|contains: {'a' * 1024}", "value.unsupported", "1,023 bytes"),
    ],
)
def test_item_is_refused(item: str, code: str, construct: str) -> None:
    line, found, reason = fault_of(detection(item))
    assert (line, found) == (7, code)
    assert construct in reason


@pytest.mark.parametrize(
    ("searches", "line", "code"),
    [
        ("selection: text", 6, "keywords.unsupported"),
        ("selection:\n    - one\n    - two", 7, "keywords.unsupported"),
        ("selection:\n    - query: a\n    - two", 7, "keywords.unsupported"),
        ("selection:", 6, "rule.form"),
        ("selection: []", 6, "rule.form"),
        ("selection: {}", 6, "rule.form"),
        ("selection:\n    - query: a\n    - {}", 8, "rule.form"),
    ],
)
def test_search_of_another_form_is_refused(searches: str, line: int, code: str) -> None:
    assert fault_of(rule_text(searches))[:2] == (line, code)


@pytest.mark.parametrize(
    ("condition", "code", "construct"),
    [
        ("selection | count() > 5", "condition.aggregation", "aggregation"),
        ("'selection and'", "condition.syntax", "at the end"),
        ("and selection", "condition.syntax", "'and'"),
        ("selection selection", "condition.syntax", "'selection' is not expected"),
        ("(selection", "condition.syntax", "not closed"),
        ("selection)", "condition.syntax", "')'"),
        ("'selection & selection'", "condition.syntax", "'&'"),
        ("selection*", "condition.syntax", "1 of or all of"),
        ("2 of them", "condition.syntax", "'2' of is not supported"),
        ("1 of", "condition.syntax", "pattern"),
        ("1 of (selection)", "condition.syntax", "pattern"),
        ("them", "condition.syntax", "'them'"),
        ("selection AND selection", "condition.syntax", "'AND' is not expected"),
        ("NOT selection", "condition.search", "write not"),
        ("other", "condition.search", "'other'"),
        ("1 of other*", "condition.search", "other*"),
        ("not 1 of other", "condition.search", "other"),
        ("''", "condition.syntax", "empty"),
        ("", "rule.form", "must be a text"),
        ("12", "rule.form", "must be a text"),
        ("[selection, [selection]]", "rule.form", "list of texts"),
        ("{a: b}", "rule.form", "must be a text"),
        ("'" + "(" * 60 + "selection" + ")" * 60 + "'", "condition.syntax", "brackets open"),
        ("'" + "not " * 500 + "selection'", "condition.syntax", "words and brackets"),
    ],
)
def test_condition_is_refused(condition: str, code: str, construct: str) -> None:
    line, found, reason = fault_of(rule_text(SELECTION, condition))
    assert (line, found) == (8, code)
    assert construct.lower() in reason.lower()


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("", 1, "rule.form"),
        ("# nothing\n", 1, "rule.form"),
        ("text", 1, "rule.form"),
        ("- a\n- b\n", 1, "rule.form"),
        ("title: x\ncorrelation:\n    type: event_count\n", 2, "rule.correlation"),
        ("title: x\nlogsource:\n    category: dns\nfilter:\n    rules: any\n", 4, "rule.correlation"),
        ("action: global\ntitle: x\n", 1, "rule.correlation"),
        (rule_text(SELECTION, level="severe"), 2, "rule.form"),
        (rule_text(SELECTION, level="[low]"), 2, "rule.form"),
        (rule_text(SELECTION, status="new"), 3, "rule.form"),
        (rule_text(SELECTION, title="''"), 1, "rule.form"),
        (rule_text(SELECTION, title="{a: b}"), 1, "rule.form"),
        (rule_text(SELECTION, title="x" * 257), 1, "rule.form"),
        (rule_text(SELECTION, tags="{a: b}"), 3, "rule.form"),
        (rule_text(SELECTION, references="[[a]]"), 3, "rule.form"),
        (rule_text(SELECTION).replace("category: dns", "category: process_creation"), 3, "rule.logsource"),
        (rule_text(SELECTION).replace("category: dns", "product: windows"), 3, "rule.logsource"),
        (rule_text(SELECTION).replace("\n    category: dns", ""), 3, "rule.form"),
        (rule_text("timeframe: 5m\n" + SELECTION), 6, "condition.aggregation"),
        ("title: x\nlogsource:\n    category: dns\n", 1, "rule.form"),
        ("title: x\nlogsource:\n    category: dns\ndetection:\n    condition: x\n", 5, "rule.form"),
    ],
)
def test_rule_of_another_form_is_refused(text: str, line: int, code: str) -> None:
    assert f"{line} {code}" in texts(rules_of(text))


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        (b"title: \xff\n", 1, "yaml.encoding"),
        (b"title: x\nother: \xc3(\n", 2, "yaml.encoding"),
        ("title: x\n  bad: indent\n", 2, "yaml.syntax"),
        ("title: [a\n", 2, "yaml.syntax"),
        ("title: 'a\n", 2, "yaml.syntax"),
        ("title: \x00\n", 1, "yaml.syntax"),
        ("a: b\nc: \x07\n", 2, "yaml.syntax"),
        ("%YAML 3.0\n---\na: b\n", 1, "yaml.syntax"),
        ("title: &a x\nother: *a\n", 1, "yaml.construct"),
        ("title: *a\n", 1, "yaml.construct"),
        ("title: !!python/object/apply:os.system [x]\n", 1, "yaml.construct"),
        ("title: !x y\n", 1, "yaml.construct"),
        ("title: x\ntitle: y\n", 2, "yaml.construct"),
        ("? [a, b]\n: c\n", 1, "rule.form"),
        ("a: " + "[" * 17 + "]" * 17, 1, "yaml.limit"),
        ("a: " + "[" * 500_000, 1, "yaml.limit"),
        ("a: " + "{" * 500_000, 1, "yaml.limit"),
        ("- " * 400_000, 1, "yaml.limit"),
        ("---\n# x\n" * 1_001, 2_001, "yaml.limit"),
    ],
)
def test_yaml_is_refused(text: str | bytes, line: int, code: str) -> None:
    assert f"{line} {code}" in texts(rules_of(text))


def test_number_of_values_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "MAX_NODES", 100)
    assert "yaml.limit" not in str(texts(rules_of("a:\n" + "- x\n" * 97)))
    assert texts(rules_of("a:\n" + "- x\n" * 98)) == ["99 yaml.limit"]


def test_expanding_aliases_are_refused() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    assert texts(rules_of(bomb)) == ["1 yaml.construct"]


def test_same_nodes_without_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    data = rule_text(SELECTION, tags="[a.b, 'c']").encode()
    compiled = list(nodes.documents(data))
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert list(nodes.documents(data)) == compiled
    assert texts(rules_of("a: " + "[" * 17)) == ["1 yaml.limit"]
    assert texts(rules_of("title: \x00\n")) == ["1 yaml.syntax"]
    assert texts(rules_of("title: [a\n")) == ["2 yaml.syntax"]


def test_file_with_byte_order_mark_and_crlf_is_read() -> None:
    text = rule_text(SELECTION).replace("\n", "\r\n")
    assert len(rules_of(b"\xef\xbb\xbf" + text.encode()).rules) == 1


def test_all_faults_of_a_rule_are_found() -> None:
    searches = "selection:\n    Image: x\n    query|gt: 1\nother:\n    query: yes\n    answer: 1"
    content = rules_of(rule_text(searches, "selection or missing", status="odd"))
    assert texts(content) == [
        "3 rule.form",
        "8 field.unsupported",
        "9 modifier.unsupported",
        "11 value.unsupported",
        "12 field.unsupported",
        "13 condition.search",
    ]
    assert {fault.rule for fault in content.faults} == {"Test"}


def test_good_rule_beside_a_bad_one_is_read() -> None:
    good, bad = rule_text(SELECTION), detection("Image: x")
    content = rules_of(f"{good}---\n{bad}---\n{good}")
    assert len(content.rules) == 2
    assert texts(content) == ["16 field.unsupported"]


@pytest.mark.parametrize("condition", ["not selection", "not selection or other", "other or not selection"])
def test_negated_expression_alone_is_refused(condition: str) -> None:
    text = rule_text("selection:\n    query|re: abcd\nother:\n    query|re: efgh", condition)
    assert fault_of(text)[1] == "regex.literal"


def test_negated_expression_beside_a_search_is_read() -> None:
    text = rule_text("selection:\n    query: a\nother:\n    query|re: abcd", "selection and not other")
    assert len(rules_of(text).rules) == 1


def test_number_of_expressions_is_limited() -> None:
    item = f"query|re: [{', '.join(f'abcd{number}' for number in range(33))}]"
    assert fault_of(detection(item))[1] == "regex.limit"


@pytest.mark.parametrize(
    ("item", "warning"),
    [
        ("query|endswith: evil.com", "without a leading dot"),
        ("query|endswith: [.evil.com, evil.net]", "'evil.net'"),
        ("query: '*evil.com'", "without a leading dot"),
        ("query: evil.com.", "last dot"),
        ("query|endswith: .evil.com.", "last dot"),
        ("query|contains: b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher", "A-labels"),
        ("query|contains|all: ab", "all has no effect"),
    ],
)
def test_doubtful_value_is_warned_of(item: str, warning: str) -> None:
    content = rules_of(detection(item))
    assert [each.line for each in content.warnings] == [7]
    assert warning in content.warnings[0].reason


@pytest.mark.parametrize(
    "item", ["query|endswith: .evil.com", "query|contains: evil.", "query|startswith: evil.", "query: a*."]
)
def test_usual_value_is_not_warned_of(item: str) -> None:
    assert rules_of(detection(item)).warnings == []


def test_rule_without_level_status_or_use_is_warned_of() -> None:
    text = rule_text(f"{SELECTION}\nunused:\n    query: b", status="deprecated", tags="[attack.t10, attack.t1071.004]")
    reasons = [each.reason for each in rules_of(text.replace("level: low\n", "")).warnings]
    assert [reason.split(",")[0] for reason in reasons] == [
        "the rule has no level",
        "the status of the rule is deprecated",
        "the condition does not use the search 'unused'",
        "the tag 'attack.t10' is neither a tactic nor an id of ATT&CK",
    ]


@given(data=st.binary(max_size=200) | st.text("abc:-[]{}#&*!|>'\"\n %@`?,0", max_size=60).map(str.encode))
@example(b"\x85")
@example(b"? ")
@example(b"--- !!map {}")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    content = rules_of(data)
    assert content.rules or content.faults


@given(data=st.data())
def test_changed_rule_is_read_or_refused(data: st.DataObject) -> None:
    text = rule_text(
        "selection:\n    query|re|i: ['^ab(c|d)+', 'x{2}yz']\n    record_type: [A, null]", "1 of sel* or not selection"
    )
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 3)))
    piece = data.draw(st.text("ab:-[]{}()#&*!|'\n ?.^$+1", max_size=3))
    content = rules_of(text[:start] + piece + text[end:])
    assert content.rules or content.faults
