"""Check what the entries of a mapping file must be to each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .kinds import COLLECTED_KINDS, SINGLE_KINDS
from .model import OBSERVABLE_TYPES, Field
from .options import shown

__all__ = ["Entry", "Fault", "collection_faults", "target_faults"]


class Fault(NamedTuple):
    """What is wrong: with the file if `number` is 0, else with that entry; `key` is the key that is wrong."""

    number: int
    label: str | None
    key: str | None
    reason: str


class Entry(NamedTuple):
    """One entry. `field` is None if the entry has a fault, and `to` is None if the target has one."""

    number: int
    label: str
    to: str | None
    field: Field | None
    is_alternative: bool


def target_faults(entries: list[Entry]) -> Iterator[Fault]:
    """Yield the faults of targets that several entries have, or that are below each other."""
    seen: dict[str, Entry] = {}
    parents: dict[str, int] = {}
    for entry in entries:
        to = entry.to
        if to is None:
            continue
        reason = None
        if to in seen:
            reason = _alternative_fault(seen[to], entry)
        elif entry.is_alternative:
            reason = "otherwise = true needs a field before it with the same target"
        elif to in parents:
            reason = f"field {parents[to]} is below it; a target is a value or a parent"
        if reason is not None:
            yield Fault(entry.number, entry.label, "otherwise" if entry.is_alternative else "to", reason)
        if to in seen:
            continue
        seen[to] = entry
        parent = to
        while "." in parent:
            parent = parent.rpartition(".")[0]
            if parent in seen:
                reason = f"field {seen[parent].number} is a value at {parent}; no field can be below it"
                yield Fault(entry.number, entry.label, "to", reason)
            parents.setdefault(parent, entry.number)


def _alternative_fault(first: Entry, entry: Entry) -> str | None:
    if not entry.is_alternative:
        return f"field {first.number} has the same target; a further field for it needs otherwise = true"
    if first.field is None or entry.field is None:
        return None
    if first.field.kind in SINGLE_KINDS:
        return f"field {first.number} is of kind {first.field.kind}, which has no alternatives"
    classes = first.field.json_class, entry.field.json_class
    if classes[0] != classes[1] or first.field.object_keys != entry.field.object_keys:
        return f"field {first.number} gives {classes[0]}, this one {classes[1]}; they must give the same"
    return None


def collection_faults(entries: list[Entry]) -> Iterator[Fault]:
    """Yield the targets of `of` that do not have the kinds that it takes."""
    kinds: dict[str, set[str | None]] = {}
    wrapped = {entry.to for entry in entries if entry.field and entry.field.member is not None}
    for entry in entries:
        if entry.to is not None:
            kinds.setdefault(entry.to, set()).add(entry.field.kind if entry.field else None)
    for entry in entries:
        for to in entry.field.of if entry.field else ():
            # A target whose entry has a fault may become a text.
            found = kinds.get(to, {""}) - {None}
            if entry.field and entry.field.kind == "observables":
                is_usable = len(found) < 2 and found <= OBSERVABLE_TYPES.keys()
                wanted = f"one of the kinds {', '.join(OBSERVABLE_TYPES)}"
            else:
                is_usable = found <= set(COLLECTED_KINDS) and to not in wrapped
                wanted = f"kinds {', '.join(COLLECTED_KINDS)}, and no objects"
            if not is_usable:
                yield Fault(entry.number, entry.label, "of", f"of must name targets of {wanted}, not {shown(to)}")
