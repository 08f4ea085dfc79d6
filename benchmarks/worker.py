"""A process on CPUs of its own that does one job whenever it is told to: for what one CPU, or one process, cannot show.

    python -m benchmarks.worker CPU[,CPU] JOB CORPUS.ndjson

For every line on standard input it does the job and answers with a line: ``check`` with a digest of what came out,
``run`` with "done" after `CORPORA_A_TURN` corpora: a collector has a next batch, and a CPU that sleeps takes long to
wake.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from cfdns_fast import Normalizer
from cfdns_fast.io.inputs import blocks_ahead, blocks_of, read_plain

from .parallel import CORPORA_A_TURN, GZIP_MEMBERS

Job = Callable[[], Iterable[bytes]]


def _converted(normalizer: Normalizer, blocks: Iterable[bytes]) -> Iterator[bytes]:
    stream = normalizer.stream()
    for block in blocks:
        yield stream.feed(block).output
    yield stream.finish().output


def one_batch(path: Path, threads: int) -> Job:
    """Convert a batch that is in memory."""
    data = path.read_bytes()
    normalizer = Normalizer()
    return lambda: [normalizer.to_ndjson(data, threads=threads).output]


def plain_blocks(path: Path) -> Job:
    """Convert block by block what the compressed file holds, from memory."""
    data = GZIP_MEMBERS * path.read_bytes()
    normalizer = Normalizer()
    return lambda: _converted(normalizer, blocks_of(data))


def gzip_blocks(path: Path) -> Job:
    """Decompress a file and convert nothing."""
    return lambda: read_plain(f"{path}.gz")


def gzip_to_ndjson(path: Path) -> Job:
    """Convert a compressed file as the command does, with decompression on a thread of its own."""

    normalizer = Normalizer()

    def job() -> Iterator[bytes]:
        with blocks_ahead(f"{path}.gz") as blocks:
            yield from _converted(normalizer, blocks)

    return job


#: Job: who does it, and how many corpora it takes.
JOBS: dict[str, tuple[Callable[[Path], Job], int]] = {
    "one_thread": (lambda path: one_batch(path, 1), 1),
    "two_threads": (lambda path: one_batch(path, 2), 1),
    "plain_blocks": (plain_blocks, GZIP_MEMBERS),
    "gzip_blocks": (gzip_blocks, GZIP_MEMBERS),
    "gzip_to_ndjson": (gzip_to_ndjson, GZIP_MEMBERS),
}


def main(cpus: str, name: str, corpus: str) -> None:
    """Serve until standard input ends."""
    os.sched_setaffinity(0, set(map(int, cpus.split(","))))
    make, corpora = JOBS[name]
    job = make(Path(corpus))
    for line in sys.stdin:
        if line.strip() == "check":
            digest = hashlib.sha256()
            for piece in job():
                digest.update(piece)
            print(digest.hexdigest(), flush=True)
        else:
            for _ in range(CORPORA_A_TURN // corpora):
                deque(job(), maxlen=0)  # what has come out is dropped before the next comes
            print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
