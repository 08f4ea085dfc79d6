"""The command: inputs, rejects, summary, options."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import select
import subprocess
import sys
from collections.abc import Callable

import pytest
from support.command import RECORD, TIMEOUT_S, Cli, CliHere, Finished, needs_posix, numbered, query_names, records


def test_convert_without_inputs_reads_stdin(cli: Cli) -> None:
    run = cli("convert", input=RECORD)
    assert run.code == 0
    assert json.loads(run.output)["dns"]["question"]["name"] == "www.example.com"
    assert run.output.endswith(b"}\n")


def test_convert_reads_stdin_where_the_dash_is(cli: Cli) -> None:
    cli.write("a", records(1))
    cli.write("b", records(1, 2))
    run = cli("convert", "a", "-", "b", input=records(1, 1))
    assert query_names(run.output) == numbered(3)


def test_convert_detects_gzip_by_content(cli: Cli) -> None:
    cli.write("compressed.ndjson", gzip.compress(records(2)))
    cli.write("plain.gz", records(2, 2))
    run = cli("convert", "compressed.ndjson", "plain.gz", "-", input=gzip.compress(records(2, 4)))
    assert run.code == 0
    assert query_names(run.output) == numbered(6)


def test_convert_reads_gzip_members_cut_within_lines(cli_here: CliHere) -> None:
    content = records(3000)
    parts = content[:1000], content[1000:1001], content[1001:]
    cli_here.write("in.gz", b"".join(map(gzip.compress, parts)))
    run = cli_here("convert", "in.gz")
    assert run.code == 0
    assert query_names(run.output) == numbered(3000)


def test_convert_keeps_the_order_of_many_blocks(cli: Cli) -> None:
    cli.write("in", records(30_000))
    run = cli("convert", "--no-message", "in")
    assert query_names(run.output) == numbered(30_000)
    assert "lines 30000, events 30000, blank 0, problems 0, rejects 0" in run.errors


def test_convert_frames_each_input_separately(cli_here: CliHere) -> None:
    """The inputs have no final newline."""
    cli_here.write("a", records(1).rstrip())
    cli_here.write("b", records(1, 1).rstrip())
    run = cli_here("convert", "a", "b")
    assert query_names(run.output) == numbered(2)
    assert "lines 2, events 2" in run.errors


def test_convert_of_empty_input_writes_nothing(cli_here: CliHere) -> None:
    cli_here.write("in", b"")
    run = cli_here("convert", "in")
    assert (run.code, run.output) == (0, b"")
    assert "lines 0, events 0, blank 0, problems 0, rejects 0, 0 events/s" in run.errors


@needs_posix
def test_convert_writes_each_event_immediately(cli: Cli) -> None:
    """Standard input delivers one line at a time."""
    process = cli.start("convert", stdin=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    for number in range(2):
        process.stdin.write(records(1, number))
        process.stdin.flush()
        assert select.select([process.stdout], [], [], TIMEOUT_S)[0]
        assert query_names(process.stdout.readline()) == numbered(1, number)
    assert Finished(process).code == 0


def test_convert_of_missing_input_exits_1(cli_here: CliHere) -> None:
    """The other inputs are converted."""
    cli_here.write("in", records(2))
    run = cli_here("convert", "nowhere", "in", "-o", "out")
    assert run.code == 1
    assert run.lines[0] == "cfdns-fast: nowhere: No such file or directory"
    assert run.lines[1].startswith("cfdns-fast: lines 2, events 2,")
    assert len(run.lines) == 2
    assert query_names((cli_here.directory / "out").read_bytes()) == numbered(2)


def test_convert_without_readable_input_keeps_output(cli_here: CliHere) -> None:
    cli_here.write("out", b"kept")
    run = cli_here("convert", "typo", "-o", "out", "--rejects", "rejects")
    assert (run.code, run.lines[0]) == (1, "cfdns-fast: typo: No such file or directory")
    assert ((cli_here.directory / "out").read_bytes(), cli_here.names()) == (b"kept", ["out"])


@pytest.mark.parametrize("arguments", [["", "-o", "out"], ["-o", ""], ["--rejects", ""]])
def test_convert_rejects_empty_names(cli_here: CliHere, arguments: list[str]) -> None:
    run = cli_here("convert", *arguments)
    assert (run.code, len(run.lines), os.listdir()) == (2, 1, [])
    assert "has an empty name" in run.lines[0]


@needs_posix
def test_convert_of_an_empty_directory_exits_1(cli_here: CliHere) -> None:
    (cli_here.directory / "folder").mkdir()
    run = cli_here("convert", "folder", "--quiet")
    assert (run.code, run.lines) == (1, ["cfdns-fast: folder: has no files"])


def test_convert_of_truncated_gzip_rejects_the_rest(cli_here: CliHere) -> None:
    """The records before the fault and the next input are converted."""
    compressed = gzip.compress(records(5000))[:-200]
    cli_here.write("cut.gz", compressed)
    cli_here.write("in", records(1))
    run = cli_here("convert", "cut.gz", "in", "-o", "out", "--rejects", "rejects")
    assert run.code == 1
    assert run.lines[0] == f"cfdns-fast: cut.gz: truncated gzip (at byte {len(compressed)} of the compressed input)"
    *before, last = query_names((cli_here.directory / "out").read_bytes())
    assert 4000 < len(before) < 5000
    assert before == numbered(len(before))
    assert last == "n0.example.com"
    (reject,) = map(json.loads, (cli_here.directory / "rejects").read_bytes().splitlines())
    assert reject["line"] == len(before) + 1
    assert records(1, len(before)).decode().startswith(reject["raw"])


def test_convert_of_gzip_with_garbage_exits_1(cli_here: CliHere) -> None:
    """Every record before the garbage is converted."""
    compressed = gzip.compress(records(3))
    cli_here.write("in.gz", compressed + b"garbage")
    run = cli_here("convert", "in.gz", "--quiet")
    assert run.code == 1
    assert query_names(run.output) == numbered(3)
    position = f"(at byte {len(compressed)} of the compressed input)"
    assert run.lines == [f"cfdns-fast: in.gz: not gzip after the last member {position}"]


@needs_posix
def test_convert_of_closed_stdin_exits_1(cli: Cli) -> None:
    run = Finished(cli.shell('"$0" -m cfdns_fast convert --quiet <&-'))
    assert (run.code, run.lines) == (1, ["cfdns-fast: stdin: is closed"])


def test_rejects_file_holds_every_byte_in_order(cli_here: CliHere) -> None:
    long_text = b'{"a":"' + b"\xc3\xa9" * 100_000
    long_binary = b"\xff\x00" * 50_000
    first = records(1) + long_text + b"\n\n" + records(1, 1)
    second = long_binary + b"\n[1]"
    cli_here.write("one", first)
    cli_here.write("two.gz", gzip.compress(second))
    run = cli_here("convert", "--input-format", "ndjson", "one", "two.gz", "-o", "out", "--rejects", "rejects")
    assert run.code == 0
    content = (cli_here.directory / "rejects").read_bytes()
    assert content.endswith(b"\n")
    expected = [
        ("one", 2, len(records(1)), "json.syntax", long_text),
        ("two.gz", 1, 0, "json.utf8", long_binary),
        ("two.gz", 2, len(long_binary) + 1, "json.not_object", b"[1]"),
    ]
    rejects = [json.loads(line) for line in content.splitlines()]
    for reject, (name, line, byte_offset, code, raw) in zip(rejects, expected, strict=True):
        kept = reject.pop("raw", "").encode() or base64.b64decode(reject.pop("raw_base64"), validate=True)
        assert kept == raw
        assert reject == {
            "input": name,
            "line": line,
            "byte_offset": byte_offset,
            "byte_length": len(raw),
            "code": code,
        }
    assert re.search(r"rejects 3 \(json.not_object 1; json.syntax 1; json.utf8 1\),", run.errors)


def test_reject_of_stdin_names_the_input_dash(cli: Cli) -> None:
    run = cli("convert", "--input-format", "ndjson", "-o", "out", "--rejects", "-", input=b"\tx\n")
    assert json.loads(run.output) == {
        "input": "-",
        "line": 1,
        "byte_offset": 1,
        "byte_length": 1,
        "code": "json.syntax",
        "raw": "x",
    }


def test_rejects_file_without_rejects_is_empty(cli_here: CliHere) -> None:
    cli_here.write("rejects", b"of yesterday")
    assert cli_here("convert", "--rejects", "rejects", "in", **{"in": RECORD}).code == 0
    assert (cli_here.directory / "rejects").read_bytes() == b""


def test_summary_line_counts_and_locates_rejects(cli_here: CliHere) -> None:
    bad = b'{"QueryName":1,"SourceIP":"x"}\n'
    cli_here.write("a", RECORD + b"\n \t\r\n" + bad)
    cli_here.write("b", bad + b"[]\nx\n[]\n")
    run = cli_here("convert", "a", "b")
    assert run.code == 0
    # Standard error is no terminal here, so there is one line and no progress.
    (line,) = run.lines
    assert "\r" not in run.errors
    first = f"json.not_object 2, first at b:2 byte offset {len(bad)}"
    second = f"json.syntax 1, first at b:3 byte offset {len(bad) + 3}"
    problems = "field.missing:Timestamp 2; field.type:QueryName 2; field.type:SourceIP 2"
    expected = f"lines 8, events 3, blank 2, problems 6 ({problems}), rejects 3 ({first}; {second}), "
    assert line.startswith(f"cfdns-fast: {expected}")
    assert re.fullmatch(r"[0-9]+ events/s", line.removeprefix(f"cfdns-fast: {expected}"))


def test_strict_with_rejects_exits_1(cli: Cli) -> None:
    """The events are written."""
    run = cli("convert", "--strict", "--quiet", "-o", "out", input=RECORD + b"x\n")
    assert query_names((cli.directory / "out").read_bytes()) == ["www.example.com"]
    assert (run.code, run.lines) == (1, ["cfdns-fast: 1 rejects (--strict allows none)"])


def test_strict_with_only_problems_exits_0(cli: Cli) -> None:
    assert cli("convert", "--strict", input=b'{"ColoCode":"AMS"}\n').code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="names that are any bytes")
def test_undecodable_name_is_escaped_in_messages(cli: Cli) -> None:
    name = b"bad\xff\x1b[31m\n\xe2\x80\xae.gz"
    (cli.directory / os.fsdecode(name)).write_bytes(gzip.compress(b"x\n")[:-1])
    ndjson = ("--input-format", "ndjson")
    run = cli("convert", *ndjson, name, "--rejects", "rejects")
    assert run.code == 1
    assert run.lines[0].startswith("cfdns-fast: bad\\xff\\x1b[31m\\n\\u202e.gz: truncated gzip ")
    reject = json.loads((cli.directory / "rejects").read_bytes())
    assert reject["input"] == "bad\\xff\x1b[31m\n\u202e.gz"
    run = cli("convert", *ndjson, name, env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert (run.code, len(run.lines)) == (1, 2)


def test_convert_passes_options_to_the_normalizer(cli: Cli) -> None:
    record = b'{"QueryName":"a.b.github.io","Timestamp":5000}\n'
    options = "--no-message", "--private-suffixes", "--timestamp-unit", "ms", "--max-record-bytes", str(len(record) - 1)
    run = cli("convert", *options, input=record.replace(b"a", b"aa") + record)
    assert "record.too_large 1, first at stdin:1 byte offset 0" in run.errors
    event = json.loads(run.output)
    assert "message" not in event
    assert event["@timestamp"] == "1970-01-01T00:00:05Z"
    assert event["dns"]["question"]["registered_domain"] == "b.github.io"


def test_convert_uses_the_mapping_file(cli_here: CliHere) -> None:
    cli_here.write("my.toml", b'[[field]]\nto = "name"\nfrom = "QueryName"\nkind = "text"\n')
    assert cli_here("convert", "--schema", "my.toml", "in", **{"in": RECORD}).output == b'{"name":"www.example.com"}\n'


def test_invalid_mapping_is_one_line_and_exit_2(cli_here: CliHere) -> None:
    """The line names the entry and the allowed values."""
    mapping = b'[[field]]\nto = "name"\nfrom = "QueryName"\nkind = "word"\n'
    run = cli_here("convert", "--schema", "my.toml", "-o", "out", **{"my.toml": mapping})
    assert (run.code, len(run.lines)) == (2, 1)
    assert run.lines[0].startswith("cfdns-fast: my.toml:4: field 1 (name): kind must be one of raw, constant, text,")
    assert os.listdir() == ["my.toml"]
    run = cli_here("convert", "--schema", "nowhere")
    assert (run.code, len(run.lines)) == (2, 1)
    assert "sekoia" in run.lines[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "--nonsense"],
        ["convert", "--timestamp-unit", "days"],
        ["convert", "--max-record-bytes", "0"],
        ["convert", "-o"],
        ["transmute"],
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(cli_here: CliHere, arguments: list[str]) -> None:
    run = cli_here(*arguments)
    assert (run.code, run.output, len(run.lines)) == (2, b"", 1)
    assert run.lines[0].startswith("cfdns-fast: ") and run.lines[0].endswith(" --help)")


def test_help_lists_options_and_exit_codes(cli: Cli) -> None:
    run = cli("convert", "--help")
    assert (run.code, run.errors) == (0, "")
    for text in ("--output", "--schema", "--rejects", "--strict", "--max-record-bytes", "Exit codes:"):
        assert text in run.output.decode()


def test_command_without_arguments_prints_help(cli: Cli) -> None:
    run = cli()
    assert (run.code, run.output) == (2, b"")
    assert run.errors.startswith("Usage: cfdns-fast ")


def test_version_is_printed(cli: Cli) -> None:
    run = cli("--version")
    assert (run.code, run.errors) == (0, "")
    assert run.output.startswith(b"cfdns-fast ")


def test_debug_variable_shows_the_traceback(cli: Cli) -> None:
    process = cli.start("convert", "--schema", "nowhere", env={"CFDNS_DEBUG": "1"})
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 2
    assert b"Traceback" in errors


@needs_posix
@pytest.mark.parametrize(
    ("options", "shown"),
    [([], True), (["--no-progress"], False), (["--quiet"], False)],
    ids=["default", "off", "quiet"],
)
def test_progress_is_shown_on_a_terminal(cli: Cli, options: list[str], shown: bool) -> None:
    """The options --no-progress and --quiet turn it off."""
    cli.write("in", records(3))
    text = on_terminal(lambda terminal: cli.start("convert", "in", *options, stderr=terminal))
    assert (b"B/s" in text) is shown
    summary = re.search(rb"lines 3, events 3, [^\r\n]*\r\n\Z", text)
    assert bool(summary) is ("--quiet" not in options)


@needs_posix
def test_progress_is_off_if_events_go_to_the_terminal(cli: Cli) -> None:
    cli.write("in", records(3))
    text = on_terminal(lambda terminal: cli.start("convert", "in", stdout=terminal, stderr=terminal))
    assert b"B/s" not in text
    assert b"n2.example.com" in text


def on_terminal(start: Callable[[int], subprocess.Popen[bytes]]) -> bytes:
    """Return everything that a command writes to a new terminal."""
    controller, terminal = os.openpty()
    process = start(terminal)
    os.close(terminal)
    chunks = []
    try:
        while chunk := os.read(controller, 65536):
            chunks.append(chunk)
    except OSError:  # Linux reports the closed terminal as an error
        pass
    finally:
        os.close(controller)
    assert Finished(process).code == 0
    return b"".join(chunks)
