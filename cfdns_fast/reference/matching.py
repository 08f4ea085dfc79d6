"""Look for names in the records: sets of names, conditions, and Sliver's messages. Part of the specification.

The matchers of the option ``detect`` are read once, and looked up as dicts and strings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .._core import NameTable, SharedNameTable, SliverNames
from ..domains import is_ip_literal, rule_trie, split_domain, split_labels
from ..mapping import NAME_PART_KINDS
from ..mapping import Mapping as EventMapping
from ..matching.automata import automaton_matches
from ..matching.conditions import And, Condition, Match, NofM, Not
from ..matching.names import ALLOW, BELOW, SELF
from ..matching.networks import NetworkTable
from ..matching.predicates import Predicates, network_of, pieces_of_glob
from ..matching.sliver import SLIVER_MESSAGES
from ..results import Detection
from .framing import Record
from .networks import AddressFinder
from .sliver import decode

__all__ = ["Finder", "NameRows", "is_true"]

_MAX_NAME_BYTES = 1023
_MAX_ROW_BYTES = 253
_MAX_LABEL_BYTES = 63
_LABEL = re.compile(r"[a-z0-9_-]+")
_DEFANGED_DOT = re.compile(r"\[\.\]|\(\.\)")
_SPACE = " \t\r\v\f"


class NameRows:
    """The names of a table, and what they match; the twin of the builder and the table of `matching`."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[int, int]] = {}

    def add(self, name: str, flags: int, metadata: int) -> str:
        """Add a name; return what became of it."""
        name = _lower(_DEFANGED_DOT.sub(".", name)).strip(".")
        outcome = _checked(name)
        if outcome is not None:
            return outcome
        if flags & BELOW and _has_many_owners(name):
            if flags & SELF:
                self._insert(name, flags & ~BELOW, metadata)
            return "public_suffix"
        return self._insert(name, flags, metadata)

    def add_lines(self, data: bytes, flags: int, metadata: int, wildcard_flags: int) -> dict[str, int]:
        """Add the names of a plain list; return the number of names by what became of them."""
        outcomes: Counter[str] = Counter()
        for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
            text = line.decode("utf-8", "surrogateescape").strip(_SPACE)
            if not text or text[0] in "#;":
                continue
            name, *rest = re.split(f"[{_SPACE}]+", text, maxsplit=1)
            if rest and rest[0][0] not in "#;":
                outcomes["invalid"] += 1
            elif name.startswith("*.") and len(name) > 2:
                outcomes[self.add(name[2:], wildcard_flags, metadata)] += 1
            elif name.startswith(".") and len(name) > 1:
                outcomes[self.add(name, wildcard_flags, metadata)] += 1
            else:
                outcomes[self.add(name, flags, metadata)] += 1
        return dict(outcomes)

    def find(self, name: str) -> tuple[str, int, int] | None:
        """Return the longest name that applies to a name without dots at its ends, its number and where it begins."""
        found = None
        start = len(name) + 1
        for label in reversed(split_labels(name)):
            start -= len(label) + 1
            row = _lower(name[start:])
            flags, metadata = self.rows.get(row, (0, 0))
            if flags & (SELF if start == 0 else BELOW):
                found = None if flags & ALLOW else (row, metadata, start)
        return found

    def _insert(self, name: str, flags: int, metadata: int) -> str:
        if name not in self.rows:
            self.rows[name] = flags, metadata
            return "added"
        old, number = self.rows[name]
        if (old ^ flags) & ALLOW:
            self.rows[name] = (old if old & ALLOW else flags), number
        else:
            self.rows[name] = old | flags, number
        return "duplicate"


def _lower(text: str) -> str:
    """Lower ASCII letters only: names are compared as bytes."""
    return re.sub(r"[A-Z]+", lambda match: match.group().lower(), text)


def _checked(name: str) -> str | None:
    """Return why a name cannot be in a table; None if it can."""
    if len(name.encode("utf-8", "surrogateescape")) > _MAX_ROW_BYTES:
        return "too_long"
    if not name.isascii():
        return "not_ascii"
    labels = name.split(".")
    if not all(_LABEL.fullmatch(label) and len(label) <= _MAX_LABEL_BYTES for label in labels):
        return "invalid"
    if len(labels) == 1:
        return "single_label"
    return "address" if is_ip_literal(name) else None


def _has_many_owners(name: str) -> bool:
    """Return whether a name is a public suffix, or an ICANN suffix stands below it."""
    if split_domain(name, private_suffixes=True).top_level_domain == name:
        return True
    trie = rule_trie(False)
    node = 0
    for label in reversed(name.split(".")):
        child = trie.edges.get((node, _rule_label(label)))
        if child is None:
            return False
        node = child
    return any(parent == node for parent, _ in trie.edges)


def _rule_label(label: str) -> str:
    """Return a label as rules have it: an A-label decoded, if it is valid."""
    from ..domains import _rule_form

    return _rule_form(label)


class Finder:
    """Finds what the option ``detect`` names in records.

    Parameters
    ----------
    detectors : sequence of matching.Detector
    mapping : mapping.Mapping
        The mapping of the events. It says which key holds the name.
    """

    def __init__(self, detectors: Sequence[Any], mapping: EventMapping) -> None:
        matchers = [_current(each.matcher()) for each in detectors]
        self._compared = {field: _compared_target(mapping, targets) for field, targets in _TARGETS.items()}
        found = [(self._found_by(each), number) for number, each in enumerate(matchers)]
        self._find = [(find, number) for (find, number) in found if find is not None]
        self._addresses = AddressFinder(matchers, mapping)
        names = [field for field in mapping.fields if field.kind in NAME_PART_KINDS]
        names.sort(key=lambda field: field.to != "dns.question.name")
        self._sources = names[0].sources if names else ("QueryName",)

    def detections(self, record: Record, event: Mapping[str, Any], number: int) -> list[Detection]:
        """Return what is found in a record, which becomes the event of this number."""
        return [*self._in_name(record, event, number), *self._addresses.detections(event, number)]

    def _in_name(self, record: Record, event: Mapping[str, Any], number: int) -> list[Detection]:
        values = [record.members.get(key) for key in self._sources]
        value = next((value for value in values if value not in (None, "")), None)
        if not isinstance(value, str):
            return []
        name = value.strip(".")
        if not 0 < len(name.encode("utf-8")) <= _MAX_NAME_BYTES:
            return []
        return [
            Detection(number, -1, matcher, rule, detail, start, name, by)
            for find, matcher in self._find
            for rule, detail, start, by in find(name, event)
        ]

    def _found_by(self, matcher: Any) -> Callable[[str, Mapping[str, Any]], _Found] | None:
        if isinstance(matcher, NetworkTable):
            return None
        if isinstance(matcher, NameTable):
            return _in_table(matcher)
        if isinstance(matcher, SliverNames):
            return lambda name, event: _sliver(matcher, name)
        if isinstance(matcher, Predicates):
            return lambda name, event: self._true_conditions(matcher, name, event)
        raise TypeError(f"not a matcher: {type(matcher).__name__}")

    def _true_conditions(self, matcher: Predicates, name: str, event: Mapping[str, Any]) -> _Found:
        fields = {"name": name} | {field: _text_at(event, to) for field, to in self._compared.items()}
        for number, condition in enumerate(matcher.conditions):
            if is_true(condition, fields):
                yield number, 0, 0, matcher


#: What a matcher finds: rule, detail, start, and the matcher.
_Found = Iterator[tuple[int, int, int, Any]]


def _current(matcher: Any) -> Any:
    return matcher.table if isinstance(matcher, SharedNameTable) else matcher


def _in_table(table: NameTable) -> Callable[[str, Mapping[str, Any]], _Found]:
    rows = NameRows()
    numbers = {}
    for row, name, flags, metadata in table.rows():
        rows.rows[name] = flags, metadata
        numbers[name] = row

    def find(name: str, event: Mapping[str, Any]) -> _Found:
        found = rows.find(name)
        if found is not None:
            yield numbers[found[0]], found[1], found[2], table

    return find


def _sliver(matcher: SliverNames, name: str) -> _Found:
    found = decode(name)
    if found is not None:
        start = len(name) - len(found.parent)
        yield SLIVER_MESSAGES.index(found.message), found.id or 0, start, matcher


#: The targets of the fields of a condition, in the terms of ECS and of OCSF.
_TARGETS = {
    "type": ("dns.question.type", "query.type"),
    "rcode": ("dns.response_code",),
    "source": ("source.ip", "src_endpoint.ip"),
}


def _compared_target(mapping: EventMapping, targets: tuple[str, ...]) -> str:
    """Return the first target that a mapping has as one text of the record; empty if there is none."""
    for to in targets:
        fields = [field for field in mapping.fields if field.to == to]
        if fields and all(field.json_class == "text" and field.sources for field in fields):
            return to
    return ""


def _text_at(event: Mapping[str, Any], to: str) -> str | None:
    """Return the text of a target, also from a list of one; None if it is absent or not text."""
    value: Any = event
    for key in to.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else None


def is_true(condition: Condition, fields: Mapping[str, str | None]) -> bool:
    """Return whether a condition holds for the texts of fields."""
    if isinstance(condition, Match):
        text = fields[condition.field]
        if condition.operator == "exists":
            return text is not None
        results = [text is not None and _compares(condition, text, value) for value in condition.values]
        return all(results) if condition.all_of else any(results)
    if isinstance(condition, Not):
        return not is_true(condition.condition, fields)
    count = sum(is_true(each, fields) for each in condition.conditions)
    if isinstance(condition, And):
        return count == len(condition.conditions)
    return count >= (condition.count if isinstance(condition, NofM) else 1)


def _compares(match: Match, text: str, value: str | bytes) -> bool:
    if isinstance(value, bytes):
        return automaton_matches(value, text.encode("utf-8"))
    if match.operator == "cidr":
        return _is_in_network(text, value)
    if not match.cased:
        text, value = _lower(text), _lower(value)
    # Strings are compared as bytes.
    data, wanted = text.encode("utf-8"), value.encode("utf-8")
    if match.operator == "glob":
        wildcards = {ord("*"): b".*", ord("?"): b"."}
        pieces = (wildcards[each] if isinstance(each, int) else re.escape(each) for each in pieces_of_glob(wanted))
        return re.fullmatch(b"".join(pieces), data, re.DOTALL) is not None
    operators: dict[str, Callable[[], bool]] = {
        "equals": lambda: data == wanted,
        "contains": lambda: wanted in data,
        "startswith": lambda: data.startswith(wanted),
        "endswith": lambda: data.endswith(wanted),
    }
    return operators[match.operator]()


def _is_in_network(text: str, value: str) -> bool:
    """Return whether text is an address in a network. IPv4 is compared as mapped IPv6."""
    if not is_ip_literal(text):
        return False
    address, _ = network_of(text)
    network, bits = network_of(value)
    unused = 128 - bits
    return int.from_bytes(address, "big") >> unused == int.from_bytes(network, "big") >> unused
