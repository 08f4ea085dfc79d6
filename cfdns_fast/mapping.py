"""The ECS assembly as data: which field of an event comes from which key of a record, and how."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Any, Union

from .errors import MappingError

__all__ = ["NAME_PART_KINDS", "Field", "Mapping", "load"]

Scalar = str | int | float | bool
#: A node of the output object: its key, and what stands there (a field or the nodes below it).
Node = tuple[str, Union["Field", tuple["Node", ...]]]

#: The folder of the bundled mappings. importlib.resources is not used: its import takes 6 ms.
DATA_FOLDER = os.path.join(os.path.dirname(__file__), "data")

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
        A key of `mapping_file.KINDS`.
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
    """A validated mapping file: its fields in file order."""

    file: str
    schema: str
    dataset: str
    fields: tuple[Field, ...]

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


#: The dataset that is meant where none is named.
DEFAULT_DATASET = "dns_logs"


def load(schema: str | os.PathLike[str], dataset: str = DEFAULT_DATASET) -> Mapping:
    """Read and validate a mapping.

    Parameters
    ----------
    schema : str or os.PathLike
        A bundled name (``"sekoia"``), or a path if it is PathLike, holds a path separator or ends in ``.toml``.
    dataset : str
        Of a bundled schema: Logpush's name of the dataset (``"dns_logs"``). A file is for one dataset already.

    Raises
    ------
    MappingError
        Unknown name, unreadable file, or any entry that is not as data/README.md describes; names file, entry and what
        would be allowed.
    ValueError
        A dataset is named beside a path.
    """
    if not isinstance(dataset, str):
        raise TypeError(f"dataset must be a name, not {type(dataset).__name__}")
    path = os.fspath(schema) if isinstance(schema, os.PathLike) else schema
    if not isinstance(path, str):
        kind = "a schema path must be text, not bytes" if isinstance(path, bytes) else None
        raise TypeError(kind or f"schema must be a name or a path, not {type(schema).__name__}")
    if path is schema and not is_path(path):
        return _load_bundled(path, dataset)
    if dataset != DEFAULT_DATASET:
        raise ValueError("dataset goes with a bundled schema; a mapping file is for one dataset already")
    return _load_path(path)


def is_path(schema: str) -> bool:
    """Whether a schema given as text is a path and not a bundled name."""
    return schema.endswith(".toml") or os.sep in schema or (os.altsep is not None and os.altsep in schema)


def _load_path(path: str) -> Mapping:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise MappingError(path, None, f"cannot be read ({error.strerror or type(error).__name__})") from None
    except ValueError:
        raise MappingError(ascii(path), None, "is not a usable path") from None
    return _parse(content, path)


def bundled() -> dict[str, list[str]]:
    """Return the schemas that are bundled, by dataset."""
    found: dict[str, list[str]] = {}
    for entry in sorted(os.listdir(DATA_FOLDER)):
        dataset, _, rest = entry.partition(".")
        schema, _, suffix = rest.partition(".")
        if suffix == "toml":
            found.setdefault(dataset, []).append(schema)
    return found


@cache
def _load_bundled(schema: str, dataset: str) -> Mapping:
    datasets = bundled()
    if dataset not in datasets:
        raise MappingError(dataset, None, f"no such dataset; bundled: {', '.join(datasets)}")
    if schema not in datasets[dataset]:
        names = ", ".join(datasets[dataset])
        reason = f"no such schema; bundled: {names}; the name of a file holds a separator or ends in .toml"
        raise MappingError(schema, None, reason)
    file = f"{dataset}.{schema}.toml"
    with open(os.path.join(DATA_FOLDER, file), "rb") as content:
        return _parse(content.read(), file)


def _parse(content: bytes, file: str) -> Mapping:
    # Imported here, with tomllib: a quarter of what importing the package would cost, and parse() may never be called.
    from .mapping_file import parse_mapping

    return parse_mapping(content, file)
