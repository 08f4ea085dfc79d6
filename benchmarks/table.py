"""Print a result file as Markdown tables."""

from __future__ import annotations

import statistics
from typing import Any

from .timing import NOISY_SHARE, spread

_HEAD = (
    "| library | version | answers | ns a record (median) | min | spread | speed, orjson = 1 |\n"
    "| --- | --- | --- | ---: | ---: | ---: | ---: |\n"
)


def _answers(contender: dict[str, Any]) -> str:
    if contender["correct"]:
        return "right"
    return f"{contender['differing_rows']} of {contender['records']:,} differ"


def _row(contender: dict[str, Any], orjson_ns: float | None) -> tuple[float, str]:
    cells = [contender["name"], contender["version"], _answers(contender)]
    seconds = contender["wall_seconds"]
    if not seconds:
        return float("inf"), "| " + " | ".join([*cells, "not timed", "", "", ""]) + " |"
    scale = 1e9 / contender["records"]
    median, share = statistics.median(seconds) * scale, spread(seconds)
    speed = f"{orjson_ns / median:.2f}" if orjson_ns else ""
    noisy = " (noisy)" if share > NOISY_SHARE else ""
    cells += [f"{median:,.0f}", f"{min(seconds) * scale:,.0f}", f"{share:.0%}{noisy}", speed]
    return median, "| " + " | ".join(cells) + " |"


def _table(contenders: list[dict[str, Any]]) -> str:
    orjson_ns = None
    for contender in contenders:
        if contender["name"] == "orjson" and contender["wall_seconds"]:
            orjson_ns = statistics.median(contender["wall_seconds"]) * 1e9 / contender["records"]
    rows = sorted(_row(contender, orjson_ns) for contender in contenders)
    return _HEAD + "\n".join(row for _, row in rows) + "\n"


def _targets(outcomes: list[dict[str, Any]]) -> str:
    rows = [
        "| target | stage | required | measured | single rounds | reached |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for outcome in outcomes:
        unit = outcome.get("unit", "x")  # older results have ratios only
        cells = [outcome["name"], outcome["stage"], f"{outcome['direction']} {outcome['required']:g} {unit}"]
        if outcome["value"] is None:
            cells += ["not measured", "", outcome["reason"]]
        else:
            rounds = f"{outcome['low']:.2f} to {outcome['high']:.2f}"
            cells += [f"{outcome['value']:.4g} {unit}", rounds, "yes" if outcome["pass"] else "no"]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def render(result: dict[str, Any]) -> str:
    """Return a table for each task and corpus, after the machine and the method.

    Raises
    ------
    KeyError
        `result` is not a result of ``--json``.
    """
    machine, run = result["machine"], result["run"]
    kernel = f", kernel {machine['kernel']}" if machine["kernel"] else ""
    lines = [
        f"{machine['cpu']} ({machine['cpus']} CPUs, {run['pinned']}), {machine['system']}, "
        f"{machine['python']}{kernel}; {machine['date'][:10]}, commit {machine['commit']}. "
        f"{run['records']:,} records, seed {run['seed']}, {run['rounds']} interleaved rounds in one process, "
        "garbage collector off. Spread is the interquartile range over the median. "
        "Figures of different tables or runs are not for comparison.\n"
    ]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for contender in result["contenders"]:
        groups.setdefault((contender["task"], contender["variant"]), []).append(contender)
    for (task, variant), members in groups.items():
        lines.append(f"**{task}, corpus {variant}**\n\n{_table(members)}")
    lines.append(f"**Targets**\n\n{_targets(result['targets'])}")
    return "\n".join(lines)
