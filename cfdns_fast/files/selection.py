"""The choice of fields by their names in the event, or by those of objects."""

from __future__ import annotations

from collections.abc import Sequence

from .layout import Layout

__all__ = ["selected"]


def selected(fields: Sequence[str], layout: Layout) -> list[int]:
    """Return the positions of the fields that a layout has, ascending.

    ValueError if `Layout.columns` or `Layout.without` names no field, or if no field is left.
    """
    kept = set(range(len(fields)))
    if layout.columns is not None:
        kept &= _named("columns", layout.columns, fields)
    kept -= _named("without", layout.without, fields)
    if not kept:
        raise ValueError("columns and without leave no field")
    return sorted(kept)


def _named(option: str, names: Sequence[str], fields: Sequence[str]) -> set[int]:
    found: set[int] = set()
    for name in names:
        here = {at for at, field in enumerate(fields) if field == name or field.startswith(f"{name}.")}
        if not here:
            raise ValueError(f"{option}: there is no field {name!r}{_advice(name, fields)}")
        found |= here
    return found


def _advice(name: str, fields: Sequence[str]) -> str:
    # Imported here, because it takes 5 ms and is for mistakes only.
    from difflib import get_close_matches

    objects = {field[:at] for field in fields for at, character in enumerate(field) if character == "."}
    by_form = {_form(each): each for each in sorted({*fields, *objects})}
    close = [by_form[form] for form in get_close_matches(_form(name), by_form, n=3)]
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _form(name: str) -> str:
    """Return a name so that those of columns and those of events are alike."""
    return name.replace("@", "").replace("_", ".").lower()
