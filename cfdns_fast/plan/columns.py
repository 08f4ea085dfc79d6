"""Which columns an Arrow batch has: told by the mapping alone, so that batches of one mapping can be put together."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from .._core import NO_COLUMN, ColumnForm
from ..mapping import Field, Mapping, Node
from .slots import Readings

__all__ = ["MAX_OFFSET", "Column", "Columns", "ShownColumn", "StoredColumn", "columns_of"]

#: Arrow's offsets of text and lists are signed 32-bit integers.
MAX_OFFSET = 2**31 - 1


class StoredColumn(NamedTuple):
    """Values that a batch holds once, however many targets show them.

    Attributes
    ----------
    form : ColumnForm
    slot : int
    target : str
        The first target that shows it.
    held : sequence of int
        What is held in place of a name, by its index.
    items : sequence of ColumnForm
        Of the elements of lists; of lists of objects one for each member.
    holds_objects : bool
    """

    form: ColumnForm
    slot: int
    target: str
    held: Sequence[int]
    items: Sequence[ColumnForm]
    holds_objects: bool


class ShownColumn(NamedTuple):
    """What a batch shows under a name: a stored column, or constants.

    Attributes
    ----------
    stored, dictionary : int
        Positions, or NO_COLUMN.
    as_list : bool
        Whether a value is put into a list of one.
    form : ColumnForm
        Of constants.
    constants : sequence of int
    """

    stored: int
    dictionary: int
    as_list: bool
    form: ColumnForm
    constants: Sequence[int]


@dataclass(frozen=True, slots=True)
class Column:
    """A column as its readers see it.

    Attributes
    ----------
    name : str
        The target, dotted.
    type : {"text", "integer", "number", "boolean", "time", "index", "objects"}
        Of its values; an index is one of a fixed set of texts.
    is_list : bool
        It holds lists of these.
    members : tuple of str
        Of objects: the keys, all of them for text.
    """

    name: str
    type: str
    is_list: bool = False
    members: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Columns:
    """What the core needs to know to make the columns.

    A value is stored once and shown under each of its targets.

    Attributes
    ----------
    shown : tuple of Column
        In the order in which NDJSON has them.
    stored : list of StoredColumn
    dictionaries : list of tuple of str
    fields : list of ShownColumn
    formats_times : bool
        Whether a column holds timestamps as text.
    max_offset : int
    """

    shown: tuple[Column, ...]
    stored: list[StoredColumn]
    dictionaries: list[tuple[str, ...]]
    fields: list[ShownColumn]
    formats_times: bool
    max_offset: int


def columns_of(mapping: Mapping, readings: Readings) -> Columns:
    """Decide about all columns of a mapping."""
    maker = _Maker(readings)
    targets = mapping.targets()
    shown = tuple(maker.show(targets[to]) for to in _leaves(mapping.tree()))
    return Columns(shown, maker.stored, maker.dictionaries, maker.fields, maker.formats_times, MAX_OFFSET)


class _Maker:
    """What is made of the fields so far."""

    def __init__(self, readings: Readings) -> None:
        self.stored: list[StoredColumn] = []
        self.dictionaries: list[tuple[str, ...]] = []
        self.fields: list[ShownColumn] = []
        self.formats_times = False
        self._places: dict[tuple[int, int, str], int] = {}
        self._readings = readings

    def show(self, fields: tuple[Field, ...]) -> Column:
        first = fields[0]
        if first.kind == "constant" and first.if_problem is None:
            return self._show_constant(first)
        if first.kind == "raw":
            return self._show_stored(first, "text", ColumnForm.raw)
        if first.kind == "objects":
            return self._show_stored(first, "objects", ColumnForm.list, items=[ColumnForm.text] * len(first.members))
        if first.holds_list:
            of = "integer" if first.kind == "integer" else "text"
            return self._show_stored(first, of, ColumnForm.list, items=[ColumnForm[of]])
        sets = {_names(field) for field in fields}
        if len(sets) == 1 and None not in sets:
            type_, form, held, dictionary = self._hold(_names(first) or ())
            # The core's names begin at 1.
            return self._show_stored(first, type_, form, held=(0, *held), dictionary=dictionary)
        kinds = {field.kind for field in fields}
        if kinds == {"timestamp"}:
            return self._show_stored(first, "time", ColumnForm.time)
        if first.json_class in ("integer", "boolean"):
            return self._show_stored(first, first.json_class, ColumnForm[first.json_class])
        self.formats_times |= "timestamp" in kinds
        return self._show_stored(first, "text", ColumnForm.text)

    def _show_stored(
        self,
        field: Field,
        type_: str,
        form: ColumnForm,
        *,
        items: Sequence[ColumnForm] = (),
        held: Sequence[int] = (),
        dictionary: int = NO_COLUMN,
    ) -> Column:
        slot = 0 if form == ColumnForm.raw else self._readings.slot(field)
        objects = type_ == "objects"
        place = self._places.setdefault((form, slot, type_), len(self.stored))
        if place == len(self.stored):
            self.stored.append(StoredColumn(form, slot, field.to, held, items, objects))
        self.fields.append(ShownColumn(place, dictionary, field.array, form, []))
        return Column(field.to, type_, field.array or field.holds_list, field.members if objects else ())

    def _show_constant(self, field: Field) -> Column:
        is_list = isinstance(field.value, tuple)
        values = field.value if isinstance(field.value, tuple) else (field.value,)
        type_, form, held, dictionary = self._hold(values)
        self.fields.append(ShownColumn(NO_COLUMN, dictionary, is_list, form, held))
        return Column(field.to, type_, is_list)

    def _hold(self, values: Sequence[object]) -> tuple[str, ColumnForm, Sequence[int], int]:
        """Return type, form, what is held in place of each value, and the dictionary."""
        kinds = {type(value) for value in values}
        if kinds == {bool}:
            return "boolean", ColumnForm.boolean, [int(value is True) for value in values], NO_COLUMN
        if kinds == {int}:
            return "integer", ColumnForm.integer, [value for value in values if isinstance(value, int)], NO_COLUMN
        if kinds and kinds <= {int, float}:
            # The core moves 64 bits, whatever they mean.
            return (
                "number",
                ColumnForm.integer,
                [struct.unpack("=q", struct.pack("=d", value))[0] for value in values],
                NO_COLUMN,
            )
        # A column has one type, so what has none in common is JSON text.
        texts = (value if isinstance(value, str) and kinds == {str} else json.dumps(value) for value in values)
        dictionary, places = _dictionary(tuple(texts))
        if dictionary not in self.dictionaries:
            self.dictionaries.append(dictionary)
        return "index", ColumnForm.index, places, self.dictionaries.index(dictionary)


@lru_cache(maxsize=64)
def _dictionary(texts: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return each text once, and for each text its place there: several numbers may have one name."""
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    return tuple(places), tuple(places[text] for text in texts)


def _leaves(nodes: Iterable[Node], above: str = "") -> list[str]:
    leaves = []
    for key, node in nodes:
        leaves += [above + key] if isinstance(node, Field) else _leaves(node, f"{above}{key}.")
    return leaves


def _names(field: Field) -> tuple[object, ...] | None:
    """What the values of a field can be, in the order in which the core counts them; None if there is no telling."""
    if field.kind == "enum" and field.unassigned is None:
        return tuple(name for _, name in field.names)
    if field.if_true is not None:
        return field.if_false, field.if_true
    if field.if_problem is not None:
        return field.value, field.if_problem
    return None
