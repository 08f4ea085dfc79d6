"""The parts of a plan as the compiled core reads them; `plan` creates them.

Their enums (`Kind`, `ReadingFlag`, `StepKind`, `DictStepKind`, `ColumnForm`) are those of the core.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = [
    "Column",
    "Columns",
    "DictPattern",
    "DictStep",
    "Input",
    "Observed",
    "Reading",
    "ShownColumn",
    "Step",
    "StoredColumn",
]


class Reading(NamedTuple):
    """How an input is read into a slot. A name and its parts have several adjacent slots.

    Attributes
    ----------
    kind : int
        The kind of the value (`Kind`).
    element : int
        The kind of the elements of a list; `kind` for other values.
    flags : int
        The flags (`ReadingFlag`), combined.
    slot : int
        The first slot.
    table : int
        The index of the enumeration or of the list of members; 0 if the kind has none.
    """

    kind: int
    element: int
    flags: int
    slot: int
    table: int


class Input(NamedTuple):
    """The sources in the order in which they are tried, whether a value is required, and its readings."""

    sources: list[int]
    required: bool
    readings: list[Reading]


class Observed(NamedTuple):
    """A slot whose texts are observables, and the members that say what they are."""

    slot: int
    name: str
    type: str
    type_id: int


class Step(NamedTuple):
    """One step of the NDJSON writer: the value of a slot, and the bytes before and after it."""

    kind: int
    slot: int
    before: bytes
    after: bytes


class DictPattern(NamedTuple):
    """A dict of an event: all keys in order, with their constants, or None if a step sets the value."""

    holds_containers: bool
    items: tuple[tuple[str, object], ...]


class DictStep(NamedTuple):
    """One step that fills a copy of a pattern. `_core/dicts/builder.hpp` describes the members."""

    kind: int
    slot: int
    position: int
    key: str
    items: tuple[object, ...] | None
    flag: bool


class StoredColumn(NamedTuple):
    """The values of one slot. A batch stores them once, for all targets that show them.

    Attributes
    ----------
    form : int
        How a value is stored (`ColumnForm`).
    slot : int
        The slot of the values in an event.
    target : str
        The first target that shows the column.
    held : sequence of int
        The number to store for each index of a name; empty if values have no names.
    items : sequence of int
        Lists only: the form of the elements, or the form of each member of objects.
    holds_objects : bool
        The elements of the lists are objects.
    """

    form: int
    slot: int
    target: str
    held: Sequence[int]
    items: Sequence[int]
    holds_objects: bool


class ShownColumn(NamedTuple):
    """A column of a batch: a stored column, or constants.

    Attributes
    ----------
    stored : int
        The index of the stored column; NO_COLUMN for constants.
    dictionary : int
        The index of the dictionary; NO_COLUMN if there is none.
    as_list : bool
        Each value is wrapped in a list of one.
    form : int
        The form of the constants.
    constants : sequence of int
        The numbers to store for the constants.
    """

    stored: int
    dictionary: int
    as_list: bool
    form: int
    constants: Sequence[int]


class Column(NamedTuple):
    """A column of the Arrow schema.

    Attributes
    ----------
    name : str
        The target, with dots between its keys.
    type : {"text", "integer", "number", "boolean", "time", "index", "objects"}
        The type of its values. An index is one of a fixed set of texts.
    is_list : bool
        Each value is a list of this type.
    members : tuple of (str, {"text", "integer"})
        Objects only: the keys, and the type of their values.
    """

    name: str
    type: str
    is_list: bool = False
    members: tuple[tuple[str, str], ...] = ()


# Compared by identity, because a cache has it as a key. A generated __repr__ would take time at import.
@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Columns:
    """The columns that the core builds.

    A value is stored once and shown as one column for each of its targets.

    Attributes
    ----------
    shown : tuple of Column
        The schema, in the order of the fields in NDJSON.
    stored : list of StoredColumn
        The columns of values.
    dictionaries : list of tuple of str
        The texts of the index columns.
    fields : list of ShownColumn
        How each column of the schema is built.
    formats_times : bool
        A column holds timestamps as text.
    max_offset : int
        Maximum offset of text and lists.
    """

    shown: tuple[Column, ...]
    stored: list[StoredColumn]
    dictionaries: list[tuple[str, ...]]
    fields: list[ShownColumn]
    formats_times: bool
    max_offset: int
