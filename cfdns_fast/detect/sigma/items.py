"""Searches of a rule: fields with modifiers and values, as conditions."""

from __future__ import annotations

import ipaddress

from ...matching import MAX_PATTERN_BYTES
from . import strings
from .automaton import MAX_STEPS, Automaton
from .conditions import Condition, Match, Not, conjunction, disjunction
from .faults import FaultFound
from .fields import field_of
from .nodes import ListNode, MapNode, Node, Text
from .regex_literals import MIN_FIRST_LENGTH, MIN_LENGTH, literals_of
from .regex_parser import RegexFault, parse

__all__ = ["MAX_REGULAR_EXPRESSIONS", "Collector", "condition_of"]

#: Of one rule.
MAX_REGULAR_EXPRESSIONS = 32

_OPERATORS = ("contains", "startswith", "endswith", "re", "cidr", "exists")
_KNOWN = {
    *("all", "base64", "base64offset", "cased", "contains", "endswith", "exists", "expand", "fieldref", "gt", "gte"),
    *("lt", "lte", "neq", "re", "startswith", "utf16", "utf16be", "utf16le", "wide", "windash", "cidr", "i", "m", "s"),
    *("minute", "hour", "day", "week", "month", "year"),
}


class Collector:
    """Collects faults and warnings while a rule is read.

    Attributes
    ----------
    faults : list of FaultFound
        The faults in the order in which they were found.
    warnings : list of (line, reason)
        The warnings.
    regular_expressions : int
        How many regular expressions the rule has.
    steps_left : int
        How many steps the regular expressions of the file may still take to compile.
    """

    def __init__(self, steps_left: int = MAX_STEPS) -> None:
        self.steps_left = steps_left
        self.faults: list[FaultFound] = []
        self.warnings: list[tuple[int, str]] = []
        self.regular_expressions = 0

    def fault(self, code: str, line: int | None, reason: str) -> None:
        """Note a fault."""
        self.faults.append(FaultFound(code, line, reason))

    def warn(self, line: int, reason: str) -> None:
        """Note a warning."""
        self.warnings.append((line, reason))


def condition_of(search: str, node: Node, collector: Collector) -> Condition | None:
    """Return the condition of a search, or None after its faults are noted.

    A mapping is true if all of its fields match; a list of mappings if one of them is.
    """
    if isinstance(node, MapNode) and node.entries:
        parts = [_checked_item(key, value, node.lines[key], collector) for key, value in node.entries.items()]
        return None if None in parts else conjunction(each for each in parts if each is not None)
    if isinstance(node, ListNode) and node.items and not any(isinstance(each, Text) for each in node.items):
        parts = [condition_of(search, each, collector) for each in node.items]
        return None if None in parts else disjunction(each for each in parts if each is not None)
    if (isinstance(node, Text) and node.kind != "null") or (isinstance(node, ListNode) and node.items):
        reason = (
            f"the search {search!r} has values without a field (keywords): name a field, for example query|contains"
        )
        collector.fault("keywords.unsupported", node.line, reason)
    else:
        collector.fault("rule.form", node.line, f"the search {search!r} is empty")
    return None


def _checked_item(key: str, node: Node, line: int, collector: Collector) -> Condition | None:
    try:
        return _item(key, node, line, collector)
    except FaultFound as fault:
        collector.faults.append(fault)
        return None


def _item(key: str, node: Node, line: int, collector: Collector) -> Condition:
    """Return the condition of a field with its modifiers and values."""
    name, *modifiers = key.split("|")
    if not name:
        raise FaultFound("keywords.unsupported", line, f"{key!r} has no field (keywords): name a field before it")
    # A placeholder is named as such, whatever the field is.
    if "expand" in modifiers:
        raise FaultFound("placeholder.unsupported", line, "placeholders (expand) are not supported: write the values")
    field = field_of(name, line)
    operator, join_all, cased, ignores_case = _modifiers(field, modifiers, line)
    values = node.items if isinstance(node, ListNode) else [node]
    if not values:
        raise FaultFound("rule.form", line, f"{key!r} has an empty list of values")
    if join_all and len(values) == 1:
        collector.warn(line, f"{key!r}: all has no effect on one value")
    found: list[Condition] = []
    texts: dict[str, list[str | strings.Pattern | Automaton]] = {}
    for value in values:
        if not isinstance(value, Text):
            raise FaultFound("rule.form", value.line, f"a value of {key!r} must be a text")
        if operator == "exists":
            found.append(_exists(field, value, len(values)))
        elif value.kind == "null" and operator == "equals":
            found.append(Not(Match(field, "exists")))
        else:
            kind, operand = _operand(field, operator, value, ignores_case, collector)
            texts.setdefault(kind, []).append(operand)
            _warn(key, field, kind, operand, value.line, collector)
    for kind, operands in texts.items():
        if kind == "exists":
            found.append(Match(field, "exists"))
        else:
            found.append(Match(field, kind, tuple(dict.fromkeys(operands)), join_all and len(operands) > 1, cased))
    return conjunction(found) if join_all else disjunction(found)


def _modifiers(field: str, modifiers: list[str], line: int) -> tuple[str, bool, bool, bool]:
    """Return the operator, and whether the modifiers all, cased and i are there."""

    def fault(reason: str) -> FaultFound:
        return FaultFound("modifier.unsupported", line, reason)

    operators = [each for each in modifiers if each in _OPERATORS]
    for each in modifiers:
        if each not in (*_OPERATORS, "all", "cased", "i"):
            known = f"the modifier {each!r} is not supported" if each in _KNOWN else f"there is no modifier {each!r}"
            raise fault(f"{known}; modifiers are contains, startswith, endswith, re, i, cidr, exists, all and cased")
        if modifiers.count(each) > 1:
            raise fault(f"the modifier {each!r} is there twice")
    if len(operators) > 1:
        raise fault(f"{operators[0]!r} and {operators[1]!r} cannot be together")
    operator = operators[0] if operators else "equals"
    if "i" in modifiers and modifiers[:2] != ["re", "i"]:
        raise fault("'i' belongs directly after 're'")
    if operator in ("re", "cidr", "exists") and modifiers[0] != operator:
        raise fault(f"{operator!r} must be the first modifier")
    if operator in ("re", "cidr", "exists") and "cased" in modifiers:
        raise fault(f"'cased' has no meaning with {operator!r}")
    if operator == "exists" and "all" in modifiers:
        raise fault("'all' has no meaning with 'exists'")
    if operator == "re" and field != "name":
        raise fault("'re' is supported on the query name only")
    if operator == "cidr" and field != "source":
        raise fault("'cidr' is supported on the source address only (src_ip, source.ip)")
    return operator, "all" in modifiers, "cased" in modifiers, "i" in modifiers


def _exists(field: str, value: Text, count: int) -> Condition:
    if value.kind != "bool" or count != 1:
        raise FaultFound("value.unsupported", value.line, "the value of exists must be true or false")
    condition = Match(field, "exists")
    return condition if value.is_true else Not(condition)


def _operand(
    field: str, operator: str, value: Text, ignores_case: bool, collector: Collector
) -> tuple[str, str | strings.Pattern | Automaton]:
    """Return the operator of a value, by its wildcards, and the operand."""
    if value.kind not in ("text", "int") or (value.kind == "int" and operator != "equals"):
        what = {"null": "an empty value", "bool": "true or false", "int": "a number"}.get(
            value.kind, "a date or a fraction"
        )
        reason = f"{value.value!r} is {what} in YAML: quote it if it is a text"
        raise FaultFound("value.unsupported", value.line, reason)
    if value.kind == "int" and field in ("type", "rcode"):
        reason = f"{value.value} is a number, and the logs name types and codes: write for example TXT or NXDOMAIN"
        raise FaultFound("value.unsupported", value.line, reason)
    if len(value.value.encode()) > MAX_PATTERN_BYTES and operator != "re":
        reason = f"longer than {MAX_PATTERN_BYTES:,} bytes, as no query name is"
        raise FaultFound("value.unsupported", value.line, reason)
    if operator == "re":
        return "re", _regular_expression(value, ignores_case, collector)
    if operator == "cidr":
        try:
            return "cidr", str(ipaddress.ip_network(value.value))
        except ValueError as error:
            raise FaultFound("value.unsupported", value.line, f"not a network: {error}") from None
    return strings.operator_of(strings.with_operator(strings.parse(value.value), operator))


def _regular_expression(value: Text, ignores_case: bool, collector: Collector) -> Automaton:
    collector.regular_expressions += 1
    if collector.regular_expressions > MAX_REGULAR_EXPRESSIONS:
        reason = f"more than {MAX_REGULAR_EXPRESSIONS} regular expressions in a rule"
        raise FaultFound("regex.limit", value.line, reason)
    try:
        has_literals = literals_of(parse(value.value, ignores_case)) != ()
        # Without literals it is refused below, so that it is not compiled.
        automaton = Automaton(value.value if has_literals else "", ignores_case, collector.steps_left)
    except RegexFault as fault:
        raise FaultFound(fault.code, value.line, f"regular expression: {fault.reason}") from None
    collector.steps_left -= automaton.steps
    if not has_literals:
        reason = (
            f"regular expression: no text of {MIN_LENGTH} characters ({MIN_FIRST_LENGTH} at the begin of the name) is "
            "in every match, so that each name would have to be searched"
        )
        raise FaultFound("regex.literal", value.line, reason)
    return automaton


def _warn(
    key: str, field: str, kind: str, operand: str | strings.Pattern | Automaton, line: int, collector: Collector
) -> None:
    """Note what a value of a query name probably does not mean."""
    if isinstance(operand, Automaton) or field != "name":
        return
    texts = [operand] if isinstance(operand, str) else [part for part in operand if isinstance(part, str)]
    if kind == "endswith" and isinstance(operand, str) and not operand.startswith("."):
        collector.warn(
            line,
            f"{key!r}: {operand!r} without a leading dot also matches names such as {'x' + operand!r}; write "
            f"{'.' + operand!r}, and {operand!r} without endswith for the name itself",
        )
    if kind in ("equals", "endswith") and texts[-1].endswith("."):
        collector.warn(line, f"{key!r}: {operand!r} never matches, because query names are without the last dot")
    if not all(map(str.isascii, texts)):
        collector.warn(line, f"{key!r}: {operand!r} is not ASCII, and query names hold A-labels (xn--...)")
