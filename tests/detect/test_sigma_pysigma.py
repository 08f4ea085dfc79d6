"""pySigma parses rules to the same conditions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("yaml", reason="rules are YAML")
sigma_rule = pytest.importorskip("sigma.rule", reason="pySigma is the other parser")

import yaml  # noqa: E402
from hypothesis import assume, given  # noqa: E402
from sigma import conditions as theirs  # noqa: E402
from sigma import types  # noqa: E402
from support.naive_sigma import FIELD_NAMES  # noqa: E402
from support.sigma_rules import RULES, rules_of  # noqa: E402

from cfdns_fast.detect.rules import read_rules  # noqa: E402
from cfdns_fast.detect.sigma import conditions as ours  # noqa: E402
from cfdns_fast.detect.sigma.automaton import Automaton  # noqa: E402
from cfdns_fast.detect.sigma.strings import Wildcard  # noqa: E402

FOLDERS = (Path(__file__).parents[1] / "corpus" / "sigma", Path(ours.__file__).parents[2] / "data" / "rules")
DOCUMENTS = [
    pytest.param(document, id=document["title"])
    for folder in FOLDERS
    for path in sorted(folder.glob("*.yml"))
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]

#: A condition as nested tuples: ("and" or "or", set of parts), ("not", part) or a leaf. Nested equal joins are one.
Tree = tuple[Any, ...]


def joined(kind: str, parts: list[Tree]) -> Tree:
    flat: set[Tree] = set()
    for part in parts:
        flat |= part[1] if part[0] == kind else {part}
    return next(iter(flat)) if len(flat) == 1 else (kind, frozenset(flat))


def negated(part: Tree) -> Tree:
    return part[1] if part[0] == "not" else ("not", part)


def tree_of_ours(condition: ours.Condition) -> Tree:
    match condition:
        case ours.Match(field, "exists"):
            return ("exists", field)
        case ours.Match(field, operator, values, all_of, cased):
            leaves = [leaf_of_ours(field, operator, value, cased) for value in values]
            return joined("and" if all_of else "or", leaves)
        case ours.Not(inner):
            return negated(tree_of_ours(inner))
        case ours.AllOf(parts) | ours.AnyOf(parts):
            return joined("and" if isinstance(condition, ours.AllOf) else "or", [tree_of_ours(each) for each in parts])


def leaf_of_ours(field: str, operator: str, value: Any, cased: bool) -> Tree:
    many = Wildcard.MANY.value
    match operator:
        case "re":
            assert isinstance(value, Automaton)
            return ("re", field, value.pattern, value.ignores_case)
        case "cidr":
            return ("cidr", field, value)
        case "like":
            parts = [each.value if isinstance(each, Wildcard) else (each,) for each in value]
        case _:
            parts = [(value,)] if value else []
            parts = [many, *parts] if operator in ("endswith", "contains") else parts
            parts = [*parts, many] if operator in ("startswith", "contains") else parts
    return ("text", field, tuple(parts), cased)


def tree_of_theirs(condition: Any) -> Tree:
    match condition:
        case theirs.ConditionAND() | theirs.ConditionOR():
            kind = "and" if isinstance(condition, theirs.ConditionAND) else "or"
            return joined(kind, [tree_of_theirs(each) for each in condition.args])
        case theirs.ConditionNOT():
            return negated(tree_of_theirs(condition.args[0]))
        case theirs.ConditionFieldEqualsValueExpression():
            return leaf_of_theirs(FIELD_NAMES[condition.field], condition.value)
    raise AssertionError(condition)


def leaf_of_theirs(field: str, value: Any) -> Tree:
    match value:
        case types.SigmaNull():
            return ("not", ("exists", field))
        case types.SigmaExists():
            return ("exists", field) if value.exists else ("not", ("exists", field))
        case types.SigmaRegularExpression():
            return ("re", field, str(value.regexp), types.SigmaRegularExpressionFlag.IGNORECASE in value.flags)
        case types.SigmaCIDRExpression():
            return ("cidr", field, value.cidr)
        case types.SigmaNumber():
            return ("text", field, ((str(value.number),),), False)
    symbols = {types.SpecialChars.WILDCARD_MULTI: "*", types.SpecialChars.WILDCARD_SINGLE: "?"}
    parts: list[Any] = []
    for part in value.s:
        symbol = (part,) if isinstance(part, str) else symbols[part]
        if not (symbol == "*" and parts[-1:] == ["*"]):
            parts.append(symbol)
    if parts == ["*"]:
        return ("exists", field)
    return ("text", field, tuple(parts), isinstance(value, types.SigmaCasedString))


def their_tree(document: dict[str, Any]) -> Tree:
    rule = sigma_rule.SigmaRule.from_dict(document)
    return joined("or", [tree_of_theirs(each.parsed) for each in rule.detection.parsed_condition])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_rule_is_parsed_to_the_same_condition(document: dict[str, Any]) -> None:
    content = rules_of(document)
    assert content.faults == []
    assert tree_of_ours(content.rules[0].condition) == their_tree(document)


@given(document=RULES)
def test_generated_rule_is_parsed_the_same(document: dict[str, Any]) -> None:
    content = rules_of(document)
    assume(content.rules)
    assert tree_of_ours(content.rules[0].condition) == their_tree(document)


def test_folders_of_rules_are_read() -> None:
    assert len(read_rules(FOLDERS).rules) == len(DOCUMENTS) == 31
