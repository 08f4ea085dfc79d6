"""How the command handles signals and exhausted memory."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from support.command import (
    RECORD,
    ROOT,
    TIMEOUT_S,
    Cli,
    Finished,
    needs_posix,
    numbered,
    query_names,
    records,
    temporary_bytes,
    wait_until,
)
from support.processes import SANITIZED, run_python

from cfdns_fast.cli.signals import is_out_of_memory

pytestmark = [needs_posix, pytest.mark.usefixtures("interrupts")]

SIGNALS = [
    (signal.SIGINT, 130, "cfdns-fast: interrupted"),
    (signal.SIGTERM, 143, "cfdns-fast: ended by SIGTERM"),
]
if hasattr(signal, "SIGHUP"):
    SIGNALS.append((signal.SIGHUP, 129, "cfdns-fast: ended by SIGHUP"))


def fed(cli: Cli, data: bytes, *arguments: str, events: int = 1) -> tuple[subprocess.Popen[bytes], bytes]:
    """Start the command, write data into its open pipe, and return it with the lines of its first events."""
    # The pipe is unbuffered, because `communicate` ignores data in its buffer.
    process = cli.start("convert", *arguments, stdin=subprocess.PIPE, bufsize=0)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(data)
    return process, b"".join(process.stdout.readline() for _ in range(events))


@pytest.mark.parametrize(("number", "code", "line"), SIGNALS)
def test_signal_keeps_old_output_file(cli: Cli, number: int, code: int, line: str) -> None:
    cli.write("out", b"old")
    os.mkfifo(cli.directory / "fifo")
    process = cli.start("convert", "fifo", "-o", "out", "--rejects", "rejects", "--summary-json", "summary")
    with open(cli.directory / "fifo", "wb") as writer:
        writer.write(records(2000) + b"x\n")
        writer.flush()
        wait_until(lambda: temporary_bytes(process, cli.directory))
        process.send_signal(number)
        run = Finished(process)
    assert (run.code, run.lines) == (code, [line])
    assert (cli.directory / "out").read_bytes() == b"old"
    assert cli.names() == ["fifo", "out"]


@pytest.mark.parametrize("threads", [pytest.param("1", marks=pytest.mark.slow), "2"])
@pytest.mark.parametrize(("number", "code", "line"), SIGNALS)
def test_signal_on_pipe_loses_no_record(cli: Cli, number: int, code: int, line: str, threads: str) -> None:
    """With output to a pipe, everything that was read is converted, except an unfinished record."""
    data = records(3000) + b"oops\n" + records(3000, 3000) + b'{"Que'
    arguments = "--threads", threads, "--rejects", "rejects", "--summary-json", "summary"
    process, first = fed(cli, data, *arguments)
    assert process.stdin is not None
    # A second writer keeps the input open until the command handles the signal.
    with open(os.dup(process.stdin.fileno()), "wb"):
        process.send_signal(number)
        run = Finished(process)
    # The command may not have read all data in the pipe.
    names = query_names(first + run.output)
    assert names == numbered(len(names))
    summary = json.loads((cli.directory / "summary").read_bytes())
    assert (run.code, summary["exit_code"], summary["end"]) == (code, code, "interrupted")
    assert summary["signal"] == signal.Signals(number).name
    assert summary["events"] == len(names)
    left_out = f" ({summary['unfinished_bytes']} bytes that are not complete are left out)"
    assert run.lines[0] in (line, line + left_out)
    assert run.lines[1].startswith(f"cfdns-fast: lines {summary['lines']}, events {len(names)}, ")
    rejects = (cli.directory / "rejects").read_bytes().splitlines()
    assert len(rejects) == summary["rejects"].get("json.syntax", {"count": 0})["count"] == (len(names) > 3000)


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b'[{"QueryName":"n0.example.com"},\n{"QueryName":"n1.example.com"},{"Que', 2),
        (b'QueryName,Timestamp\nn0.example.com,1\nn1.example.com,2\n"n2', 2),
        (b"QueryName\tTimestamp\nn0.example.com\t1\nn1.example.com", 1),
        (records(3).rstrip(b"\n"), 3),
    ],
    ids=["json", "csv", "tsv", "ndjson"],
)
def test_signal_converts_the_complete_records(cli: Cli, data: bytes, events: int) -> None:
    process, first = fed(cli, data, "--threads", "2", events=events)
    process.send_signal(signal.SIGTERM)
    run = Finished(process)
    assert (run.code, query_names(first + run.output)) == (143, numbered(events))


def test_signal_decides_the_format(cli: Cli) -> None:
    """The format of one object without a newline is open until a signal ends the input."""
    os.mkfifo(cli.directory / "fifo")
    process = cli.start("convert", "fifo")
    with open(cli.directory / "fifo", "wb", buffering=0) as writer:
        writer.write(RECORD.rstrip(b"\n"))
        wait_until(lambda: pipe_is_empty(writer))
        process.send_signal(signal.SIGTERM)
        run = Finished(process)
    assert (run.code, query_names(run.output)) == (143, ["www.example.com"])


def pipe_is_empty(pipe: Any) -> bool:
    import array
    import fcntl
    import termios

    waiting = array.array("i", [0])
    fcntl.ioctl(pipe.fileno(), termios.FIONREAD, waiting)
    return not waiting[0]


def test_signal_ends_wait_for_a_writer(cli: Cli) -> None:
    """A FIFO that no other program opens is an input that was not read."""
    os.mkfifo(cli.directory / "fifo")
    cli.write("in", RECORD)
    process = cli.start("convert", "in", "fifo", "--rejects", "rejects", bufsize=0)
    assert process.stdout is not None
    assert query_names(process.stdout.readline()) == ["www.example.com"]
    process.send_signal(signal.SIGTERM)
    run = Finished(process)
    assert (run.code, len(run.lines)) == (143, 2)
    assert cli.names() == ["fifo", "in", "rejects"]


def test_signal_ends_wait_for_a_reader(cli: Cli) -> None:
    for name in ("events", "summary"):
        os.mkfifo(cli.directory / name)
    process = cli.start("convert", "-o", "events", "--summary-json", "summary", stdin=subprocess.PIPE)
    # The command opens the summary just before the events.
    with open(cli.directory / "summary", "rb") as summary:
        process.send_signal(signal.SIGINT)
        run = Finished(process)
        assert (run.code, run.lines, summary.read()) == (130, ["cfdns-fast: interrupted"], b"")


def test_second_signal_ends_immediately(cli: Cli) -> None:
    """A reader that has stopped reading cannot keep the command alive."""
    process = cli.start("convert", "--rejects", "rejects", stdin=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    writer = threading.Thread(target=write_quietly, args=(process.stdin, records(30_000)))
    writer.start()
    process.stdout.readline()

    def has_ended() -> bool:
        process.send_signal(signal.SIGINT)
        return process.poll() is not None

    wait_until(has_ended)
    writer.join()
    assert process.returncode == 130
    run = Finished(process)
    assert (run.lines[-1], cli.names()) == ("cfdns-fast: interrupted", [])


def write_quietly(pipe: Any, data: bytes) -> None:
    try:
        pipe.write(data)
        pipe.close()
    except BrokenPipeError:
        pass


def test_ignored_hangup_stays_ignored(cli: Cli) -> None:
    os.mkfifo(cli.directory / "fifo")
    process = cli.shell('trap "" HUP; exec "$0" -m cfdns_fast convert fifo')
    with open(cli.directory / "fifo", "wb") as writer:
        process.send_signal(signal.SIGHUP)
        writer.write(RECORD)
    assert Finished(process).code == 0


@pytest.mark.parametrize(("number", "code", "line"), SIGNALS)
@pytest.mark.parametrize("module", ["cfdns_fast.cli.app", "click", "cfdns_fast._core", "cfdns_fast.mapping.parser"])
def test_signal_at_an_import_is_one_line(number: int, code: int, line: str, module: str) -> None:
    program = f"""
import signal, sys
class Signalling:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            signal.raise_signal({int(number)})
sys.meta_path.insert(0, Signalling())
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[1:] = ["convert", "-"]
from cfdns_fast.__main__ import main
main()
"""
    done = run_python(program, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"{line}\n")


def test_command_handles_signals_before_most_imports() -> None:
    done = run_python(
        "import sys; before = set(sys.modules); import cfdns_fast.__main__, cfdns_fast.cli.signals;"
        "print(*sorted(set(sys.modules) - before))"
    )
    allowed = {"cfdns_fast", "cfdns_fast.__main__", "cfdns_fast.cli", "cfdns_fast.cli.signals", "cfdns_fast.lazy"}
    assert {name for name in done.stdout.split() if name.startswith("cfdns_fast")} == allowed
    assert not {"click", "typing", "dataclasses", "re", "json"}.intersection(done.stdout.split())


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_run_leaves_no_descriptor_open() -> None:
    program = """
import os, sys
from cfdns_fast.cli.app import main
before = len(os.listdir("/proc/self/fd"))
for arguments in (["-o", os.devnull], ["-o", "/dev/full"]) * 3:
    try:
        main(["convert", "--quiet", os.devnull, "/proc/version", "--input-format", "ndjson", *arguments])
    except SystemExit:
        pass
print(len(os.listdir("/proc/self/fd")) - before)
"""
    assert run_python(program).stdout == "0\n"


def chained(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (RuntimeError("can't start new thread"), True),
        (ImportError("/lib/x.so: failed to map segment from shared object"), True),
        (chained(ValueError("x"), MemoryError()), True),
        (OSError(errno.ENOENT, "No such file or directory"), False),
        (RuntimeError("other"), False),
        (ImportError("No module named click"), False),
        (ValueError("can't start new thread"), False),
    ],
)
def test_is_out_of_memory_detects_several_exceptions(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_thread_that_cannot_start_is_out_of_memory() -> None:
    program = """
import sys, threading
from cfdns_fast.__main__ import main
def start(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = start
sys.argv[1:] = ["convert", "-"]
main()
"""
    done = run_python(program, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (1, "cfdns-fast: out of memory\n")


@pytest.mark.slow
def test_interrupt_at_any_time_shows_no_traceback(cli: Cli) -> None:
    """The start of Python, before the first line of the package, may show a traceback."""
    chance = random.Random(1)
    for _ in range(40):
        process = cli.start("convert", stdin=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(RECORD)
        process.stdin.flush()
        time.sleep(chance.uniform(0, 0.3))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode in (130, -signal.SIGINT, 1), errors
        assert b"Traceback" not in errors or os.fsencode(os.path.join(ROOT, "cfdns_fast", "")) not in errors


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or SANITIZED, reason="a limit of address space")
@pytest.mark.parametrize("kibibytes", range(30_000, 130_000, 10_000))
def test_little_memory_succeeds_or_is_one_line(cli: Cli, kibibytes: int) -> None:
    cli.write("in", RECORD)
    run = Finished(cli.shell(f'ulimit -v {kibibytes}; exec "$0" -W ignore -m cfdns_fast convert in'))
    assert len(run.lines) == 1
    assert run.code == 0 or (run.code, run.lines) == (1, ["cfdns-fast: out of memory"])
