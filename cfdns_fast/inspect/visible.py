"""Texts of the input with everything that cannot be seen as an escape, because names come from an attacker."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator

__all__ = ["escapes", "groups_of", "visible_text"]

#: Characters that Python calls printable although they show nothing.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(code) for first, last in ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF)) for code in range(first, last + 1)
}
#: Combining marks in a row beyond this number are escaped: they would cover other lines, and lines break at no mark.
_MAX_MARKS = 4


def visible_text(text: str) -> str:
    """Return a text of the input with everything that cannot be seen as a backslash escape."""
    groups = groups_of(text)
    return "".join("".join(group) if is_shown else escapes("".join(group)) for is_shown, group in groups)


def groups_of(text: str) -> Iterator[tuple[bool, Iterator[str]]]:
    """Return an iterator over runs of characters that can be shown as they are, and of others."""
    marks = 0

    def is_shown(character: str) -> bool:
        nonlocal marks
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        return marks <= _MAX_MARKS and character.isprintable() and character not in _BLANK

    return itertools.groupby(text, is_shown)


def escapes(text: str) -> str:
    """Return every character as a backslash escape, unless it is ASCII and printable."""
    return text.encode("unicode_escape", "surrogatepass").decode("ascii")
