"""Parse a mapping file: TOML to a checked `Mapping`, or a MappingError that names what is allowed."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NoReturn

from ..errors import MappingError
from .model import DATA_FOLDER, NAME_PART_KINDS, Field, Mapping, Scalar

__all__ = ["KINDS", "parse_mapping"]

_SOURCED = frozenset({"from", "to"})
_OPTIONS = frozenset({"array", "required", "otherwise"})
_NAME_OPTIONS = _OPTIONS | {"trim"}
_LIST_OPTIONS = _OPTIONS | {"list", "keep_empty"}

#: Kind -> required keys and optional keys of an entry, besides `kind`. data/README.md describes the kinds.
KINDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "raw": (frozenset({"to"}), frozenset()),
    "constant": (frozenset({"to", "value"}), frozenset({"if_problem"})),
    "text": (_SOURCED, _LIST_OPTIONS),
    "integer": (_SOURCED, _LIST_OPTIONS),
    "boolean": (_SOURCED, _OPTIONS | {"if_true", "if_false"}),
    "enum": (_SOURCED | {"table", "naming"}, _OPTIONS | {"unassigned"}),
    "timestamp": (_SOURCED, _OPTIONS | {"digits"}),
    "ip": (_SOURCED, _LIST_OPTIONS),
    "name": (_SOURCED, _NAME_OPTIONS | {"keep_root", "escape"}),
    "registered_domain": (_SOURCED, _NAME_OPTIONS),
    "subdomain": (_SOURCED, _NAME_OPTIONS),
    "top_level_domain": (_SOURCED, _NAME_OPTIONS),
    "objects": (_SOURCED | {"members"}, _OPTIONS - {"array"} | {"keep_empty"}),
    "collect": (frozenset({"to", "of"}), frozenset()),
    "problems": (frozenset({"to"}), frozenset()),
}

#: The kinds from which collect takes texts, and the kinds that can have no alternative.
_COLLECTED_KINDS = ("text", "ip", *NAME_PART_KINDS)
_SINGLE_KINDS = ("raw", "constant", "problems", "collect")

_FLAGS = ("array", "required", "otherwise", "trim", "keep_root", "escape", "list", "keep_empty")
_TEXTS = ("to", "table", "naming", "unassigned", "if_true", "if_false")
_TEXT_LISTS = ("members", "of")
_NINE_DIGITS = 9

_FILE_KEYS = ("schema", "dataset", "source", "field")
_TABLE_FACTS = ("registry", "source", "date", "reference")
_MAX_FIELDS = 1000
# Maximum number of source names of all fields together, because the core counts them in 16 bits.
_MAX_NAMES = 10_000
_MAX_DEPTH = 32

_Fail = Callable[[str], NoReturn]


def parse_mapping(content: bytes, file: str) -> Mapping:
    """Parse the content of a mapping file.

    Parameters
    ----------
    content : bytes
        TOML in UTF-8.
    file : str
        The name of the file in errors.

    Raises
    ------
    MappingError
        The content is not TOML, or an entry is not as data/README.md describes.
    """
    try:
        document = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise MappingError(file, None, f"not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        # An integer of more digits than Python converts is a ValueError and no TOMLDecodeError.
        raise MappingError(file, None, f"not TOML: {error}") from None
    _only_keys(document, _FILE_KEYS, file, None)
    for key in ("schema", "dataset", "source"):
        if not isinstance(document.get(key, ""), str):
            raise MappingError(file, key, "must be text")
    entries = document.get("field")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise MappingError(file, None, "must have at least one [[field]] entry")
    if len(entries) > _MAX_FIELDS:
        raise MappingError(file, None, f"has {len(entries)} fields; at most {_MAX_FIELDS} are allowed")
    fields = tuple(_field(entry, number, file) for number, entry in enumerate(entries, 1))
    _check_targets(fields, file)
    _check_collections(fields, file)
    if sum(len(field.sources) for field in fields) > _MAX_NAMES:
        raise MappingError(file, None, f"all fields together may have at most {_MAX_NAMES} source names")
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
    _check_types(entry, fail)
    target: str = entry["to"]
    segments = target.split(".")
    if not all(segments):
        fail("to must be keys separated by single dots")
    if len(segments) > _MAX_DEPTH:
        fail(f"to may be at most {_MAX_DEPTH} keys deep")
    value = _constant(entry["value"], fail) if kind == "constant" else None
    options = {key: entry[key] for key in (*_FLAGS, "unassigned", "digits", "if_true", "if_false") if key in entry}
    field = Field(
        to=target,
        kind=kind,
        sources=_sources(entry["from"], fail) if "from" in entry else (),
        value=value,
        if_problem=_if_problem(entry["if_problem"], value, fail) if "if_problem" in entry else None,
        names=_enum_names(entry["table"], entry["naming"], fail) if kind == "enum" else (),
        members=tuple(entry.get("members", ())),
        of=tuple(entry.get("of", ())),
        **options,
    )
    _check_options(field, fail)
    return field


def _check_types(entry: dict[str, Any], fail: _Fail) -> None:
    for key in _TEXTS:
        if key in entry and (not isinstance(entry[key], str) or not entry[key]):
            fail(f"{key} must be text and not empty")
    for key in _FLAGS:
        if key in entry and not isinstance(entry[key], bool):
            fail(f"{key} must be true or false, not {entry[key]!r}")
    for key in _TEXT_LISTS:
        if key in entry:
            _texts(key, entry[key], fail)


def _texts(key: str, items: Any, fail: _Fail) -> tuple[str, ...]:
    if not isinstance(items, list) or not items or not all(isinstance(item, str) and item for item in items):
        fail(f"{key} must be a list of texts, none of them empty")
    if len(items) > _MAX_FIELDS:
        fail(f"{key} has {len(items)} texts; at most {_MAX_FIELDS} are allowed")
    if len(set(items)) != len(items):
        fail(f"{key} may hold each text once")
    return tuple(items)


def _sources(sources: Any, fail: _Fail) -> tuple[str, ...]:
    if isinstance(sources, list):
        return _texts("from", sources, fail)
    if not isinstance(sources, str) or not sources:
        fail("from must be text and not empty, or a list of such texts")
    return (sources,)


def _check_options(field: Field, fail: _Fail) -> None:
    if field.digits is not None and (field.digits != _NINE_DIGITS or type(field.digits) is not int):
        fail(f"digits must be {_NINE_DIGITS}, not {field.digits!r}")
    if (field.if_true is None) != (field.if_false is None):
        fail("if_true and if_false need each other")
    if field.list and field.array:
        fail("list describes the source and array the target; use one of them")
    if field.keep_empty and not field.holds_list:
        fail("keep_empty needs list = true")
    if field.keep_root and not field.trim:
        fail("keep_root needs trim = true; with trim = false the root is always kept")
    if field.otherwise and field.array:
        fail("array belongs to the first field of the target, not to its alternatives")


def _only_keys(table: dict[str, Any], allowed: tuple[str, ...], file: str, entry: str | None) -> None:
    unknown = [key for key in table if key not in allowed]
    if unknown:
        raise MappingError(file, entry, f"unknown key {unknown[0]!r}; allowed: {', '.join(allowed)}")


def _constant(value: Any, fail: _Fail) -> Scalar | tuple[Scalar, ...]:
    items = value if isinstance(value, list) else [value]
    if len(items) > _MAX_FIELDS:
        fail(f"value has {len(items)} items; at most {_MAX_FIELDS} are allowed")
    for item in items:
        if not isinstance(item, (str, int, float)) or (isinstance(item, float) and not math.isfinite(item)):
            fail("value must be text, a finite number, true, false, or a list of these")
        if isinstance(item, int) and not -(2**63) <= item < 2**63:
            fail("value must fit into a signed 64-bit integer")
    return tuple(items) if isinstance(value, list) else value


def _if_problem(other: Any, value: Scalar | tuple[Scalar, ...] | None, fail: _Fail) -> Scalar:
    checked = _constant(other, fail)
    for kind in (str, bool, (int, float)):
        if isinstance(value, kind) and not isinstance(value, tuple):
            if isinstance(checked, kind) and isinstance(checked, bool) == isinstance(value, bool):
                return checked
            break
    fail("if_problem must have the type of value: text, a number, or true or false; neither may be a list")


def _check_targets(fields: tuple[Field, ...], file: str) -> None:
    seen: dict[str, int] = {}
    parents: dict[str, int] = {}
    for number, field in enumerate(fields, 1):
        label = f"field {number} ({field.to})"
        if field.to in seen:
            _check_alternative(fields[seen[field.to] - 1], field, seen[field.to], file, label)
            continue
        if field.otherwise:
            raise MappingError(file, label, "otherwise = true needs a field before it with the same target")
        if field.to in parents:
            raise MappingError(file, label, f"field {parents[field.to]} is below it; a target is a value or a parent")
        seen[field.to] = number
        parent = field.to
        while "." in parent:
            parent = parent.rpartition(".")[0]
            if parent in seen:
                raise MappingError(
                    file, label, f"field {seen[parent]} is a value at {parent}; no field can be below it"
                )
            parents.setdefault(parent, number)


def _check_alternative(first: Field, field: Field, number: int, file: str, label: str) -> None:
    reason = None
    if not field.otherwise:
        reason = f"field {number} has the same target; a further field for it needs otherwise = true"
    elif first.kind in _SINGLE_KINDS:
        reason = f"field {number} is of kind {first.kind}, which has no alternatives"
    elif (first.json_class, first.members) != (field.json_class, field.members):
        reason = f"field {number} gives {first.json_class}, this one {field.json_class}; they must give the same"
    if reason is not None:
        raise MappingError(file, label, reason)


def _check_collections(fields: Iterable[Field], file: str) -> None:
    kinds: dict[str, set[str]] = {}
    for field in fields:
        kinds.setdefault(field.to, set()).add(field.kind)
    for number, field in enumerate(fields, 1):
        for to in field.of:
            if not kinds.get(to, {""}) <= set(_COLLECTED_KINDS):
                reason = f"of must name targets of kinds {', '.join(_COLLECTED_KINDS)}, not {to!r}"
                raise MappingError(file, f"field {number} ({field.to})", reason)


@cache
def _codes() -> dict[str, Any]:
    with open(os.path.join(DATA_FOLDER, "dns_codes.toml"), "rb") as file:
        return tomllib.load(file)


def _enum_names(table: str, naming: str, fail: _Fail) -> tuple[tuple[int, str], ...]:
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
