"""Alerts as documents of the Elastic Common Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..matching import Annotation, is_ocsf
from .event_reader import time_of_event
from .severity import level_word

__all__ = ["ECS_VERSION", "alert_document", "closed_document", "line_of", "time_text"]

ECS_VERSION = "9.4.0"

#: Members of an event that an alert does not have: the original record, and what an annotation has added.
_LEFT_OUT = ("@timestamp", "cfdns", "ecs", "event", "message", "rule", "threat")
#: The same of an event of OCSF, whose members are in the object ``ocsf`` of an alert.
_OCSF_LEFT_OUT = ("enrichments", "raw_data")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: One encoder for all documents: json.dumps() makes a new one at every call with options.
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def alert_document(
    event: Mapping[str, Any],
    annotation: Annotation,
    *,
    severity: int,
    id: str,
    created: str,
    alert: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the document of an alert.

    Parameters
    ----------
    event : Mapping
        The event; it is not changed. The document has its members, without the original record; those of an event of
        OCSF are in the object ``ocsf``.
    annotation : Annotation
        What the detector says of it.
    severity : int
        As in ``event.severity``.
    id : str
        The id of the alert.
    created : str
        When the document was made; it is the time of the alert too, if the event has none.
    alert : Mapping
        What the document says of the alert itself (``cfdns.alert``).
    """
    occurred, _ = time_of_event(event)
    of_event = event.get("event")
    kept = dict(of_event) if isinstance(of_event, Mapping) else {}
    kept.pop("original", None)
    threat = dict(annotation.threat)
    if annotation.enrichments:
        threat["enrichments"] = [dict(each) for each in annotation.enrichments]
    kept |= {
        "kind": "alert",
        "category": ["network", "intrusion_detection"],
        "type": ["info"],
        "id": id,
        "severity": severity,
        "created": created,
    }
    if occurred is not None:
        kept |= {"start": occurred, "end": occurred}
    document = {
        "@timestamp": created if occurred is None else occurred,
        "ecs": {"version": ECS_VERSION},
        "event": kept,
        "rule": dict(annotation.rule),
    }
    if threat:
        document["threat"] = threat
    document["cfdns"] = {**annotation.own, "alert": {"level": level_word(severity), **alert}}
    if is_ocsf(event):
        return document | {"ocsf": {name: value for name, value in event.items() if name not in _OCSF_LEFT_OUT}}
    return document | {name: value for name, value in event.items() if name not in _LEFT_OUT}


def closed_document(line: bytes, *, count: int, start: str | None, end: str | None, created: str) -> bytes:
    """Return the last document of an alert, made from its first one: with the number of events, and their times."""
    document = json.loads(line)
    document["event"]["created"] = created
    if start is not None and end is not None:
        document["event"] |= {"start": start, "end": end}
    document["cfdns"]["alert"] |= {"state": "closed", "count": count}
    return line_of(document)


def line_of(document: Mapping[str, Any]) -> bytes:
    """Return a document as a line of NDJSON, with its newline."""
    # A text of a feed may have half of a surrogate pair, which JSON allows and UTF-8 does not have.
    return _to_json(document).encode("utf-8", "replace") + b"\n"


def time_text(moment_ns: int) -> str:
    """Return a time as RFC 3339 with milliseconds."""
    moment = _EPOCH + timedelta(microseconds=moment_ns // 1000)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
