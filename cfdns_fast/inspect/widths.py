"""The widths of columns of text, and texts that are cut to fit."""

from __future__ import annotations

import unicodedata

from .sections import Section

__all__ = ["BAR_WIDTH", "GAP", "column_widths", "cut", "width_of"]

#: The columns of a bar, and the space between columns.
BAR_WIDTH = 16
GAP = "  "
#: Columns of text keep at least this width if they must be cut.
_MIN_WIDTH = 12


def width_of(text: str) -> int:
    """Return the number of columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, width: int) -> str:
    """Return a text that takes at most `width` columns, with a mark if it is cut."""
    if width_of(text) <= width:
        return text
    while width_of(text) > width - 1:
        text = text[: max(len(text) - max((width_of(text) - width) // 2, 1), 0)]
    return f"{text}…"


def column_widths(section: Section, width: int) -> list[int]:
    """Return the widths of the columns of a section; the widest columns of text are cut until all fit in `width`.

    If numbers and bars alone are wider, all is wider.
    """
    columns = zip(section.headers, *section.rows, strict=True)
    found = [max(map(width_of, cells)) for cells in columns]
    bars = BAR_WIDTH + len(GAP) if section.shares else 0
    room = width - bars - len(GAP) * (len(found) - 1)
    while sum(found) > room:
        texts = [at for at, is_text in enumerate(section.is_text) if is_text and found[at] > _MIN_WIDTH]
        if not texts:
            break
        found[max(texts, key=lambda at: found[at])] -= 1
    return found
