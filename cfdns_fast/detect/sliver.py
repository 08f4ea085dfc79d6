"""The built-in rule "Sliver DNS Beaconing"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import Detection
from ..matching import SLIVER_MESSAGES, Annotation, SliverNames, decode_sliver
from .severity import CRITICAL, HIGH, MEDIUM

__all__ = ["SLIVER_RULE", "SLIVER_THREAT", "Sliver", "session_of", "sliver_annotation"]

SLIVER_RULE: Mapping[str, Any] = {
    "id": "cfdns-sliver",
    "name": "Sliver DNS Beaconing",
    "description": "The query name carries a message of Sliver's DNS channel",
    "ruleset": "cfdns_fast",
    "version": "1",
    "reference": "https://github.com/BishopFox/sliver",
}

SLIVER_THREAT: Mapping[str, Any] = {
    "framework": "MITRE ATT&CK",
    "tactic": {"id": ["TA0011"], "name": ["Command and Control"]},
    "technique": {
        "id": ["T1071", "T1572", "T1132"],
        "name": ["Application Layer Protocol", "Protocol Tunneling", "Data Encoding"],
        "subtechnique": {"id": ["T1071.004", "T1132.002"], "name": ["DNS", "Non-Standard Encoding"]},
    },
    "software": {
        "id": "S0633",
        "name": "Sliver",
        "type": "Tool",
        "reference": "https://attack.mitre.org/software/S0633/",
    },
}

#: Messages that chance, or another program, may make: short ones, and those that are known by their shape only.
_MEDIUM_MESSAGES = ("NOP", "TOTP", "L_DOMAINKEY", "L_CLEAR")
_BY_MESSAGE = tuple(
    0 if message == "TOTP0" else MEDIUM if message in _MEDIUM_MESSAGES else HIGH for message in SLIVER_MESSAGES
)
_BOOTSTRAPS = tuple(message in ("TOTP", "TOTP0") for message in SLIVER_MESSAGES)
_SESSION_BITS = 0xFFFFFF


class Sliver:
    """Finds query names that carry messages of Sliver's DNS channel: v1.5 to v1.7, and the shapes of v1.4 and earlier.

    Give it to the option ``detect`` of a `Normalizer`. Alone, a message has severity high; NOP, TOTP, L_DOMAINKEY and
    L_CLEAR have medium; TOTP0, one constant label of four ordinary characters, has none. `Alerts` raises messages to
    critical by what else it saw of their session.
    """

    def matcher(self) -> SliverNames:
        """Return the matcher, for `Normalizer`."""
        return SliverNames()

    def annotation(self, detection: Detection, event: Mapping[str, Any], /) -> Annotation | None:
        """Return what `Normalizer` adds to an event; None for TOTP0."""
        severity = _BY_MESSAGE[detection.rule]
        return sliver_annotation(detection, severity) if severity else None

    def __repr__(self) -> str:
        return "Sliver()"


def session_of(detection: Detection) -> tuple[str, int, int, bool]:
    """Return the parent in lower case, the session, the severity alone, and whether it is a bootstrap message.

    A bootstrap message (TOTP, TOTP0) has no session: its id is a code.
    """
    parent = detection.name[detection.start :].lower()
    return parent, detection.detail & _SESSION_BITS, _BY_MESSAGE[detection.rule], _BOOTSTRAPS[detection.rule]


def sliver_annotation(detection: Detection, severity: int) -> Annotation:
    """Return what a detection says, with a severity."""
    parent, session, _, is_bootstrap = session_of(detection)
    found = decode_sliver(detection.name)
    own: dict[str, Any] = {"message": SLIVER_MESSAGES[detection.rule]}
    if found is not None:
        own["encoder"] = found.encoder
    if session and not is_bootstrap:
        own["session"] = f"{session:06x}"
    own["parent"] = parent
    if severity == CRITICAL:
        own["confirmed"] = True
    return Annotation(severity, SLIVER_RULE, SLIVER_THREAT, (), {"sliver": own})
