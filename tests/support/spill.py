"""A stream fed block by block, with all bytes of its rejects."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from cfdns_fast import Normalizer, Reject, Rejects, Result
from cfdns_fast.formats.auto import open_stream
from cfdns_fast.results import joined


class MemorySpill:
    """Keeps the bytes of the long reject at hand."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, data: bytes) -> None:
        self.content += data

    def clear(self) -> None:
        self.content = b""


def streamed(
    data: bytes, sizes: Iterable[int], *, with_spill: bool = False, threads: int = 1, **options: Any
) -> Result[bytes]:
    """Convert data in blocks whose sizes repeat; rejects hold all of their bytes if there is a spill."""
    spill = MemorySpill() if with_spill else None
    stream = open_stream(Normalizer(**options), spill=spill, threads=threads)
    blocks = list(cut(data, list(sizes)))
    results = []
    turns = [(block, {"final": number == len(blocks)}) for number, block in enumerate([*blocks, b""])]
    # A flush may come at any time.
    at_once = [[turn, (b"", {"at_once": True})] if len(turn[0]) % 2 else [turn] for turn in turns]
    for block, how in itertools.chain.from_iterable(at_once):
        for part in stream.parts(block, **how):
            assert len(part.rejects) == 1 or spill is None or not any(map(is_long, part.rejects))
            results.append(replace(part, rejects=Rejects(whole(reject, spill) for reject in part.rejects)))
    assert spill is None or spill.content == b""
    assert stream.lines == data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    return joined(results)


def is_long(reject: Reject) -> bool:
    return reject.byte_length > len(reject.raw)


def whole(reject: Reject, spill: MemorySpill | None) -> Reject:
    """Return a reject with all of its bytes, and empty the spill that held them."""
    if spill is None or not is_long(reject):
        return reject
    assert len(spill.content) == reject.byte_length and spill.content.startswith(reject.raw)
    content, spill.content = spill.content, b""
    return reject._replace(raw=content)


def cut(data: bytes, sizes: list[int]) -> Iterable[bytes]:
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)] or 1
        yield data[at : at + size]
        at, turn = at + size, turn + 1
