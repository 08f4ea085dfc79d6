"""Compile a mapping to the columns of an Arrow batch. Batches of one mapping have one schema, whatever the records."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache

from .._core import NO_COLUMN, ColumnForm
from .._core.plan_types import Column, Columns, ShownColumn, StoredColumn
from ..mapping import OBSERVABLE_MEMBERS, Field, Mapping, Node
from .slots import Readings

__all__ = ["MAX_OFFSET", "Column", "Columns", "columns_of"]

#: Maximum offset of text and lists in Arrow, a signed 32-bit integer.
MAX_OFFSET = 2**31 - 1


def columns_of(mapping: Mapping, readings: Readings) -> Columns:
    """Return the columns of a mapping."""
    maker = _Maker(readings)
    targets = mapping.targets()
    shown = tuple(maker.show(targets[to]) for to in _leaves(mapping.tree()))
    return Columns(shown, maker.stored, maker.dictionaries, maker.fields, maker.formats_times, MAX_OFFSET)


class _Maker:
    """Builds the columns field by field."""

    def __init__(self, readings: Readings) -> None:
        self.stored: list[StoredColumn] = []
        self.dictionaries: list[tuple[str, ...]] = []
        self.fields: list[ShownColumn] = []
        self.formats_times = False
        self._positions: dict[tuple[int, int, str], int] = {}
        self._readings = readings

    def show(self, fields: tuple[Field, ...]) -> Column:
        first = fields[0]
        if first.kind == "constant" and first.if_problem is None:
            return self._show_constant(first)
        if first.kind == "raw":
            return self._show_stored(first, "text", ColumnForm.raw)
        if first.object_keys:
            items = [ColumnForm[class_] for _, class_ in _members(first)]
            return self._show_stored(first, "objects", ColumnForm.list, items=items)
        if first.holds_list:
            of = "integer" if first.kind == "integer" else "text"
            return self._show_stored(first, of, ColumnForm.list, items=[ColumnForm[of]])
        sets = {_names(field) for field in fields}
        if len(sets) == 1 and None not in sets:
            type_, form, held, dictionary = self._hold(_names(first) or ())
            # The core counts names from 1.
            return self._show_stored(first, type_, form, held=(0, *held), dictionary=dictionary)
        kinds = {field.kind for field in fields}
        if kinds == {"timestamp"} and first.epoch is None:
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
        objects = bool(field.object_keys)
        position = self._positions.setdefault((form, slot, type_), len(self.stored))
        if position == len(self.stored):
            self.stored.append(StoredColumn(form, slot, field.to, held, items, objects))
        self.fields.append(ShownColumn(position, dictionary, field.array, form, []))
        return Column(field.to, type_, field.array or field.holds_list, _members(field))

    def _show_constant(self, field: Field) -> Column:
        is_list = isinstance(field.value, tuple)
        values = field.value if isinstance(field.value, tuple) else (field.value,)
        type_, form, held, dictionary = self._hold(values)
        self.fields.append(ShownColumn(NO_COLUMN, dictionary, is_list, form, held))
        return Column(field.to, type_, is_list)

    def _hold(self, values: Sequence[object]) -> tuple[str, ColumnForm, Sequence[int], int]:
        """Return type, form, the number to store for each value, and the index of the dictionary."""
        kinds = {type(value) for value in values}
        if kinds == {bool}:
            return "boolean", ColumnForm.boolean, [int(value is True) for value in values], NO_COLUMN
        if kinds == {int}:
            return "integer", ColumnForm.integer, [value for value in values if isinstance(value, int)], NO_COLUMN
        if kinds and kinds <= {int, float}:
            # The core copies the 64 bits of a double as an integer.
            return (
                "number",
                ColumnForm.integer,
                [struct.unpack("=q", struct.pack("=d", value))[0] for value in values],
                NO_COLUMN,
            )
        # A column has one type, so values of several types are JSON text.
        texts = (value if isinstance(value, str) and kinds == {str} else json.dumps(value) for value in values)
        dictionary, indexes = _dictionary(tuple(texts))
        if dictionary not in self.dictionaries:
            self.dictionaries.append(dictionary)
        return "index", ColumnForm.index, indexes, self.dictionaries.index(dictionary)


@lru_cache(maxsize=64)
def _dictionary(texts: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return each text once, and the index of each text there, because several numbers may have one name."""
    indexes = {text: index for index, text in enumerate(dict.fromkeys(texts))}
    return tuple(indexes), tuple(indexes[text] for text in texts)


def _leaves(nodes: Iterable[Node], above: str = "") -> list[str]:
    leaves = []
    for key, node in nodes:
        leaves += [above + key] if isinstance(node, Field) else _leaves(node, f"{above}{key}.")
    return leaves


def _members(field: Field) -> tuple[tuple[str, str], ...]:
    """Return the keys of the field's objects, with the class of their values."""
    return OBSERVABLE_MEMBERS if field.kind == "observables" else tuple((key, "text") for key in field.object_keys)


def _names(field: Field) -> tuple[object, ...] | None:
    """Return the possible values of a field in the order of the core's indexes; None if they are not fixed."""
    if field.kind == "enum" and field.unassigned is None:
        names = tuple(name for _, name in field.names)
        return names if field.default is None else (*names, field.default)
    if field.if_true is not None:
        return field.if_false, field.if_true
    if field.if_problem is not None:
        return field.value, field.if_problem
    return None
