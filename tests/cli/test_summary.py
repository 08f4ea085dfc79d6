"""The JSON summary of the command."""

from __future__ import annotations

import gzip
import json
import os
from typing import Any

import pytest
from support.command import RECORD, TIMEOUT_S, Cli, CliHere, Folder, needs_posix, records


def summary_of(cli: Folder, name: str = "summary") -> dict[str, Any]:
    (line,) = (cli.directory / name).read_bytes().splitlines()
    summary: dict[str, Any] = json.loads(line)
    return summary


def test_summary_holds_the_figures_of_the_line(cli_here: CliHere) -> None:
    cli_here.write("a", records(2) + b"\noops\n")
    cli_here.write("b", b'{"QueryName":5}\n' + b"[]\noops\n")
    run = cli_here("convert", "a", "b", "-o", "out", "--summary-json", "summary")
    summary = summary_of(cli_here)
    assert run.code == summary["exit_code"] == 0
    assert summary.pop("seconds") > 0 and summary.pop("events_per_second") > 0
    assert summary == {
        "format": 1,
        "end": "complete",
        "signal": None,
        "failure": None,
        "exit_code": 0,
        "inputs": 2,
        "skipped": [],
        "faults": [],
        "unknown_inputs": [],
        "unused_columns": [],
        "lines": 7,
        "events": 3,
        "blank": 1,
        "unknown": 0,
        "problems": {"field.missing:Timestamp": 1, "field.type:QueryName": 1},
        "rejects": {
            "json.not_object": {"count": 1, "first": {"input": "b", "line": 2, "byte_offset": 16}},
            "json.syntax": {"count": 2, "first": {"input": "a", "line": 4, "byte_offset": 109}},
        },
        "unfinished_bytes": 0,
    }


def test_summary_names_inputs_with_faults(cli_here: CliHere) -> None:
    compressed = gzip.compress(RECORD)
    cli_here.write("cut.gz", compressed[:-4])
    cli_here.write("text", b"hello\n")
    cli_here.write("ownership-challenge-01234567.txt", b"x")
    run = cli_here(
        "convert", "cut.gz", "nowhere", "text", "ownership-challenge-01234567.txt", "--summary-json", "summary"
    )
    summary = summary_of(cli_here)
    assert (run.code, summary["exit_code"], summary["end"], summary["inputs"]) == (1, 1, "complete", 4)
    assert summary["skipped"] == ["ownership-challenge-01234567.txt"]
    assert summary["faults"] == [
        {"input": "cut.gz", "reason": "truncated gzip", "byte_offset": len(compressed) - 4},
        {"input": "nowhere", "reason": "No such file or directory", "byte_offset": None},
        {"input": "text", "reason": "format.unknown", "byte_offset": None},
    ]


def test_summary_may_go_to_standard_output(cli: Cli) -> None:
    run = cli("convert", "-o", "out", "--summary-json", "-", "--quiet", input=RECORD)
    assert (run.code, run.lines, json.loads(run.output)["events"]) == (0, [], 1)


@pytest.mark.parametrize("options", [[], ["-o", "out", "--rejects", "-"], ["-o", "-"]])
def test_summary_needs_standard_output_alone(cli_here: CliHere, options: list[str]) -> None:
    run = cli_here("convert", *options, "--summary-json", "-", "in", **{"in": RECORD})
    assert (run.code, len(run.lines), run.output, cli_here.names()) == (2, 1, b"", ["in"])
    assert "events and the JSON summary cannot both go to standard output" in run.lines[0]


@pytest.mark.parametrize("options", [["-o", "summary"], ["--rejects", "summary"]])
def test_summary_cannot_be_another_output(cli_here: CliHere, options: list[str]) -> None:
    run = cli_here("convert", *options, "--summary-json", "summary", "in", **{"in": RECORD})
    assert (run.code, cli_here.names()) == (2, ["in"])


@needs_posix
def test_summary_of_a_closed_output_says_closed(cli: Cli) -> None:
    cli.write("in", records(20_000))
    process = cli.shell('"$0" -m cfdns_fast convert in --summary-json summary | head -n 1 >/dev/null')
    process.communicate(timeout=TIMEOUT_S)
    summary = summary_of(cli)
    assert (summary["end"], summary["exit_code"]) == ("closed", 0)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is full")
def test_summary_of_a_failed_output_says_failed(cli: Cli) -> None:
    run = cli("convert", "-o", "/dev/full", "--summary-json", "summary", input=RECORD)
    summary = summary_of(cli)
    assert (run.code, summary["end"], summary["exit_code"]) == (1, "failed", 1)
    assert summary["failure"] == "/dev/full: No space left on device"
    assert run.lines == ["cfdns-fast: /dev/full: No space left on device"]
