"""Text values of Sigma with the wildcards ``*`` and ``?``.

A backslash makes the following ``*``, ``?`` or backslash plain; before any other character it is plain itself.
"""

from __future__ import annotations

import re
from enum import Enum

__all__ = ["Pattern", "Wildcard", "expression_of", "folded", "operator_of", "parse", "with_operator"]

_FOLD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


class Wildcard(Enum):
    """A part of a pattern that is not plain text."""

    MANY = "*"
    ONE = "?"


#: Plain texts and wildcards in order; no empty texts, and no two neighbouring texts.
Pattern = tuple[str | Wildcard, ...]


def parse(text: str) -> Pattern:
    """Return a value as a pattern."""
    parts: list[str | Wildcard] = []
    plain: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == "\\" and text[position : position + 1] in ("*", "?", "\\"):
            plain.append(text[position])
            position += 1
        elif character in "*?":
            if plain:
                parts.append("".join(plain))
                plain = []
            parts.append(Wildcard(character))
        else:
            plain.append(character)
    # Slicing past the end gives an empty string, which is in no tuple of characters: a backslash at the end is plain.
    if plain:
        parts.append("".join(plain))
    return tuple(parts)


def with_operator(pattern: Pattern, operator: str) -> Pattern:
    """Return a pattern with the wildcards of the modifier: contains, startswith, endswith, or equals for none."""
    begins = operator in ("contains", "endswith") and pattern[:1] != (Wildcard.MANY,)
    ends = operator in ("contains", "startswith")
    pattern = ((Wildcard.MANY,) if begins else ()) + pattern
    if ends and pattern[-1:] != (Wildcard.MANY,):
        pattern = (*pattern, Wildcard.MANY)
    return pattern


def operator_of(pattern: Pattern) -> tuple[str, str | Pattern]:
    """Return the operator that a pattern needs, and its operand.

    Operators: "equals", "startswith", "endswith" and "contains" with a text, "exists" with "" (any value), and "like"
    with a pattern.
    """
    shortened: list[str | Wildcard] = []
    for part in pattern:
        if part is Wildcard.MANY and shortened[-1:] == [Wildcard.MANY]:
            continue
        shortened.append(part)
    match shortened:
        case []:
            return "equals", ""
        case [str(text)]:
            return "equals", text
        case [Wildcard.MANY]:
            return "exists", ""
        case [str(text), Wildcard.MANY]:
            return "startswith", text
        case [Wildcard.MANY, str(text)]:
            return "endswith", text
        case [Wildcard.MANY, str(text), Wildcard.MANY]:
            return "contains", text
        case _:
            return "like", tuple(shortened)


def folded(text: str) -> str:
    """Return a text with A to Z in lower case. Query names hold other letters as A-labels, so these have one case."""
    return text.translate(_FOLD)


def expression_of(pattern: Pattern) -> re.Pattern[str]:
    """Return a regular expression for a whole text, which takes at most the product of both lengths.

    The first occurrence of the text after a ``*`` is as good as any later one, so each such group is atomic; only the
    last ``*`` is tried at several places, and what follows it ends the text.
    """
    pieces = [""]
    for part in pattern:
        if part is Wildcard.MANY:
            pieces.append("")
        else:
            pieces[-1] += "." if part is Wildcard.ONE else re.escape(str(part))
    if len(pieces) == 1:
        return re.compile(pieces[0], re.DOTALL)
    between = "".join(f"(?>.*?{piece})" for piece in pieces[1:-1])
    return re.compile(f"{pieces[0]}{between}.*{pieces[-1]}", re.DOTALL)
