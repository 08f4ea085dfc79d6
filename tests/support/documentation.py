"""Runs the code blocks of the documentation.

The language of a block says how it is run:

python      executed; it must print the text of the comments after its ``print(…)``
sh          executed by ``sh -e``; with ``<!-- exit N -->`` before it, it must end with that code; with
            ``<!-- command: NAME -->`` it is run by `.ci/run`, in a new environment
any         with ``<!-- engine: NAME -->`` it is run by `tests/spark`, in a process of its own
toml, yaml  parsed; a mapping file is loaded, and the command in the configuration of a collector is run
ruby        a pipeline of Logstash: parsed, and its command is run
dockerfile  parsed
diff        applied to the file that its first lines name
json, text  after ``<!-- output -->``: the output of the block before; ``…`` stands for any text within a line

The blocks of a page run in order, in one folder that holds `SAMPLES`, and Python's share their names.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import dockerfile, logstash_config

import cfdns_fast
from cfdns_fast import Normalizer

ROOT = Path(__file__).parents[2]
PAGES = [
    path
    for pattern in (
        "README.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "docs/**/*.md",
        "cfdns_fast/data/README.md",
        "benchmarks/README.md",
        "tests/**/README.md",
    )
    for path in sorted(ROOT.glob(pattern))
]

RECORD = b'{"QueryName":"www.example.co.uk.","QueryType":28,"ResponseCode":0,"Timestamp":1657233726004000000}\n'
SAMPLE = gzip.compress(RECORD * 3, mtime=0)
#: Files in the folder of a page, because commands of the page name them.
SAMPLES = {
    "logs/one.log.gz": SAMPLE,
    "logs/two.log.gz": SAMPLE,
    "logs.gz": SAMPLE,
    "batch.gz": SAMPLE,
    "batch.log.gz": SAMPLE,
}

TIMEOUT_S = 60

#: Addresses in commands of pages, and the variables that make them the receiver's. Each page gets free ports instead,
#: because several runs can share a machine.
ADDRESSES = {"127.0.0.1:8443": "CFDNS_RECEIVE_LISTEN", "127.0.0.1:9090": "CFDNS_RECEIVE_METRICS_LISTEN"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its position, its language, its text, and the words of a comment before it."""

    page: str
    line: int
    language: str
    text: str
    marks: tuple[str, ...]

    @property
    def command(self) -> str | None:
        """The name of the block in `.ci/run`: ``<!-- command: name -->``."""
        return self.marks[1] if self.marks[:1] == ("command:",) else None

    @property
    def engine(self) -> str | None:
        """The engine that the block needs, in `tests/spark`: ``<!-- engine: name -->``."""
        return self.marks[1] if self.marks[:1] == ("engine:",) else None

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


_FENCE = re.compile(r"^(?:<!-- ([^\n]*) -->\n+)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    """Return the name of a page, which is its path in the repository."""
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path) -> list[Block]:
    """Return the code blocks of a page."""
    return blocks_of(path.read_text(encoding="utf-8"), name_of(path))


def blocks_of(text: str, page: str) -> list[Block]:
    """Return the code blocks of a page's text."""
    found = list(_FENCE.finditer(text))
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(found), f"{page}: a fence of another form"
    return [
        Block(page, text.count("\n", 0, each.start(3)) + 1, each[2], each[3], tuple((each[1] or "").split()))
        for each in found
    ]


class Page:
    """Runs the blocks of a page in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "page"}
        self._printed: str | None = None
        for name, content in SAMPLES.items():
            path = folder / "page" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.folder = folder / "page"
        self.environment = _environment(folder / "bin")
        self._addresses = _free_addresses()
        self.environment |= {ADDRESSES[documented]: free for documented, free in self._addresses.items()}
        self._groups: list[int] = []

    def close(self) -> None:
        """Kill the processes that commands left in the background."""
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def run(self, block: Block) -> None:
        """Run one block. Raises AssertionError if the block does not do what the page says."""
        if block.marks == ("output",):
            assert self._printed is not None, f"{block.place}: output of nothing"
            assert _matches(block.text, self._printed), f"{block.place}: printed was\n{self._printed}"
            return
        tried: dict[str, Callable[[Block], str | None]] = {
            "python": self._python,
            "sh": self._shell,
            "toml": self._toml,
            "yaml": self._yaml,
            "ruby": self._pipeline,
            "dockerfile": self._dockerfile,
            "diff": self._diff,
        }
        assert block.language in tried, f"{block.place}: a block of this language cannot be run"
        self._printed = tried[block.language](block)

    def _python(self, block: Block) -> str:
        # The blank lines make a traceback name the line of the page.
        code = compile("\n" * (block.line - 1) + block.text, block.page, "exec")
        printed = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
            exec(code, self.names)
        claimed = "".join(f"{text}\n" for text in re.findall(r"^ *print\(.*\)  # (.*)$", block.text, re.MULTILINE))
        if claimed:
            assert _matches(claimed, printed.getvalue()), f"{block.place}: printed was\n{printed.getvalue()}"
        return printed.getvalue()

    def _shell(self, block: Block) -> str:
        text = block.text
        for documented, free in self._addresses.items():
            text = text.replace(documented, free)
        with subprocess.Popen(
            ["sh", "-e", "-c", text],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        ) as shell:
            if "&\n" in text:
                self._groups.append(shell.pid)
            try:
                output, _ = shell.communicate(timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(shell.pid, signal.SIGKILL)
                raise
        expected = int(block.marks[1]) if block.marks[:1] == ("exit",) else 0
        assert shell.returncode == expected, f"{block.place}: exit code {shell.returncode}\n{output}"
        return output

    def _toml(self, block: Block) -> None:
        document = tomllib.loads(block.text)
        if "field" in document:
            path = self.folder / "block.toml"
            path.write_text(block.text, encoding="utf-8")
            assert Normalizer(path).to_ndjson(RECORD).events == 1
        else:
            self._collect(block, document)

    def _yaml(self, block: Block) -> None:
        yaml = pytest.importorskip("yaml")
        self._collect(block, yaml.safe_load(block.text))

    def _pipeline(self, block: Block) -> None:
        self._collect(block, logstash_config.parse(block.text))

    def _dockerfile(self, block: Block) -> None:
        dockerfile.parse(block.text)

    def _collect(self, block: Block, document: Any) -> None:
        found = list(_commands(document))
        assert bool(found) == ("cfdns-fast" in block.text), f"{block.place}: the command is not found"
        for command in found:
            collect(command, self.folder, self.environment)

    def _diff(self, block: Block) -> None:
        before, after, *lines = block.text.splitlines()
        path = self.folder / after.removeprefix("+++ ")
        assert before == f"--- {path.name}" and after == f"+++ {path.name}", f"{block.place}: which file?"
        text = path.read_text(encoding="utf-8")
        for hunk in "\n".join(lines).split("@@\n")[1:]:
            old, new = (
                "".join(f"{line[1:]}\n" for line in hunk.splitlines() if line[:1] in kept) for kept in (" -", " +")
            )
            assert text.count(old) == 1, f"{block.place}: stands {text.count(old)} times in {path.name}:\n{old}"
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


def _free_addresses() -> dict[str, str]:
    """Return an address with a free port for each of `ADDRESSES`."""
    with contextlib.ExitStack() as opened:
        free = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in ADDRESSES]
        return {
            documented: f"127.0.0.1:{each.getsockname()[1]}" for documented, each in zip(ADDRESSES, free, strict=True)
        }


def _matches(claimed: str, printed: str) -> bool:
    """Return whether the printed text is the claimed text; the layout of JSON may differ."""
    with contextlib.suppress(ValueError):
        return bool(json.loads(claimed) == json.loads(printed))
    return re.fullmatch(re.escape(claimed.strip()).replace("…", ".*"), printed.strip()) is not None


def _environment(programs: Path) -> dict[str, str]:
    """Return an environment in which ``cfdns-fast`` and ``python`` are those under test."""
    programs.mkdir()
    for name, arguments in (("cfdns-fast", "-P -m cfdns_fast"), ("python", "-P")):
        path = programs / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n', encoding="utf-8")
        path.chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CFDNS")}
    package = str(Path(cfdns_fast.__file__).parents[1])
    return {**kept, "PATH": f"{programs}{os.pathsep}{kept['PATH']}", "PYTHONPATH": package}


def _commands(document: Any) -> Iterator[list[str]]:
    """Yield the value of every key ``command``; text is a command of the shell."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "command":
                yield value if isinstance(value, list) else ["sh", "-c", value]
            else:
                yield from _commands(value)
    elif isinstance(document, list):
        for item in document:
            yield from _commands(item)


def collect(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Run a command that follows a log: it must write events while it runs, and no rejects among the events.

    The folders below /var that the command names are made in `folder`.
    """
    log = folder / "var/log/cloudflare/dns.ndjson"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(RECORD + b"oops\n")
    started = subprocess.Popen(
        [argument.replace("/var/", f"{folder}/var/") for argument in command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert started.stdout is not None and started.stderr is not None
    watchdog = threading.Timer(TIMEOUT_S, os.killpg, (started.pid, signal.SIGKILL))
    watchdog.start()
    try:
        first = json.loads(started.stdout.readline())
        with open(log, "ab") as file:
            file.write(RECORD)
        second = json.loads(started.stdout.readline())
        assert first == second
        assert first["dns"]["question"]["name"] == "www.example.co.uk"
        kept = log.with_name("rejects.ndjson")
        reject = json.loads(kept.read_bytes() if kept.exists() else started.stderr.readline())
        assert (reject["raw"], reject["code"]) == ("oops", "json.syntax")
    finally:
        watchdog.cancel()
        watchdog.join()
        os.killpg(started.pid, signal.SIGKILL)
        started.communicate()
