"""python -m benchmarks: measure the targets, or print a result as tables or a chart."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import chart, corpus, inspection, machine, table
from .files import command as files
from .files import table as files_table
from .receiver import command as receiver
from .receiver import table as receiver_table
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
    what.add_argument("--receiver", action="store_true", help="run the receiver under load, and print its targets")
    what.add_argument("--files", action="store_true", help="convert folders and buckets, and print their targets")
    what.add_argument("--inspect", action="store_true", help="inspect a large batch, and print its targets")
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
    receiver.add_options(parser)
    files.add_options(parser)
    inspection.add_options(parser)
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
    outcomes += lineup.build_outcomes()
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


def _load(options: argparse.Namespace) -> int:
    """Run the receiver under load, the files or inspect. Nothing is pinned: processes and threads share the CPUs."""
    facts = machine.facts()
    _log(f"{facts['cpu']}, {facts['cpus']} CPUs, Python {facts['python']}, load {facts['load_before']}")
    try:
        measured = (receiver if options.receiver else files if options.files else inspection).run(options, _log)
    except (ImportError, RuntimeError, receiver.NoSpace) as error:
        _log(str(error))
        return USAGE
    facts["load_after"] = machine.load_average()
    for outcome in measured["targets"]:
        print(json.dumps(outcome), flush=True)
    if options.json:
        run = {"command": "python -m benchmarks " + " ".join(sys.argv[1:]), "seed": corpus.DEFAULT_SEED}
        result = {"machine": facts, "run": run, **measured}
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    reached = all(outcome["pass"] is not False for outcome in measured["targets"])
    return PASSED if reached and measured["complete"] else FAILED


def _show(options: argparse.Namespace, file: str) -> str:
    """Return a result file as tables or as a picture."""
    result = json.loads(Path(file).read_text(encoding="utf-8"))
    if options.table:
        pages = {"receiver": receiver_table.render, "files": files_table.render, "inspection": inspection.render}
        return next((pages[part] for part in pages if part in result), table.render)(result)
    return chart.render(result)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if file := options.table or options.chart:
        try:
            print(_show(options, file))
        except (OSError, ValueError, KeyError, TypeError) as error:
            parser.error(f"{file} is not a readable result: {error!r}")
        return PASSED
    if options.records < 1 or options.rounds < 1:
        parser.error("--records and --rounds must be at least 1")
    if not 0 < options.margin <= 1:
        parser.error("--margin must be above 0 and at most 1")
    if options.seconds <= 0 or options.rate < 1:
        parser.error("--seconds and --rate must be above 0")
    if options.files_records < 8000 or options.files_rounds < 1:
        parser.error("--files-records must be at least 8000, and --files-rounds at least 1")
    if options.inspect_records < 1 or options.inspect_rounds < 1:
        parser.error("--inspect-records and --inspect-rounds must be at least 1")
    if options.receiver or options.files or options.inspect:
        return _load(options)
    try:
        pinned = machine.pin(options.cpu)
    except (ValueError, OSError) as error:
        parser.error(f"--cpu: {error}")
    return _run(options, pinned)


if __name__ == "__main__":
    raise SystemExit(main())
