"""The targets of the load run, and how a run is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """A limit of one figure of one scenario.

    Attributes
    ----------
    name, text : str
        The name, and what is limited.
    scenario : str
        The scenario that gives the figure.
    figure : callable
        From the result of the scenario and the whole run to the figure; None if there is none.
    required : float
        The limit.
    at_most : bool
        The figure must be at most `required`; otherwise at least.
    """

    name: str
    text: str
    scenario: str
    figure: Callable[[Mapping[str, Any], Mapping[str, Any]], float | None]
    required: float
    at_most: bool = True


def _wait(share: str) -> Callable[[Mapping[str, Any], Mapping[str, Any]], float | None]:
    return lambda result, _: result["sender"]["wait_ms"].get(share)


def targets() -> tuple[Target, ...]:
    """Return all targets."""
    return (
        Target(
            "sustained",
            "events a second acknowledged, of the rate",
            "rate_1000",
            lambda result, _: result["events_per_s"] / result["scenario"]["events_per_s"],
            0.99,
            at_most=False,
        ),
        Target("p99", "99 % of batches acknowledged within, ms", "rate_1000", _wait("p99"), 250),
        Target("cores", "CPUs of receiver and sink", "rate_1000", lambda result, _: result["cores"], 1.4),
        Target(
            "receiver_memory",
            "peak of the receiver, MB",
            "rate_1000",
            lambda result, _: result["receiver_peak_mb"],
            80,
        ),
        Target("sink_memory", "peak of the sink, MB", "rate_1000", lambda result, _: result["sink_peak_mb"], 100),
        Target("drain", "seconds until all is delivered", "rate_1000", lambda result, _: result["drain_s"], 5),
        Target(
            "of_conversion",
            "events a second at the peak, of to_ndjson alone on one thread",
            "peak_1000",
            lambda result, run: result["events_per_s"] / run["conversion_events_per_s"],
            0.35,
            at_most=False,
        ),
        Target("beside_hostile_clients", "99 % of batches acknowledged within, ms", "neighbours", _wait("p99"), 50),
    )


def is_exact(result: Mapping[str, Any]) -> bool:
    """Return whether every acknowledged batch is in the files once, as converted, and nothing else."""
    faults = (result["missing_blocks"], result["additional_blocks"], result["sender"]["unanswered"])
    return result["wrong"] is None and result["drain_s"] is not None and not any(faults)


def judge(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the outcome of every target. ``pass`` is None if its scenario was not run."""
    results = {result["scenario"]["name"]: result for result in run["results"]}
    outcomes: list[dict[str, Any]] = []
    for name, result in results.items():
        exact = is_exact(result)
        outcomes.append(_outcome(f"exact_{name}", "every acknowledged event is in the files, once", 1, exact, exact))
    for target in targets():
        result = results.get(target.scenario)
        if result is None:
            outcomes.append(_outcome(target.name, target.text, target.required, None, None, target.at_most))
            continue
        value = target.figure(result, run)
        reached = value is not None and (value <= target.required if target.at_most else value >= target.required)
        outcomes.append(_outcome(target.name, target.text, target.required, value, reached, target.at_most))
    return outcomes


def _outcome(
    name: str, text: str, required: float, value: float | None, reached: bool | None, at_most: bool = False
) -> dict[str, Any]:
    direction = "at most" if at_most else "at least"
    shown = None if value is None else round(float(value), 3)
    return {
        "name": name,
        "text": text,
        "direction": direction,
        "required": required,
        "value": shown,
        "pass": reached,
    }
