"""A process with CPUs of its own that does one job on request, for measurements that need several CPUs or processes.

    python -m benchmarks.worker CPU[,CPU] JOB CORPUS.ndjson

It answers every line of standard input with a line. For ``check`` it does the job and answers with a digest of the
output. For ``run`` it converts `CORPORA_A_TURN` corpora and answers "done"; one corpus would measure how long a
sleeping CPU takes to wake up.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from cfdns_fast import Normalizer
from cfdns_fast.cli.memory import keep_freed_memory
from cfdns_fast.io.inputs import blocks_ahead, blocks_of, read_plain

from .parallel import CORPORA_A_TURN, GZIP_MEMBERS

Job = Callable[[], Iterable[bytes]]


def _converted(normalizer: Normalizer, blocks: Iterable[bytes]) -> Iterator[bytes]:
    with normalizer.stream() as stream:
        for block in blocks:
            yield stream.feed(block).output
        yield stream.finish().output


def one_batch(path: Path, threads: int) -> Job:
    """Convert a batch that is in memory."""
    data = path.read_bytes()
    normalizer = Normalizer()
    return lambda: [normalizer.to_ndjson(data, threads=threads).output]


def plain_blocks(path: Path) -> Job:
    """Convert the content of the compressed file block by block, from memory."""
    data = GZIP_MEMBERS * path.read_bytes()
    normalizer = Normalizer()
    return lambda: _converted(normalizer, blocks_of(data))


def gzip_blocks(path: Path) -> Job:
    """Decompress a file and convert nothing."""
    keep_freed_memory()
    return lambda: read_plain(f"{path}.gz")


def gzip_to_ndjson(path: Path) -> Job:
    """Convert a compressed file as the command does, with decompression on another thread."""
    keep_freed_memory()
    normalizer = Normalizer()

    def job() -> Iterator[bytes]:
        with blocks_ahead(f"{path}.gz") as blocks:
            yield from _converted(normalizer, blocks)

    return job


#: By job: the function that makes it, and the number of corpora that it converts.
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
                deque(job(), maxlen=0)  # each output is dropped before the next one is made
            print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
