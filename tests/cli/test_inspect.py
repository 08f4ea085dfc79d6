"""``inspect``: inputs of every kind, what is printed where, and exit codes."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.command import RECORD, Cli, CliHere, needs_posix, records
from support.logpush_names import log_name, write_logs

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

LINES = (
    records(5) + b'{"QueryName":"x\\u001b[31m\\u202e.example.com","SourceIP":"[b]","Timestamp":1767225601}\n{bad\n\n'
)


def found(run: Any) -> dict[str, Any]:
    """Return the summary that a run printed with --json."""
    summary: dict[str, Any] = json.loads(run.output)
    return summary


def tops(summary: dict[str, Any]) -> dict[str, Any]:
    return {top["key"]: top["rows"] for top in summary["tops"]}


def test_text_names_what_was_found(cli_here: CliHere) -> None:
    run = cli_here("inspect", "logs", logs=LINES)
    text = run.output.decode()
    assert (run.code, run.lines) == (0, [])
    for line in ("events       6", "problems     1", "rejects      1", "blank lines  1", "Names (6 different)"):
        assert line in text, line
    assert 'field.type:SourceIP      1  "[b]"' in text and "json.syntax      1  {bad" in text


def test_text_has_no_control_characters_and_80_columns(cli_here: CliHere) -> None:
    names = b"".join(b'{"QueryName":"%s.example.com","Timestamp":1}\n' % (b"\xe6\x97\xa5" * n) for n in range(1, 60))
    text = cli_here("inspect", "logs", "--top", "99", logs=LINES + names).output.decode()
    assert all(line.isprintable() and len(line) <= 80 for line in text.splitlines())
    assert r"x\x1b[31m\u202e.example.com" in text


def test_rate_is_that_of_events_with_a_time(cli_here: CliHere) -> None:
    line = b'{"QueryName":"example.com","Timestamp":%d}\n'
    lines = line % 1767225600 + line % 1767225602 + b'{"QueryName":"example.com"}\n' * 8
    assert "rate          1.0 a second" in cli_here("inspect", "logs", logs=lines).output.decode()
    rare = line % 1767225600 + line % 1767325600
    assert "rate      <0.1 a second" in cli_here("inspect", "rare", rare=rare).output.decode()
    close = line % 1767225600 + b'{"QueryName":"example.com","Timestamp":1767225600000000001}\n'
    assert "a second" not in cli_here("inspect", "close", close=close).output.decode()


def test_page_shows_no_rate_as_zero(cli_here: CliHere) -> None:
    pytest.importorskip("jinja2", reason="jinja2 is not installed")
    lines = b'{"QueryName":"example.com","Timestamp":1}\n{"QueryName":"example.com","Timestamp":1000000001}\n'
    assert b"&lt;0.1 a second" in cli_here("inspect", "logs", "--html", "-", logs=lines).output


def test_marks_in_names_are_escaped(cli_here: CliHere) -> None:
    """Marks that combine with a letter cover what is beside and above it."""
    line = '{"QueryName":"z%s.example.com","Timestamp":1}\n' % ("\u0301" * 200)
    assert "\u0301" * 5 not in cli_here("inspect", "logs", logs=line.encode()).output.decode()


def test_json_is_one_line_with_all_that_was_found(cli_here: CliHere) -> None:
    run = cli_here("inspect", "logs", "--json", logs=LINES)
    summary = found(run)
    assert run.output.count(b"\n") == 1
    assert (summary["format"], summary["events"], summary["blank"], summary["lines"]) == (1, 6, 1, 8)
    assert summary["first"] == "2026-01-01T00:00:00.000000000Z"
    assert summary["rate"]["counts"] == [[5, 1]]
    assert summary["files"]["listed"][0]["size_bytes"] == len(LINES)


def test_kinds_of_input_are_counted_alike(cli_here: CliHere) -> None:
    """Logs, compressed logs, and what the command made of them; everything is recognised by its content."""
    cli_here.write("logs", records(5) + RECORD)
    cli_here.write("zip", gzip.compress(records(5) + RECORD))
    for name in ("a.ndjson", "b.ndjson.gz", "c.parquet"):
        assert cli_here("convert", "-q", "logs", "-o", name).code == 0
    for name in ("nested", "dotted"):
        assert cli_here("convert", "-q", "logs", "-o", f"{name}.parquet", "--names", name).code == 0
    for name in ("ecs.ndjson", "ocsf.ndjson", "ocsf.parquet"):
        assert cli_here("convert", "-q", "logs", "-o", name, "--schema", name.partition(".")[0]).code == 0
    cli_here.write("parquet.gz", gzip.compress((cli_here.directory / "c.parquet").read_bytes()))
    wanted = found(cli_here("inspect", "logs", "--json"))
    for name in cli_here.names():
        summary = found(cli_here("inspect", name, "--json"))
        for key in ("events", "tops", "rate", "cached", "families", "edns", "nxdomain", "first", "last"):
            assert summary[key] == wanted[key], (name, key)
    together = found(cli_here("inspect", *cli_here.names(), "--json"))
    assert together["events"] == len(cli_here.names()) * wanted["events"]


def test_chosen_columns_are_counted(cli_here: CliHere) -> None:
    cli_here.write("logs", records(5))
    assert cli_here("convert", "-q", "logs", "-o", "c.parquet", "--fields", "dns.question.name").code == 0
    run = cli_here("inspect", "c.parquet", "--json")
    assert (run.code, found(run)["events"], len(tops(found(run))["names"])) == (0, 5, 5)


def test_folder_of_events_has_no_state(cli_here: CliHere) -> None:
    write_logs(cli_here.directory / "logs", *[log_name("20260825", hour) for hour in range(3)])
    assert cli_here("convert", "-q", "logs", "-o", "events/").code == 0
    summary = found(cli_here("inspect", "events/", "--json"))
    assert (summary["events"], summary["files"]["fault_count"]) == (6, 0)
    assert summary["files"]["skipped"]["state of an output"] > 0


def test_check_files_are_skipped(cli_here: CliHere) -> None:
    run = cli_here("inspect", "logs", "other.txt", "--json", **{"logs": LINES, "other.txt": b"tests"})
    assert (run.code, found(run)["files"]["skipped"]) == (0, {"check file": 1})
    assert found(run)["files"]["count"] == 1


def test_fault_of_an_input_shows_the_others(cli_here: CliHere) -> None:
    cli_here.write("cut.gz", gzip.compress(records(5))[:-4])
    cli_here.write("broken.parquet", b"PAR1 and nothing else PAR1")
    cli_here.write("text", b"this is\nno log\n")
    cli_here.write("logs", LINES)
    run = cli_here("inspect", "missing", "cut.gz", "broken.parquet", "text", "logs", "--json")
    summary = found(run)
    assert (run.code, summary["events"], summary["files"]["fault_count"]) == (1, 11, 4)
    names = [fault["name"] for fault in summary["files"]["faults"]]
    assert names == ["missing", "cut.gz", "broken.parquet", "text"]
    listed = [file["name"] for file in summary["files"]["listed"]]
    assert (listed, summary["files"]["count"]) == (["cut.gz", "broken.parquet", "text", "logs"], 4)
    for name, line in zip(names, run.lines, strict=True):
        assert line.startswith(f"cfdns-fast: {name}: ")


def test_records_of_another_dataset_are_a_fault(cli_here: CliHere) -> None:
    run = cli_here("inspect", "logs", logs=b'{"Datetime":"2026-01-01T00:00:00Z","RCode":0}\n' * 3)
    assert run.code == 1 and "--dataset gateway_dns" in run.errors
    assert "none of its records has a key" in run.output.decode()


def test_parquet_of_other_columns_is_a_fault(cli_here: CliHere) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"a": [1], "source": [{"ip": 7}], "timestamp": ["x"]})
    pyarrow.parquet.write_table(table, cli_here.directory / "a.parquet")
    run = cli_here("inspect", "a.parquet")
    assert run.code == 1 and "without any of the columns" in run.errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--top", "0"], "--top"),
        (["--tpo", "3"], "--top"),
        (["--top"], "(see cfdns-fast inspect --help)"),
        (["--json", "--html", "-"], "standard output"),
        (["--since", "2026-01-01"], "--since"),
        (["--region", "x"], "object stores"),
        (["--allow", "x"], "--indicators"),
        (["--dataset", "nope"], "nope"),
        (["--html", "logs"], "logs"),
        (["--html", "missing/page"], "missing"),
        (["--alerts", "x"], "--alerts"),
        (["--dataset", "gateway_dns", "--schema", "./x.toml"], "--dataset"),
        (["--schema", "./other.toml"], "has none of the fields"),
    ],
)
def test_wrong_usage_exits_2(cli_here: CliHere, arguments: list[str], message: str) -> None:
    cli_here.write("other.toml", b'schema="x"\ndataset="y"\n[[field]]\nfrom="QueryName"\nto="z"\nkind="text"\n')
    run = cli_here("inspect", "logs", *arguments, logs=LINES)
    assert (run.code, len(run.lines), run.output) == (2, 1, b"")
    assert message in run.errors


@needs_posix
def test_fifo_is_no_mapping(cli_here: CliHere) -> None:
    cli_here.write("in", RECORD)
    os.mkfifo(cli_here.directory / "fifo.toml")
    run = cli_here("inspect", "in", "--schema", "fifo.toml")
    assert run.code == 2 and "is not a regular file" in run.errors


def test_examples_can_be_left_out(cli_here: CliHere) -> None:
    run = cli_here("inspect", "logs", "--no-examples", logs=LINES)
    assert run.code == 0 and "[b]" not in run.output.decode() and "{bad" not in run.output.decode()


@pytest.mark.parametrize("schema", ["sekoia", "ocsf"])
def test_detections_are_counted_by_rule(cli_here: CliHere, schema: str) -> None:
    pytest.importorskip("yaml", reason="pyyaml is not installed")
    lines = records(3) + b'{"QueryName":"aaa.stage.123456.evil.example","Timestamp":1767225600}\n' * 2
    cli_here.write("feed.txt", b"n1.example.com\n")
    rule = Path(cli_here.directory) / "rule.yml"
    rule.write_text(
        "title: Evil\nid: 12345678-1234-4234-8234-123456789012\nlevel: high\nlogsource:\n  category: dns\n"
        "detection:\n  selection:\n    query|endswith: .evil.example\n  condition: selection\n"
    )
    options = ("--rules", str(rule), "--indicators", "feed.txt", "--json", "--schema", schema)
    run = cli_here("inspect", "logs", *options, logs=lines)
    assert run.code == 0, run.errors
    detections = {each["code"]: each for each in found(run)["detections"]}
    assert (detections["Evil"]["count"], detections["Evil"]["level"]) == (2, "high")
    assert detections["Evil"]["example"] == "aaa.stage.123456.evil.example"
    assert found(run)["detection_count"] == 3
    assert "Detections" in cli_here("inspect", "logs", "--rules", str(rule)).output.decode()


def test_page_goes_to_a_file(cli_here: CliHere) -> None:
    pytest.importorskip("jinja2", reason="jinja2 is not installed")
    run = cli_here("inspect", "logs", "--html", "page.html", logs=LINES)
    assert (run.code, run.output) == (0, b"")
    page = (cli_here.directory / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!") and "n0.example.com" in page and "\x1b" not in page
    run = cli_here("inspect", "logs", "--html", "page.html", "--json")
    assert (run.code, found(run)["events"]) == (0, 6)


def test_help_names_all_options(cli_here: CliHere) -> None:
    text = cli_here("inspect", "--help").output.decode()
    for word in ("--html", "--top", "Detection, in logs", "Exit codes", "--since"):
        assert word in text


# Processes


@pytest.mark.slow
def test_standard_input_is_read(cli: Cli) -> None:
    run = cli("inspect", "--json", input=gzip.compress(LINES))
    assert (run.code, found(run)["events"], found(run)["files"]["listed"][0]["name"]) == (0, 6, "stdin")


@pytest.mark.slow
def test_empty_standard_input_is_no_fault(cli: Cli) -> None:
    run = cli("inspect", input=b"")
    assert (run.code, run.lines) == (0, [])
    assert b"events    0" in run.output


@pytest.mark.slow
@needs_posix
@pytest.mark.usefixtures("interrupts")
def test_interrupt_ends_without_a_summary(cli: Cli) -> None:
    process = cli.start("inspect", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(records(50_000))
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (130, b"", b"cfdns-fast: interrupted\n")


@pytest.mark.slow
@needs_posix
@pytest.mark.parametrize("options", [[], ["--json"], ["--html", "-"]], ids=" ".join)
def test_closed_output_is_no_fault(cli: Cli, options: list[str]) -> None:
    cli.write("logs", records(5_000))
    with cli.start("inspect", "logs", *options) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.slow
@needs_posix
def test_missing_library_is_named(cli: Cli) -> None:
    """A module that cannot be imported stands for a library that is not installed."""
    cli.write("logs", LINES)
    for library, options in (("pyarrow", []), ("jinja2", ["--html", "page.html"])):
        run = cli("inspect", "logs", *options, env=_without(library, cli.directory))
        assert (run.code, len(run.lines), run.output) == (2, 1, b"")
        assert "cfdns-fast[inspect]" in run.errors and library in run.errors


@pytest.mark.slow
@needs_posix
def test_terminal_without_rich_is_named_first(cli: Cli) -> None:
    """The message comes before anything is read, which may take minutes."""
    code, text = _on_terminal(cli, "inspect", "missing", env=_without("rich", cli.directory))
    assert code == 2 and text.count("cfdns-fast:") == 1
    assert "need rich: pip install 'cfdns-fast[inspect]'" in text


def _without(library: str, directory: Path) -> dict[str, str]:
    folder = directory / f"without_{library}"
    folder.mkdir()
    (folder / f"{library}.py").write_text(f"raise ModuleNotFoundError('No module named {library}', name='{library}')\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.path.dirname(os.path.dirname(os.path.dirname(__file__)))])}


def _on_terminal(cli: Cli, *arguments: str, env: dict[str, str]) -> tuple[int, str]:
    """Run the command with a terminal as its outputs; return its exit code and what it wrote."""
    import pty

    main, other = pty.openpty()
    process = cli.start(*arguments, stdout=other, stderr=other, env={"TERM": "xterm", **env})
    os.close(other)
    read = b""
    try:
        while piece := os.read(main, 65_536):
            read += piece
    except OSError:
        pass  # Linux: the other end is closed.
    os.close(main)
    return process.wait(30), read.decode()


@pytest.mark.slow
@needs_posix
def test_terminal_shows_tables(cli: Cli) -> None:
    pytest.importorskip("rich", reason="rich is not installed")
    cli.write("logs", LINES)
    colour, plain = (
        _on_terminal(cli, "inspect", "logs", "--no-progress", env=variables) for variables in ({}, {"NO_COLOR": "1"})
    )
    assert (colour[0], plain[0]) == (0, 0)
    assert "\x1b[36m" in colour[1] and "\x1b[36m" not in plain[1]
    for _, text in (colour, plain):
        assert "Events over time" in text and r"x\x1b[31m\u202e.example.com" in text
        assert "\x1b[31m" not in text and "\u202e" not in text


@pytest.mark.slow
@needs_posix
def test_terminal_without_utf8_shows_tables(cli: Cli) -> None:
    pytest.importorskip("rich", reason="rich is not installed")
    name = '{"QueryName":"日本.example.com","Timestamp":1767225601}\n'.encode()
    cli.write("logs", LINES + name)
    code, text = _on_terminal(cli, "inspect", "logs", "--no-progress", env={"PYTHONIOENCODING": "ascii"})
    assert code == 0 and "NXDOMAIN" not in text and "####" in text
    assert r"\u65e5\u672c.example.com" in text


@pytest.mark.slow
def test_objects_of_a_bucket_are_read(cli_here: CliHere, seaweed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from support.object_servers import bucket_environment

    from cfdns_fast.files import open_store

    for name, value in bucket_environment(seaweed.endpoint).items():
        monkeypatch.setenv(name, value)
    store = open_store(f"{seaweed.url}/inspected")
    cli_here.write("logs", records(5))
    assert cli_here("convert", "-q", "logs", "-o", "c.parquet").code == 0
    store.put("a.log.gz", gzip.compress(records(5)))
    store.put("b.log.gz", gzip.compress(records(5)))
    store.put("c.parquet", (cli_here.directory / "c.parquet").read_bytes())
    run = cli_here("inspect", f"{seaweed.url}/inspected/", "--json")
    summary = found(run)
    assert (run.code, summary["events"], summary["files"]["equal_count"]) == (0, 15, 1)
    assert len(tops(summary)["names"]) == 5


def test_page_does_not_replace_the_mapping(cli_here: CliHere) -> None:
    mapping = b'[[field]]\nto = "dns.question.name"\nfrom = "QueryName"\nkind = "name"\n'
    run = cli_here(
        "inspect", "logs", "--schema", "./my.toml", "--html", "my.toml", **{"logs": LINES, "my.toml": mapping}
    )
    assert (run.code, run.lines) == (2, ["cfdns-fast: my.toml: is the same file as the mapping ./my.toml"])
    assert (cli_here.directory / "my.toml").read_bytes() == mapping
