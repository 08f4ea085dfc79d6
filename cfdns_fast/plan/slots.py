"""Assign slots to the values of an event, and describe how each is read. All writers share this part of a plan."""

from __future__ import annotations

from typing import Any

from .._core import Kind, ReadingFlag
from .._core.plan_types import Input, Observed, Reading
from ..mapping import NAME_PART_KINDS, OBSERVABLE_TYPES, Field, Mapping

__all__ = ["Readings", "matched_sources"]

#: The target of the name that matchers see, and its source if no field is a name.
_MATCHED_TARGET = "dns.question.name"
_MATCHED_SOURCE = "QueryName"

#: Prefix of a number without a name, the name of every such number, and the names by number. The number is None if
#: names have no numbers.
_Enumeration = tuple[str, object, tuple[tuple[int | None, object], ...]]

#: Kinds with other names in the core.
_KINDS = {"enum": Kind.enumeration}


def matched_sources(mapping: Mapping) -> tuple[str, ...]:
    """Return the keys of the name that matchers see.

    They are the sources of ``dns.question.name``, or of the first other field that is a name or a part of one. If there
    is none, ``QueryName`` is read for the matchers alone.
    """
    field = _matched_field(mapping)
    return (_MATCHED_SOURCE,) if field is None else field.sources


def _matched_field(mapping: Mapping) -> Field | None:
    names = [field for field in mapping.fields if field.kind in NAME_PART_KINDS]
    return next((field for field in names if field.to == _MATCHED_TARGET), names[0] if names else None)


class Readings:
    """The readings of a mapping, and the slots of its targets. Equal readings share a slot.

    Attributes
    ----------
    sources : list of str
        The keys, in the order in which the mapping first names them. `own_key` is the last one.
    key_count : int
        The number of sources without `own_key`.
    inputs : list of Input
        The inputs, one for each group of sources.
    enumerations, members
        The tables of the readings.
    firsts, collections : list of (int, list of int)
        A slot, and the slots of which it gets the first value, or all values.
    observables : list of (int, int, list of Observed)
        A slot, the list of its members, and the slots whose texts it gets.
    verdicts : list of (int, int)
        A slot, and the enumeration of which it gets the first name, or the second if the record has problems.
    problems_slot : int or None
        The slot for the problems as text; None if the mapping has none.
    slot_count : int
        The number of slots.
    matched : (list of int, int or None) or None
        The sources of the name that matchers see, and the slot of its registered domain, if a field reads that. None
        without matchers.
    """

    def __init__(self, mapping: Mapping, own_key: str | None = None, *, is_matched: bool = False) -> None:
        self._own_key = own_key
        self.sources: list[str] = []
        self.inputs: list[Input] = []
        self.enumerations: list[_Enumeration] = []
        self.members: list[tuple[str, ...]] = []
        self.firsts: list[tuple[int, list[int]]] = []
        self.collections: list[tuple[int, list[int]]] = []
        self.observables: list[tuple[int, int, list[Observed]]] = []
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
        self.matched = self._matched(mapping) if is_matched else None

    @property
    def wants_name_parts(self) -> bool:
        """Whether a field is a part of a name, which needs the suffix rules."""
        return any(field.kind in NAME_PART_KINDS[1:] for field in self._fields)

    def slot(self, field: Field) -> int:
        """Return the slot of the field's target."""
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

    def _matched(self, mapping: Mapping) -> tuple[list[int], int | None]:
        # A source that only matchers read comes last, because it does not make a record known.
        keys = matched_sources(mapping)
        self.sources += [key for key in keys if key not in self.sources]
        sources = [self.sources.index(key) for key in keys]
        same = [field for field in mapping.fields if field.sources == keys and field.kind in NAME_PART_KINDS[1:]]
        if not same:
            return sources, None
        return sources, self._reading_slots[self._identity(same[0])] + NAME_PART_KINDS.index("registered_domain")

    def text_slot(self, to: str) -> int | None:
        """Return the slot of a target; None if the mapping does not have it, or not as one text."""
        fields = [field for field in self._fields if field.to == to]
        is_text = all(field.json_class == "text" and field.sources for field in fields)
        return self._target_slots[to] if fields and is_text else None

    def texts_slot(self, to: str) -> int | None:
        """Return the slot of a target; None if the mapping does not have it, or not as a text or a list of texts.

        A list of objects that each hold one text is a list of texts too.
        """
        fields = [field for field in self._fields if field.to == to]
        is_text = all(
            field.kind != "constant" and (field.json_class.endswith("text") or field.member is not None)
            for field in fields
        )
        return self._target_slots.get(to) if is_text else None

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
            flags = (
                ReadingFlag.wants_parts * any(other.kind in NAME_PART_KINDS[1:] for other in same)
                | ReadingFlag.keeps_dots * (not field.trim)
                | ReadingFlag.nine_digits * (field.digits is not None)
                | ReadingFlag.is_named * (field.if_true is not None)
                | ReadingFlag.keeps_empty * field.keep_empty
                | ReadingFlag.keeps_root * field.keep_root
                | ReadingFlag.escapes * field.escape
                | ReadingFlag.wraps * (field.member is not None)
            )
            element = _kind_of(field)
            read_as = Kind.list if field.list else element
            readings.append(Reading(read_as, element, flags, slot, self._table(field)))
        return readings

    def _reading_of(self, field: Field) -> Field:
        """Return the field whose reading this one shares: options of a name do not change the parts of the name."""
        return self._names.get(field.sources, field) if field.kind in NAME_PART_KINDS[1:] else field

    def _identity(self, field: Field) -> tuple[object, ...]:
        """Return a key that is equal for fields with the same reading."""
        field = self._reading_of(field)
        kind = "name" if field.kind in NAME_PART_KINDS else field.kind
        of_names = (field.trim, field.keep_root, field.escape)
        of_numbers = (field.names, field.unassigned, field.default, field.digits, field.epoch)
        of_lists = (field.list, field.keep_empty, field.object_keys)
        return (field.sources, kind, of_names, of_numbers, of_lists, field.if_true, field.if_false)

    def _new_slots(self, count: int) -> int:
        first = self.slot_count
        self.slot_count += count
        return first

    def _table(self, field: Field) -> int:
        if field.object_keys:
            return _add_once(self.members, field.object_keys)
        if field.kind == "enum":
            return _add_once(self.enumerations, (field.unassigned or "", field.default, field.names))
        if field.if_true is not None:
            return _add_once(self.enumerations, ("", None, ((None, field.if_false), (None, field.if_true))))
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
            elif field.kind == "observables":
                observed = [self._observed(targets[to][0]) for to in field.of]
                self.observables.append((self._target_slots[field.to], self._table(field), observed))

    def _observed(self, field: Field) -> Observed:
        return Observed(self._target_slots[field.to], field.value_path, *OBSERVABLE_TYPES[field.kind])

    def _own_slot(self, field: Field) -> int | None:
        if field.sources:
            slot = self._reading_slots[self._identity(field)]
            return slot + NAME_PART_KINDS.index(field.kind) if field.kind in NAME_PART_KINDS else slot
        if field.of:
            return self._new_slots(1)
        if field.kind == "problems":
            if self.problems_slot is None:
                self.problems_slot = self._new_slots(1)
            return self.problems_slot
        if field.if_problem is not None:
            slot = self._new_slots(1)
            names = ((None, field.value), (None, field.if_problem))
            # Always appended, because True and 1 are equal but different constants.
            self.enumerations.append(("", None, names))
            self.verdicts.append((slot, len(self.enumerations) - 1))
            return slot
        return None


def _kind_of(field: Field) -> Kind:
    """Return the kind by which the core reads a field, or an element of its list."""
    if field.epoch is not None:
        return Kind.milliseconds
    return Kind.domain_name if field.kind in NAME_PART_KINDS else _KINDS.get(field.kind) or Kind[field.kind]


def _add_once(items: list[Any], wanted: object) -> int:
    """Return the index of an item, which is appended if the list lacks it."""
    if wanted not in items:
        items.append(wanted)
    return items.index(wanted)
