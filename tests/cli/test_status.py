"""``status``: what a directory holds that ``convert`` has written."""

from __future__ import annotations

import gzip
import json

import pytest
from support.command import CliHere, records
from support.logpush_names import log_name, write_logs

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

NAMES = [log_name("20260825", hour) for hour in (0, 1, 12)]


@pytest.fixture
def ready(cli_here: CliHere) -> CliHere:
    """Return the command in a directory with an output of two tasks; a third one is planned by no run."""
    write_logs(cli_here.directory / "logs", *NAMES)
    return cli_here


def lines_of(output: bytes) -> dict[str, str]:
    """Return the lines by their first word."""
    return {line.split()[0]: line[10:] for line in output.decode().splitlines() if line[0] != " "}


def test_status_of_a_complete_output(ready: CliHere) -> None:
    assert ready("convert", "logs", "-o", "events/").code == 0
    run = ready("status", "events")
    lines = lines_of(run.output)
    assert (run.code, run.lines) == (0, [])
    assert lines["output"] == "events"
    assert (lines["tasks"], lines["faults"]) == ("3 of 3 done", "0")
    assert lines["objects"].startswith("3 of 3 done, ")
    assert lines["events"] == "6, blank lines 0"
    assert lines["hours"] == "20260825T00 to 20260825T12, by the names of the objects"
    assert lines["files"].startswith("3, ")


def test_status_of_a_part_exits_1(ready: CliHere) -> None:
    """A shard plans all tasks and runs its own."""
    assert ready("convert", "logs", "-o", "events/", "--shard", "0/3").code == 0
    run = ready("status", "events/")
    assert (run.code, lines_of(run.output)["tasks"]) == (1, "1 of 3 done")
    run = ready("status", "events", "--json")
    found = json.loads(run.output)
    assert (run.code, found["exit_code"], found["tasks"], found["tasks_left"]) == (1, 1, 3, 2)
    assert (found["objects_left"], found["options"]["format"]) == (2, "parquet")


def test_status_names_rejects_and_faults(ready: CliHere) -> None:
    (ready.directory / "logs" / NAMES[0]).write_bytes(gzip.compress(b"oops\n" + records(1) + b"\n")[:-1])
    assert ready("convert", "logs", "-o", "events/").code == 1
    run = ready("status", "events")
    lines = lines_of(run.output)
    assert (run.code, lines["rejects"], lines["faults"]) == (1, "1 (json.syntax 1)", "1")
    assert lines["events"] == "5, blank lines 1"
    (fault,) = [line for line in run.output.decode().splitlines() if line.startswith(" ")]
    assert NAMES[0] in fault and "truncated gzip" in fault


def test_state_may_be_elsewhere(ready: CliHere) -> None:
    assert ready("convert", "logs", "-o", "events/", "--state", "state/").code == 0
    assert not (ready.directory / "events" / "_cfdns").exists()
    run = ready("status", "events", "--state", "state")
    assert (run.code, lines_of(run.output)["tasks"]) == (0, "3 of 3 done")
    assert ready("status", "events").code == 1


@pytest.mark.parametrize("arguments", [["nothing"], ["empty"], ["logs"], ["logs", "--state", "nothing"]])
def test_output_without_a_state_is_one_sentence(ready: CliHere, arguments: list[str]) -> None:
    (ready.directory / "empty").mkdir()
    run = ready("status", *arguments)
    text = f"cfdns-fast: {arguments[0]}: holds no state of cfdns-fast"
    assert (run.code, run.lines, run.output) == (1, [text], b"")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "Missing argument 'OUTPUT'"),
        ([""], "the output has an empty name"),
        (["s4://bucket/x"], ": use s3://, gs://, az://"),
        (["events", "--jsn"], "No such option"),
    ],
)
def test_wrong_usage_is_one_sentence(ready: CliHere, arguments: list[str], text: str) -> None:
    run = ready("status", *arguments)
    assert (run.code, len(run.lines)) == (2, 1)
    assert text in run.lines[0]


def test_damaged_state_is_one_sentence(ready: CliHere) -> None:
    assert ready("convert", "logs", "-o", "events/").code == 0
    (ready.directory / "events" / "_cfdns" / "head.json").write_bytes(b"{")
    for command in (["status", "events"], ["convert", "logs", "-o", "events/"]):
        run = ready(*command)
        assert (run.code, len(run.lines)) == (1, 1)
        assert "head.json: is damaged, or not a part of a state" in run.lines[0]
