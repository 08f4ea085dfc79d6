"""Streams survive SIGKILL of the driver, of its Java process and of all workers, and give each event exactly once."""

from __future__ import annotations

import contextlib
import glob
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if find_spec("pyspark") is None:
    pytest.skip("pyspark is not installed", allow_module_level=True)

import pyarrow.parquet as parquet
from support.clusters import end_session, records_of, spark_settings, write_object

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes of a session are found in /proc"),
]

DRIVER = Path(__file__).with_name("streaming_driver.py")
KILLS = 5
#: New objects before each driver. They are two micro-batches.
OBJECTS = 3
WAIT_S = 300.0


class Drivers:
    """Drivers, of which the next one starts its session while the current one runs. `close` kills all of them."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._started: list[subprocess.Popen[Any]] = []
        self._start()

    def next(self, mode: str, *, is_last: bool = False) -> subprocess.Popen[Any]:
        """Begin the query of the driver that has started, and start another one."""
        process = self._started[-1]
        go = self._folder / f"go-{len(self._started)}"
        # A driver never sees a part of the file.
        go.with_suffix(".part").write_text(mode)
        go.with_suffix(".part").rename(go)
        if not is_last:
            self._start()
        return process

    def close(self) -> None:
        """Kill the drivers with all their processes."""
        for process in self._started:
            end_session(process)

    def _start(self) -> None:
        with open(self._folder / "driver.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, DRIVER, f"go-{len(self._started) + 1}"],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.append(process)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[Any], log: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
        time.sleep(0.02)


def files_of(folder: Path) -> list[str]:
    """Return all outputs that a reader finds by their names."""
    return glob.glob(f"{folder}/converted/**/*.parquet", recursive=True)


def converted(folder: Path) -> list[str]:
    """Return the raw records in all outputs."""
    found: list[str] = []
    for name in files_of(folder):
        found += parquet.read_table(name, columns=["message"], partitioning=None).column("message").to_pylist()
    return found


def test_streams_are_exact_after_kills(tmp_path: Path) -> None:
    environment, settings = spark_settings(tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    records: list[str] = []

    def write(number: int) -> None:
        content = records_of(number % 24, number // 24, 40)
        write_object(tmp_path / "logs", number % 24, number // 24, content)
        records.extend(content.decode().splitlines())

    seed = random.randrange(2**32)
    chance = random.Random(seed)
    with contextlib.closing(Drivers(tmp_path, environment)) as drivers:
        for kill in range(KILLS):
            for number in range(OBJECTS * kill, OBJECTS * (kill + 1)):
                write(number)
            before = len(files_of(tmp_path))
            process = drivers.next("forever")
            # The kill comes after some tasks of this driver, or in the middle of one.
            wait_for(lambda: len(files_of(tmp_path)) > before, process, tmp_path / "driver.log")  # noqa: B023
            time.sleep(chance.uniform(0, 1.5))
            end_session(process)
            assert process.returncode == -signal.SIGKILL
            seen = converted(tmp_path)
            assert len(seen) == len(set(seen)) and set(seen) <= set(records), f"seed {seed}"
        process = drivers.next("now", is_last=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(WAIT_S)
    assert process.returncode == 0, (tmp_path / "driver.log").read_text(errors="replace")[-3000:]
    batches = (tmp_path / "batches").iterdir()
    assert sorted(itertools.chain.from_iterable(json.loads(path.read_text()) for path in batches)) == sorted(records), (
        f"seed {seed}"
    )
    assert sorted(converted(tmp_path)) == sorted(records), f"seed {seed}"
