"""The inputs of a run that writes one file, each opened by its name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO, NamedTuple

from ..io.inputs import InputFault
from ..io.paths import STANDARD_STREAM, total_bytes

__all__ = ["Source", "SourceFault", "Sources"]


class Source:
    """An input that is opened by its name.

    Attributes
    ----------
    name : str
    identity : str or None
        Equal for objects of a store with equal content; None for all else.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.identity: str | None = None

    @property
    def path(self) -> str | None:
        """The path of a regular file; None for all else."""
        return self.name if self.name != STANDARD_STREAM and os.path.isfile(self.name) else None

    def opened(self) -> AbstractContextManager[str | BinaryIO]:
        """Return what `blocks_ahead` reads, until the context ends; raises InputFault."""
        return nullcontext(self.name)


class SourceFault(NamedTuple):
    """An input that could not be listed, and why."""

    name: str
    fault: InputFault


class Sources:
    """The inputs of a run in their order.

    Attributes
    ----------
    names : sequence of str
        The inputs that are opened by their names.
    count : int
        The number of inputs; of listed ones, of those that were reached.
    not_read : Counter of str, or None
        The number of listed files that are not read, by reason; None if no input is listed.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.count = len(names)
        self.not_read: Counter[str] | None = None

    def __iter__(self) -> Iterator[Source | SourceFault]:
        return map(Source, self.names)

    def total_bytes(self) -> int | None:
        """Return the stored size of all inputs in bytes; None if it is not known."""
        return total_bytes(self.names)

    def check(self, outputs: Sequence[str]) -> None:
        """Raise CfdnsError if an output would be an input of the next run, or an input cannot be used."""
