"""What the streams of all input formats have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from ..results import Result, joined

__all__ = ["BlockStream"]


class BlockStream(ABC):
    """One input, block by block: any number of `feed` and `flush`, then `finish`, or `cut` if the rest is not known.

    These four join what the iterators `parts` and `cut_parts` give. A stream with a spill has the iterators only.
    """

    @property
    @abstractmethod
    def lines(self) -> int:
        """Number of lines begun so far."""

    @property
    @abstractmethod
    def unfinished_bytes(self) -> int:
        """Number of bytes that were fed and are not converted, because what they belong to is not complete."""

    @abstractmethod
    def parts(self, block: bytes, *, final: bool = False, at_once: bool = False) -> Iterator[Result[bytes]]:
        """Take the next block and convert what is complete, part by part.

        The iterator must be exhausted before the next call. A reject whose bytes are in the spill is the last one of
        its part; the caller empties the spill before it takes the next part.

        Parameters
        ----------
        final : bool
            The block is the last one: the last line needs no newline.
        at_once : bool
            Convert what is complete, however little it is. Otherwise the stream may wait for more, to save time.
        """

    def cut_parts(self) -> Iterator[Result[bytes]]:
        """Convert what is complete; the input ends here, but not because it is complete.

        `unfinished_bytes` says how much is left out.
        """
        yield from self.parts(b"", at_once=True)
        self._discard_long()

    @abstractmethod
    def _discard_long(self) -> None:
        """Empty the spill if it holds a part of a reject that is not complete."""

    def feed(self, block: bytes) -> Result[bytes]:
        """Take the next block and convert what is complete."""
        return joined(self.parts(block))

    def flush(self) -> Result[bytes]:
        """Convert what is complete now, however little it is."""
        return joined(self.parts(b"", at_once=True))

    def cut(self) -> Result[bytes]:
        """Convert what is complete; see `cut_parts`."""
        return joined(self.cut_parts())

    def finish(self) -> Result[bytes]:
        """Convert the rest."""
        return joined(self.parts(b"", final=True))
