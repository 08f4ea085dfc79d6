"""``convert`` with detection: alerts and annotated events, as a process."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from typing import Any

import pytest
from support.alerts import nop, record
from support.command import Cli, Finished, needs_posix

from cfdns_fast.cli.app import main

NAMES = (
    nop(7_000_000, 1, "c2.evil.example"),
    "www.fine.example",
    nop(7_000_000, 2, "c2.evil.example"),
    "x.bad.example",
)
RECORDS = b"".join(record(name, second) for second, name in enumerate(NAMES))
ARGUMENTS = ("convert", "in", "--schema", "ecs", "-o", "out", "--detect", "sliver", "--indicators", "feed.txt")


@pytest.fixture
def ready(cli: Cli) -> Cli:
    cli.write("in", RECORDS)
    cli.write("feed.txt", b"bad.example\n")
    return cli


RULE = b"""
title: Fine
level: low
logsource: {category: dns}
detection: {selection: {query: www.fine.example}, condition: selection}
"""


def lines(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.splitlines()]


def read(cli: Cli, name: str) -> bytes:
    return (cli.directory / name).read_bytes()


def found(alerts: bytes) -> list[tuple[str, str, int]]:
    of_alerts = [each["cfdns"]["alert"] for each in lines(alerts)]
    return [(each["level"], each["key"].split()[0], each["count"]) for each in of_alerts]


def test_alerts_are_written_with_the_events(ready: Cli) -> None:
    assert ready("convert", "in", "--schema", "ecs", "-o", "plain").code == 0
    run = ready(*ARGUMENTS, "--alerts", "alerts", "--summary-json", "summary")
    assert run.code == 0
    assert read(ready, "out") == read(ready, "plain")
    assert found(read(ready, "alerts")) == [
        ("medium", "c2.evil.example", 1),
        ("critical", "c2.evil.example", 1),
        ("high", "bad.example", 1),
    ]
    assert "alerts 3" in run.errors
    assert json.loads(read(ready, "summary"))["alerts"] == {"documents": 3, "detections": 3, "not_kept": 0}


@pytest.mark.slow
def test_summary_of_other_runs_has_no_alerts(ready: Cli) -> None:
    run = ready("convert", "in", "-o", "out", "--summary-json", "summary")
    assert run.code == 0
    assert "alerts" not in json.loads(read(ready, "summary"))
    assert "alerts" not in run.errors


@pytest.mark.slow
def test_annotate_changes_events_that_were_found_only(ready: Cli) -> None:
    assert ready("convert", "in", "--schema", "ecs", "-o", "plain").code == 0
    assert ready(*ARGUMENTS, "--annotate").code == 0
    plain, annotated = lines(read(ready, "plain")), lines(read(ready, "out"))
    assert [each.get("rule", {}).get("id") for each in annotated] == [
        "cfdns-sliver",
        None,
        "cfdns-sliver",
        "cfdns-indicators",
    ]
    for each in annotated:
        for name in ("rule", "threat", "cfdns"):
            each.pop(name, None)
    assert annotated == plain


@pytest.mark.slow
def test_rules_of_a_folder_are_used(ready: Cli) -> None:
    pytest.importorskip("yaml", reason="rules are YAML")
    (ready.directory / "rules").mkdir()
    ready.write("rules/fine.yml", RULE)
    run = ready("convert", "in", "--schema", "ecs", "-o", "out", "--rules", "rules", "--alerts", "alerts", "--annotate")
    assert run.code == 0
    assert found(read(ready, "alerts")) == [("low", "fine.example", 1)]
    assert [each.get("rule", {}).get("name") for each in lines(read(ready, "out"))] == [None, "Fine", None, None]
    assert "rules: 1" in run.errors


@pytest.mark.slow
def test_alerts_of_all_inputs_are_counted_together(ready: Cli) -> None:
    ready.write("more.gz", gzip.compress(record("y.bad.example", 5)))
    assert ready(*ARGUMENTS[:2], "more.gz", *ARGUMENTS[2:], "--alerts", "alerts.gz").code == 0
    assert ("high", "bad.example", 2) in found(gzip.decompress(read(ready, "alerts.gz")))


@pytest.mark.slow
def test_nothing_found_is_an_empty_file(ready: Cli) -> None:
    ready.write("in", record("www.fine.example"))
    assert ready(*ARGUMENTS, "--alerts", "alerts").code == 0
    assert read(ready, "alerts") == b""


@pytest.mark.slow
def test_missing_input_keeps_old_alerts(ready: Cli) -> None:
    ready.write("alerts", b"old")
    assert ready("convert", "none", "-o", "out", "--detect", "sliver", "--alerts", "alerts").code == 1
    assert read(ready, "alerts") == b"old"


@pytest.mark.slow
def test_failure_of_the_events_leaves_no_alerts(ready: Cli) -> None:
    """The reader of the events stops: the run is not complete, so the file of alerts does not appear."""
    ready.write("in", RECORDS * 20_000)
    process = ready.start("convert", "in", "--detect", "sliver", "--alerts", "alerts")
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    process.stdout = None
    assert Finished(process).code == 0
    assert not (ready.directory / "alerts").exists()


@needs_posix
def test_fifo_has_alerts_at_once(ready: Cli) -> None:
    fifo = ready.directory / "fifo"
    os.mkfifo(fifo)
    arguments = ("convert", "--schema", "ecs", "--detect", "sliver", "-o", "/dev/stdout", "--alerts", "fifo")
    process = ready.start(*arguments, stdin=subprocess.PIPE)
    assert process.stdin is not None
    with open(fifo, "rb") as reader:
        process.stdin.write(record(NAMES[0]))
        process.stdin.flush()
        first = json.loads(reader.readline())
        process.stdin.write(record(NAMES[0], 1))
        process.stdin.close()
        process.stdin = None
        last = json.loads(reader.readline())
        assert reader.read() == b""
    assert Finished(process).code == 0
    assert [each["cfdns"]["alert"]["state"] for each in (first, last)] == ["open", "closed"]
    assert last["cfdns"]["alert"]["count"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--detect", "sliver"), "give --alerts FILE, --annotate or both"),
        (("--alerts", "alerts"), "need something to look for"),
        (("--annotate",), "need something to look for"),
        (("--detect", "other", "--annotate"), "sliver"),
        (("--detect", "sliver", "--alerts", "out"), "is the same file as the output out"),
        (("--detect", "sliver", "--alerts", "in"), "is the same file as the input in"),
        (("--indicators", "feed.txt", "--alerts", "feed.txt"), "is the same file as"),
        (("--rules", "rule.yml", "--alerts", "rule.yml"), "is the same file as"),
        (("--rules", ".", "--alerts", "rule.yml"), "is among the rules in ."),
        (("-", "--indicators", "-", "--annotate"), "standard input can be read once"),
        (("--indicators", "-", "--indicators", "-", "--annotate"), "standard input can be read once"),
        (("--indicators", "none.txt", "--annotate"), "none.txt"),
        (("--rules", "none", "--annotate"), "none"),
        (("--detect", "sliver", "--annotate", "--allow", "feed.txt"), "go with --indicators"),
        (("--detect", "sliver", "--annotate", "--addresses"), "go with --indicators"),
        (("--indicators", "feed.txt", "--annotate", "--min-confidence", "101"), "101"),
        (("--indicators", "feed.txt", "--allow", "none.txt", "--annotate"), "none.txt"),
        (("--indicators", "feed.txt", "--allow", "allow.txt", "--alerts", "allow.txt"), "is the same file as"),
        (("--detect", "sliver", "--alerts", "alerts.parquet"), "--alerts is NDJSON"),
        (("--rejects", "rejects.parquet"), "--rejects is NDJSON"),
        (("-", "--indicators", "feed.txt", "--allow", "-", "--annotate"), "standard input can be read once"),
    ],
)
def test_options_that_cannot_be_used_are_refused(
    ready: Cli, arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    ready.write("rule.yml", RULE)
    ready.write("allow.txt", b"good.example\n")
    code, errors = refused(ready, monkeypatch, capsys, "convert", "in", "-o", "out", *arguments)
    assert code == 2
    assert message in errors
    assert read(ready, "rule.yml") == RULE
    assert len(errors.splitlines()) == 1
    assert not (ready.directory / "out").exists()


def refused(ready: Cli, monkeypatch: pytest.MonkeyPatch, capsys: Any, *arguments: str) -> tuple[object, str]:
    """Run a command that ends before it converts, in this process; return its exit code and its message."""
    monkeypatch.chdir(ready.directory)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code, capsys.readouterr().err


def test_broken_feed_is_named(ready: Cli, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    ready.write("feed.json", b'{"type": "bundle", "objects": [\n{"type": "indicator"\n')
    arguments = ("convert", "in", "-o", "out", "--indicators", "feed.json", "--annotate")
    code, errors = refused(ready, monkeypatch, capsys, *arguments)
    assert code == 2
    assert "feed.json" in errors


def test_annotate_needs_a_mapping_without_its_members(ready: Cli, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Gateway's policy is ``rule.id``."""
    arguments = ("convert", "in", "--schema", "ecs", "--dataset", "gateway_dns", "--detect", "sliver", "--annotate")
    code, errors = refused(ready, monkeypatch, capsys, *arguments)
    assert code == 2
    assert "rule" in errors


def test_lists_are_read_as_their_options_say(ready: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.write("feed.csv", b"domain,confidence\nbad.example,80\nlow.example,20\nfine.example,90\n192.0.2.7,\n")
    ready.write("allow.txt", b"www.fine.example\n")
    names = ("x.bad.example", "low.example", "www.fine.example", "other.fine.example")
    ready.write("in", b"".join(record(name, SourceIP=f"192.0.2.{n + 5}") for n, name in enumerate(names)))
    lists = ("--indicators", "feed.csv", "--allow", "allow.txt", "--min-confidence", "50", "--addresses")
    monkeypatch.chdir(ready.directory)
    with pytest.raises(SystemExit) as end:
        main(("convert", "in", "--schema", "ecs", "-o", "out", *lists, "--alerts", "alerts", "-q"))
    assert end.value.code == 0
    keys = [each["cfdns"]["alert"]["key"] for each in lines(read(ready, "alerts"))]
    assert keys == ["bad.example", "source.ip 192.0.2.7", "fine.example"]


@pytest.mark.slow
@pytest.mark.parametrize("alerts", ["-", "alerts.fifo"])
def test_reader_of_alerts_that_stops_is_a_fault(ready: Cli, alerts: str) -> None:
    """The events are not written, and a run without events must not look complete."""
    if alerts != "-":
        pytest.importorskip("fcntl", reason="FIFOs are of POSIX")
        os.mkfifo(ready.directory / alerts)
    ready.write("in", b"".join(record(f"n{number}.bad.example", 700 * number) for number in range(20_000)))
    process = ready.start(*ARGUMENTS, "-q", "--alerts", alerts, stdout=None if alerts != "-" else subprocess.PIPE)
    with open(ready.directory / alerts, "rb") if alerts != "-" else process.stdout as reader:  # type: ignore[union-attr]
        assert reader.read(10)
    process.stdout = None
    run = Finished(process)
    assert run.code == 1
    assert "Broken pipe" in run.errors
    assert not (ready.directory / "out").exists()


@pytest.mark.slow
def test_quiet_run_says_nothing_of_feeds(ready: Cli) -> None:
    run = ready(*ARGUMENTS, "--alerts", "alerts", "-q")
    assert (run.code, run.errors) == (0, "")
