"""Annotations of events of OCSF, which have no attributes for the objects of ECS: they become ``enrichments``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..results import Detection

__all__ = ["OCSF_KEYS", "enrichment", "is_ocsf"]

#: The members that an annotation may add to an event of OCSF.
OCSF_KEYS = ("enrichments",)

_CLASS = "class_uid"
#: The attribute in which a detection is, by `Detection.field`.
_ATTRIBUTES = {"name": "query.hostname", "source": "src_endpoint.ip", "answer": "answers[].rdata"}


def is_ocsf(event: Mapping[str, Any]) -> bool:
    """Return whether an event is one of OCSF: every class of OCSF requires its number."""
    return _CLASS in event


def enrichment(detection: Detection, members: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object of ``enrichments``: what was found, and as ``data`` the members that an event of ECS gets."""
    made: dict[str, Any] = {
        "name": _ATTRIBUTES[detection.field],
        "value": detection.name,
        "type": "detection",
        "provider": "cfdns_fast",
    }
    if isinstance(name := members.get("rule", {}).get("name"), str):
        made["short_desc"] = name
    return made | {"data": dict(members)}
