"""The techniques that rules cover, as a layer of the ATT&CK Navigator (format 4.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .sigma.rule import Rule
from .sigma.tactics import TACTICS

__all__ = ["layer_faults", "layer_of"]

#: The versions are texts in the format. Those of ATT&CK and the Navigator are of 2026-08.
_VERSIONS = {"attack": "19", "navigator": "5.1.0", "layer": "4.5"}
_OLDEST_NAVIGATOR = (4, 9, 0)
_SCORE = 100

_TECHNIQUE_ID = re.compile(r"T\d{4}(\.\d{3})?")


def layer_of(rules: Iterable[Rule], name: str = "cfdns_fast rules") -> dict[str, Any]:
    """Return a layer, ready for JSON, with one entry a technique (and tactic) of the rules' tags.

    A technique is in the column of a rule's tactic if the rule names one tactic; if it names none or several, the tags
    do not tell which of them belongs to the technique, and the entry stands for all columns of the technique.
    """
    titles: dict[tuple[str, str | None], list[str]] = {}
    for rule in rules:
        tactic = rule.tactics[0] if len(rule.tactics) == 1 else None
        for technique in rule.techniques:
            titles.setdefault((technique, tactic), []).append(rule.title)
    entries: dict[tuple[str, str | None], dict[str, Any]] = {}
    for key in sorted(titles, key=_order):
        entries[key] = {
            **_place(*key),
            "score": _SCORE,
            "comment": f"Rules: {', '.join(sorted(set(titles[key])))}",
        }
    # The Navigator shows a sub-technique only below a technique that is open.
    for technique, tactic in list(entries):
        parent = technique.partition(".")[0]
        if parent != technique:
            entries.setdefault((parent, tactic), _place(parent, tactic))["showSubtechniques"] = True
    return {
        "name": name,
        "versions": dict(_VERSIONS),
        "domain": "enterprise-attack",
        "description": "Techniques that the enabled rules cover",
        "techniques": [entries[key] for key in sorted(entries, key=_order)],
        "gradient": {"colors": ["#ffffff", "#66b1ff"], "minValue": 0, "maxValue": _SCORE},
    }


def _order(key: tuple[str, str | None]) -> tuple[str, str]:
    return key[0], key[1] or ""


def _place(technique: str, tactic: str | None) -> dict[str, Any]:
    return {"techniqueID": technique, **({"tactic": tactic} if tactic else {})}


def layer_faults(layer: Any) -> list[str]:
    """Return what is wrong with a layer, because the Navigator ignores a wrong type without a message.

    The checks are those of the format that a wrong layer fails most: required members, types, ids and tactics.
    """
    if not isinstance(layer, dict):
        return ["a layer must be an object"]
    faults = [f"{key} must be a text" for key in ("name", "domain") if not _is_text(layer.get(key))]
    versions = layer.get("versions")
    if not isinstance(versions, dict):
        faults.append("versions must be an object")
    else:
        faults += [f"versions.{key} must be a text" for key, value in versions.items() if not _is_text(value)]
        if versions.get("layer") != "4.5":
            faults.append('versions.layer must be "4.5"')
        numbers = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", str(versions.get("navigator")))
        if numbers is None or tuple(map(int, numbers.groups())) < _OLDEST_NAVIGATOR:
            faults.append('versions.navigator must be "4.9.0" or later')
    techniques = layer.get("techniques", [])
    if not isinstance(techniques, list):
        return [*faults, "techniques must be an array"]
    for number, entry in enumerate(techniques):
        faults += [f"techniques[{number}]: {reason}" for reason in _entry_faults(entry)]
    places = [(each.get("techniqueID"), each.get("tactic")) for each in techniques if isinstance(each, dict)]
    if len(set(map(repr, places))) < len(places):
        faults.append("a technique is twice in one tactic")
    return faults


def _entry_faults(entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return ["must be an object"]
    faults = []
    if not (_is_text(entry.get("techniqueID")) and _TECHNIQUE_ID.fullmatch(entry["techniqueID"])):
        faults.append("techniqueID must be of the form T0000 or T0000.000")
    if "tactic" in entry and not (_is_text(entry["tactic"]) and entry["tactic"] in TACTICS):
        faults.append("tactic must be the short name of a tactic")
    for key, kind in (("score", int), ("comment", str), ("showSubtechniques", bool)):
        if key in entry and type(entry[key]) is not kind:
            faults.append(f"{key} must be of type {kind.__name__}")
    return faults


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""
