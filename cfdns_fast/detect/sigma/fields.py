"""The fields that rules may name: those that DNS query logs have."""

from __future__ import annotations

import difflib

from .faults import FaultFound

__all__ = ["FIELDS", "field_of"]

#: The fields of conditions by the names in rules: those of SigmaHQ's DNS rules (Zeek, Sysmon, the Windows DNS client
#: and server), and those of ECS.
FIELDS = {
    "query": "name",
    "QueryName": "name",
    "QNAME": "name",
    "dns.question.name": "name",
    "record_type": "type",
    "qtype_name": "type",
    "QueryType": "type",
    "dns.question.type": "type",
    "rcode_name": "rcode",
    "dns.response_code": "rcode",
    "src_ip": "source",
    "source.ip": "source",
}


def field_of(name: str, line: int) -> str:
    """Return the field of a condition by its name in a rule. Raises FaultFound for a field that the logs lack."""
    if name in FIELDS:
        return FIELDS[name]
    by_lower = {known.lower(): known for known in FIELDS}
    close = by_lower.get(name.lower())
    if close is None and (found := difflib.get_close_matches(name, FIELDS, 1, 0.8)):
        close = found[0]
    hint = f"did you mean {close}?" if close else "rules can use query, record_type, rcode_name and src_ip"
    shown = name if len(name) <= 60 else f"{name[:57]}..."
    raise FaultFound("field.unsupported", line, f"DNS query logs have no field {shown!r}: {hint}")
