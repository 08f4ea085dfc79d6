"""The command on slow input: complete records are written as soon as no more input waits."""

from __future__ import annotations

import os
import subprocess
import zlib

import pytest
from support.command import Cli, Finished, needs_posix, numbered, query_names, records

pytestmark = needs_posix

DOCUMENT = [
    b'[{"QueryName":"n0.example.com"},\n{"QueryName":"n1.example.com"},{"QueryNa',
    b'me":"n2.example.com"}',
    b',{"QueryName":"n3.example.com","QueryType":1}]\n',
]
ROWS = [b"QueryName,Timestamp\nn0.example.com,1\n", b'"n1.exam', b'ple.com",2\n"n2', b'.example.com","3"\n']


def live(cli: Cli, steps: list[tuple[bytes, int]], *arguments: str) -> Finished:
    """Write each part to the open input of the command, and then read the events that the part completes."""
    process = cli.start("convert", "--no-message", *arguments, stdin=subprocess.PIPE, bufsize=0)
    assert process.stdin is not None and process.stdout is not None
    seen: list[str] = []
    # The pipes have no buffer, and `readline` would read single bytes.
    with open(process.stdout.fileno(), "rb", closefd=False) as lines:
        for part, events in steps:
            process.stdin.write(part)
            for _ in range(events):
                seen += query_names(lines.readline())
    assert seen == numbered(len(seen))
    return Finished(process)


@pytest.mark.parametrize("threads", ["1", "2", "8"])
@pytest.mark.parametrize("input_format", ["auto", "ndjson"])
def test_lines_are_written_immediately(cli: Cli, threads: str, input_format: str) -> None:
    steps = [(records(1, number), 1) for number in range(3)] + [(records(2000, 3), 2000)]
    run = live(cli, steps, "--threads", threads, "--input-format", input_format)
    assert run.code == 0 and "events 2003," in run.errors


def test_object_is_written_before_its_line_ends(cli: Cli) -> None:
    """The rest of the object is shorter than the bytes that were held back."""
    record = records(1).rstrip(b"\n")
    steps = [(record[:-2], 0), (record[-2:], 1), (b"{", 0)]
    assert "events 1, blank 0, problems 0, rejects 1 " in live(cli, steps, "--input-format", "ndjson").errors


@pytest.mark.parametrize("threads", ["1", "2"])
def test_document_elements_are_written_immediately(cli: Cli, threads: str) -> None:
    run = live(cli, list(zip(DOCUMENT, [2, 1, 1], strict=True)), "--threads", threads)
    assert "events 4," in run.errors


@pytest.mark.parametrize("threads", ["1", "2"])
def test_rows_are_written_immediately(cli: Cli, threads: str) -> None:
    run = live(cli, list(zip(ROWS, [1, 0, 1, 1], strict=True)), "--threads", threads)
    assert "events 3," in run.errors


def test_delimited_records_are_written_immediately(cli: Cli) -> None:
    line = b'{"QueryName":"n%d.example.com"}|'
    steps = [(line % 0, 0), (b"\n" + line % 1, 2), (line % 2, 1)]
    assert "events 3," in live(cli, steps, "--record-delimiter", "|", "--threads", "2").errors


def test_compressed_input_is_written_at_each_flush(cli: Cli) -> None:
    compressor = zlib.compressobj(wbits=31)
    parts = [records(3), records(2, 3)]
    steps = [(compressor.compress(part) + compressor.flush(zlib.Z_SYNC_FLUSH), part.count(b"\n")) for part in parts]
    steps.append((compressor.flush(), 0))
    assert live(cli, steps, "--threads", "2").code == 0


def test_compressed_output_to_a_fifo_is_immediate(cli: Cli) -> None:
    os.mkfifo(cli.directory / "events.gz")
    process = cli.start("convert", "-o", "events.gz", stdin=subprocess.PIPE, bufsize=0)
    assert process.stdin is not None
    decompressor = zlib.decompressobj(31)
    with open(cli.directory / "events.gz", "rb", buffering=0) as reader:
        for number in range(3):
            process.stdin.write(records(1, number))
            output = b""
            while not output.endswith(b"\n"):
                output += decompressor.decompress(reader.read(4096) or b"")
            assert query_names(output) == numbered(1, number)
        process.stdin.close()
        process.stdin = None
        while rest := reader.read(4096):
            decompressor.decompress(rest)
    assert decompressor.eof and Finished(process).code == 0


def test_rejects_are_written_immediately(cli: Cli) -> None:
    process = cli.start(
        "convert", "--threads", "2", "--rejects", "/dev/stderr", "-o", os.devnull, stdin=subprocess.PIPE, bufsize=0
    )
    assert process.stdin is not None and process.stderr is not None
    process.stdin.write(records(1) + b"oops\n")
    assert b'"raw":"oops"' in process.stderr.readline()
    assert Finished(process).code == 0
