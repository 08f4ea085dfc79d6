"""Print a result of the load run as Markdown tables."""

from __future__ import annotations

from typing import Any

_HEAD = (
    "| scenario | s | events/s | p50 | p90 | p99 | max (ms) | CPUs | receiver, sink (MB) | drained (s) | all exact |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
)


def render(result: dict[str, Any]) -> str:
    """Return a table of the scenarios and one of the targets, after the machine and the method.

    Raises
    ------
    KeyError
        `result` is not a result of ``--receiver --json``.
    """
    machine, run = result["machine"], result["receiver"]
    lines = [
        f"{machine['cpu']} ({machine['cpus']} CPUs), {machine['system']}, {machine['python']}; {machine['date'][:10]}, "
        f"commit {machine['commit']}, load {machine['load_before']} before. The sender, the receiver and the sink are "
        f"processes that share these CPUs. `to_ndjson` alone converted "
        f"{run['conversion_events_per_s']:,.0f} events a second on one thread in the same run.\n",
        _HEAD,
        *map(_row, run["results"]),
        "",
        "| target | required | measured | reached |",
        "| --- | ---: | ---: | --- |",
        *map(_target, result["targets"]),
        "",
    ]
    return "\n".join(lines)


def _row(result: dict[str, Any]) -> str:
    waits = result["sender"]["wait_ms"]
    faults = result["missing_blocks"] + result["additional_blocks"]
    drained = "no" if result["drain_s"] is None else f"{result['drain_s']:.1f}"
    cells = [
        result["scenario"]["text"],
        f"{result['seconds']:.0f}",
        f"{result['events_per_s']:,}",
        *(f"{waits[share]:,.0f}" for share in ("p50", "p90", "p99", "max")),
        f"{result['cores']:.2f}",
        f"{result['receiver_peak_mb']:.0f}, {result['sink_peak_mb']:.0f}",
        drained,
        "yes" if result["wrong"] is None and not faults else f"no: {result['wrong'] or f'{faults} blocks'}",
    ]
    return "| " + " | ".join(cells) + " |"


def _target(outcome: dict[str, Any]) -> str:
    reached = {True: "yes", False: "no", None: "not measured"}[outcome["pass"]]
    value = "" if outcome["value"] is None else f"{outcome['value']:g}"
    what = f"{outcome['name']}: {outcome['text']}"
    return f"| {what} | {outcome['direction']} {outcome['required']:g} | {value} | {reached} |"
