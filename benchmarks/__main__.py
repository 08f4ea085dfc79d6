"""python -m benchmarks: measure the targets, or print a result as tables or a chart."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import chart, corpus, machine, table
from .targets import judge, targets
from .timing import NOISY_SHARE, check, measure, spread

PASSED, FAILED, USAGE = 0, 1, 2


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure cfdns_fast against its peers and its floor.",
        epilog="Exit status: 0 if no target of stage 'now' failed, 1 if a target failed, 2 for wrong usage or if the "
        "package is not built.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--targets", action="store_true", help="run, and print one JSON object for each target")
    what.add_argument("--table", metavar="RESULT.json", help="print a result file as Markdown tables")
    what.add_argument("--chart", metavar="RESULT.json", help="print a result file as an SVG picture")
    parser.add_argument(
        "--records", type=int, default=30_000, help="number of records in a corpus (default %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=11, help="number of interleaved rounds (default %(default)s)")
    parser.add_argument("--peers", choices=("needed", "all"), default="needed", help="default: %(default)s")
    parser.add_argument("--cpu", default="auto", help="CPU to run on: a number, 'auto' (the last one) or 'none'")
    parser.add_argument(
        "--margin",
        type=float,
        default=os.environ.get("CFDNS_BENCH_MARGIN", "1"),
        help="share of the required ratio that is enough; below 1 a busy machine fails fewer targets "
        "(default: CFDNS_BENCH_MARGIN, or %(default)s)",
    )
    parser.add_argument("--json", metavar="FILE", help="write the raw data: all rounds, versions, machine")
    return parser


def _run(options: argparse.Namespace, pinned: str) -> int:
    # Imported after the process is pinned, because engines start threads, which inherit its CPU.
    from .lineup import Lineup

    lineup = Lineup(options.records, _log)
    facts = machine.facts()
    _log(f"{facts['cpu']}, {pinned}, Python {facts['python']}, kernel {facts['kernel']}, load {facts['load_before']}")
    _log(f"preparing {options.records} records a corpus")
    try:
        lineup.ours()
    except ImportError as error:
        _log(f"cfdns_fast is not built: {error}")
        return USAGE
    lineup.on_two_cpus()
    lineup.peers(include_all=options.peers == "all")
    lineup.floors()
    for name, reason in lineup.absent.items():
        _log(f"  without {name}: {reason}")
    contenders = lineup.in_order()
    _log("checking answers")
    check(contenders, _log)
    _log("measuring")
    measure(contenders, options.rounds, _log)
    facts["load_after"] = machine.load_average()
    for contender in contenders:
        if contender.wall_seconds and spread(contender.wall_seconds) > NOISY_SHARE:
            _log(f"  noisy: {contender.key}, spread {spread(contender.wall_seconds):.0%} of the median")
    outcomes = [judge(target, lineup.contenders, lineup.absent, options.margin) for target in targets()]
    for outcome in outcomes:
        print(json.dumps(outcome), flush=True)
        if outcome["pass"] is None:
            _log(f"not measured: {outcome['name']}: {outcome['reason']}")
    if options.json:
        run: dict[str, Any] = {
            "command": "python -m benchmarks " + " ".join(sys.argv[1:]),
            "records": options.records,
            "rounds": options.rounds,
            "seed": corpus.DEFAULT_SEED,
            "pinned": pinned,
            "answers_checked_against": lineup.answers_from,
            "absent": lineup.absent,
        }
        result = {"machine": facts, "run": run, "targets": outcomes, "contenders": [c.as_json() for c in contenders]}
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return FAILED if any(o["pass"] is False for o in outcomes if o["stage"] == "now") else PASSED


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if file := options.table or options.chart:
        show = table.render if options.table else chart.render
        try:
            print(show(json.loads(Path(file).read_text(encoding="utf-8"))))
        except (OSError, ValueError, KeyError, TypeError) as error:
            parser.error(f"{file} is not a readable result: {error!r}")
        return PASSED
    if options.records < 1 or options.rounds < 1:
        parser.error("--records and --rounds must be at least 1")
    if not 0 < options.margin <= 1:
        parser.error("--margin must be above 0 and at most 1")
    try:
        pinned = machine.pin(options.cpu)
    except (ValueError, OSError) as error:
        parser.error(f"--cpu: {error}")
    return _run(options, pinned)


if __name__ == "__main__":
    raise SystemExit(main())
