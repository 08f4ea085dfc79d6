"""The severity of what is found, as ``event.severity`` has it."""

from __future__ import annotations

__all__ = ["CRITICAL", "HIGH", "INFORMATIONAL", "LOW", "MEDIUM", "level_word"]

#: The numbers are those that Elastic's own detection rules use for their risk.
INFORMATIONAL, LOW, MEDIUM, HIGH, CRITICAL = 1, 21, 47, 73, 99

_WORDS = (
    (CRITICAL, "critical"),
    (HIGH, "high"),
    (MEDIUM, "medium"),
    (LOW, "low"),
    (INFORMATIONAL, "informational"),
)


def level_word(severity: int) -> str:
    """Return the word for a severity: that of the highest level that it reaches."""
    return next((word for least, word in _WORDS if severity >= least), "informational")
