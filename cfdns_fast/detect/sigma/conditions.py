"""The tree of a compiled condition, and its test in plain Python."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from .automaton import Automaton
from .strings import Pattern, expression_of, folded

__all__ = [
    "FALSE",
    "TRUE",
    "AllOf",
    "AnyOf",
    "Condition",
    "Match",
    "Not",
    "Values",
    "conjunction",
    "disjunction",
    "matches_of",
    "negation",
    "predicate_of",
    "relax",
]


@dataclass(frozen=True, slots=True)
class Match:
    """A test of one field.

    Attributes
    ----------
    field : str
        "name", "type", "rcode" or "source".
    operator : str
        "equals", "startswith", "endswith" or "contains" with texts; "like" with patterns; "re" with automata; "cidr"
        with networks; "exists" (the field has a value) without values.
    values : tuple
        The operands.
    all_of : bool
        Whether all values must match, not one of them.
    cased : bool
        Whether letters of a to z match in the same case only. Other letters always do.
    """

    field: str
    operator: str
    values: tuple[str | Pattern | Automaton, ...] = ()
    all_of: bool = False
    cased: bool = False


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of the conditions are true; without conditions it is true."""

    conditions: tuple[Condition, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of the conditions is true; without conditions it is false."""

    conditions: tuple[Condition, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Not:
    """The condition is false."""

    condition: Condition


Condition = Match | AllOf | AnyOf | Not
TRUE = AllOf()
FALSE = AnyOf()


Values = Mapping[str, str | None]


def predicate_of(condition: Condition) -> Callable[[Values], bool]:
    """Return a function that tests the values of an event by field; an absent field is absent or None."""
    match condition:
        case Match(name):
            test = _test_of(condition)
            if condition.cased or condition.operator == "re":
                return lambda values: (value := values.get(name)) is not None and test(value)
            return lambda values: (value := values.get(name)) is not None and test(folded(value))
        case AllOf(conditions):
            predicates = [predicate_of(each) for each in conditions]
            return lambda values: all(each(values) for each in predicates)
        case AnyOf(conditions):
            predicates = [predicate_of(each) for each in conditions]
            return lambda values: any(each(values) for each in predicates)
        case Not(inner):
            predicate = predicate_of(inner)
            return lambda values: not predicate(values)


def _test_of(match: Match) -> Callable[[str], bool]:
    """Return the test of a value, whose case is folded already unless the match is cased."""
    texts = tuple(each for each in match.values if isinstance(each, str))
    if not match.cased:
        texts = tuple(map(folded, texts))
    tests: list[Callable[[str], bool]]
    match match.operator:
        case "exists":
            return lambda _value: True
        case "equals":
            if not match.all_of:
                return frozenset(texts).__contains__
            tests = [each.__eq__ for each in texts]
        case "startswith":
            if not match.all_of:
                return lambda value: value.startswith(texts)
            tests = [_starting(each) for each in texts]
        case "endswith":
            if not match.all_of:
                return lambda value: value.endswith(texts)
            tests = [_ending(each) for each in texts]
        case "contains":
            tests = [_containing(each) for each in texts]
        case "cidr":
            tests = [_in_network(ipaddress.ip_network(each)) for each in texts]
        case "re":
            tests = [each.matches for each in match.values if isinstance(each, Automaton)]
        case _:
            tests = [_like(each, match.cased) for each in match.values if isinstance(each, tuple)]
    join = all if match.all_of else any
    return tests[0] if len(tests) == 1 else lambda value: join(each(value) for each in tests)


def _starting(text: str) -> Callable[[str], bool]:
    return lambda value: value.startswith(text)


def _ending(text: str) -> Callable[[str], bool]:
    return lambda value: value.endswith(text)


def _containing(text: str) -> Callable[[str], bool]:
    return lambda value: text in value


def _like(pattern: Pattern, cased: bool) -> Callable[[str], bool]:
    if not cased:
        pattern = tuple(folded(part) if isinstance(part, str) else part for part in pattern)
    match_of = expression_of(pattern).fullmatch
    return lambda value: match_of(value) is not None


def _in_network(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Callable[[str], bool]:
    unused_bits = network.max_prefixlen - network.prefixlen
    wanted = _as_ipv6(network.network_address) >> unused_bits

    def test(value: str) -> bool:
        try:
            return _as_ipv6(ipaddress.ip_address(value)) >> unused_bits == wanted
        except ValueError:
            return False

    return test


def _as_ipv6(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    """Return an address as the number of an IPv6 address; IPv4 is mapped (RFC 4291 section 2.5.5.2)."""
    return int(address) | (0xFFFF << 32 if address.version == 4 else 0)


def relax(condition: Condition, replace: Callable[[Match], Condition | None]) -> Condition:
    """Return a condition that is true wherever the given one is, without certain matches.

    `replace` returns None to keep a match, or else a condition that is true wherever the match is. Where the match is
    negated, it is taken as false, because the replacement may also be true elsewhere.
    """
    return _relax(condition, replace, negated=False)


def _relax(condition: Condition, replace: Callable[[Match], Condition | None], negated: bool) -> Condition:
    match condition:
        case Match():
            replacement = replace(condition)
            if replacement is None:
                return condition
            return FALSE if negated else replacement
        case Not(inner):
            return negation(_relax(inner, replace, not negated))
        case AllOf(conditions):
            return conjunction(_relax(each, replace, negated) for each in conditions)
        case AnyOf(conditions):
            return disjunction(_relax(each, replace, negated) for each in conditions)


def negation(condition: Condition) -> Condition:
    """Return the opposite of a condition."""
    if condition == TRUE:
        return FALSE
    if condition == FALSE:
        return TRUE
    return condition.condition if isinstance(condition, Not) else Not(condition)


def conjunction(conditions: Iterable[Condition]) -> Condition:
    """Return a condition that is true if all of the given ones are."""
    found = tuple(each for each in conditions if each != TRUE)
    if FALSE in found:
        return FALSE
    return found[0] if len(found) == 1 else AllOf(found)


def disjunction(conditions: Iterable[Condition]) -> Condition:
    """Return a condition that is true if one of the given ones is."""
    found = tuple(each for each in conditions if each != FALSE)
    if TRUE in found:
        return TRUE
    return found[0] if len(found) == 1 else AnyOf(found)


def matches_of(condition: Condition) -> list[Match]:
    """Return all matches in a condition."""
    match condition:
        case Match():
            return [condition]
        case Not(inner):
            return matches_of(inner)
        case AllOf(conditions) | AnyOf(conditions):
            return [found for each in conditions for found in matches_of(each)]
