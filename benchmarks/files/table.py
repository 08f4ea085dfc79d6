"""Print a result of the run over files as Markdown tables."""

from __future__ import annotations

import statistics
from typing import Any

_HEAD = (
    "| job | events/s | CPU ns an event | peak (MB) | answers |\n"
    "| --- | ---: | ---: | ---: | --- |"
)  # fmt: skip


def render(result: dict[str, Any]) -> str:
    """Return a table of the jobs and one of the targets, after the machine and the method.

    Raises
    ------
    KeyError
        `result` is not a result of ``--files --json``.
    """
    machine, run = result["machine"], result["files"]
    count = len(next(iter(run["rounds"].values())))
    lines = [
        f"{machine['cpu']} ({machine['cpus']} CPUs), {machine['system']}, {machine['python']}; {machine['date'][:10]}, "
        f"commit {machine['commit']}, load {machine['load_before']} before. Compressed NDJSON to Parquet by date and "
        f"hour, {run['records']:,} records, {count} interleaved rounds, each job in a process of its own; "
        "medians.\n",
        _HEAD,
        *(_row(run, name) for name in run["rounds"]),
        "",
        "| target | required | measured | single rounds | reached |",
        "| --- | ---: | ---: | ---: | --- |",
        *map(target_row, result["targets"]),
        "",
    ]
    return "\n".join(lines)


def _row(run: dict[str, Any], name: str) -> str:
    rounds = run["rounds"][name]
    records = run["records"]
    rate = statistics.median(records / each["wall_s"] for each in rounds)
    if "parts_s" in rounds[0]:
        parts = {part: statistics.median(each["parts_s"][part] for each in rounds) for part in rounds[0]["parts_s"]}
        cpu = " + ".join(f"{each / records * 1e9:,.0f} ({part})" for part, each in parts.items())
    else:
        cpu = f"{statistics.median(each['cpu_s'] for each in rounds) / records * 1e9:,.0f}"
    peak = max(each["peak_mb"] for each in rounds)
    differing = run["differing_rows"].get(name)
    answers = {None: "", 0: "right"}.get(differing, f"{differing:,} differ" if differing else "")
    return f"| {run['texts'][name]} | {rate:,.0f} | {cpu} | {peak:.0f} | {answers} |"


def target_row(outcome: dict[str, Any]) -> str:
    """Return the row of a target."""
    what = f"{outcome['name']}: {outcome['text']}"
    required = f"{outcome['direction']} {outcome['required']:g}"
    if outcome["value"] is None:
        return f"| {what} | {required} | | | not measured: {outcome['reason']} |"
    rounds = f"{outcome['low']:g} to {outcome['high']:g}"
    return f"| {what} | {required} | {outcome['value']:g} | {rounds} | {'yes' if outcome['pass'] else 'no'} |"
