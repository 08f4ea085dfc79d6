"""Helpers for the tests of clusters: objects of Logpush, and drivers of Spark that can be killed."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.servers import ACCESS_KEY, SECRET_KEY

import cfdns_fast

__all__ = ["DAY", "end_session", "java_home", "object_name", "records_of", "spark_settings", "write_object"]

DAY = "20260825"
#: Seconds of the epoch at the begin of `DAY`.
_DAY_S = 1_787_616_000

#: The oldest Java that Spark 4 runs on.
_MIN_JAVA = 17


def object_name(hour: int, minute: int = 0, day: str = DAY) -> str:
    """Return the name of an object as Logpush makes it: a batch of one minute."""
    start = f"{day}T{hour:02}{minute:02}00Z"
    end = f"{day}T{hour:02}{minute:02}59Z"
    return f"{day}/{start}_{end}_{hour:04x}{minute:04x}.log.gz"


def records_of(hour: int, minute: int, count: int, step_ns: int = 1_000_001) -> bytes:
    """Return records that differ from those of every other minute, with times from its begin on."""
    start_ns = (_DAY_S + 3600 * hour + 60 * minute) * 10**9
    return b"".join(
        b'{"ColoCode":"AMS","EDNSSubnet":"198.51.100.0","EDNSSubnetLength":24,"QueryName":"n%d.h%d.m%d.example.com.",'
        b'"QueryType":%d,"ResponseCached":%s,"ResponseCode":%d,"SourceIP":"192.0.2.%d","Timestamp":%d}\n'
        % (
            number,
            hour,
            minute,
            (1, 28, 65353)[number % 3],
            (b"true", b"false")[number % 2],
            number % 5,
            number % 250,
            start_ns + number * step_ns,
        )
        for number in range(count)
    )


def write_object(folder: Path, hour: int, minute: int, content: bytes) -> Path:
    """Write an object whole, so that a listing never sees a part of it."""
    path = folder / object_name(hour, minute)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(gzip.compress(content, mtime=0))
    temporary.rename(path)
    return path


def java_home() -> str:
    """Return the folder of a Java that Spark can use, or skip the test."""
    candidates = [os.environ.get("JAVA_HOME"), shutil.which("java")]
    for candidate in filter(None, candidates):
        program = Path(candidate, "bin", "java") if Path(candidate).is_dir() else Path(candidate).resolve()
        with contextlib.suppress(OSError):
            shown = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60)
            found = re.search(r'version "(\d+)', shown.stderr)
            if found and int(found[1]) >= _MIN_JAVA:
                return str(program.parents[1])
    pytest.skip(f"Java {_MIN_JAVA} is not installed")


def spark_settings(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables and the settings of a driver whose files are in `folder`, or skip the test."""
    folders = [Path(cfdns_fast.__file__).parents[1], Path(__file__).parents[1]]
    environment = {
        "JAVA_HOME": java_home(),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join([*map(str, folders), os.environ.get("PYTHONPATH", "")]),
        "SPARK_LOCAL_IP": "127.0.0.1",
        # Any server of `support.object_servers` takes these.
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        # Tests are short: what takes time is the start of Java and of its compiler.
        "spark.driver.extraJavaOptions": f"-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Djava.io.tmpdir={folder}",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.local.dir": str(folder / "local"),
        # Compiling the code of a query takes longer than these queries.
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    return environment, settings


def end_session(process: subprocess.Popen[Any]) -> None:
    """Kill a process that leads a session, and every process of this session.

    A driver of Spark has a Java process, and a process that forks the Python workers and leads a group of its own.
    """
    for _ in range(100):
        members = _members(process.pid)
        for member in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
        process.poll()
        if not members:
            break
    process.wait(timeout=60)


def _members(session: int) -> list[int]:
    """Return the living processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of the program, in brackets, may hold spaces.
            state, _, _, of_session = path.read_text(encoding="utf-8").rpartition(")")[2].split()[:4]
            if int(of_session) == session and state != "Z":
                found.append(int(path.parent.name))
    return found
