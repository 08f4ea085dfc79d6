"""Folders of compressed logs as Logpush writes them, and the lines in each object."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .. import corpus

#: Distinct lines. Every object begins at another one, so that no two objects are equal.
LINES = 200_000
#: Hours in the names. A task never crosses an hour, so there are at least as many tasks.
HOURS = 8
#: Cloudflare does not document its level. With level 6, a record of the corpus has 31 bytes.
_LEVEL = 6
_STEP = 7919


@dataclass(frozen=True)
class Tree:
    """Objects of one size.

    Attributes
    ----------
    name : str
        The name in results.
    objects, records : int
        Number of objects, and of records in each.
    """

    name: str
    objects: int
    records: int

    @property
    def total(self) -> int:
        """Return the number of records in all objects."""
        return self.objects * self.records

    def names(self) -> Iterator[str]:
        """Return an iterator over the names of the objects, in order."""
        for number in range(self.objects):
            hour, place = divmod(number * HOURS, self.objects)[0], number % (self.objects // HOURS or 1)
            minute, second = divmod(place, 60)
            at = f"20220707T{hour:02}{minute % 60:02}{second:02}Z"
            yield f"20220707/{at}_{at}_{number:08x}.log.gz"


def trees(records: int) -> tuple[Tree, Tree]:
    """Return the trees of large and of small objects, with the same number of records."""
    small = max(records // 1000 // HOURS, 1) * HOURS
    large = max(records // 50_000 // HOURS, 1) * HOURS
    return Tree("large", large, small * 1000 // large), Tree("small", small, 1000)


def positions_of(tree: Tree, count: int) -> Iterator[list[tuple[int, int]]]:
    """Return an iterator over the lines of each object, as ranges of the positions from 0 to `count`."""
    for number in range(tree.objects):
        start = number * _STEP % count
        left = tree.records
        ranges = []
        while left:
            end = min(start + left, count)
            ranges.append((start, end))
            left -= end - start
            start = 0
        yield ranges


def lines_of(tree: Tree, lines: list[bytes]) -> Iterator[list[bytes]]:
    """Return an iterator over the lines of each object."""
    for ranges in positions_of(tree, len(lines)):
        yield [line for start, end in ranges for line in lines[start:end]]


def make(tree: Tree, folder: Path) -> None:
    """Write the objects of a tree."""
    lines = corpus_lines()

    def write(key: str, ranges: list[tuple[int, int]]) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        wanted = b"".join(line for start, end in ranges for line in lines[start:end])
        path.write_bytes(gzip.compress(wanted, _LEVEL, mtime=0))

    # The compression holds no lock.
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(write, tree.names(), positions_of(tree, len(lines))):
            pass


def corpus_lines() -> list[bytes]:
    """Return the distinct lines."""
    return corpus.make("typical", LINES).splitlines(keepends=True)
