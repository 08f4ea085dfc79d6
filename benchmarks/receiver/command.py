"""python -m benchmarks --receiver: run the scenarios, judge them, and print the outcomes."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import pool
from .scenarios import NoSpace, Runner, conversion_alone, limit_open_files, scenarios
from .targets import judge

SCENARIOS = tuple(scenario.name for scenario in scenarios(1))
_CONVERSION_S = 2.0
#: The scenario that may be long, and the length of the others at most: only a rate has to be kept for long.
_LONG, _OTHERS_S = "rate_1000", 30.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the load run."""
    group = parser.add_argument_group("options of --receiver")
    group.add_argument(
        "--seconds",
        type=float,
        default=60,
        help="length of a scenario (default %(default)s); all but rate_1000 take at most 30",
    )
    group.add_argument("--rate", type=int, default=500_000, help="events a second (default %(default)s)")
    group.add_argument("--scenario", action="append", choices=SCENARIOS, help="may be repeated; default: all")
    group.add_argument("--folder", help="where batches and events are written (default: the folder for temporary data)")
    group.add_argument("--receive-option", action="append", default=[], help="a further option of cfdns-fast receive")


def run(options: argparse.Namespace, log: Callable[[str], None]) -> dict[str, Any]:
    """Run the chosen scenarios, and return the part ``receiver`` of a result, ``targets`` and ``complete``.

    After a scenario that fails, the result has those before it only.

    Raises
    ------
    NoSpace, RuntimeError
        The first scenario cannot run. The message says why.
    """
    limit_open_files()
    chosen = [each for each in scenarios(options.rate) if each.name in (options.scenario or SCENARIOS)]
    with tempfile.TemporaryDirectory(prefix="cfdns-load-", dir=options.folder) as folder:
        log("preparing batches")
        blocks = pool.plain_blocks()
        sizes = {scenario.blocks for scenario in chosen}
        pools = {size: pool.make(blocks, size, Path(folder) / f"batches-{size}") for size in sorted(sizes)}
        runner = Runner(Path(folder), pools, list(pool.converted(blocks)), log, tuple(options.receive_option))
        rates = [conversion_alone(blocks, _CONVERSION_S)]
        results = []
        for scenario in chosen:
            seconds = options.seconds if scenario.name == _LONG else min(options.seconds, _OTHERS_S)
            try:
                results.append(runner.run(scenario, seconds))
            except (NoSpace, RuntimeError) as error:
                # The results of the scenarios before may have taken ten minutes.
                if not results:
                    raise
                log(str(error))
                break
            rates.append(conversion_alone(blocks, _CONVERSION_S))
    measured: dict[str, Any] = {
        "seconds": options.seconds,
        "events_per_s": options.rate,
        "conversion_events_per_s": round(max(rates)),
        "conversion_rates": [round(rate) for rate in rates],
        "results": results,
    }
    return {"receiver": measured, "targets": judge(measured), "complete": len(results) == len(chosen)}


__all__ = ["NoSpace", "add_options", "run"]
