"""Helpers for tests of the spool: batches, a writer that waits for its answers, and a writer in another process."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cfdns_fast
from cfdns_fast.spool import Arrival, Batch, Outcome, SpoolReader, SpoolWriter, StateFolder, hash_of
from cfdns_fast.spool.numbers import Reservation
from cfdns_fast.spool.rows import row_of
from cfdns_fast.spool.segment import ActiveSegment, empty_segment
from cfdns_fast.spool.segment_file import SegmentFile, list_segments

__all__ = [
    "Writer",
    "WriterProcess",
    "arrival",
    "arrivals",
    "gzip_arrival",
    "new_state",
    "read_all",
    "store_segments",
    "wait_until",
    "writer",
]

ROOT = Path(cfdns_fast.__file__).parents[1]
TIMEOUT_S = 30


def arrival(number: int, *, size: int = 300, decoded_bytes: int = 5000, path: str = "/plain/batch") -> Arrival:
    """Return a batch whose body has `size` bytes and is determined by `number`."""
    body = b"%d:" % number + random.Random(number).randbytes(size)
    return Arrival("key", path, "dns_logs", 10, decoded_bytes, hash_of(body), body[:size])


def arrivals(count: int, first: int = 1, **options: Any) -> list[Arrival]:
    return [arrival(number, **options) for number in range(first, first + count)]


def gzip_arrival(plain: bytes) -> Arrival:
    """Return a batch whose body decodes to `plain`."""
    body = gzip.compress(plain, mtime=0)
    return Arrival("key", "/plain/batch", "dns_logs", plain.count(b"\n"), len(plain), hash_of(body), body)


def new_state(folder: Path) -> StateFolder:
    state = StateFolder(folder / "state")
    state.prepare()
    return state


def read_all(state: StateFolder, after: int = 0) -> list[Batch]:
    """Return all stored batches after a number."""
    with SpoolReader(state, after) as reader:
        return list(iter(lambda: reader.next(0), None))


def store_segments(state: StateFolder, count: int, batches: int, size: int = 3000) -> list[SegmentFile]:
    """Store `count` closed segments of `batches` each; the arrivals have the numbers of the batches."""
    Reservation(state).cover(1)
    empty = empty_segment(state.path)
    for first in range(1, 1 + count * batches, batches):
        segment = ActiveSegment(state.spool, first, empty)
        now_ns = time.time_ns()
        segment.store([row_of(seq, now_ns, arrival(seq, size=size)) for seq in range(first, first + batches)])
        segment.close_compact()
    return list_segments(state)


class Writer:
    """A `SpoolWriter` that returns outcomes instead of calling back."""

    def __init__(self, state: StateFolder, **options: Any) -> None:
        self._outcomes: dict[int, Outcome] = {}
        self._answered = threading.Condition()
        self._next = 0
        self.groups: list[int] = []
        self.spool = SpoolWriter(state, on_group=self._on_group, **{"min_free_bytes": 0, **options})
        self.recovery = self.spool.open()

    def store(self, wanted: Sequence[Arrival]) -> list[Outcome]:
        """Submit arrivals at once, and return their outcomes."""
        tokens = range(self._next, self._next + len(wanted))
        self._next += len(wanted)
        for token, each in zip(tokens, wanted, strict=True):
            self.spool.submit(each, token)
        with self._answered:
            done = self._answered.wait_for(lambda: all(token in self._outcomes for token in tokens), TIMEOUT_S)
            assert done, "the writer gave no answer"
            return [self._outcomes.pop(token) for token in tokens]

    def codes(self, wanted: Sequence[Arrival]) -> list[str]:
        return [outcome.code for outcome in self.store(wanted)]

    def _on_group(self, outcomes: list[tuple[int, Outcome]]) -> None:
        with self._answered:
            self.groups.append(len(outcomes))
            self._outcomes.update(outcomes)
            self._answered.notify_all()


@contextmanager
def writer(state: StateFolder, **options: Any) -> Iterator[Writer]:
    opened = Writer(state, **options)
    try:
        yield opened
    finally:
        opened.spool.close()


def wait_until(condition: Any) -> None:
    """Wait for a condition, which is called again and again; fails after `TIMEOUT_S`."""
    pause = threading.Event()
    for _ in range(TIMEOUT_S * 100):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("the condition did not become true")


#: Stores batches until it is killed, and prints the numbers that were acknowledged: "token seq" a line.
_PROGRAM = """
import os, sys, threading
from support.spool import arrival
from cfdns_fast.spool import SpoolWriter, StateFolder

folder, first, count, segment_bytes = sys.argv[1], *map(int, sys.argv[2:5])
state = StateFolder(folder)
state.prepare()
room = threading.Semaphore(16)
left = threading.Semaphore(0)

def on_group(outcomes):
    lines = "".join(f"{token} {outcome.seq}\\n" for token, outcome in outcomes if outcome.code == "stored")
    os.write(1, lines.encode())
    for _ in outcomes:
        room.release()
        left.release()

writer = SpoolWriter(state, on_group=on_group, min_free_bytes=0, segment_bytes=segment_bytes, sink_names=["one"])
print("open", writer.open().last_seq, flush=True)
for token in range(first, first + count):
    room.acquire()
    writer.submit(arrival(token, size=2000), token)
for _ in range(count):
    left.acquire()
print("done", flush=True)
sys.stdin.read()
writer.close()
"""


class WriterProcess:
    """A process that stores batches with the numbers `first` to ``first + count - 1``; see `_PROGRAM`.

    Attributes
    ----------
    acknowledged : dict
        The number of the stored batch by the number of its arrival, from the complete lines that were read.
    """

    def __init__(
        self,
        state: StateFolder,
        first: int,
        count: int,
        *,
        segment_bytes: int = 1 << 20,
        program: str = _PROGRAM,
        **environment: str,
    ) -> None:
        self.acknowledged: dict[int, int] = {}
        paths = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parents[1]), *filter(None, sys.path)]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", program, str(state.path), str(first), str(count), str(segment_bytes)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def read_until(self, acknowledged: int) -> bool:
        """Read until this number of batches is acknowledged; return False if the process is done before."""
        assert self.process.stdout is not None
        while len(self.acknowledged) < acknowledged:
            line = self.process.stdout.readline()
            if not line or line == b"done\n":
                return False
            self._take(line)
        return True

    def kill(self) -> None:
        """Kill the process, and read the rest of what it acknowledged."""
        self.process.kill()
        rest, _ = self.process.communicate()
        for line in rest.splitlines(keepends=True):
            if line.endswith(b"\n") and line != b"done\n":
                self._take(line)

    def finish(self) -> None:
        """Let the process close its writer."""
        self.process.communicate(timeout=TIMEOUT_S)
        assert self.process.returncode == 0

    def _take(self, line: bytes) -> None:
        if not line.startswith(b"open"):
            token, seq = map(int, line.split())
            self.acknowledged[token] = seq
