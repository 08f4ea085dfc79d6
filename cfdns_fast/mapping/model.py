"""The ECS assembly as data: which field of an event comes from which key of a record, and how."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import Any, Union

__all__ = ["DATA_FOLDER", "NAME_PART_KINDS", "Field", "Mapping", "Node", "Scalar"]

Scalar = str | int | float | bool
#: A node of the output object: its key, and what stands there (a field or the nodes below it).
Node = tuple[str, Union["Field", tuple["Node", ...]]]

#: The folder of the bundled mappings. importlib.resources is not used: its import takes 6 ms.
DATA_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data")

#: The kinds that share one reading of the source: the name and its parts.
NAME_PART_KINDS = ("name", "registered_domain", "subdomain", "top_level_domain")


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of a mapping file; data/README.md says what it all means.

    What does not belong to the kind has its default.

    Attributes
    ----------
    to : str
        The target, dotted (``dns.question.name``).
    kind : str
        A key of `parser.KINDS`.
    sources : tuple of str
        Cloudflare's keys (``QueryName``): the first that has a value counts.
    array : bool
        The value is written as a list of one.
    required : bool
        An absent source is the problem ``field.missing``.
    otherwise : bool
        The field is an alternative to those before it with the same target.
    value, if_problem : str, int, float, bool, tuple of these, or None
        Of kind constant: for every record, and instead for one that has problems.
    names : tuple of (int, str)
        Of kind enum: number and name, ascending.
    unassigned : str or None
        Of kind enum: what stands before a number that has no name.
    digits : int or None
        Of kind timestamp: so many fraction digits, always.
    trim : bool
        Of the name kinds: leading and trailing dots are no part of the name.
    keep_root : bool
        Of kind name: ``.`` alone, the root, is a name.
    escape : bool
        Of kind name: what is not printable ASCII is escaped, as ECS asks for.
    list : bool
        The source is an array, and every element is read by the kind.
    keep_empty : bool
        Of lists and objects: an array without usable elements is written.
    members : tuple of str
        Of kind objects: the keys.
    of : tuple of str
        Of kind collect: the targets.
    if_true, if_false : str or None
        Of kind boolean: text in their place.
    """

    to: str
    kind: str
    sources: tuple[str, ...] = ()
    array: bool = False
    required: bool = False
    otherwise: bool = False
    value: Scalar | tuple[Scalar, ...] | None = None
    if_problem: Scalar | None = None
    names: tuple[tuple[int, str], ...] = ()
    unassigned: str | None = None
    digits: int | None = None
    trim: bool = True
    keep_root: bool = False
    escape: bool = False
    list: bool = False
    keep_empty: bool = False
    members: tuple[str, ...] = ()
    of: tuple[str, ...] = ()
    if_true: str | None = None
    if_false: str | None = None

    @property
    def holds_list(self) -> bool:
        """Whether what a reading gives is a list (`array` makes one of any value, later)."""
        return self.list or self.kind in ("objects", "collect")

    @property
    def json_class(self) -> str:
        """What the target holds: text, integer, number, boolean or objects, or a list of them."""
        if self.kind in ("integer", "objects"):
            of = self.kind
        elif self.kind == "boolean" and self.if_true is None:
            of = "boolean"
        elif self.kind == "constant" and not isinstance(self.value, str):
            of = "boolean" if isinstance(self.value, bool) else "number"
        else:
            of = "text"
        return f"list of {of}" if self.holds_list else of


@dataclass(frozen=True, slots=True)
class Mapping:
    """A validated mapping file.

    Attributes
    ----------
    file, schema, dataset : str
    fields : tuple of Field
        In file order.
    sources : frozenset of str
        The keys of a record that the fields read.
    """

    file: str
    schema: str
    dataset: str
    fields: tuple[Field, ...]
    sources: frozenset[str] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", frozenset(key for each in self.fields for key in each.sources))

    def without_raw(self) -> Mapping:
        """Return the same mapping without its fields of kind raw (``keep_message=False``)."""
        return Mapping(self.file, self.schema, self.dataset, tuple(f for f in self.fields if f.kind != "raw"))

    def targets(self) -> dict[str, tuple[Field, ...]]:
        """Return the fields by target: the first of each, then its alternatives."""
        targets: dict[str, tuple[Field, ...]] = {}
        for field in self.fields:
            targets[field.to] = (*targets.get(field.to, ()), field)
        return targets

    def tree(self) -> tuple[Node, ...]:
        """Return the output object: a parent stands where its first child stands in the file, children together."""
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
