"""An indicator that matched, as fields of ECS (``threat.enrichments``), and the rule that its detections belong to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from .indicator import Indicator

__all__ = ["FIELDS", "LEVEL", "RULE", "THREAT", "confidence_word", "enrichment_of"]

#: The fields of events in which detections are, by `Detection.field`.
FIELDS: Mapping[str, str] = {"name": "dns.question.name", "source": "source.ip", "answer": "dns.resolved_ip"}

#: The severity of the rule, 0 to 100.
LEVEL = 73

RULE: Mapping[str, Any] = {
    "id": "cfdns-indicators",
    "name": "Intelligence feed match",
    "ruleset": "cfdns_fast",
    "version": "1",
}

#: What a listed name may be used for: command and control, exfiltration and phishing.
THREAT: Mapping[str, Any] = {
    "framework": "MITRE ATT&CK",
    "tactic": {
        "id": ["TA0011", "TA0010", "TA0001"],
        "name": ["Command and Control", "Exfiltration", "Initial Access"],
    },
    "technique": {
        "id": ["T1071", "T1041", "T1566"],
        "name": ["Application Layer Protocol", "Exfiltration Over C2 Channel", "Phishing"],
    },
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def confidence_word(confidence: int) -> str:
    """Return the word of ECS for a confidence of 0 to 100, by the scale of STIX 2.1, appendix A."""
    if confidence < 1:
        return "None"
    return "Low" if confidence < 30 else "Medium" if confidence < 70 else "High"


def enrichment_of(
    indicator: Indicator, *, field: str = "dns.question.name", occurred: str | None = None
) -> dict[str, Any]:
    """Return an object of ``threat.enrichments``.

    Parameters
    ----------
    indicator : Indicator
        What matched.
    field : str
        The field of the event in which it was found.
    occurred : str or None
        The time of the event.
    """
    described: dict[str, Any] = {"type": indicator.type, "name": indicator.value}
    if indicator.type == "domain-name":
        described["url"] = {"domain": indicator.value}
    else:
        described["ip"] = indicator.value.partition("/")[0]
    described["provider"] = indicator.provider or indicator.source
    if indicator.confidence is not None:
        described["confidence"] = confidence_word(indicator.confidence)
    for name, moment in (
        ("first_seen", indicator.first_seen_ns),
        ("last_seen", indicator.last_seen_ns),
        ("modified_at", indicator.modified_ns),
    ):
        if moment is not None:
            described[name] = _text_of(moment)
    if indicator.reference is not None:
        described["reference"] = indicator.reference
    if indicator.tlp is not None:
        described["marking"] = {"tlp": indicator.tlp}
    if indicator.description is not None:
        described["description"] = indicator.description
    matched: dict[str, Any] = {"atomic": indicator.value, "field": field, "type": "indicator_match_rule"}
    if indicator.id is not None:
        matched["id"] = indicator.id
    if occurred is not None:
        matched["occurred"] = occurred
    return {"indicator": described, "matched": matched}


def _text_of(moment_ns: int) -> str:
    """Return a time as RFC 3339 with milliseconds; a time outside of the years 1 to 9999 cannot occur in 64 bits."""
    moment = _EPOCH + timedelta(microseconds=moment_ns // 1000)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
