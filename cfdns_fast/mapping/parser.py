"""Parse a mapping file: TOML to a checked `Mapping`, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from ..errors import MappingError
from .codes import enum_names, naming_fault
from .kinds import KINDS
from .model import Field, Mapping
from .options import MAX_ITEMS, OPTIONS, shown
from .targets import Entry, Fault, collection_faults, target_faults
from .toml_file import TomlFault, read_toml

__all__ = ["check_mapping", "parse_mapping"]

_FILE_KEYS = ("schema", "dataset", "source", "field")
# Maximum number of source names of all fields together, because the core counts them in 16 bits.
_MAX_NAMES = 10_000
#: Keys of an entry that are attributes of `Field` under another name.
_ATTRIBUTES = {"from": "sources"}
#: Maximum number of faults of one entry, and of the top level, and of characters of a target in a label.
_MAX_FAULTS = 20
_MAX_LABEL_CHARACTERS = 200


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
        The content is not TOML, or an entry is not as data/README.md describes. The first fault is raised.
    """
    mapping, faults = check_mapping(content, file)
    if mapping is None:
        raise faults[0]
    return mapping


def check_mapping(content: bytes, file: str) -> tuple[Mapping | None, tuple[MappingError, ...]]:
    """Parse the content of a mapping file, and return all that is wrong with it.

    Parameters are those of `parse_mapping`.

    Returns
    -------
    mapping : Mapping or None
        None if there is a fault.
    faults : tuple of MappingError
        In the order of their lines. TOML that cannot be read is one fault, because the rest cannot be understood.
    """
    try:
        text, document = read_toml(content)
    except TomlFault as error:
        return None, (MappingError(file, None, str(error), line=error.line),)
    faults = list(islice(_file_faults(document), _MAX_FAULTS))
    fields: list[Field] = []
    # Without entries, or with too many of them, the fault of the file is the only one.
    if not any(fault.key == "field" for fault in faults):
        entries = [_entry(entry, number, faults) for number, entry in enumerate(document["field"], 1)]
        faults += target_faults(entries)
        faults += islice(collection_faults(entries), MAX_ITEMS)
        fields = [entry.field for entry in entries if entry.field is not None]
        if sum(len(field.sources) for field in fields) > _MAX_NAMES:
            reason = f"all fields together may have at most {_MAX_NAMES} source names"
            faults.append(Fault(0, None, None, reason))
    if faults:
        return None, _errors(faults, file, text)
    texts = document.get("schema", file), document.get("dataset", "")
    return Mapping(file, *texts, tuple(fields), document.get("source", "")), ()


def _errors(faults: list[Fault], file: str, text: str) -> tuple[MappingError, ...]:
    """Return the faults as exceptions, in the order of their lines."""
    # Imported here, because most files have no fault.
    from .positions import positions_of

    positions = positions_of(text)

    def line_of(fault: Fault) -> int | None:
        return positions.line_of(fault.number, fault.key) if fault.number else positions.keys.get(fault.key or "")

    errors = [MappingError(file, fault.label, fault.reason, line=line_of(fault)) for fault in faults]
    return tuple(sorted(errors, key=lambda error: error.line or 0))


def _file_faults(document: dict[str, Any]) -> Iterator[Fault]:
    entries = document.get("field")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        yield Fault(0, None, "field", "must have at least one [[field]] entry")
    elif len(entries) > MAX_ITEMS:
        yield Fault(0, None, "field", f"has {len(entries)} fields; at most {MAX_ITEMS} are allowed")
    for key in ("schema", "dataset", "source"):
        if not isinstance(document.get(key, ""), str):
            yield Fault(0, key, key, "must be text")
    for key in _unknown_keys(document, _FILE_KEYS):
        yield Fault(0, None, key, _unknown_key(key, _FILE_KEYS))


def _entry(entry: dict[str, Any], number: int, faults: list[Fault]) -> Entry:
    """Return an entry, and add its faults."""
    to = entry.get("to")
    label = f"field {number}"
    if isinstance(to, str):
        label += f" ({to if len(to) <= _MAX_LABEL_CHARACTERS else to[:_MAX_LABEL_CHARACTERS] + '…'})"
    found = list(islice(_entry_faults(entry), _MAX_FAULTS))
    field = None if found else _field(entry)
    if field is not None:
        found += _option_faults(field)
    faults += (Fault(number, label, key, reason) for key, reason in found)
    has_target = isinstance(to, str) and OPTIONS["to"]("to", to) is None
    return Entry(number, label, to if has_target else None, None if found else field, entry.get("otherwise") is True)


def _entry_faults(entry: dict[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Yield what is wrong with the keys of an entry and their values, each by itself: the key, and the reason."""
    kind = entry.get("kind")
    if isinstance(kind, str) and kind in KINDS:
        needs, allows, _ = KINDS[kind]
        allowed = ("kind", *sorted(needs), *sorted(allows))
        for key in _unknown_keys(entry, allowed):
            yield key, _unknown_key(key, allowed)
        if missing := sorted(needs - entry.keys()):
            yield None, f"kind {kind} needs {', '.join(missing)}"
        checked = [key for key in allowed if key in entry]
    else:
        yield "kind", f"kind must be one of {', '.join(KINDS)}, not {shown(kind)}"
        # Without a kind, only what no kind allows is known to be wrong.
        allowed = ("kind", *OPTIONS)
        for key in _unknown_keys(entry, allowed):
            yield key, _unknown_key(key, allowed)
        if "to" not in entry:
            yield None, "every entry needs the key to"
        checked = list(entry)
    for key in checked:
        if key in OPTIONS and (reason := OPTIONS[key](key, entry[key])) is not None:
            yield key, reason
    if kind == "enum" and (fault := naming_fault(entry.get("table"), entry.get("naming"))) is not None:
        yield fault


def _unknown_keys(table: dict[str, Any], allowed: Iterable[str]) -> list[str]:
    known = set(allowed)
    return [key for key in table if key not in known]


def _unknown_key(key: str, allowed: Iterable[str]) -> str:
    return f"unknown key {shown(key)}; allowed: {', '.join(allowed)}"


def _field(entry: dict[str, Any]) -> Field:
    """Return the field of an entry whose keys are valid."""
    values: dict[str, Any] = {}
    for key, value in entry.items():
        values[_ATTRIBUTES.get(key, key)] = tuple(value) if isinstance(value, list) else value
    if isinstance(values.get("sources"), str):
        values["sources"] = (values["sources"],)
    if "table" in values:
        values["names"] = enum_names(values["table"], values["naming"])
    return Field(**values)


def _option_faults(field: Field) -> Iterator[tuple[str | None, str]]:
    """Yield what is wrong with the options of a field together."""
    if field.if_problem is not None and not _is_alike(field.value, field.if_problem):
        yield "if_problem", "if_problem must have the type of value: text, a number, or true or false; neither a list"
    if (field.if_true is None) != (field.if_false is None):
        yield "if_true" if field.if_false is None else "if_false", "if_true and if_false need each other"
    elif type(field.if_true) is not type(field.if_false):
        yield "if_false", "if_true and if_false must both be texts, or both be integers"
    if field.epoch is not None and field.digits is not None:
        yield "digits", "epoch gives an integer, and digits belongs to text; use one of them"
    if field.default is not None and field.unassigned is not None:
        yield "default", "default and unassigned both name a number without a name; use one of them"
    elif field.default is not None and type(field.default) is not type(field.names[0][1]):
        wanted = "text" if isinstance(field.names[0][1], str) else "an integer"
        yield "default", f"default must be {wanted}, as the names of this naming are"
    if field.member is not None and not field.list:
        yield "member", "member needs list = true"
    if field.list and field.array:
        yield "array", "list describes the source and array the target; use one of them"
    if field.keep_empty and not field.holds_list:
        yield "keep_empty", "keep_empty needs list = true"
    if field.keep_root and not field.trim:
        yield "keep_root", "keep_root needs trim = true; with trim = false the root is always kept"
    if field.otherwise and field.array:
        yield "array", "array belongs to the first field of the target, not to its alternatives"


def _is_alike(value: object, other: object) -> bool:
    """Return whether two constants are of one type, and neither is a list."""
    if isinstance(value, bool) or isinstance(other, bool):
        return isinstance(value, bool) and isinstance(other, bool)
    return any(isinstance(value, types) and isinstance(other, types) for types in (str, (int, float)))
