"""The kinds of a mapping file: the keys that an entry of each kind needs and allows."""

from __future__ import annotations

from typing import NamedTuple

from .model import NAME_PART_KINDS

__all__ = ["COLLECTED_KINDS", "KINDS", "SINGLE_KINDS", "Kind"]


class Kind(NamedTuple):
    """What an entry of one kind holds, besides ``kind``. `options.OPTIONS` says what the value of each key may be.

    Attributes
    ----------
    needs, allows : frozenset of str
        The keys that an entry must have, and the further keys that it may have.
    rule : str
        The section of the specification that says how the value is read.
    """

    needs: frozenset[str]
    allows: frozenset[str]
    rule: str


_SOURCED = frozenset({"from", "to"})
_TARGET = frozenset({"to"})
_OPTIONS = frozenset({"array", "required", "otherwise"})
_NAME_OPTIONS = _OPTIONS | {"trim"}
_LIST_OPTIONS = _OPTIONS | {"list", "keep_empty"}

#: The kinds by name; data/README.md describes them.
KINDS: dict[str, Kind] = {
    "raw": Kind(_TARGET, frozenset(), "10.2"),
    "constant": Kind(_TARGET | {"value"}, frozenset({"if_problem"}), "7.4"),
    "text": Kind(_SOURCED, _LIST_OPTIONS | {"member"}, "7.4"),
    "integer": Kind(_SOURCED, _LIST_OPTIONS, "7.3"),
    "boolean": Kind(_SOURCED, _OPTIONS | {"if_true", "if_false"}, "7.4"),
    "enum": Kind(_SOURCED | {"table", "naming"}, _OPTIONS | {"unassigned", "default"}, "7.5"),
    "timestamp": Kind(_SOURCED, _OPTIONS | {"digits", "epoch"}, "8"),
    "ip": Kind(_SOURCED, _LIST_OPTIONS | {"member"}, "7.6"),
    "name": Kind(_SOURCED, _NAME_OPTIONS | {"keep_root", "escape"}, "9.1"),
    "registered_domain": Kind(_SOURCED, _NAME_OPTIONS, "9.4"),
    "subdomain": Kind(_SOURCED, _NAME_OPTIONS, "9.4"),
    "top_level_domain": Kind(_SOURCED, _NAME_OPTIONS, "9.4"),
    "objects": Kind(_SOURCED | {"members"}, _OPTIONS - {"array"} | {"keep_empty"}, "7.4"),
    "collect": Kind(_TARGET | {"of"}, frozenset(), "7.4"),
    "observables": Kind(_TARGET | {"of"}, frozenset(), "7.4"),
    "problems": Kind(_TARGET, frozenset({"array"}), "6.3"),
}

#: The kinds from which collect takes texts, and the kinds that can have no alternative.
COLLECTED_KINDS = ("text", "ip", *NAME_PART_KINDS)
SINGLE_KINDS = ("raw", "constant", "problems", "collect", "observables")
