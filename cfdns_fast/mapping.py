"""Read a mapping file (data/*.toml) into a validated, immutable `Mapping`: the ECS assembly as data."""

from __future__ import annotations

import math
import os
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, NoReturn, Union

from .errors import MappingError

__all__ = ["KINDS", "NAME_PART_KINDS", "Field", "Mapping", "load"]

Scalar = str | int | float | bool
#: A node of the output object: its key, and what stands there (a field or the nodes below it).
Node = tuple[str, Union["Field", tuple["Node", ...]]]

_SOURCED = frozenset({"from", "to"})
_OPTIONS = frozenset({"array", "required"})

#: kind -> (keys an entry must have, keys it may have) besides `kind`. data/README.md says what each kind does.
KINDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "raw": (frozenset({"to"}), frozenset()),
    "constant": (frozenset({"to", "value"}), frozenset()),
    "text": (_SOURCED, _OPTIONS),
    "integer": (_SOURCED, _OPTIONS),
    "boolean": (_SOURCED, _OPTIONS),
    "enum": (_SOURCED | {"table", "naming"}, _OPTIONS),
    "timestamp": (_SOURCED, _OPTIONS),
    "ip": (_SOURCED, _OPTIONS),
    "name": (_SOURCED, _OPTIONS),
    "registered_domain": (_SOURCED, _OPTIONS),
    "subdomain": (_SOURCED, _OPTIONS),
    "top_level_domain": (_SOURCED, _OPTIONS),
}

#: The kinds that share one reading of the source: the name and its parts.
NAME_PART_KINDS = ("name", "registered_domain", "subdomain", "top_level_domain")

_FILE_KEYS = ("schema", "dataset", "source", "field")
_TABLE_FACTS = ("registry", "source", "date", "reference")
_MAX_FIELDS = 1000
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of a mapping file.

    Attributes
    ----------
    to : str
        The target, dotted (``dns.question.name``).
    kind : str
        A key of `KINDS`.
    source : str or None
        Cloudflare's key (``QueryName``); None for kinds raw and constant.
    array : bool
        The value is written as a list of one.
    required : bool
        An absent source is the problem ``field.missing``.
    value : str, int, float, bool, tuple of these, or None
        Of kind constant.
    names : tuple of (int, str)
        Of kind enum: number and name, ascending.
    """

    to: str
    kind: str
    source: str | None = None
    array: bool = False
    required: bool = False
    value: Scalar | tuple[Scalar, ...] | None = None
    names: tuple[tuple[int, str], ...] = ()
    digits: int | None = None
    unassigned: str | None = None
    if_problem: Scalar | None = None
    otherwise: bool = False
    trim: bool = True
    list: bool = False
    keep_empty: bool = False
    members: tuple[str, ...] = ()
    of: tuple[str, ...] = ()
    if_true: str | None = None
    if_false: str | None = None

    @property
    def sources(self):
        return (self.source,) if self.source is not None else ()


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

    def tree(self) -> tuple[Node, ...]:
        """Return the output object: a parent stands where its first child stands in the file, children together."""
        root: dict[str, Any] = {}
        for field in self.fields:
            *parents, leaf = field.to.split(".")
            node = root
            for key in parents:
                node = node.setdefault(key, {})
            node[leaf] = field
        return _freeze(root)


def _freeze(node: dict[str, Any]) -> tuple[Node, ...]:
    return tuple((key, _freeze(child) if isinstance(child, dict) else child) for key, child in node.items())


def load(schema: str | os.PathLike[str]) -> Mapping:
    """Read and validate a mapping.

    Parameters
    ----------
    schema : str or os.PathLike
        A bundled name (``"sekoia"``), or a path if it is PathLike, holds a path separator or ends in ``.toml``.

    Raises
    ------
    MappingError
        Unknown name, unreadable file, or any entry that is not as data/README.md describes; names file, entry and what
        would be allowed.
    """
    if isinstance(schema, os.PathLike):
        return _load_path(os.fspath(schema))
    if not isinstance(schema, str):
        raise TypeError(f"schema must be a name or a path, not {type(schema).__name__}")
    return _load_path(schema) if is_path(schema) else _load_bundled(schema)


def is_path(schema: str) -> bool:
    """Whether a schema given as text is a path and not a bundled name."""
    return schema.endswith(".toml") or os.sep in schema or (os.altsep is not None and os.altsep in schema)


def _load_path(path: str) -> Mapping:
    if not isinstance(path, str):
        raise TypeError("a schema path must be text, not bytes")
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise MappingError(path, None, f"cannot be read ({error.strerror or type(error).__name__})") from None
    except ValueError:
        raise MappingError(ascii(path), None, "is not a usable path") from None
    return _parse(content, path)


@cache
def _load_bundled(name: str) -> Mapping:
    prefix, suffix = "dns_logs.", ".toml"
    entries = (entry.name for entry in _data().iterdir())
    names = sorted(e[len(prefix) : -len(suffix)] for e in entries if e.startswith(prefix) and e.endswith(suffix))
    if name not in names:
        bundled = ", ".join(names)
        reason = f"no such schema; bundled: {bundled}; the name of a file holds a separator or ends in .toml"
        raise MappingError(name, None, reason)
    file = f"{prefix}{name}{suffix}"
    return _parse((_data() / file).read_bytes(), file)


def _data() -> Any:
    # Imported here, like tomllib: a third of what importing the package would cost, and parse() may never be called.

    return resources.files(__package__) / "data"


def _parse(content: bytes, file: str) -> Mapping:

    try:
        document = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise MappingError(file, None, f"not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        # Besides TOMLDecodeError, a ValueError: an integer of more digits than Python converts.
        raise MappingError(file, None, f"not TOML: {error}") from None
    _only_keys(document, _FILE_KEYS, file, None)
    for key in ("schema", "dataset", "source"):
        if not isinstance(document.get(key, ""), str):
            raise MappingError(file, key, "must be text")
    entries = document.get("field")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise MappingError(file, None, "must hold one [[field]] entry or more")
    if len(entries) > _MAX_FIELDS:
        raise MappingError(file, None, f"holds {len(entries)} fields; at most {_MAX_FIELDS}")
    fields = tuple(_field(entry, number, file) for number, entry in enumerate(entries, 1))
    _check_targets(fields, file)
    return Mapping(file, document.get("schema", file), document.get("dataset", ""), fields)


def _field(entry: dict[str, Any], number: int, file: str) -> Field:
    to = entry.get("to")
    label = f"field {number} ({to})" if isinstance(to, str) else f"field {number}"

    def fail(reason: str) -> NoReturn:
        raise MappingError(file, label, reason)

    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        fail(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    required, optional = KINDS[kind]
    _only_keys(entry, ("kind", *sorted(required), *sorted(optional)), file, label)
    missing = sorted(required - entry.keys())
    if missing:
        fail(f"kind {kind} needs {', '.join(missing)}")
    for key in required - {"value"}:
        if not isinstance(entry[key], str) or not entry[key]:
            fail(f"{key} must be text and not empty")
    for key in optional & entry.keys():
        if not isinstance(entry[key], bool):
            fail(f"{key} must be true or false, not {entry[key]!r}")
    target: str = entry["to"]
    segments = target.split(".")
    if not all(segments):
        fail("to must be keys with single dots between them")
    if len(segments) > _MAX_DEPTH:
        fail(f"to may be at most {_MAX_DEPTH} keys deep")
    return Field(
        to=target,
        kind=kind,
        source=entry.get("from"),
        array=entry.get("array", False),
        required=entry.get("required", False),
        value=_constant(entry["value"], fail) if kind == "constant" else None,
        names=_enum_names(entry["table"], entry["naming"], fail) if kind == "enum" else (),
    )


def _only_keys(table: dict[str, Any], allowed: tuple[str, ...], file: str, entry: str | None) -> None:
    unknown = [key for key in table if key not in allowed]
    if unknown:
        raise MappingError(file, entry, f"unknown key {unknown[0]!r}; allowed: {', '.join(allowed)}")


def _constant(value: Any, fail: Any) -> Scalar | tuple[Scalar, ...]:
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, (str, int, float)) or (isinstance(item, float) and not math.isfinite(item)):
            fail("value must be text, a finite number, true, false, or a list of these")
        if isinstance(item, int) and not -(2**63) <= item < 2**63:
            fail("value must fit into a signed 64-bit integer")
    return tuple(items) if isinstance(value, list) else value


def _check_targets(fields: tuple[Field, ...], file: str) -> None:
    seen: dict[str, int] = {}
    parents: dict[str, int] = {}
    for number, field in enumerate(fields, 1):
        label = f"field {number} ({field.to})"
        if field.to in seen:
            raise MappingError(file, label, f"field {seen[field.to]} has the same target; every target may stand once")
        if field.to in parents:
            raise MappingError(
                file, label, f"field {parents[field.to]} stands below it; a target is a value or a parent"
            )
        seen[field.to] = number
        parent = field.to
        while "." in parent:
            parent = parent.rpartition(".")[0]
            if parent in seen:
                raise MappingError(
                    file, label, f"field {seen[parent]} is a value at {parent}; nothing can stand below it"
                )
            parents.setdefault(parent, number)


@cache
def _codes() -> dict[str, Any]:

    return tomllib.loads((_data() / "dns_codes.toml").read_text(encoding="utf-8"))


def _enum_names(table: str, naming: str, fail: Any) -> tuple[tuple[int, str], ...]:
    codes = _codes()
    if table not in codes:
        fail(f"table must be one of {', '.join(codes)}, not {table!r}")
    namings = [key for key in codes[table] if key not in _TABLE_FACTS]
    if naming not in namings:
        fail(f"naming of {table} must be one of {', '.join(namings)}, not {naming!r}")
    names = dict(codes[table]["iana"])
    differences = dict(codes[table][naming])
    if differences.pop("case", None) == "upper":
        names = {number: name.upper() for number, name in names.items()}
    names.update(differences)
    return tuple(sorted((int(number), name) for number, name in names.items()))
