"""A conversion to a directory that is interrupted, and then run again, as a user does it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.command import TIMEOUT_S, Cli, Finished, needs_posix, numbered, wait_until
from support.logpush_names import log_name, write_logs

from cfdns_fast.files import status

parquet: Any = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

pytestmark = [needs_posix, pytest.mark.usefixtures("interrupts")]

#: Enough that a run takes some tenths of a second, in as many tasks as there are hours.
FILES, COUNT = 20, 2000


@pytest.fixture
def ready(cli: Cli) -> Cli:
    write_logs(cli.directory / "logs", *[log_name("20260825", hour) for hour in range(FILES)], count=COUNT)
    return cli


def events(folder: Path) -> list[str]:
    """Return the query names of all Parquet files that a glob finds; each of the files can be read."""
    found: list[str] = []
    for path in folder.rglob("*.parquet"):
        with open(path, "rb") as file:
            found += parquet.read_table(file, columns=["dns_question_name"])["dns_question_name"].to_pylist()
    return found


def tasks_done(folder: Path) -> int:
    return len(list((folder / "_cfdns" / "done").rglob("*.json"))) if folder.exists() else 0


def ended_by(process: subprocess.Popen[bytes], number: int, when: Callable[[], object]) -> Finished:
    wait_until(lambda: when() or process.poll() is not None)
    process.send_signal(number)
    return Finished(process)


def check_complete(ready: Cli) -> None:
    """Run the command to its end, and compare with what one run gives."""
    run = ready("convert", "logs", "-o", "events/", "-q", "--json")
    assert (run.code, run.lines) == (0, [])
    assert sorted(events(ready.directory / "events")) == sorted(numbered(FILES * COUNT))
    assert status(ready.directory / "events").tasks_left == 0
    assert not [path for path in (ready.directory / "events").rglob(".*")]


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        pytest.param(signal.SIGINT, 130, "cfdns-fast: interrupted", marks=pytest.mark.slow),
        (signal.SIGTERM, 143, "cfdns-fast: ended by SIGTERM"),
    ],
)
def test_signal_leaves_finished_tasks(ready: Cli, number: int, code: int, line: str) -> None:
    """The summary says what is done, and the next run does the rest."""
    folder = ready.directory / "events"
    process = ready.start("convert", "logs", "-o", "events/", "--jobs", "1", "--summary-json", "summary")
    run = ended_by(process, number, lambda: tasks_done(folder) >= 2)
    summary = json.loads((ready.directory / "summary").read_bytes())
    left = summary["tasks_left"]
    assert (run.code, summary["exit_code"], summary["end"]) == (code, code, "interrupted")
    assert summary["signal"] == signal.Signals(number).name
    assert 0 < summary["tasks"] < FILES and summary["tasks"] + left == FILES
    assert run.lines[0] == f"{line}; tasks left {left}, the same command continues"
    assert run.lines[1].endswith(f", tasks left {left}")
    # What a reader finds are the events of whole tasks; no temporary file is left.
    assert len(events(folder)) == summary["events"] == summary["tasks"] * COUNT
    assert not [path for path in folder.rglob(".*")]
    assert status(folder).tasks_left == left
    check_complete(ready)


@pytest.mark.slow
def test_kill_loses_and_doubles_nothing(ready: Cli) -> None:
    folder = ready.directory / "events"
    process = ready.start("convert", "logs", "-o", "events/", "--jobs", "2")
    assert ended_by(process, signal.SIGKILL, lambda: tasks_done(folder) >= 2).code == -signal.SIGKILL
    found = events(folder)
    assert len(found) == len(set(found))
    check_complete(ready)


@pytest.mark.slow
def test_many_signals_do_no_harm(ready: Cli) -> None:
    """Many signals, as of an impatient user, do no harm."""
    folder = ready.directory / "events"
    process = ready.start("convert", "logs", "-o", "events/", "--jobs", "1")
    wait_until(lambda: tasks_done(folder) >= 1)

    def has_ended() -> bool:
        process.send_signal(signal.SIGINT)
        return process.poll() is not None

    wait_until(has_ended)
    # The last one may find a process that is about to exit, and has no handler.
    assert Finished(process).code in (130, -signal.SIGINT)
    check_complete(ready)


@pytest.mark.slow
def test_signals_at_any_time_lose_and_double_nothing(ready: Cli) -> None:
    """Runs are ended at random times, from the start of the process on; readers see no event twice."""
    chance = random.Random(20260825)
    folder = ready.directory / "events"
    for number in [signal.SIGKILL, signal.SIGTERM, signal.SIGINT] * 5:
        process = ready.start("convert", "logs", "-o", "events/", "--jobs", "2", "-q")
        time.sleep(chance.uniform(0, 0.8))
        process.send_signal(number)
        _, errors = process.communicate(timeout=TIMEOUT_S)
        # SIGINT within the start of Python, before the first line of the package, shows a traceback.
        assert process.returncode in (0, -number, 128 + number, 1), errors
        found = events(folder) if folder.exists() else []
        assert len(found) == len(set(found))
    check_complete(ready)


@pytest.mark.slow
def test_runs_at_the_same_time_lose_and_double_nothing(ready: Cli) -> None:
    processes = [ready.start("convert", "logs", "-o", "events/", "--jobs", "1", "-q") for _ in range(3)]
    assert [Finished(process).code for process in processes] == [0, 0, 0]
    check_complete(ready)


@pytest.mark.slow
def test_hidden_files_of_a_killed_run_are_removed(ready: Cli) -> None:
    """The next run does so where the system needs names for temporary files."""
    folder = ready.directory / "events"
    process = ready.start("convert", "logs", "-o", "events/", "--jobs", "1")
    ended_by(process, signal.SIGKILL, lambda: any(folder.rglob(".cfdns-fast-*")))
    assert list(folder.rglob(".cfdns-fast-*")) or not hasattr(os, "fork")
    check_complete(ready)
