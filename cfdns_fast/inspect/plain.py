"""A summary as plain text: aligned, without control characters, at most 80 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from .sections import Section, sections_of
from .sparklines import bar
from .summary import Summary
from .widths import BAR_WIDTH, GAP, column_widths, cut, width_of

__all__ = ["plain_lines"]

_WIDTH = 80
_INDENT = "  "


def plain_lines(summary: Summary) -> Iterator[str]:
    """Return an iterator over the lines."""
    for number, section in enumerate(sections_of(summary)):
        if number:
            yield ""
        yield from _lines_of(section)


def _lines_of(section: Section) -> Iterator[str]:
    yield section.title
    rows = [section.headers, *section.rows] if any(section.headers) else section.rows
    widths = column_widths(section, _WIDTH - len(_INDENT))
    for number, row in enumerate(rows):
        cells = [
            _padded(cut(cell, width), width, to_left=is_text)
            for cell, width, is_text in zip(row, widths, section.is_text, strict=True)
        ]
        at = number - (len(rows) - len(section.rows))
        if section.shares and at >= 0:
            cells.append(bar(section.shares[at], BAR_WIDTH))
        yield f"{_INDENT}{GAP.join(cells)}".rstrip()
    if section.note:
        yield from textwrap.wrap(section.note, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)


def _padded(text: str, width: int, *, to_left: bool) -> str:
    space = " " * (width - width_of(text))
    return f"{text}{space}" if to_left else f"{space}{text}"
