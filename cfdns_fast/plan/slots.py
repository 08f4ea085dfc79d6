"""Which source is read how into which slot: the part of a plan that every writer shares."""

from __future__ import annotations

from typing import Any, NamedTuple

from .._core import Kind, ReadingFlag
from ..mapping import NAME_PART_KINDS, Field, Mapping

__all__ = ["Input", "Reading", "Readings"]

#: Names by number, or without one where nothing is looked up; what stands before a number without a name.
_Enumeration = tuple[str, tuple[tuple[int | None, object], ...]]


#: Kinds that the core calls by other names.
_KINDS = {"enum": Kind.enumeration, "name": Kind.domain_name}


class Reading(NamedTuple):
    """How an input is read into a slot; the kinds of names fill several.

    Attributes
    ----------
    kind : Kind
    element : Kind
        Of a list; the kind itself if it is none.
    flags : int
        Of `ReadingFlag`.
    slot : int
    table : int
        The index of an enumeration, or of a list of members.
    """

    kind: Kind
    element: Kind
    flags: int
    slot: int
    table: int


class Input(NamedTuple):
    """The sources to try in order, whether a value is required, and how it is read."""

    sources: list[int]
    required: bool
    readings: list[Reading]


class Readings:
    """Every reading once, however many targets it has.

    Attributes
    ----------
    sources : list of str
        Keys, in the order in which the mapping first names them; `own_key` is the last one.
    key_count : int
        How many of the sources are keys of the mapping: all but `own_key`.
    inputs : list of Input
    enumerations, members
        The tables of readings.
    firsts, collections : list of (int, list of int)
        A slot, and the slots of which it takes the first value, or all.
    verdicts : list of (int, int)
        A slot, and the enumeration of which it takes the first name, or the second if the record has problems.
    problems_slot : int or None
        Where the problems go as text.
    slot_count : int
    """

    def __init__(self, mapping: Mapping, own_key: str | None = None) -> None:
        self._own_key = own_key
        self.sources: list[str] = []
        self.inputs: list[Input] = []
        self.enumerations: list[_Enumeration] = []
        self.members: list[tuple[str, ...]] = []
        self.firsts: list[tuple[int, list[int]]] = []
        self.collections: list[tuple[int, list[int]]] = []
        self.verdicts: list[tuple[int, int]] = []
        self.problems_slot: int | None = None
        self.slot_count = 0
        self._fields = mapping.fields
        self._names: dict[tuple[str, ...], Field] = {}
        for field in mapping.fields:
            if field.kind == "name":
                self._names.setdefault(field.sources, field)
        self._reading_slots: dict[tuple[object, ...], int] = {}
        self._target_slots: dict[str, int] = {}
        self._add_inputs()
        self._add_targets(mapping.targets())

    @property
    def wants_name_parts(self) -> bool:
        return any(field.kind in NAME_PART_KINDS[1:] for field in self._fields)

    def slot(self, field: Field) -> int:
        """Return where the value of the field's target is."""
        return self._target_slots[field.to]

    def _add_inputs(self) -> None:
        by_input: dict[tuple[str, ...], list[Field]] = {}
        for field in self._fields:
            if field.sources:
                by_input.setdefault(field.sources, []).append(field)
                self.sources += [key for key in field.sources if key not in self.sources]
        self.key_count = len(self.sources) - (self._own_key in self.sources)
        self.sources.sort(key=lambda key: key == self._own_key)
        for keys, fields in by_input.items():
            required = any(field.required for field in fields)
            self.inputs.append(Input([self.sources.index(key) for key in keys], required, self._read(fields)))

    def _read(self, fields: list[Field]) -> list[Reading]:
        readings = []
        for field in fields:
            identity = self._identity(field)
            if identity in self._reading_slots:
                continue
            slot = self._reading_slots[identity] = self._new_slots(
                len(NAME_PART_KINDS) if field.kind in NAME_PART_KINDS else 1
            )
            same = [other for other in fields if self._identity(other) == identity]
            field = self._reading_of(field)
            kind = "name" if field.kind in NAME_PART_KINDS else field.kind
            flags = (
                ReadingFlag.wants_parts * any(other.kind in NAME_PART_KINDS[1:] for other in same)
                | ReadingFlag.keeps_dots * (not field.trim)
                | ReadingFlag.nine_digits * (field.digits is not None)
                | ReadingFlag.is_named * (field.if_true is not None)
                | ReadingFlag.keeps_empty * field.keep_empty
                | ReadingFlag.keeps_root * field.keep_root
                | ReadingFlag.escapes * field.escape
            )
            element = _KINDS.get(kind) or Kind[kind]
            read_as = Kind.list if field.list else element
            readings.append(Reading(read_as, element, flags, slot, self._table(field)))
        return readings

    def _reading_of(self, field: Field) -> Field:
        """Return the field whose reading this one shares: the options of a name do not change the parts of the name."""
        return self._names.get(field.sources, field) if field.kind in NAME_PART_KINDS[1:] else field

    def _identity(self, field: Field) -> tuple[object, ...]:
        """Return what makes two fields one reading."""
        field = self._reading_of(field)
        kind = "name" if field.kind in NAME_PART_KINDS else field.kind
        of_names = (field.trim, field.keep_root, field.escape)
        options = (field.names, field.unassigned, field.digits, field.list, field.keep_empty, field.members)
        return (field.sources, kind, of_names, options, field.if_true, field.if_false)

    def _new_slots(self, count: int) -> int:
        first = self.slot_count
        self.slot_count += count
        return first

    def _table(self, field: Field) -> int:
        if field.kind == "objects":
            return _place(self.members, field.members)
        if field.kind == "enum":
            return _place(self.enumerations, (field.unassigned or "", field.names))
        if field.if_true is not None:
            return _place(self.enumerations, ("", ((None, field.if_false), (None, field.if_true))))
        return 0

    def _add_targets(self, targets: dict[str, tuple[Field, ...]]) -> None:
        for to, fields in targets.items():
            slots = [self._own_slot(field) for field in fields]
            if len(slots) == 1:
                if slots[0] is not None:
                    self._target_slots[to] = slots[0]
                continue
            self._target_slots[to] = self._new_slots(1)
            self.firsts.append((self._target_slots[to], [slot for slot in slots if slot is not None]))
        for field in self._fields:
            if field.kind == "collect":
                self.collections.append((self._target_slots[field.to], [self._target_slots[to] for to in field.of]))

    def _own_slot(self, field: Field) -> int | None:
        if field.sources:
            slot = self._reading_slots[self._identity(field)]
            return slot + NAME_PART_KINDS.index(field.kind) if field.kind in NAME_PART_KINDS else slot
        if field.kind == "collect":
            return self._new_slots(1)
        if field.kind == "problems":
            if self.problems_slot is None:
                self.problems_slot = self._new_slots(1)
            return self.problems_slot
        if field.if_problem is not None:
            slot = self._new_slots(1)
            names = ((None, field.value), (None, field.if_problem))
            # Not looked up: True and 1 are equal, and are not the same constant.
            self.enumerations.append(("", names))
            self.verdicts.append((slot, len(self.enumerations) - 1))
            return slot
        return None


def _place(items: list[Any], wanted: object) -> int:
    if wanted not in items:
        items.append(wanted)
    return items.index(wanted)
