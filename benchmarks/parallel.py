"""Contenders that use two CPUs: threads beside processes, and compressed input beside its two halves.

Everybody else of a run stays on one CPU. These work in processes of their own (`worker`), which take their turn like
the others and wait in between.
"""

from __future__ import annotations

import atexit
import gzip
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

GZIP_TO_NDJSON = "compressed NDJSON to NDJSON, two CPUs"
TWO_CPUS = "NDJSON to NDJSON, two CPUs"

#: How often a process converts the corpus whenever it is its turn.
CORPORA_A_TURN = 8
#: So many corpora are a compressed file, a member each: Logpush closes one after 100,000 records unless told otherwise.
GZIP_MEMBERS = 4
#: Contender: its task, and the worker's job, as often as it is done at once.
JOBS = {
    "two_processes": (TWO_CPUS, ["one_thread", "one_thread"]),
    "two_threads": (TWO_CPUS, ["two_threads"]),
    "gzip_to_ndjson": (GZIP_TO_NDJSON, ["gzip_to_ndjson"]),
    "gzip_blocks": (GZIP_TO_NDJSON, ["gzip_blocks"]),
    "plain_blocks": (GZIP_TO_NDJSON, ["plain_blocks"]),
}
#: As shown.
NAMES = {
    "two_processes": "two processes",
    "two_threads": "two threads",
    "gzip_to_ndjson": "decompressed and converted",
    "gzip_blocks": "decompressed only",
    "plain_blocks": "converted only",
}


class Unavailable(Exception):
    """Why these cannot take part here."""


class Workers:
    """So many processes that do a job at once, each on a CPU of its own; a single one may use both."""

    def __init__(self, jobs: Sequence[str], corpus: Path, cpus: Sequence[int]) -> None:
        places = [",".join(map(str, cpus))] if len(jobs) == 1 else [str(cpu) for cpu in cpus]
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", place, job, str(corpus)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[1],
            )
            for place, job in zip(places, jobs, strict=True)
        ]
        atexit.register(self.close)

    def ask(self, what: str) -> list[str]:
        """Let all of them do it, and return their answers."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(what + "\n")
            process.stdin.flush()
        answers = []
        for process in self._processes:
            assert process.stdout is not None
            answers.append(process.stdout.readline().strip())
        if "" in answers:
            raise RuntimeError("a worker ended")
        return answers

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.kill()
            process.wait()


class Parallel:
    """The workers over one corpus, and the right answers.

    Raises
    ------
    Unavailable
        There are no two CPUs, or a process cannot be kept on one.
    """

    def __init__(self, data: bytes, output: bytes, cpus: set[int]) -> None:
        if not hasattr(os, "sched_setaffinity"):
            raise Unavailable("a process cannot be kept on a CPU here")
        if len(cpus) < 2:
            raise Unavailable("needs two CPUs")
        self._cpus = sorted(cpus)[-2:]
        self._folder = tempfile.TemporaryDirectory(prefix="cfdns-bench-")
        self._corpus = Path(self._folder.name, "corpus.ndjson")
        self._corpus.write_bytes(data)
        Path(f"{self._corpus}.gz").write_bytes(GZIP_MEMBERS * gzip.compress(data, 6))
        converted = hashlib.sha256(output).hexdigest()
        all_converted = hashlib.sha256(GZIP_MEMBERS * output).hexdigest()
        self._digests = {
            "two_processes": converted,
            "two_threads": converted,
            "gzip_to_ndjson": all_converted,
            "gzip_blocks": hashlib.sha256(GZIP_MEMBERS * data).hexdigest(),
            "plain_blocks": all_converted,
        }

    def workers(self, name: str) -> Workers:
        """Start the processes of a contender."""
        return Workers(JOBS[name][1], self._corpus, self._cpus)

    def is_right(self, name: str, workers: Workers) -> bool:
        """Return whether all of them give what is right."""
        return set(workers.ask("check")) == {self._digests[name]}
