"""What the streams of all input formats have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from .results import Result, joined

__all__ = ["BlockStream"]


class BlockStream(ABC):
    """One input, block by block: any number of `feed`, then `finish`."""

    @property
    @abstractmethod
    def lines(self) -> int:
        """Number of lines begun so far."""

    @abstractmethod
    def parts(self, block: bytes, *, final: bool) -> Iterator[Result[bytes]]:
        """Take the next block and convert what is complete, part by part.

        The iterator must be exhausted before the next call. With `final` the block is the last one. A reject whose
        bytes are in the spill is the last one of its part; the caller empties the spill before it takes the next part.
        """

    def feed(self, block: bytes) -> Result[bytes]:
        """Take the next block and convert what is complete. A stream with a spill has `parts` instead."""
        return joined(self.parts(block, final=False))

    def finish(self) -> Result[bytes]:
        """Convert the rest. A stream with a spill has `parts` instead."""
        return joined(self.parts(b"", final=True))
