"""Helpers for tests of the command, which run ``python -m cfdns_fast`` as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

import cfdns_fast
from cfdns_fast.cli.app import main

RECORD = b'{"QueryName":"www.example.com","QueryType":1,"SourceIP":"192.0.2.1","Timestamp":1767225600}\n'
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(cfdns_fast.__file__)))
TIMEOUT_S = 30

needs_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals, FIFOs and links")


def records(count: int, first: int = 0) -> bytes:
    line = b'{"QueryName":"n%d.example.com","Timestamp":1767225600}\n'
    return b"".join(line % number for number in range(first, first + count))


def query_names(output: bytes) -> list[str]:
    return [json.loads(line)["dns"]["question"]["name"] for line in output.splitlines()]


def numbered(count: int, first: int = 0) -> list[str]:
    return [f"n{number}.example.com" for number in range(first, first + count)]


class Folder:
    """The directory in which the command runs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, name: str, content: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(content)
        return path

    def names(self) -> list[str]:
        return sorted(os.listdir(self.directory))


class Cli(Folder):
    """Runs the command as a process in its own directory."""

    prefix: ClassVar = ["-m", "cfdns_fast"]

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("CFDNS", "TQDM"))}
        self.environment["PYTHONPATH"] = ROOT

    def start(self, *arguments: str | bytes, **options: Any) -> subprocess.Popen[bytes]:
        return self._start([sys.executable, *self.prefix, *arguments], **options)

    def shell(self, command: str) -> subprocess.Popen[bytes]:
        """Start a shell in which ``$0`` is the interpreter."""
        return self._start(["sh", "-c", command, sys.executable])

    def _start(self, command: list[str | bytes], env: dict[str, str] | None = None, **options: Any) -> Any:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(command, cwd=self.directory, env=self.environment | (env or {}), **pipes)

    def __call__(self, *arguments: str | bytes, input: bytes | None = None, **options: Any) -> Finished:
        if input is not None:
            options["stdin"] = subprocess.PIPE
        return Finished(self.start(*arguments, **options), input)


class Finished:
    """The end of a run. Raises AssertionError if the run shows a traceback."""

    def __init__(self, process: subprocess.Popen[bytes], input: bytes | None = None) -> None:
        try:
            output, errors = process.communicate(input, timeout=TIMEOUT_S)
        finally:
            process.kill()
        self.code = process.returncode
        self.output = output
        self.errors = (errors or b"").decode("utf-8")
        self.lines = self.errors.splitlines()
        assert "Traceback" not in self.errors and "Exception ignored" not in self.errors, self.errors


class Ended:
    """The end of a run in this process."""

    def __init__(self, code: object, output: bytes, errors: bytes) -> None:
        self.code = code
        self.output = output
        self.errors = errors.decode("utf-8")
        self.lines = self.errors.splitlines()


class CliHere(Folder):
    """Runs the command in this process, for tests of options: a process takes a tenth of a second to start.

    Its directory must be the current one.
    """

    def __init__(self, directory: Path, capture: pytest.CaptureFixture[bytes]) -> None:
        super().__init__(directory)
        self._capture = capture

    def __call__(self, *arguments: str, **files: bytes) -> Ended:
        """Write the files, and run the command with an empty standard input."""
        for name, content in files.items():
            self.write(name, content)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        return Ended(ended.value.code, *self._capture.readouterr())


def wait_until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def temporary_bytes(process: subprocess.Popen[bytes], directory: Path) -> int:
    """Return the size of the temporary files of a process in a directory, with or without a name."""
    sizes = [path.stat().st_size for path in directory.glob(".cfdns-fast-*")]
    folder = Path(f"/proc/{process.pid}/fd")
    for entry in folder.iterdir() if folder.exists() else ():
        with suppress(FileNotFoundError):
            target = os.readlink(entry)
            if target.startswith(f"{directory}{os.sep}#") and target.endswith(" (deleted)"):
                sizes.append(entry.stat().st_size)
    return sum(sizes)
