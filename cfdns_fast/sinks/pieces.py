"""Pieces of NDJSON that a target refused: their halves, and their single events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from .base import Piece

__all__ = ["Divider", "NdjsonDivider"]


class Divider(Protocol):
    """How refused data is divided, until only the events that the target refuses remain."""

    def halves(self, piece: Any) -> list[Any]:
        """Return two or more parts with all events of the piece in their order; empty if it cannot be divided."""

    def letters(self, piece: Any) -> Iterator[tuple[int, bytes]]:
        """Yield the position in the batch and the bytes of each event of a piece that cannot be divided."""


class NdjsonDivider:
    """Divides pieces at newlines; the parts have the positions of their events in the batch."""

    def halves(self, piece: Piece) -> list[Piece]:
        data: bytes = piece.data
        if piece.events < 2:
            return []
        middle = data.rfind(b"\n", 0, len(data) // 2) + 1 or data.find(b"\n") + 1
        if not 0 < middle < len(data):
            return []
        events = data.count(b"\n", 0, middle)
        left = piece._replace(events=events, data=data[:middle], is_last=False, is_whole=False)
        return [
            left,
            piece._replace(
                first_event=piece.first_event + events,
                events=piece.events - events,
                data=data[middle:],
                is_last=False,
                is_whole=False,
            ),
        ]

    def letters(self, piece: Piece) -> Iterator[tuple[int, bytes]]:
        data: bytes = piece.data
        for position, line in enumerate(data.removesuffix(b"\n").split(b"\n")):
            yield piece.first_event + position, line
