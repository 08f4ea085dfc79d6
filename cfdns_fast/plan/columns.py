"""Compile a mapping to the columns of an Arrow batch. Batches of one mapping have one schema, whatever the records."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..mapping import Field, Mapping, Node
from .slots import Readings

__all__ = ["MOST_OFFSET", "Column", "Columns", "columns_of"]

#: Maximum offset of text and lists in Arrow, a signed 32-bit integer.
MOST_OFFSET = 2**31 - 1

# In the order of the core's Form.
_FORMS = ("raw", "text", "integer", "time", "boolean", "index", "list")
_RAW, _TEXT, _INTEGER, _TIME, _BOOLEAN, _INDEX, _LIST = range(len(_FORMS))
_NONE = 2**64 - 1  # the core's FieldPlan::none, a size_t

_Stored = tuple[int, int, str, Sequence[int], Sequence[int], bool]
_Shown = tuple[int, int, bool, int, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the Arrow schema.

    Attributes
    ----------
    name : str
        The target, with dots between its keys.
    type : {"text", "integer", "number", "boolean", "time", "index", "objects"}
        The type of its values. An index is one of a fixed set of texts.
    is_list : bool
        Each value is a list of this type.
    members : tuple of str
        Objects only: the keys, whose values are text.
    """

    name: str
    type: str
    is_list: bool = False
    members: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Columns:
    """The columns that the core builds.

    A value is stored once and shown as one column for each of its targets.

    Attributes
    ----------
    shown : tuple of Column
        The columns, in the order of the fields in NDJSON.
    stored : list of (int, int, str, sequence of int, sequence of int, bool)
        Form, slot, first target, value to store for each index of a name, forms of items, and whether the items are
        objects.
    dictionaries : list of tuple of str
        The texts of the index columns.
    fields : list of (int, int, bool, int, sequence of int)
        For each shown column: stored column or _NONE, dictionary or _NONE, whether values are wrapped in a list, form
        of constants, and constants.
    formats_times : bool
        A column needs the text of a timestamp.
    most_offset : int
        Maximum offset of text and lists.
    """

    shown: tuple[Column, ...]
    stored: list[_Stored]
    dictionaries: list[tuple[str, ...]]
    fields: list[_Shown]
    formats_times: bool
    most_offset: int


def columns_of(mapping: Mapping, readings: Readings) -> Columns:
    """Return the columns of a mapping."""
    maker = _Maker(readings)
    targets = mapping.targets()
    shown = tuple(maker.show(targets[to]) for to in _leaves(mapping.tree()))
    return Columns(shown, maker.stored, maker.dictionaries, maker.fields, maker.formats_times, MOST_OFFSET)


class _Maker:
    """Builds the columns field by field."""

    def __init__(self, readings: Readings) -> None:
        self.stored: list[_Stored] = []
        self.dictionaries: list[tuple[str, ...]] = []
        self.fields: list[_Shown] = []
        self.formats_times = False
        self._places: dict[tuple[int, int, str], int] = {}
        self._readings = readings

    def show(self, fields: tuple[Field, ...]) -> Column:
        first = fields[0]
        if first.kind == "constant" and first.if_problem is None:
            return self._show_constant(first)
        if first.kind == "raw":
            return self._show_stored(first, "text", _RAW)
        if first.kind == "objects":
            return self._show_stored(first, "objects", _LIST, items=[_TEXT] * len(first.members))
        if first.holds_list:
            of = "integer" if first.kind == "integer" else "text"
            return self._show_stored(first, of, _LIST, items=[_FORMS.index(of)])
        sets = {_names(field) for field in fields}
        if len(sets) == 1 and None not in sets:
            type_, form, held, dictionary = self._hold(_names(first) or ())
            # The core counts names from 1.
            return self._show_stored(first, type_, form, held=(0, *held), dictionary=dictionary)
        kinds = {field.kind for field in fields}
        if kinds == {"timestamp"}:
            return self._show_stored(first, "time", _TIME)
        if first.json_class in ("integer", "boolean"):
            return self._show_stored(first, first.json_class, _FORMS.index(first.json_class))
        self.formats_times |= "timestamp" in kinds
        return self._show_stored(first, "text", _TEXT)

    def _show_stored(
        self,
        field: Field,
        type_: str,
        form: int,
        *,
        items: Sequence[int] = (),
        held: Sequence[int] = (),
        dictionary: int = _NONE,
    ) -> Column:
        slot = 0 if form == _RAW else self._readings.slot(field)
        objects = type_ == "objects"
        place = self._places.setdefault((form, slot, type_), len(self.stored))
        if place == len(self.stored):
            self.stored.append((form, slot, field.to, held, items, objects))
        self.fields.append((place, dictionary, field.array, form, []))
        return Column(field.to, type_, field.array or field.holds_list, field.members if objects else ())

    def _show_constant(self, field: Field) -> Column:
        is_list = isinstance(field.value, tuple)
        values = field.value if isinstance(field.value, tuple) else (field.value,)
        type_, form, held, dictionary = self._hold(values)
        self.fields.append((_NONE, dictionary, is_list, form, held))
        return Column(field.to, type_, is_list)

    def _hold(self, values: Sequence[object]) -> tuple[str, int, Sequence[int], int]:
        """Return type, form, the number to store for each value, and the dictionary."""
        kinds = {type(value) for value in values}
        if kinds == {bool}:
            return "boolean", _BOOLEAN, [int(value is True) for value in values], _NONE
        if kinds == {int}:
            return "integer", _INTEGER, [value for value in values if isinstance(value, int)], _NONE
        if kinds and kinds <= {int, float}:
            # The core copies the 64 bits of a double as an integer.
            return "number", _INTEGER, [struct.unpack("=q", struct.pack("=d", value))[0] for value in values], _NONE
        # A column has one type, so values of several types are JSON text.
        texts = (value if isinstance(value, str) and kinds == {str} else json.dumps(value) for value in values)
        dictionary, places = _dictionary(tuple(texts))
        if dictionary not in self.dictionaries:
            self.dictionaries.append(dictionary)
        return "index", _INDEX, places, self.dictionaries.index(dictionary)


@lru_cache(maxsize=64)
def _dictionary(texts: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return each text once, and the index of each text there, because several numbers may have one name."""
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    return tuple(places), tuple(places[text] for text in texts)


def _leaves(nodes: Iterable[Node], above: str = "") -> list[str]:
    leaves = []
    for key, node in nodes:
        leaves += [above + key] if isinstance(node, Field) else _leaves(node, f"{above}{key}.")
    return leaves


def _names(field: Field) -> tuple[object, ...] | None:
    """Return the possible values of a field in the order of the core's indexes; None if they are not fixed."""
    if field.kind == "enum" and field.unassigned is None:
        return tuple(name for _, name in field.names)
    if field.if_true is not None:
        return field.if_false, field.if_true
    if field.if_problem is not None:
        return field.value, field.if_problem
    return None
