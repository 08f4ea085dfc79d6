"""python -m benchmarks --inspect: what a batch holds, by the command, and by its parts alone."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import corpus
from .files.table import target_row
from .files.targets import outcome

ROOT = Path(__file__).parents[1]
#: Distinct lines of the input, which repeats them as often as needed.
_LINES = 500_000
_LEVEL = 6
_THREADS = 2
#: Bytes of logs that the parts alone convert together, and rows that they count together.
_FEED_BYTES, _BATCH_ROWS = 1 << 21, 1 << 16
_TIMEOUT_S = 600
#: The targets: seconds for ten million records, CPU time as a multiple of that of the parts, and MB.
_RECORDS, _MAX_S, _MAX_OVER_PARTS, _MAX_MB = 10_000_000, 10, 1.3, 500


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the inspection."""
    group = parser.add_argument_group("options of --inspect")
    group.add_argument(
        "--inspect-records", type=int, default=_RECORDS, help="records of the batch (default %(default)s)"
    )
    group.add_argument("--inspect-rounds", type=int, default=3, help="interleaved rounds (default %(default)s)")


def run(options: argparse.Namespace, log: Callable[[str], None]) -> dict[str, Any]:
    """Inspect a batch, and return the part ``inspection`` of a result, ``targets`` and ``complete``.

    Raises
    ------
    RuntimeError
        A job failed, or a count is wrong.
    """
    with tempfile.TemporaryDirectory(prefix="cfdns-inspect-", dir=options.folder) as name:
        path = Path(name) / "batch.log.gz"
        log(f"preparing {options.inspect_records:,} records")
        wanted = _make(path, options.inspect_records)
        rounds: dict[str, list[dict[str, Any]]] = {"command": [], "parts": []}
        for number in range(options.inspect_rounds):
            log(f"round {number + 1} of {options.inspect_rounds}")
            for job in list(rounds) if number % 2 == 0 else reversed(list(rounds)):
                rounds[job].append(_job(job, path))
        for each in rounds["command"]:
            if each.pop("names") != wanted:
                raise RuntimeError("inspect counted other names than there are")
    return {
        "inspection": {"records": options.inspect_records, "rounds": rounds},
        "targets": judge(rounds, options.inspect_records),
        "complete": True,
    }


def judge(rounds: dict[str, list[dict[str, Any]]], records: int) -> list[dict[str, Any]]:
    """Return the outcomes of the targets."""
    scaled = _RECORDS / records
    return [
        outcome(
            "inspect_seconds",
            f"seconds for {_RECORDS:,} records, with {_THREADS} threads",
            _MAX_S,
            [each["wall_s"] * scaled for each in rounds["command"]],
            at_most=True,
        ),
        outcome(
            "inspect_cpu_over_parts",
            "CPU time of the command, of decompression, to_arrow and counts alone",
            _MAX_OVER_PARTS,
            [one["cpu_s"] / sum(other["parts_s"].values()) for one, other in zip(*rounds.values(), strict=True)],
            at_most=True,
        ),
        outcome(
            "inspect_memory", "peak of the command, MB", _MAX_MB, [each["peak_mb"] for each in rounds["command"]], True
        ),
    ]


def render(result: dict[str, Any]) -> str:
    """Return a result as Markdown tables, after the machine and the method."""
    machine, measured = result["machine"], result["inspection"]
    records, rounds = measured["records"], measured["rounds"]
    parts = {part: statistics.median(each["parts_s"][part] for each in rounds["parts"]) for part in _parts_of(rounds)}
    cpu_s = statistics.median(each["cpu_s"] for each in rounds["command"])
    wall_s = statistics.median(each["wall_s"] for each in rounds["command"])
    return "\n".join(
        [
            f"{machine['cpu']} ({machine['cpus']} CPUs), {machine['system']}, {machine['python']}; "
            f"{machine['date'][:10]}, commit {machine['commit']}, load {machine['load_before']} before. One gzip file "
            f"of {records:,} records, {_THREADS} threads, {len(rounds['command'])} interleaved rounds; medians.\n",
            "| job | seconds | CPU ns a record |",
            "| --- | ---: | --- |",
            f"| cfdns-fast inspect | {wall_s:.1f} | {cpu_s / records * 1e9:,.0f} |",
            "| its parts alone, one thread | | "
            + " + ".join(f"{each / records * 1e9:,.0f} ({part})" for part, each in parts.items())
            + " |",
            "",
            "| target | required | measured | single rounds | reached |",
            "| --- | ---: | ---: | ---: | --- |",
            *map(target_row, result["targets"]),
            "",
        ]
    )


def _parts_of(rounds: dict[str, list[dict[str, Any]]]) -> list[str]:
    return list(rounds["parts"][0]["parts_s"])


def _make(path: Path, records: int) -> list[list[Any]]:
    """Write the input as members of one gzip file, and return the most frequent names, counted by json and Counter."""
    lines = corpus.make("typical", min(_LINES, records)).splitlines(keepends=True)
    repeats, rest = divmod(records, len(lines))
    names: Counter[str] = Counter()
    with path.open("wb") as file:
        for part, times in ((lines, repeats), (lines[:rest], 1)):
            member = gzip.compress(b"".join(part), _LEVEL, mtime=0)
            for _ in range(times if part else 0):
                file.write(member)
            for line in part:
                names[json.loads(line)["QueryName"].strip(".").lower()] += times
    names.pop("", None)
    return [list(row) for row in sorted(names.items(), key=lambda row: (-row[1], row[0]))[:10]]


def _job(job: str, path: Path) -> dict[str, Any]:
    """Run a job in a new process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.inspection", job, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise RuntimeError(f"{job} failed: {last}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _command(path: str) -> dict[str, Any]:
    """Run the command, with the start of its process."""
    import resource

    begin_s = time.perf_counter()
    command = [sys.executable, "-m", "cfdns_fast", "inspect", "--json", "--threads", str(_THREADS), path]
    # An installed package has its bytecode.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    wall_s = time.perf_counter() - begin_s
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    names = next(top["rows"] for top in json.loads(done.stdout)["tops"] if top["key"] == "names")
    cpu_s, peak_mb = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    return {"wall_s": wall_s, "cpu_s": cpu_s, "peak_mb": peak_mb, "names": names}


def _parts(path: str) -> dict[str, Any]:
    """Time decompression, conversion and counts of batches apart, in one thread, with no work between them."""
    import pyarrow

    from cfdns_fast import Normalizer
    from cfdns_fast.inspect.batch_counts import count_batch
    from cfdns_fast.inspect.columns import columns_of
    from cfdns_fast.inspect.input_blocks import joined
    from cfdns_fast.io import read_plain

    seconds = dict.fromkeys(("gunzip", "to_arrow", "counts"), 0.0)
    last_s = time.process_time()

    def spent(part: str) -> None:
        nonlocal last_s
        now_s = time.process_time()
        seconds[part] += now_s - last_s
        last_s = now_s

    waiting: list[Any] = []
    with Normalizer(keep_message=False).stream(output="arrow") as stream:
        for block in joined(read_plain(path), _FEED_BYTES):
            spent("gunzip")
            waiting += [part.output for part in stream.parts(block)]
            spent("to_arrow")
            if sum(batch.num_rows for batch in waiting) >= _BATCH_ROWS:
                table = pyarrow.Table.from_batches(waiting)
                count_batch(table.num_rows, columns_of(table), 60)
                waiting = []
                spent("counts")
        stream.cut()
    return {"parts_s": seconds}


if __name__ == "__main__":
    print(json.dumps({"command": _command, "parts": _parts}[sys.argv[1]](sys.argv[2])))
