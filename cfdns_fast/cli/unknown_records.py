"""Find inputs in which no record has a key that the mapping reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .schema import Schema
    from .unknown_input import UnknownInput

__all__ = ["FirstRecord"]

_HEAD_BYTES = 1 << 16


class FirstRecord:
    """The beginning of an input, which is kept until a record has a known key."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._records = 0
        self._is_known = False

    def feed(self, block: bytes) -> None:
        """Append the next block of the input."""
        if not self._is_known and len(self._head) < _HEAD_BYTES:
            self._head += block[: _HEAD_BYTES - len(self._head)]

    def add(self, events: int, unknown: int) -> None:
        """Count the events of a block, and how many of them have no key that the mapping reads."""
        self._records += events
        if not self._is_known and events > unknown:
            self._is_known = True
            self._head.clear()

    def explain(self, name: str, schema: Schema) -> UnknownInput | None:
        """Return why no record is known; None if one is, or if there is none."""
        if self._is_known or not self._records:
            return None
        # Imported here, because most inputs are known.
        from .unknown_input import explained

        return explained(name, bytes(self._head), self._records, schema)
