"""The tables of codes by which values of kind enum are named (data/dns_codes.toml)."""

from __future__ import annotations

import os
import tomllib
from functools import cache
from typing import Any

from .model import DATA_FOLDER
from .options import shown

__all__ = ["enum_names", "naming_fault"]

#: Keys of a table that are no naming.
_TABLE_FACTS = ("registry", "source", "date", "reference")


@cache
def _codes() -> dict[str, Any]:
    with open(os.path.join(DATA_FOLDER, "dns_codes.toml"), "rb") as file:
        return tomllib.load(file)


def naming_fault(table: Any, naming: Any) -> tuple[str, str] | None:
    """Return the key that names no table or no naming, and the reason; None if a value is of another type."""
    codes = _codes()
    if not isinstance(table, str) or not table:
        return None
    if table not in codes:
        return "table", f"table must be one of {', '.join(codes)}, not {shown(table)}"
    namings = [key for key in codes[table] if key not in _TABLE_FACTS]
    if not isinstance(naming, str) or not naming or naming in namings:
        return None
    return "naming", f"naming of {table} must be one of {', '.join(namings)}, not {shown(naming)}"


@cache
def enum_names(table: str, naming: str) -> tuple[tuple[int, str | int], ...]:
    codes = _codes()
    names: dict[int, str | int] = {int(number): name for number, name in codes[table]["iana"].items()}
    differences = dict(codes[table][naming])
    names_are = differences.pop("names", None)
    if names_are == "upper case":
        names = {number: str(name).upper() for number, name in names.items()}
    elif names_are == "numbers":
        names = {number: number for number in names}
    for numbers, name in differences.items():
        first, _, last = numbers.partition("-")
        names.update((number, name) for number in range(int(first), int(last or first) + 1))
    return tuple(sorted(names.items()))
