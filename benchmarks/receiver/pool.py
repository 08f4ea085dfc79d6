"""The batches that the sender posts, and the events that must come out of them.

A block is 1,000 records of the corpus. A batch is one block or many, so the output of every batch is a sequence of the
outputs of blocks, which the check compares byte by byte.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import corpus

BLOCK_RECORDS = 1000
BLOCKS = 100
#: Bodies of a pool by the number of blocks in a batch. Large bodies are few, because they take seconds to compress.
_BODIES = {1: BLOCKS, 100: 6}
#: A number that has no factor in common with BLOCKS, so that each body has another order of blocks.
_STEP = 17


@dataclass(frozen=True)
class Pool:
    """Bodies of one size.

    Attributes
    ----------
    folder : Path
        Holds the bodies, each in a file, in the order of their numbers.
    blocks : tuple of tuple of int
        The blocks of each body, in order.
    """

    folder: Path
    blocks: tuple[tuple[int, ...], ...]

    @property
    def records(self) -> int:
        """Return the number of records of a batch."""
        return BLOCK_RECORDS * len(self.blocks[0])

    def delivered(self, acknowledged: Iterable[int]) -> Counter[int]:
        """Return how often each block must be in the output, from how often each body was acknowledged."""
        wanted: Counter[int] = Counter()
        for blocks, times in zip(self.blocks, acknowledged, strict=True):
            for block in blocks:
                wanted[block] += times
        return wanted


def plain_blocks() -> list[bytes]:
    """Return the blocks of the corpus."""
    lines = corpus.make("typical", BLOCKS * BLOCK_RECORDS).splitlines(keepends=True)
    return [b"".join(lines[start : start + BLOCK_RECORDS]) for start in range(0, len(lines), BLOCK_RECORDS)]


def converted(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the events of each block. Raises AssertionError if a record is not an event."""
    from cfdns_fast import Normalizer

    normalizer = Normalizer()
    for block in blocks:
        result = normalizer.to_ndjson(block)
        assert result.events == BLOCK_RECORDS
        yield bytes(result.output)


def make(blocks: list[bytes], blocks_per_batch: int, folder: Path) -> Pool:
    """Write the bodies of a pool below a folder."""
    folder.mkdir(parents=True)
    numbers = []
    for body in range(_BODIES.get(blocks_per_batch, 6)):
        chosen = tuple((body + _STEP * position) % len(blocks) for position in range(blocks_per_batch))
        plain = b"".join(blocks[block] for block in chosen)
        (folder / f"{body:03d}.gz").write_bytes(gzip.compress(plain, compresslevel=6, mtime=0))
        numbers.append(chosen)
    return Pool(folder, tuple(numbers))
