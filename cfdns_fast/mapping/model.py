"""The data of a mapping: its fields and the tree of their targets."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import Any, Union

__all__ = [
    "DATA_FOLDER",
    "NAME_PART_KINDS",
    "OBSERVABLE_MEMBERS",
    "OBSERVABLE_TYPES",
    "Field",
    "Mapping",
    "Node",
    "Scalar",
]

Scalar = str | int | float | bool
#: A node of the output object: its key, and a field or the nodes of an object.
Node = tuple[str, Union["Field", tuple["Node", ...]]]

#: The folder of the bundled mappings. importlib.resources is not used, because its import took 6 ms (2026-11-30).
DATA_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data")

#: The kinds that are read by one split of the source: the name and its parts.
NAME_PART_KINDS = ("name", "registered_domain", "subdomain", "top_level_domain")

#: The members of an observable of OCSF, and the class of their values.
OBSERVABLE_MEMBERS = (("name", "text"), ("type", "text"), ("type_id", "integer"), ("value", "text"))
#: The kinds whose values can be observables, with OCSF's caption and number.
OBSERVABLE_TYPES = {"name": ("Hostname", 1), "ip": ("IP Address", 2)}


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of a mapping file; data/README.md describes the entries.

    Options that do not apply to the kind keep their default.

    Attributes
    ----------
    to : str
        The target, with dots between its keys (``dns.question.name``).
    kind : str
        A key of `kinds.KINDS`.
    sources : tuple of str
        The keys of the record (``QueryName``). The first key that has a value counts.
    array : bool
        The value is written as a list of one.
    required : bool
        An absent source is the problem ``field.missing``.
    otherwise : bool
        The field is an alternative to the fields before it with the same target.
    value : str, int, float, bool, tuple of these, or None
        Constants only: the value.
    if_problem : str, int, float, bool or None
        Constants only: the value for a record that has problems; None for `value`.
    table, naming : str or None
        Enums only: the table of codes, and the spelling of its names.
    names : tuple of (int, str or int)
        Enums only: number and name, ascending, as `table` and `naming` say. All names are text, or all are integers.
    unassigned : str or None
        Enums only: prefix of a number without a name; None if such a number is absent.
    default : str, int or None
        Enums only: the name of every number without one; None if such a number is absent.
    digits : int or None
        Timestamps only: number of fraction digits; None for six, or none if they are zero.
    epoch : str or None
        Timestamps only: ``"ms"`` for an integer, the milliseconds since 1970; None for text.
    trim : bool
        Names and their parts only: leading and trailing dots are removed.
    keep_root : bool
        Names only: ``.`` alone, the root, is a name.
    escape : bool
        Names only: bytes other than printable ASCII are escaped, as ECS requires.
    list : bool
        The source is an array, and each element is read by the kind.
    keep_empty : bool
        Lists and objects only: an array without valid elements is written.
    member : str or None
        Lists only: the key of the object that each element becomes; None if the elements stay as they are.
    members : tuple of str
        Objects only: the keys.
    of : tuple of str
        Collections and observables only: the targets from which the texts come.
    if_true, if_false : str, int or None
        Booleans only: what to write in place of true and false.
    """

    to: str
    kind: str
    sources: tuple[str, ...] = ()
    array: bool = False
    required: bool = False
    otherwise: bool = False
    value: Scalar | tuple[Scalar, ...] | None = None
    if_problem: Scalar | None = None
    table: str | None = None
    naming: str | None = None
    names: tuple[tuple[int, str | int], ...] = ()
    unassigned: str | None = None
    default: str | int | None = None
    digits: int | None = None
    epoch: str | None = None
    trim: bool = True
    keep_root: bool = False
    escape: bool = False
    list: bool = False
    keep_empty: bool = False
    member: str | None = None
    members: tuple[str, ...] = ()
    of: tuple[str, ...] = ()
    if_true: str | int | None = None
    if_false: str | int | None = None

    @property
    def holds_list(self) -> bool:
        """Whether the value itself is a list, without `array`."""
        return self.list or self.kind in ("objects", "collect", "observables")

    @property
    def object_keys(self) -> tuple[str, ...]:
        """The keys of the objects in the list that is the value; empty if it is no list of objects."""
        if self.kind == "observables":
            return tuple(key for key, _ in OBSERVABLE_MEMBERS)
        return self.members if self.member is None else (self.member,)

    @property
    def value_path(self) -> str:
        """The path of the field's texts in an event, as OCSF writes it: `answers[].rdata` for objects in a list."""
        path = f"{self.to}[]" if self.holds_list else self.to
        return path if self.member is None else f"{path}.{self.member}"

    @property
    def json_class(self) -> str:
        """The class of the target's value: text, integer, number, boolean or objects, or "list of" one of these."""
        if self.object_keys:
            of = "objects"
        elif self.kind == "integer" or self.epoch is not None or self._is_named_by_integers:
            of = "integer"
        elif self.kind == "boolean" and self.if_true is None:
            of = "boolean"
        elif self.kind == "constant" and not isinstance(value := self._first_value, str):
            of = "boolean" if isinstance(value, bool) else "number"
        else:
            of = "text"
        return f"list of {of}" if self.holds_list else of

    @property
    def _first_value(self) -> object:
        """The value of a constant, or the first of a list of them."""
        return self.value[0] if isinstance(self.value, tuple) and self.value else self.value

    @property
    def _is_named_by_integers(self) -> bool:
        return isinstance(self.names[0][1] if self.names else self.if_true, int)


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping: the fields of an event. It is immutable and may be used by any thread.

    Attributes
    ----------
    file : str
        The file, for errors.
    schema : str
        The name of the schema.
    dataset : str
        The dataset, by Logpush's name; empty if the file has none.
    fields : tuple of Field
        The fields, in the order of the file.
    source : str
        Where the mapping comes from, for the reader; empty if the file does not say it.
    sources : frozenset of str
        The keys of a record that the fields read.
    """

    file: str
    schema: str
    dataset: str
    fields: tuple[Field, ...]
    source: str = ""
    sources: frozenset[str] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", frozenset(key for each in self.fields for key in each.sources))

    def without_raw(self) -> Mapping:
        """Return the mapping without its fields of kind raw (``keep_message=False``)."""
        return dataclasses.replace(self, fields=tuple(field for field in self.fields if field.kind != "raw"))

    def targets(self) -> dict[str, tuple[Field, ...]]:
        """Return the fields by target: the first field of each target, then its alternatives."""
        targets: dict[str, tuple[Field, ...]] = {}
        for field in self.fields:
            targets[field.to] = (*targets.get(field.to, ()), field)
        return targets

    def tree(self) -> tuple[Node, ...]:
        """Return the nodes of the output object. An object has the position of its first field in the file."""
        root: dict[str, Any] = {}
        for field in self.fields:
            *parents, leaf = field.to.split(".")
            node = root
            for key in parents:
                node = node.setdefault(key, {})
            node.setdefault(leaf, field)
        return _freeze(root)


def _freeze(node: dict[str, Any]) -> tuple[Node, ...]:
    return tuple((key, _freeze(child) if isinstance(child, dict) else child) for key, child in node.items())
