"""Build the event of a record by a mapping. Part of the specification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import PROBLEM_CODES
from ..mapping import OBSERVABLE_TYPES, Field, Node
from .framing import Record
from .values import Problems, Settings, read_field

__all__ = ["EventSettings", "event_of", "key_of", "values_of"]

_UNKNOWN = ("record.unknown", "")


@dataclass(frozen=True, slots=True)
class EventSettings(Settings):
    """The options and the mapping by which events are built.

    Attributes
    ----------
    fields : tuple of Field
        The fields of the mapping, in its order.
    tree : tuple of Node
        The output object (`Mapping.tree`).
    """

    fields: tuple[Field, ...]
    tree: tuple[Node, ...]


def event_of(record: Record, settings: EventSettings) -> tuple[dict[str, Any], set[str]]:
    """Return the event of a record, and its problems.

    A problem is "code:SourceKey", once, however many fields one source feeds. "record.unknown" has no key: the record
    has none of the keys that the mapping reads. A mapping that reads no key knows every record.
    """
    values, problems = values_of(record, settings)
    return _assemble(settings.tree, values), {key_of(problem) for problem in problems}


def values_of(record: Record, settings: EventSettings) -> tuple[dict[str, Any], Problems]:
    """Return the values of the targets that have one, and the problems."""
    problems: Problems = set()
    keys = {key for field in settings.fields for key in field.sources}
    if keys and keys.isdisjoint(record.members):
        problems.add(_UNKNOWN)
    values: dict[str, Any] = {}
    for field in settings.fields:
        if field.kind == "raw":
            values[field.to] = record.text
        elif field.sources:
            value = read_field(field, record, settings, problems)
            # All fields of a target are read, for their problems. The first that has a value counts.
            if value is not None:
                values.setdefault(field.to, value)
    for field in settings.fields:
        if field.kind == "collect":
            values[field.to] = _collected(field, values)
        elif field.kind == "observables":
            values[field.to] = _observables(field, values, settings.fields)
        elif field.kind == "constant":
            value = field.if_problem if problems and field.if_problem is not None else field.value
            values[field.to] = list(value) if isinstance(value, tuple) else value
        elif field.kind == "problems":
            values[field.to] = _problems_text(problems, settings.fields)
    arrays = {field.to for field in settings.fields if field.array}
    return {to: [value] if to in arrays else value for to, value in values.items() if value is not None}, problems


def key_of(problem: tuple[str, str]) -> str:
    """Return a problem as it is counted: "code:SourceKey"."""
    code, key = problem
    return f"{code}:{key}" if key else code


def _collected(field: Field, values: dict[str, Any]) -> list[str] | None:
    """Return the texts of the collected targets, each once, in the order of first appearance; None if there is none."""
    found: dict[str, None] = {}
    for to in field.of:
        value = values.get(to)
        found.update(dict.fromkeys(value if isinstance(value, list) else [] if value is None else [value]))
    return list(found) or None


def _observables(field: Field, values: dict[str, Any], fields: tuple[Field, ...]) -> list[dict[str, Any]] | None:
    """Return an object for each text of the targets, in the order of `of`; None if there is none."""
    found = []
    for to in field.of:
        of = next(each for each in fields if each.to == to)
        caption, number = OBSERVABLE_TYPES[of.kind]
        value = values.get(to)
        for item in value if isinstance(value, list) else [] if value is None else [value]:
            text = item if of.member is None else item[of.member]
            found.append({"name": of.value_path, "type": caption, "type_id": number, "value": text})
    return found or None


def _problems_text(problems: Problems, fields: tuple[Field, ...]) -> str | None:
    """Return the problems as text without content of the record; None if there is none.

    record.unknown comes first. The others follow the order in which the mapping first names their keys.
    """
    keys = dict.fromkeys(key for field in fields for key in field.sources)
    ordered = [_UNKNOWN, *((code, key) for key in keys for code in PROBLEM_CODES)]
    return ", ".join(key_of(problem) for problem in ordered if problem in problems) or None


def _assemble(nodes: tuple[Node, ...], values: dict[str, Any]) -> dict[str, Any]:
    """Return the object of the targets that have a value, in the order of the mapping file, without empty objects."""
    content = {}
    for key, node in nodes:
        if isinstance(node, Field):
            if node.to in values:
                content[key] = values[node.to]
        elif child := _assemble(node, values):
            content[key] = child
    return content
