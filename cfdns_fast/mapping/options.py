"""The keys of an entry of a mapping file: what the value of each may be, by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

__all__ = ["MAX_ITEMS", "OPTIONS", "constant_fault", "shown"]

#: Maximum number of items of a list, and of entries of a file.
MAX_ITEMS = 1000

_MAX_DEPTH = 32
_NINE_DIGITS = 9
_EPOCH = "ms"
_MAX_SHOWN_CHARACTERS = 100


def shown(value: object) -> str:
    """Return a value of a file for a message. A long one is cut."""
    try:
        text = repr(value)
    except ValueError:
        # Python does not write an integer of so many digits.
        return "a number of more than 4,300 digits"
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else f"{text[:_MAX_SHOWN_CHARACTERS]}…"


def _text_fault(key: str, value: Any) -> str | None:
    return None if isinstance(value, str) and value else f"{key} must be text and not empty"


def _flag_fault(key: str, value: Any) -> str | None:
    return None if isinstance(value, bool) else f"{key} must be true or false, not {shown(value)}"


def _texts_fault(key: str, items: Any) -> str | None:
    if not isinstance(items, list) or not items or not all(isinstance(item, str) and item for item in items):
        return f"{key} must be a list of texts, none of them empty"
    if len(items) > MAX_ITEMS:
        return f"{key} has {len(items)} texts; at most {MAX_ITEMS} are allowed"
    return f"{key} may hold each text once" if len(set(items)) != len(items) else None


def _sources_fault(key: str, sources: Any) -> str | None:
    if isinstance(sources, list):
        return _texts_fault(key, sources)
    is_key = isinstance(sources, str) and bool(sources)
    return None if is_key else f"{key} must be text and not empty, or a list of such texts"


def _target_fault(key: str, value: Any) -> str | None:
    if (fault := _text_fault(key, value)) is not None:
        return fault
    segments = value.split(".")
    if not all(segments):
        return f"{key} must be keys separated by single dots"
    return f"{key} may be at most {_MAX_DEPTH} keys deep" if len(segments) > _MAX_DEPTH else None


def constant_fault(key: str, value: Any) -> str | None:
    """Return what is wrong with a constant; None if nothing is."""
    items = value if isinstance(value, list) else [value]
    if len(items) > MAX_ITEMS:
        return f"{key} has {len(items)} items; at most {MAX_ITEMS} are allowed"
    for item in items:
        if not isinstance(item, (str, int, float)) or (isinstance(item, float) and not math.isfinite(item)):
            return f"{key} must be text, a finite number, true, false, or a list of these"
        if isinstance(item, int) and not -(2**63) <= item < 2**63:
            return f"{key} must fit into a signed 64-bit integer"
    return None


def _digits_fault(key: str, value: Any) -> str | None:
    is_nine = type(value) is int and value == _NINE_DIGITS
    return None if is_nine else f"{key} must be {_NINE_DIGITS}, not {shown(value)}"


def _epoch_fault(key: str, value: Any) -> str | None:
    return None if value == _EPOCH else f'{key} must be "{_EPOCH}", not {shown(value)}'


def _name_fault(key: str, value: Any) -> str | None:
    if type(value) is int:
        return constant_fault(key, value)
    return None if isinstance(value, str) and value else f"{key} must be an integer, or text and not empty"


#: Key -> the function that says what is wrong with its value, None if nothing is. `kinds.KINDS` says which kinds have
#: which keys. What two keys must be to each other is checked in `parser`.
OPTIONS: dict[str, Callable[[str, Any], str | None]] = {
    "from": _sources_fault,
    "to": _target_fault,
    "array": _flag_fault,
    "required": _flag_fault,
    "otherwise": _flag_fault,
    "value": constant_fault,
    "if_problem": constant_fault,
    "table": _text_fault,
    "naming": _text_fault,
    "unassigned": _text_fault,
    "default": _name_fault,
    "digits": _digits_fault,
    "epoch": _epoch_fault,
    "trim": _flag_fault,
    "keep_root": _flag_fault,
    "escape": _flag_fault,
    "list": _flag_fault,
    "keep_empty": _flag_fault,
    "member": _text_fault,
    "members": _texts_fault,
    "of": _texts_fault,
    "if_true": _name_fault,
    "if_false": _name_fault,
}
