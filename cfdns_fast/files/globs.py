"""Patterns of keys: ``*`` and ``?`` within a part, ``**`` over parts, and ``[...]``."""

from __future__ import annotations

import re

__all__ = ["has_magic", "literal_start", "pattern_of"]

_MAGIC = re.compile(r"[*?[]")


def has_magic(text: str) -> bool:
    """Return whether a text has characters of patterns."""
    return _MAGIC.search(text) is not None


def literal_start(pattern: str) -> str:
    """Return the beginning of a pattern that all matching keys have."""
    found = _MAGIC.search(pattern)
    return pattern if found is None else pattern[: found.start()]


def pattern_of(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern, for `fullmatch`.

    As in a shell, a pattern that matches a folder stands for all that is in it.
    """
    return re.compile(f"(?:{''.join(_pieces(pattern.rstrip('/')))})(?:/.*)?", re.DOTALL)


def _pieces(pattern: str) -> list[str]:
    pieces = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        end = pattern.find("]", at + 2)
        if pattern.startswith("**/", at) and pattern[at - 1 : at] in ("", "/"):
            pieces.append("(?:[^/]+/)*")
            at += 3
        elif pattern.startswith("**", at):
            pieces.append(".*")
            at += 2
        elif char == "*":
            pieces.append("[^/]*")
            at += 1
        elif char == "?":
            pieces.append("[^/]")
            at += 1
        elif char == "[" and end > 0:
            negation = "^" if pattern[at + 1] in "!^" else ""
            content = pattern[at + 1 + len(negation) : end]
            escaped = re.sub(r"([\\\[\]^&~|])", r"\\\1", content)
            pieces.append(f"(?!/)[{negation}{escaped}]" if content else re.escape(pattern[at : end + 1]))
            at = end + 1
        else:
            pieces.append(re.escape(char))
            at += 1
    return pieces
