"""Conditions of rules as those of `cfdns_fast.matching`, which compiles them."""

from __future__ import annotations

from ... import matching
from .automaton import Automaton
from .conditions import AllOf, AnyOf, Condition, Match, Not
from .rule import Rule
from .strings import Pattern, Wildcard

__all__ = ["converted", "matching_condition"]

#: Conditions are tested on records with a name.
_ALWAYS = matching.Match("name", "exists")
_NEVER = matching.Not(_ALWAYS)


def matching_condition(rule: Rule) -> matching.Condition:
    """Return the condition of a rule; one with regular expressions is tested after its screen."""
    condition = converted(rule.condition)
    return condition if rule.screen == rule.condition else matching.And((converted(rule.screen), condition))


def converted(condition: Condition) -> matching.Condition:
    """Return a condition as one of `cfdns_fast.matching`."""
    match condition:
        case Match(field, operator, values, all_of, cased):
            operands = tuple(map(_operand, values))
            name = {"like": "glob", "re": "automaton"}.get(operator, operator)
            if operator == "exists":
                return matching.Match(field, name)
            # A field never has an empty value.
            kept = tuple(each for each in operands if each)
            if not kept or (all_of and len(kept) < len(operands)):
                return _NEVER
            return matching.Match(field, name, kept, cased, all_of)
        case AllOf(()):
            return _ALWAYS
        case AnyOf(()):
            return _NEVER
        case AllOf(conditions):
            return matching.And(tuple(map(converted, conditions)))
        case AnyOf(conditions):
            return matching.Or(tuple(map(converted, conditions)))
        case Not(inner):
            return matching.Not(converted(inner))


def _operand(value: str | Pattern | Automaton) -> str | bytes:
    if isinstance(value, Automaton):
        return value.to_bytes()
    return value if isinstance(value, str) else _glob(value)


def _glob(pattern: Pattern) -> str:
    return "".join(part.value if isinstance(part, Wildcard) else _escaped(part) for part in pattern)


def _escaped(text: str) -> str:
    return "".join(f"\\{each}" if each in "*?\\" else each for each in text)
