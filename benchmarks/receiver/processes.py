"""The receiver as a process, and what the system counts for it and its sinks."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KEY_HEADER, PATH = "X-SEKOIAIO-INTAKE-KEY", "/plain/batch"
START_S, STOP_S = 60, 120
#: Seconds after which a file is closed; the lag is at most about this.
ROTATE_S = 2


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Usage:
    """CPU seconds and peak of resident memory (kB) of the receiver and of its sinks."""

    receiver_cpu_s: float
    sinks_cpu_s: float
    receiver_kb: int
    sinks_kb: int


@dataclass
class Receiver:
    """``cfdns-fast receive`` with one file sink, in a folder of its own."""

    folder: Path
    key: str = field(default_factory=lambda: secrets.token_hex(16))
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        self.events, self.state = self.folder / "events", self.folder / "state"

    def __enter__(self) -> Receiver:
        self.folder.mkdir(parents=True)
        self.events.mkdir()
        keys = self.folder / "keys"
        keys.touch(mode=0o600)
        keys.write_text(f"load = {self.key}\n", encoding="utf-8")
        # Only complete files are visible, because the sink writes under another name until a file is complete.
        sink = f"file://{self.events}/?format=ndjson.gz&rotate={ROTATE_S}s"
        command = [
            *(sys.executable, "-P", "-m", "cfdns_fast", "receive"),
            *("--listen", f"127.0.0.1:{self.port}", "--metrics-listen", f"127.0.0.1:{self.metrics_port}"),
            *("--state", str(self.state), "--keys", str(keys), "--sink", sink, "--path", PATH),
            *self.options,
        ]
        root = str(Path(__file__).parents[2])
        with open(self.folder / "receiver.log", "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": root}
            )
        deadline_s = time.monotonic() + START_S
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline_s:
                self.process.kill()
                raise RuntimeError(f"the receiver does not start: {self.log()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        """Return the end of the log."""
        return (self.folder / "receiver.log").read_text(encoding="utf-8", errors="replace")[-2000:]

    def is_ready(self) -> bool:
        """Return whether the receiver takes batches."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def last_delivered(self) -> int:
        """Return the number of the last batch that every sink has delivered."""
        numbers = []
        for path in (self.state / "sinks").glob("*.json"):
            numbers.append(int(json.loads(path.read_bytes())["after"]))
        return min(numbers, default=0)

    def spool_bytes(self) -> int:
        """Return the size of the spool on disk."""
        total = 0
        for entry in os.scandir(self.state / "spool"):
            try:
                total += entry.stat().st_size
            except FileNotFoundError:
                continue
        return total

    def usage(self) -> Usage:
        """Return what the processes have used since they began."""
        sinks = _children(self.process.pid)
        memory = [_status_kb(pid) for pid in sinks]
        return Usage(
            _cpu_s(self.process.pid), sum(map(_cpu_s, sinks)), _status_kb(self.process.pid), max(memory, default=0)
        )


def _stat(pid: int) -> list[str]:
    """Return the fields of a process's stat file from the third on, the state; an empty list if it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _children(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`. Not every kernel has the file with the children of a process."""
    processes = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [process for process in processes if _stat(process)[1:2] == [str(pid)]]


def _cpu_s(pid: int) -> float:
    """Return user and system time of a process."""
    user, system = _stat(pid)[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _status_kb(pid: int) -> int:
    """Return the peak of resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def run_module(name: str, settings: dict[str, Any]) -> subprocess.Popen[str]:
    """Start a module of this package, and send it its settings as one line."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.receiver.{name}"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(settings) + "\n")
    process.stdin.flush()
    return process
