"""Contenders that use two CPUs: threads against processes, and compressed input against its two halves.

All other contenders stay on one CPU. These run in separate processes (`worker`), which take turns with the others and
are idle between their turns.
"""

from __future__ import annotations

import atexit
import gzip
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

GZIP_TO_NDJSON = "compressed NDJSON to NDJSON, two CPUs"
TWO_CPUS = "NDJSON to NDJSON, two CPUs"

#: How often a process converts the corpus in one turn.
CORPORA_A_TURN = 8
#: Number of corpora in a compressed file, one gzip member each. By default, a file of Logpush has at most 100,000
#: records.
GZIP_MEMBERS = 4
#: Contender -> its task, and the jobs of the workers that run at the same time.
JOBS = {
    "two_processes": (TWO_CPUS, ["one_thread", "one_thread"]),
    "two_threads": (TWO_CPUS, ["two_threads"]),
    "gzip_to_ndjson": (GZIP_TO_NDJSON, ["gzip_to_ndjson"]),
    "gzip_blocks": (GZIP_TO_NDJSON, ["gzip_blocks"]),
    "plain_blocks": (GZIP_TO_NDJSON, ["plain_blocks"]),
}
#: Contender -> its name in tables.
NAMES = {
    "two_processes": "two processes",
    "two_threads": "two threads",
    "gzip_to_ndjson": "decompressed and converted",
    "gzip_blocks": "decompressed only",
    "plain_blocks": "converted only",
}


class Unavailable(Exception):
    """The contenders cannot run on this system."""


class Workers:
    """Processes that run one job each at the same time, each on its own CPU. A single process may use all CPUs."""

    def __init__(self, jobs: Sequence[str], corpus: Path, cpus: Sequence[int]) -> None:
        cpus_by_job = [",".join(map(str, cpus))] if len(jobs) == 1 else [str(cpu) for cpu in cpus]
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", cpu, job, str(corpus)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[1],
            )
            for cpu, job in zip(cpus_by_job, jobs, strict=True)
        ]
        atexit.register(self.close)

    def ask(self, what: str) -> list[str]:
        """Send a request to all processes at once, and return their answers."""
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
    """The workers over one corpus, and the digests of the correct output.

    Raises
    ------
    Unavailable
        There are fewer than two CPUs, or processes cannot be pinned.
    """

    def __init__(self, data: bytes, output: bytes, cpus: Collection[int]) -> None:
        if not hasattr(os, "sched_setaffinity"):
            raise Unavailable("processes cannot be pinned to a CPU on this system")
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
        """Return whether the output of all processes is correct."""
        return set(workers.ask("check")) == {self._digests[name]}
