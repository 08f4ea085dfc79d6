"""Receivers as processes, for tests that send to them over the network of this machine."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cfdns_fast

KEY, PATH = "key-of-the-tests-0123456789", "/plain/batch"
TIMEOUT_S = 60
_ROOT = str(Path(cfdns_fast.__file__).parents[1])
_SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")


def free_port() -> int:
    """Return a port that was free a moment ago. A receiver that is started again needs the same port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(**changes: str) -> dict[str, str]:
    """Return an environment without settings of the package, in which Python finds it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CFDNS")}
    return {**kept, "PYTHONPATH": _ROOT, **changes}


def write_keys(path: Path, key: str = KEY) -> Path:
    """Write a keys file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(f"logpush = {key}\n", encoding="utf-8")
    return path


class Receiver:
    """``cfdns-fast receive`` with a file sink named ``files``, which can be killed and started again.

    Parameters
    ----------
    folder : Path
        Gets the state, the events, the keys and the log.
    sinks : sequence of str
        Further sinks, as values of ``--sink``.
    options : sequence of str
        Further options.
    """

    def __init__(self, folder: Path, sinks: Sequence[str] = (), options: Sequence[str] = ()) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.events, self.state = folder, folder / "events", folder / "state"
        self.events.mkdir(exist_ok=True)
        self.port, self.metrics_port = free_port(), free_port()
        self.keys = write_keys(folder / "keys")
        self.log_path = folder / "receiver.log"
        self.arguments = [
            *("--listen", f"127.0.0.1:{self.port}", "--metrics-listen", f"127.0.0.1:{self.metrics_port}"),
            *("--state", str(self.state), "--keys", str(self.keys)),
            *("--sink", f"files=file://{self.events}/?format=ndjson.gz&rotate=1s"),
        ]
        for sink in sinks:
            self.arguments += ["--sink", sink]
        self.arguments += options
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL to which batches are posted."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    def __enter__(self) -> Receiver:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process, and wait until it takes batches."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cfdns_fast", "receive", *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
                start_new_session=True,
            )
        process = self.process
        try:
            wait_for(lambda: self._is_ready() or process.poll() is not None, "ready")
            assert process.poll() is None, self.log()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> int:
        """Send SIGTERM, wait for the end, and return the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """Send SIGKILL to the receiver and to its sinks."""
        assert self.process is not None
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(TIMEOUT_S)

    def log(self) -> str:
        """Return what the process wrote."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def _is_ready(self) -> bool:
        try:
            return self.get("/readyz") == b"ok\n"
        except OSError:
            return False

    def get(self, path: str) -> bytes:
        """Return an answer of the metrics' listener."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=10) as answer:
            content: bytes = answer.read()
        return content

    def samples(self) -> list[tuple[str, dict[str, str], float]]:
        """Return name, labels and value of every sample of the metrics."""
        return list(samples_of(self.get("/metrics").decode()))

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples that have these labels."""
        return sum(v for n, found, v in self.samples() if n == name and labels.items() <= found.items())

    def wait_delivered(self, last_seq: int) -> None:
        """Wait until the file sink has delivered a batch."""
        cursor = self.state / "sinks" / "files.json"

        def delivered() -> bool:
            try:
                return int(json.loads(cursor.read_bytes())["after"]) >= last_seq
            except FileNotFoundError:
                return False

        wait_for(delivered, f"batch {last_seq}")

    def wait_all_delivered(self) -> None:
        """Wait until every sink has delivered all stored batches. A receiver that ends leaves the rest in the spool."""
        from cfdns_fast.spool import StateFolder
        from cfdns_fast.spool.tools import listing

        state = StateFolder(self.state)
        wait_for(lambda: not any(sink.lag_batches for sink in listing(state).sinks), "all batches")

    def delivered(self) -> list[dict[str, Any]]:
        """Return the events of all complete files, in the order of their names."""
        return [json.loads(line) for line in self.lines()]

    def lines(self) -> list[bytes]:
        """Return the lines of all complete files."""
        files = sorted(self.events.rglob("[!.]*.ndjson.gz"))
        return [line for path in files for line in gzip.decompress(path.read_bytes()).splitlines()]


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds; a hang becomes a failure."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline_s, f"waited for: {what}"
        time.sleep(0.02)


def samples_of(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Parse the text format of Prometheus, as far as the receiver writes it."""
    for line in text.splitlines():
        if found := _SAMPLE.fullmatch(line):
            labels: Mapping[str, str] = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or ""))
            yield found[1], dict(labels), float(found[3])
