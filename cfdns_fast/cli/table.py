"""Rows as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .report import printable

__all__ = ["table_lines"]


def table_lines(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return rows as lines with columns as wide as their widest cell, without spaces at the ends."""
    cells = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
