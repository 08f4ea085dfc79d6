"""Run ``cfdns-fast receive`` as a process for tests, and send batches to it."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cfdns_fast

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(cfdns_fast.__file__)))
TIMEOUT_S = 60
KEY = "a-key-of-the-tests-0123456789"

#: A receiver for tests: free ports, a key, little space needed, and files that are completed soon.
CONFIGURATION = """\
state = "state"
listen = "127.0.0.1:0"
metrics_listen = "127.0.0.1:0"
keys = "keys"
min_free = 0
log_format = "json"
"""


class ReceiverProcess:
    """``cfdns-fast receive`` with a configuration file in a folder.

    Parameters
    ----------
    folder : Path
    configuration : str
        TOML that is appended to `CONFIGURATION`.
    """

    def __init__(self, folder: Path, configuration: str, *arguments: str, environment: dict[str, str] | None = None):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "keys").write_text(f"tests = {KEY}\n")
        (folder / "keys").chmod(0o600)
        (folder / "receive.toml").write_text(CONFIGURATION + configuration)
        self.folder = folder
        self.log: list[dict[str, Any]] = []
        self.port = self.metrics_port = 0
        variables = {name: value for name, value in os.environ.items() if not name.startswith("CFDNS")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cfdns_fast", "receive", "--config", str(folder / "receive.toml"), *arguments],
            env={**variables, "PYTHONPATH": ROOT, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def __enter__(self) -> ReceiverProcess:
        try:
            self.wait_for(lambda: self.port or self.process.poll() is not None)
            assert self.port, self.messages()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def messages(self) -> list[str]:
        """Return the texts of the log."""
        return [each["message"] for each in self.log]

    def stop(self) -> int:
        """Send SIGTERM, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(TIMEOUT_S)
        self._reader.join()
        return code

    def post(self, body: bytes, *, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Send a body with the key, and return status and answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", "/plain/batch", body, {"X-SEKOIAIO-INTAKE-KEY": KEY, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, str]:
        """Read from the listener of operators."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metric(self, sample: str) -> float:
        """Return the value of a sample, such as ``cfdns_sink_up{sink="out"}``; 0 if it is absent."""
        for line in self.get("/metrics")[1].splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        return 0.0

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Return when the condition is true; fail after a minute."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline_s, self.messages()
            time.sleep(0.05)

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                members = json.loads(line)
            except ValueError:
                members = {"level": "raw", "message": line.decode("utf-8", "replace")}
            self.log.append(members)
            if members.get("ports"):
                self.metrics_port = members["metrics_ports"][0]
                self.port = members["ports"][0]


def batch(first: int, count: int) -> bytes:
    """Return a gzip body of records with the names ``n<number>.example.com``."""
    line = b'{"QueryName":"n%d.example.com","QueryType":1,"Timestamp":1767225600}\n'
    return gzip.compress(b"".join(line % number for number in range(first, first + count)), 1, mtime=0)


def delivered(folder: Path) -> list[int]:
    """Return the numbers of the records in all complete files of a file sink, in the order of the files."""
    found: list[int] = []
    for path in sorted(folder.rglob("[!.]*.ndjson*")):
        data = path.read_bytes()
        found += numbers_of((gzip.decompress(data) if path.name.endswith(".gz") else data).splitlines())
    return found


def numbers_of(lines: Iterable[bytes]) -> list[int]:
    """Return the numbers in the names of events."""
    names = (json.loads(line)["dns"]["question"]["name"] for line in lines)
    return [int(name.partition(".")[0][1:]) for name in names]
