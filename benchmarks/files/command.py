"""python -m benchmarks --files: run every job in interleaved rounds, check the outputs, and judge."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import inputs
from .checking import Checker
from .jobs import JOBS
from .targets import judge

ROOT = Path(__file__).parents[2]
#: Seconds after which a job has failed.
_TIMEOUT_S = 600


@dataclass(frozen=True)
class Contender:
    """A job over one tree.

    Attributes
    ----------
    name, text : str
        The name in results, and what it is.
    job : str
        A key of `JOBS`.
    tree : str
        ``"large"`` or ``"small"``.
    jobs : int
        Number of threads.
    is_remote : bool
        Whether the inputs are in a bucket.
    needs : tuple of str
        Modules without which it cannot run.
    """

    name: str
    text: str
    job: str = "ours"
    tree: str = "large"
    jobs: int = 2
    is_remote: bool = False
    needs: tuple[str, ...] = field(default=("obstore", "pyarrow"))


CONTENDERS = (
    Contender("one_job", "cfdns-fast, one job", jobs=1),
    Contender("parts", "its parts alone, one thread", job="parts", jobs=1),
    Contender("large", "cfdns-fast, two jobs"),
    Contender("four_jobs", "cfdns-fast, four jobs", jobs=4),
    Contender("small", "cfdns-fast, two jobs, objects of 1,000 records", tree="small"),
    Contender("s3_large", "cfdns-fast, two jobs, from S3 (SeaweedFS on the same CPUs)", is_remote=True),
    Contender("s3_small", "the same, objects of 1,000 records", tree="small", is_remote=True),
    Contender("spark", "cfdns_fast.spark.convert, local[2]", job="spark", needs=("pyspark", "obstore", "pyarrow")),
    Contender("duckdb", "DuckDB, one COPY statement, two threads", job="duckdb", needs=("duckdb",)),
    Contender("polars", "Polars, one streaming query, two threads", job="polars", needs=("polars",)),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the run over files."""
    group = parser.add_argument_group("options of --files")
    group.add_argument("--files-records", type=int, default=1_600_000, help="records in a tree (default %(default)s)")
    group.add_argument("--files-rounds", type=int, default=5, help="interleaved rounds (default %(default)s)")
    names = [each.name for each in CONTENDERS]
    group.add_argument("--contender", action="append", choices=names, help="may be repeated; default: all")


def run(options: argparse.Namespace, log: Callable[[str], None]) -> dict[str, Any]:
    """Run the contenders, and return the part ``files`` of a result, ``targets`` and ``complete``.

    Raises
    ------
    RuntimeError
        A job failed. The message has its last line.
    """
    chosen = [each for each in CONTENDERS if each.name in (options.contender or [one.name for one in CONTENDERS])]
    absent = {
        each.name: f"{module} is not installed" for each in chosen for module in each.needs if not find_spec(module)
    }
    trees = {tree.name: tree for tree in inputs.trees(options.files_records)}
    with (
        tempfile.TemporaryDirectory(prefix="cfdns-files-", dir=options.folder) as name,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(name)
        for tree in (each for each in trees.values() if each.name in {one.tree for one in chosen}):
            log(f"preparing {tree.objects:,} objects of {tree.records:,} records")
            inputs.make(tree, folder / tree.name)
        bucket = None
        if any(each.is_remote and each.name not in absent for each in chosen):
            try:
                remote = {each.tree for each in chosen if each.is_remote}
                bucket = stack.enter_context(_bucket(folder, [trees[name] for name in sorted(remote)]))
            except LookupError as error:
                absent.update({each.name: str(error) for each in chosen if each.is_remote})
        present = [each for each in chosen if each.name not in absent]
        runner = _Runner(folder, bucket)
        rounds: dict[str, list[dict[str, Any]]] = {each.name: [] for each in present}
        for number in range(options.files_rounds):
            log(f"round {number + 1} of {options.files_rounds}")
            for contender in present if number % 2 == 0 else reversed(present):
                output = runner.output(contender)
                rounds[contender.name].append(runner.run(contender, output))
                if number < options.files_rounds - 1:
                    _remove(output)
        checker = Checker()
        differing = {}
        for contender in present:
            if contender.job != "parts":
                log(f"checking {contender.name}")
                differing[contender.name] = checker.differing_rows(trees[contender.tree], runner.output(contender))
    measured = {
        "records": trees["large"].total,
        "objects": {tree.name: tree.objects for tree in trees.values()},
        "answers_from": checker.source,
        "texts": {each.name: each.text for each in present},
        "differing_rows": differing,
        "absent": absent,
        "rounds": rounds,
    }
    return {"files": measured, "targets": judge(rounds, differing, absent), "complete": True}


class _Runner:
    def __init__(self, folder: Path, bucket: tuple[str, dict[str, str]] | None) -> None:
        self._folder = folder
        self._bucket = bucket

    def output(self, contender: Contender) -> Path:
        """Return the folder, or the file of the parts alone, that a contender writes."""
        return self._folder / "outputs" / contender.name

    def run(self, contender: Contender, output: Path) -> dict[str, Any]:
        """Run a contender once in a new process."""
        output.parent.mkdir(exist_ok=True)
        settings: dict[str, Any] = {
            "source": str(self._folder / contender.tree),
            "output": str(output),
            "jobs": contender.jobs,
        }
        environment = dict(os.environ)
        if contender.is_remote:
            assert self._bucket is not None
            url, variables = self._bucket
            environment.update(variables)
            settings["source"] = f"{url}/{contender.tree}/"
        assert contender.job in JOBS
        command = [sys.executable, "-m", "benchmarks.files.jobs", contender.job, json.dumps(settings)]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            raise RuntimeError(f"{contender.name} failed: {last}")
        result: dict[str, Any] = json.loads(done.stdout.strip().rpartition("\n")[2])
        return result


@contextlib.contextmanager
def _bucket(folder: Path, trees: Iterable[inputs.Tree]) -> Iterator[tuple[str, dict[str, str]]]:
    """Run SeaweedFS with the objects of trees; LookupError if it is not installed."""
    if find_spec("pytest") is None:
        raise LookupError("pytest is not installed, whose helpers start the server")
    sys.path.append(str(ROOT / "tests"))
    import pytest
    from support.object_servers import bucket_environment, seaweed_bucket

    from cfdns_fast.files import StoreOptions, open_store

    with contextlib.ExitStack() as stack:
        try:
            bucket = stack.enter_context(seaweed_bucket())
        except pytest.skip.Exception as error:
            raise LookupError(str(error)) from None
        variables = bucket_environment(bucket.endpoint)
        os.environ.update(variables)
        store = open_store(bucket.url, StoreOptions())
        for tree in trees:
            for key in tree.names():
                store.put(f"{tree.name}/{key}", (folder / tree.name / key).read_bytes())
        yield bucket.url, variables


def _remove(output: Path) -> None:
    if output.is_dir():
        shutil.rmtree(output)
    else:
        output.unlink()
