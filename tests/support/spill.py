"""Streams whose rejects keep all of their bytes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from support.feeding import cut

from cfdns_fast import Normalizer, Reject, Rejects, Result
from cfdns_fast.results import joined


class MemorySpill:
    """Keeps the bytes of the current long reject; a `RejectSpill`."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, data: bytes) -> None:
        self.content += data

    def clear(self) -> None:
        self.content = b""


def streamed(
    data: bytes,
    sizes: Sequence[int],
    *,
    with_spill: bool = False,
    output: str = "ndjson",
    threads: int = 1,
    **options: Any,
) -> Result[Any]:
    """Convert data in blocks whose sizes repeat; rejects hold all of their bytes if there is a spill."""
    spill = MemorySpill() if with_spill else None
    whole_rejects = False if spill is None else spill
    stream: Any = Normalizer(**options).stream(output=output, whole_rejects=whole_rejects, threads=threads)
    blocks = list(cut(data, sizes))
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
    return joined(results, concatenated)


def concatenated(outputs: list[Any]) -> Any:
    """Return NDJSON or Arrow batches as one; there is at least one."""
    if isinstance(outputs[0], bytes):
        return b"".join(outputs)
    import pyarrow as pa

    filled = pa.Table.from_batches(outputs).combine_chunks().to_batches()
    return filled[0] if filled else outputs[0]


def is_long(reject: Reject) -> bool:
    return reject.byte_length > len(reject.raw)


def whole(reject: Reject, spill: MemorySpill | None) -> Reject:
    """Return a reject with all of its bytes, and empty the spill that held them."""
    if spill is None or not is_long(reject):
        return reject
    assert len(spill.content) == reject.byte_length and spill.content.startswith(reject.raw)
    content, spill.content = spill.content, b""
    return reject._replace(raw=content)
