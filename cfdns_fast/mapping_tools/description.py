"""The entries of a mapping as text."""

from __future__ import annotations

import dataclasses
import json

from ..mapping import Field

__all__ = ["options_text", "sentence", "sources_text"]

#: Attributes of a field that are no options of it. `table` and `naming` give the names.
_NO_OPTIONS = frozenset({"to", "kind", "sources", "names"})


def sources_text(field: Field) -> str:
    """Return the keys of the record from which a field comes, in their order; ``-`` if it comes from none."""
    return " else ".join(field.sources) or "-"


def options_text(field: Field) -> str:
    """Return the options of a field that are not the default, as a mapping file writes them; ``-`` without any."""
    written = []
    for each in dataclasses.fields(field):
        value = getattr(field, each.name)
        if each.name not in _NO_OPTIONS and value != each.default:
            written.append(f"{each.name} = {json.dumps(value, ensure_ascii=False)}")
    return ", ".join(written) or "-"


def sentence(field: Field) -> str:
    """Return what a field is, without its target."""
    text = field.kind
    if field.sources:
        text += f" from {sources_text(field)}"
    options = options_text(field)
    return text if options == "-" else f"{text} ({options})"
