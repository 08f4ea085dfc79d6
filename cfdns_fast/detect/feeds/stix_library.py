"""Read the STIX patterns that `stix_pattern` does not read, with stix2-patterns (the extra cfdns-fast[stix])."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

__all__ = ["comparisons"]

#: Maximum number of characters of a pattern. The library takes 0.2 ms for a short pattern.
_MAX_CHARACTERS = 4_096

_STRING = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def comparisons(pattern: str) -> list[tuple[str, str]] | str:
    """Return the object and value of each comparison of a pattern, any of which is to match.

    The str is the reason why the pattern cannot be used (`SKIP_REASONS`), for example that the library is missing.
    """
    library = _library()
    if library is None or len(pattern) > _MAX_CHARACTERS:
        return "pattern.unsupported"
    validate, read = library
    try:
        if validate(pattern, stix_version="2.1"):
            return "pattern.unsupported"
        data, has_and = read(pattern)
    # The library raises errors of several of its layers for invalid patterns.
    except Exception:
        return "pattern.unsupported"
    if has_and or data.qualifiers or data.observation_ops - {"OR"}:
        return "pattern.operator"
    found: list[tuple[str, str]] = []
    for kind, tests in data.comparisons.items():
        if kind not in ("domain-name", "ipv4-addr", "ipv6-addr", "url"):
            return "pattern.object"
        for path, operator, literal in tests:
            if path != ["value"]:
                return "pattern.object"
            if operator not in ("=", "IN") and not (operator == "ISSUBSET" and kind.startswith("ip")):
                return "pattern.operator"
            found.extend((kind, _ESCAPE.sub(r"\1", text)) for text in _STRING.findall(literal))
    return found or "pattern.unsupported"


@cache
def _library() -> tuple[Any, Any] | None:
    """Return functions that validate and read a pattern; None if the library is missing."""
    try:
        from stix2patterns.v21.inspector import InspectionListener
        from stix2patterns.v21.pattern import Pattern
        from stix2patterns.validator import run_validator
    except ImportError:
        return None

    class Listener(InspectionListener):  # type: ignore[misc]
        has_and = False

        def exitComparisonExpressionAnd(self, ctx: Any) -> None:
            self.has_and = self.has_and or bool(ctx.AND())

        def exitPropTestExists(self, _ctx: Any) -> None:
            # The inspector does not note it.
            self.has_and = True

    def read(pattern: str) -> tuple[Any, bool]:
        listener = Listener()
        Pattern(pattern).walk(listener)
        return listener.pattern_data(), listener.has_and

    return run_validator, read
