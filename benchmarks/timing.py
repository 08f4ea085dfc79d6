"""Interleaved timing: all contenders in turn, many rounds, in one process, so that they share the machine's moods."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Short jobs are repeated within a sample until it takes about this long.
SAMPLE_SECONDS = 0.1
_MOST_CALLS = 200
#: Calls before each sample that do not count. Memory that whoever was before gave back to the system is made anew in
#: the first one, which then took three times as long (a tenth of a sample of 20 calls, in every other round).
FIRST_CALLS = 1
#: The same of who works in processes of its own. Where those were idle, on a virtual machine, which takes unused memory
#: away, the first call takes up to eight times as long, and with two threads the next ones still 1.4 times.
FIRST_CALLS_ELSEWHERE = 4
#: Above this interquartile range, as a share of the median, a contender's figures are called noisy.
NOISY_SHARE = 0.10


@dataclass
class Contender:
    """One library at one task.

    Attributes
    ----------
    key : str
        Unique within a run.
    name, library, version : str
        As shown, the distribution, and its version.
    task, variant : str
        What is done, and on which corpus.
    records, input_bytes : int
        Of one call.
    run : callable
        The job; what it returns is thrown away.
    check : callable
        Returns the number of wrong rows.
    tolerated : int
        How many may be wrong (engines; 0 for everybody else).
    before : callable or None
        Called before every run, not timed: leaves the state that the run would find in a stream of batches.
    elsewhere : bool
        The work is done by other processes: there is no CPU time to compare.
    skipped : str
        Why it was not timed; "" if it was.
    """

    key: str
    name: str
    library: str
    version: str
    task: str
    variant: str
    records: int
    input_bytes: int
    run: Callable[[], object]
    check: Callable[[], int]
    tolerated: int = 0
    before: Callable[[], None] | None = None
    elsewhere: bool = False
    differing_rows: int = -1
    skipped: str = ""
    calls: int = 1
    wall_seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    def ns_per_record(self) -> float:
        """Return the median."""
        return statistics.median(self.wall_seconds) / self.records * 1e9

    def as_json(self) -> dict[str, Any]:
        """Return the raw data: seconds are of one call, one number a round."""
        facts: dict[str, Any] = {
            "key": self.key,
            "name": self.name,
            "library": self.library,
            "version": self.version,
            "task": self.task,
            "variant": self.variant,
            "records": self.records,
            "input_bytes": self.input_bytes,
            "correct": self.differing_rows == 0,
            "differing_rows": self.differing_rows,
            "calls_per_sample": self.calls,
            "wall_seconds": self.wall_seconds,
            "cpu_seconds": self.cpu_seconds,
        }
        if self.skipped:
            facts["skipped"] = self.skipped
        return facts


def spread(seconds: Sequence[float]) -> float:
    """Return the interquartile range as a share of the median."""
    if len(seconds) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return (high - low) / middle


@dataclass(frozen=True)
class Ratio:
    """How many times longer one contender took than another; per record."""

    value: float
    low: float
    high: float
    medians: float
    minima: float
    cpu: float | None


def ratio(over: Contender, under: Contender) -> Ratio:
    """Return the median of the ratios of single rounds, their range, the ratios of medians and minima, and CPU time's.

    Those of a round share the machine's mood. In a run in which a neighbour took a CPU away for seconds, in a third of
    the rounds, two threads' ratio of medians was 0.86, and the median of the rounds 0.96.
    """
    scale = under.records / over.records
    rounds = [a / b * scale for a, b in zip(over.wall_seconds, under.wall_seconds, strict=True)]
    medians = statistics.median(over.wall_seconds) / statistics.median(under.wall_seconds)
    minima = min(over.wall_seconds) / min(under.wall_seconds)
    cpu = None
    if not (over.elsewhere or under.elsewhere):
        cpu = statistics.median(over.cpu_seconds) / statistics.median(under.cpu_seconds) * scale
    return Ratio(statistics.median(rounds), min(rounds), max(rounds), medians * scale, minima * scale, cpu)


def check(contenders: Iterable[Contender], log: Callable[[str], None]) -> None:
    """Check every answer; whoever gives wrong ones is marked as skipped."""
    for contender in contenders:
        contender.differing_rows = contender.check()
        verdict = "right"
        if contender.differing_rows:
            verdict = f"{contender.differing_rows} of {contender.records} rows differ"
        if contender.differing_rows > contender.tolerated:
            contender.skipped = f"wrong answers: {verdict}"
            verdict += ", not timed"
        log(f"  {contender.key}: {verdict}")


def measure(contenders: Sequence[Contender], rounds: int, log: Callable[[str], None]) -> None:
    """Time all contenders that are not skipped, in turn, `rounds` times; every other round in reverse order.

    The garbage collector runs before each sample and not within it: it would charge dicts for whatever else lives here.
    """
    runners = [contender for contender in contenders if not contender.skipped]
    for contender in runners:
        contender.run()
        contender.run()
        took, _ = _timed(contender)
        contender.calls = max(1, min(_MOST_CALLS, round(SAMPLE_SECONDS / max(took, 1e-9))))
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for number in range(rounds):
            for contender in runners if number % 2 == 0 else reversed(runners):
                gc.collect()
                _sample(contender)
            log(f"  round {number + 1} of {rounds}")
    finally:
        if was_enabled:
            gc.enable()


def _timed(contender: Contender) -> tuple[float, float]:
    """Call once; return seconds and CPU seconds."""
    if contender.before:
        contender.before()
    cpu, wall = time.process_time(), time.perf_counter()
    contender.run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall, cpu


def _sample(contender: Contender) -> None:
    for _ in range(FIRST_CALLS_ELSEWHERE if contender.elsewhere else FIRST_CALLS):
        _timed(contender)
    wall, cpu = map(sum, zip(*(_timed(contender) for _ in range(contender.calls)), strict=True))
    contender.wall_seconds.append(wall / contender.calls)
    contender.cpu_seconds.append(cpu / contender.calls)
