"""What a rule adds to an event or an alert: the objects ``rule`` and ``threat`` of ECS."""

from __future__ import annotations

from typing import Any

from ...matching import Annotation
from .rule import Rule
from .tactics import TACTICS

__all__ = ["SEVERITIES", "annotation_of"]

#: The severity of a level: the risk scores of Elastic's own rules, and 1 for information.
SEVERITIES = {"informational": 1, "low": 21, "medium": 47, "high": 73, "critical": 99}


def annotation_of(rule: Rule) -> Annotation:
    """Return what a rule adds to each event that it matches."""
    described: dict[str, Any] = {"id": rule.id, "name": rule.title, "ruleset": "sigma"}
    if rule.description:
        described["description"] = rule.description
    if rule.references:
        described["reference"] = rule.references[0]
    if rule.author:
        described["author"] = [rule.author]
    return Annotation(SEVERITIES[rule.level], described, _threat_of(rule))


def _threat_of(rule: Rule) -> dict[str, Any]:
    """Return the tactics and techniques; a sub-technique also names its technique."""
    threat: dict[str, Any] = {}
    if rule.tactics:
        known = [TACTICS[name] for name in rule.tactics]
        threat["tactic"] = {"id": [each[0] for each in known], "name": [each[1] for each in known]}
    if rule.techniques:
        parents = list(dict.fromkeys(each.partition(".")[0] for each in rule.techniques))
        threat["technique"] = {"id": parents}
        inner = [each for each in rule.techniques if "." in each]
        if inner:
            threat["technique"]["subtechnique"] = {"id": inner}
    return {"framework": "MITRE ATT&CK", **threat} if threat else {}
