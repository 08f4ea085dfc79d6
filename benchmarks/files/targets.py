"""The targets of the files, and how a run is judged."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Round = Mapping[str, Any]
Rounds = Mapping[str, Sequence[Round]]

#: Peak of resident memory: this much, and this much more for a job (MB).
_BASE_MB, _JOB_MB = 220, 100


@dataclass(frozen=True)
class Target:
    """A limit of a figure that each round gives.

    Attributes
    ----------
    name, text : str
        The name, and what is limited.
    contenders : tuple of str
        What must have been run.
    figure : callable
        From one round of each of them to the figure.
    required : float
        The limit.
    at_most : bool
        The figure must be at most `required`; otherwise at least.
    """

    name: str
    text: str
    contenders: tuple[str, ...]
    figure: Callable[..., float]
    required: float
    at_most: bool = False


def _rate_of(one: Round, other: Round) -> float:
    """Return the rate of `one` as a multiple of that of `other`, which has the same records."""
    return float(other["wall_s"] / one["wall_s"])


def _over_parts(ours: Round, parts: Round) -> float:
    return float(ours["cpu_s"] / sum(parts["parts_s"].values()))


def _memory(jobs: int) -> Callable[[Round], float]:
    return lambda result: result["peak_mb"] / (_BASE_MB + _JOB_MB * jobs)


def targets() -> tuple[Target, ...]:
    """Return all targets."""
    return (
        Target(
            "cpu_over_parts",
            "CPU time of one job, of decompression, to_arrow and writing alone",
            ("one_job", "parts"),
            _over_parts,
            1.15,
            at_most=True,
        ),
        Target("two_jobs", "rate of two jobs, of one", ("large", "one_job"), _rate_of, 1.85),
        Target("small_objects", "rate with objects of 1,000 records, of large ones", ("small", "large"), _rate_of, 0.8),
        Target("s3_large", "rate from S3, of a folder, large objects", ("s3_large", "large"), _rate_of, 0.85),
        Target("s3_small", "rate from S3, of a folder, 1,000-record objects", ("s3_small", "small"), _rate_of, 0.75),
        Target("memory_1", "peak of one job, of 220 + 100 MB", ("one_job",), _memory(1), 1, at_most=True),
        Target("memory_2", "peak of two jobs, of 220 + 200 MB", ("large",), _memory(2), 1, at_most=True),
        Target("memory_4", "peak of four jobs, of 220 + 400 MB", ("four_jobs",), _memory(4), 1, at_most=True),
        Target("spark", "rate of the tasks on Spark, local[2], of two jobs", ("spark", "large"), _rate_of, 0.65),
        Target("over_duckdb", "rate of two jobs, of DuckDB with two threads", ("large", "duckdb"), _rate_of, 3),
        Target("over_polars", "rate of two jobs, of Polars with two threads", ("large", "polars"), _rate_of, 3),
    )


def judge(rounds: Rounds, differing: Mapping[str, int], absent: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the outcome of every target, by the median of the figures of single rounds.

    Parameters
    ----------
    rounds : mapping of str to sequence
        The rounds of each contender that was run.
    differing : mapping of str to int
        Number of wrong rows of each contender whose output was checked.
    absent : mapping of str to str
        Why a contender was not run.
    """
    outcomes: list[dict[str, Any]] = [
        outcome(f"exact_{name}", "rows that differ from the correct events", 0, [count], at_most=True)
        for name, count in differing.items()
        if name not in ("duckdb", "polars")
    ]
    for target in targets():
        missing = [name for name in target.contenders if not rounds.get(name)]
        if missing:
            reason = absent.get(missing[0], f"{missing[0]} was not run")
            outcomes.append(outcome(target.name, target.text, target.required, [], target.at_most, reason))
            continue
        figures = [target.figure(*each) for each in zip(*(rounds[name] for name in target.contenders), strict=True)]
        outcomes.append(outcome(target.name, target.text, target.required, figures, target.at_most))
    return outcomes


def outcome(
    name: str, text: str, required: float, figures: Sequence[float], at_most: bool, reason: str = ""
) -> dict[str, Any]:
    """Return the outcome of one target, by the median of its figures."""
    value = round(statistics.median(figures), 3) if figures else None
    reached = None if value is None else (value <= required if at_most else value >= required)
    return {
        "name": name,
        "text": text,
        "direction": "at most" if at_most else "at least",
        "required": required,
        "value": value,
        "low": round(min(figures), 3) if figures else None,
        "high": round(max(figures), 3) if figures else None,
        "pass": reached,
        "reason": reason,
    }
