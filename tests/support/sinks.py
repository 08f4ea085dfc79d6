"""A context for sinks that records what they report, and pieces for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from cfdns_fast.sinks import Counters, Piece, SinkContext, SinkFault

__all__ = ["Record", "batch_id", "lines_of", "ndjson_batch", "wait_until"]


class Record:
    """A `SinkContext` with all dead letters (``seq, index, event, code``) and messages of its sink."""

    def __init__(self, folder: Path, name: str = "sink") -> None:
        self.letters: list[tuple[int, int, bytes, str]] = []
        self.messages: list[str] = []
        self.letter_faults: list[SinkFault] = []
        self.context = SinkContext(
            name=name,
            stop=threading.Event(),
            counters=Counters(),
            dead_letter=self._letter,
            warn=self.messages.append,
            folder=folder,
        )

    def _letter(self, piece: Piece, index: int, event: bytes, code: str) -> None:
        if self.letter_faults:
            raise self.letter_faults.pop()
        self.letters.append((piece.seq, index, event, code))

    def counts(self) -> dict[str, Any]:
        return self.context.counters.as_dict()


def batch_id(seq: int) -> bytes:
    return seq.to_bytes(16, "big")


def lines_of(seq: int, events: Iterable[int]) -> bytes:
    return b"".join(b'{"batch":%d,"event":%d}\n' % (seq, event) for event in events)


def ndjson_batch(seq: int, events: int, per_piece: int = 1000) -> Iterator[Piece]:
    """Yield the pieces of a batch."""
    starts = list(range(0, events, per_piece)) or [0]
    for part, start in enumerate(starts):
        stop = min(start + per_piece, events)
        data = lines_of(seq, range(start, stop))
        yield Piece(seq, batch_id(seq), part, start, stop - start, data, start == starts[-1])


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until a condition is true; fails after some seconds."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("the condition did not become true")
