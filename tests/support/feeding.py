"""Data cut into blocks, and streams fed with the blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

from cfdns_fast import Result


def cut(data: bytes, sizes: int | Sequence[int]) -> Iterator[bytes]:
    """Yield the blocks of data. The sizes repeat, and a size of 0 counts as 1."""
    repeated = cycle([sizes] if isinstance(sizes, int) else sizes)
    at = 0
    while at < len(data):
        size = next(repeated) or 1
        yield data[at : at + size]
        at += size


def feed(stream: Any, data: bytes, sizes: int | Sequence[int]) -> list[Result[bytes]]:
    """Feed data to a stream in blocks of these sizes, finish the stream, and return every result."""
    return [*(stream.feed(block) for block in cut(data, sizes)), stream.finish()]
