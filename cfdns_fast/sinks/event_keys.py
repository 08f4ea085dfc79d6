"""The registered domain of an event, read from its line of NDJSON without parsing the line."""

from __future__ import annotations

import json

__all__ = ["registered_domain"]

#: In a string of JSON a quote follows a backslash. A quote after a comma or a bracket is therefore not in a string, and
#: neither is a quote between a letter and a colon: in this order the bytes are keys, wherever the event has texts.
_QUESTION = b'"dns":{"question":{'
_KEY = b'"registered_domain":"'
_OPEN, _CLOSE, _BACKSLASH = b"{}\\"


def registered_domain(line: bytes) -> bytes | None:
    """Return ``dns.question.registered_domain`` of a compact JSON object as UTF-8, or None if it has none."""
    before, found, rest = line.rpartition(_QUESTION)
    if found and before.endswith((b"{", b",")):
        members, found, rest = rest.partition(_KEY)
        if not found and members.find(b"registered_domain") < 0:
            return None
        # A bracket ends the object, or is in a name. A test with a number is much faster than a test with bytes.
        if found and (not members or members.endswith(b",")) and _CLOSE not in members and _OPEN not in members:
            domain = rest.partition(b'"')[0]
            if _BACKSLASH not in domain:
                return domain
    elif line.find(b"registered_domain") < 0:
        return None
    return _parsed(line)


def _parsed(line: bytes) -> bytes | None:
    value = json.loads(line)
    for name in ("dns", "question", "registered_domain"):
        value = value.get(name) if isinstance(value, dict) else None
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else None
