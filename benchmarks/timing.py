"""Interleaved timing: all contenders take turns in one process, so that a change of the machine affects all alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Duration of a sample, for which short jobs are repeated.
SAMPLE_SECONDS = 0.1
_MAX_CALLS = 200
#: Number of calls before each sample that are not timed. The first call after another contender gets new memory from
#: the system and takes up to three times as long.
FIRST_CALLS = 1
#: The same for a contender in other processes. A virtual machine takes memory from an idle process, and several calls
#: are slow until the memory is back.
FIRST_CALLS_ELSEWHERE = 4
#: Interquartile range, as a share of the median, above which the figures of a contender are marked as noisy.
NOISY_SHARE = 0.10


@dataclass
class Contender:
    """One library at one task.

    Attributes
    ----------
    key : str
        The key, unique in a run.
    name, library, version : str
        The name in tables, the distribution, and its version.
    task, variant : str
        The task and the corpus.
    records, input_bytes : int
        Number of records and bytes of one call.
    run : callable
        Does the task once. Its result is ignored.
    check : callable
        Returns the number of wrong rows.
    tolerated : int
        Maximum number of wrong rows (above 0 for engines only).
    before : callable or None
        Called before every run and not timed. It restores the state that a run finds in a stream of batches.
    elsewhere : bool
        Other processes do the work, so its CPU time is unknown.
    differing_rows : int
        Number of wrong rows; -1 before the check.
    skipped : str
        Why it is not timed; "" if it is timed.
    calls : int
        Number of calls in a sample.
    wall_seconds, cpu_seconds : list of float
        Seconds of one call, one number for each round.
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
        """Return the median time of a record in nanoseconds."""
        return statistics.median(self.wall_seconds) / self.records * 1e9

    def as_json(self) -> dict[str, Any]:
        """Return the raw data for a result file."""
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
    """The time of one contender per record as a multiple of the time of another; or their difference in ns.

    Attributes
    ----------
    value, low, high : float
        Median, least and greatest ratio of single rounds.
    medians, minima : float
        The ratio of the median times, and of the least times.
    cpu : float or None
        The ratio of the median CPU times; None if a contender runs elsewhere.
    """

    value: float
    low: float
    high: float
    medians: float
    minima: float
    cpu: float | None


def ratio(over: Contender, under: Contender) -> Ratio:
    """Return the ratio of the times of two contenders that were measured in the same rounds.

    `value` is the median of the ratios of single rounds, because a disturbance of the machine affects a whole round.
    """
    scale = under.records / over.records
    rounds = [a / b * scale for a, b in zip(over.wall_seconds, under.wall_seconds, strict=True)]
    medians = statistics.median(over.wall_seconds) / statistics.median(under.wall_seconds)
    minima = min(over.wall_seconds) / min(under.wall_seconds)
    cpu = None
    if not (over.elsewhere or under.elsewhere):
        cpu = statistics.median(over.cpu_seconds) / statistics.median(under.cpu_seconds) * scale
    return Ratio(statistics.median(rounds), min(rounds), max(rounds), medians * scale, minima * scale, cpu)


def difference_ns(over: Contender, under: Contender) -> Ratio:
    """Return how much longer a contender takes for a record than another, in ns, with the fields of a ratio."""
    rounds = [
        1e9 * (a / over.records - b / under.records) for a, b in zip(over.wall_seconds, under.wall_seconds, strict=True)
    ]
    minima = 1e9 * (min(over.wall_seconds) / over.records - min(under.wall_seconds) / under.records)
    cpu = 1e9 * (
        statistics.median(over.cpu_seconds) / over.records - statistics.median(under.cpu_seconds) / under.records
    )
    medians = over.ns_per_record() - under.ns_per_record()
    return Ratio(statistics.median(rounds), min(rounds), max(rounds), medians, minima, cpu)


def check(contenders: Iterable[Contender], log: Callable[[str], None]) -> None:
    """Check the answers of all contenders. A contender with too many wrong rows is skipped."""
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
    """Time all contenders that are not skipped, in turn, `rounds` times. Every second round is in reverse order.

    The garbage collector runs before each sample and is off within it, because its cost depends on other objects.
    """
    runners = [contender for contender in contenders if not contender.skipped]
    for contender in runners:
        contender.run()
        contender.run()
        took, _ = _timed(contender)
        contender.calls = max(1, min(_MAX_CALLS, round(SAMPLE_SECONDS / max(took, 1e-9))))
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
    """Call once, and return seconds and CPU seconds."""
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
