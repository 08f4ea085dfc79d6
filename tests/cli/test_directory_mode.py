"""``convert`` to a directory: what it holds, what a second run does, and which uses are wrong."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import RECORD, CliHere, needs_posix, numbered, query_names, records
from support.logpush_names import log_name, write_logs

parquet: Any = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

NAMES = [log_name(day, hour) for day in ("20260825", "20260826") for hour in (0, 12)]


@pytest.fixture
def ready(cli_here: CliHere) -> CliHere:
    """Return the command in a directory with four files of two records each in ``logs``."""
    write_logs(cli_here.directory / "logs", *NAMES)
    return cli_here


def parts(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.parquet"))


def events(folder: Path) -> list[str]:
    """Return the query names of all Parquet files that a glob finds, sorted by number."""
    found: list[str] = []
    for name in parts(folder):
        with open(folder / name, "rb") as file:
            found += parquet.read_table(file, columns=["dns_question_name"])["dns_question_name"].to_pylist()
    return sorted(found, key=lambda name: int(name[1 : name.index(".")]))


# What a directory holds


@pytest.mark.parametrize("output", ["a/b c/", "there"])
def test_directory_gets_partitions_and_a_state(ready: CliHere, output: str) -> None:
    (ready.directory / "there").mkdir()
    run = ready("convert", "logs", "-o", output)
    folder = ready.directory / output
    assert (run.code, events(folder)) == (0, numbered(8))
    assert all(name.startswith("date=2026-01-01/hour=00/part-2026") for name in parts(folder))
    assert (folder / "_cfdns" / "head.json").exists()
    (line,) = run.lines
    assert line.startswith("cfdns-fast: tasks 4, objects 4 (")
    assert ", events 8, blank 0, problems 0, rejects 0, files 4 (" in line


def test_second_run_converts_only_what_is_new(ready: CliHere) -> None:
    assert ready("convert", "logs", "-o", "events/").code == 0
    folder = ready.directory / "events"
    before = {name: (folder / name).stat().st_mtime_ns for name in parts(folder)}
    run = ready("convert", "logs", "-o", "events")
    assert (run.code, run.lines) == (0, ["cfdns-fast: nothing new"])
    # A late object of a day that was converted.
    (ready.directory / "logs" / log_name("20260825", 0, 7)).write_bytes(records(2, 8))
    run = ready("convert", "logs", "-o", "events", "--json")
    report = json.loads(run.output)
    assert (run.code, report["objects"], report["events"]) == (0, 1, 2)
    assert events(folder) == numbered(10)
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before


MAGIC = {"ndjson": b'{"', "ndjson.gz": b"\x1f\x8b", "ndjson.zst": b"\x28\xb5"}


@pytest.mark.parametrize("form", MAGIC)
def test_ndjson_has_the_names_of_the_inputs(ready: CliHere, form: str) -> None:
    run = ready("convert", "logs", "-o", "events/", "--format", form)
    assert run.code == 0
    from cfdns_fast.io import read_plain

    found = []
    for name in NAMES:
        path = ready.directory / "events" / name.replace(".log.gz", f".{form}")
        assert path.read_bytes().startswith(MAGIC[form])
        found += query_names(b"".join(read_plain(str(path))))
    assert found == numbered(8)


@pytest.mark.parametrize(
    ("by", "start"), [("date", "date=2026-01-01/part-"), ("eventDay", "eventDay=20260101/part-"), ("none", "part-")]
)
def test_partition_by_makes_the_folders(ready: CliHere, by: str, start: str) -> None:
    assert ready("convert", "logs", "-o", "events/", "--partition-by", by).code == 0
    assert all(name.startswith(start) for name in parts(ready.directory / "events"))
    assert events(ready.directory / "events") == numbered(8)


def test_options_of_events_and_columns_are_used(ready: CliHere) -> None:
    arguments = ["--schema", "ecs", "--no-message", "--names", "dotted", "--without", "related", "--jobs", "2"]
    assert ready("convert", "logs", "-o", "events/", *arguments).code == 0
    names = parts(ready.directory / "events")
    with open(ready.directory / "events" / names[0], "rb") as file:
        columns = parquet.read_table(file).column_names
    assert "dns.question.name" in columns
    assert not {"message", "event.original", "related.hosts"} & set(columns)


def test_several_inputs_of_several_kinds_go_together(ready: CliHere) -> None:
    ready.write("extra", records(2, 8))
    run = ready("convert", "logs/20260825", "logs/20260826/*.gz", "extra", "-o", "events/")
    assert (run.code, events(ready.directory / "events")) == (0, numbered(10))


def test_shards_convert_everything_once(ready: CliHere) -> None:
    for shard in ("0/2", "1/2"):
        assert ready("convert", "logs", "-o", "events/", "--shard", shard).code == 0
    assert events(ready.directory / "events") == numbered(8)
    assert ready("convert", "logs", "-o", "events/").lines == ["cfdns-fast: nothing new"]


def test_since_and_until_bound_a_run(ready: CliHere) -> None:
    assert ready("convert", "logs", "-o", "events/", "--until", "2026-08-26", "--since", "2026-08-25T12").code == 0
    assert events(ready.directory / "events") == numbered(2, 2)
    assert ready("convert", "logs", "-o", "events/").code == 0
    assert events(ready.directory / "events") == numbered(8)


@needs_posix
@pytest.mark.parametrize("name", ["ü a%20+*?[x]", pytest.param("x" * 200, marks=pytest.mark.slow)])
def test_names_with_any_characters_are_converted(cli_here: CliHere, name: str) -> None:
    path = "/".join([name] * 5)
    write_logs(cli_here.directory / "logs" / path, *NAMES)
    for form in ("parquet", "ndjson"):
        output = f"{form} {name}/"
        run = cli_here("convert", "logs", "-o", output, "--format", form)
        assert run.code == 0, run.errors
    assert events(cli_here.directory / f"parquet {name}") == numbered(8)
    mirrored = [str(each) for each in (cli_here.directory / f"ndjson {name}").rglob("*.ndjson")]
    assert len(mirrored) == 4 and all(name in each for each in mirrored)


# Reports


def test_rejects_go_to_a_directory(ready: CliHere) -> None:
    (ready.directory / "logs" / NAMES[2]).write_bytes(records(1, 4) + b"oops\n")
    run = ready("convert", "logs", "-o", "events/", "--rejects", "bad/", "--json")
    assert (run.code, json.loads(run.output)["rejects"]) == (0, {"json.syntax": 1})
    (path,) = (ready.directory / "bad").rglob("*.ndjson.gz")
    (line,) = gzip.decompress(path.read_bytes()).splitlines()
    assert json.loads(line)["raw"] == "oops"
    assert json.loads(line)["input"].endswith(NAMES[2])


def test_json_and_summary_json_are_the_report(ready: CliHere) -> None:
    run = ready("convert", "logs", "-o", "events/", "-q", "--summary-json", "summary")
    assert (run.code, run.output, run.lines) == (0, b"", [])
    summary = json.loads((ready.directory / "summary").read_bytes())
    members = ("format", "end", "signal", "exit_code", "output", "tasks", "objects", "events", "faults", "tasks_left")
    assert [summary[name] for name in members] == [1, "complete", None, 0, "events/", 4, 4, 8, [], 0]
    run = ready("convert", "logs", "-o", "events/", "-q", "--json")
    assert (run.code, run.lines, json.loads(run.output)["tasks"]) == (0, [], 0)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_summary_that_cannot_be_written_exits_1(ready: CliHere) -> None:
    """The events stay; a name that cannot be opened is found before the conversion."""
    run = ready("convert", "logs", "-o", "events/", "-q", "--summary-json", "/dev/full")
    assert (run.code, run.lines) == (1, ["cfdns-fast: /dev/full: No space left on device"])
    assert events(ready.directory / "events") == numbered(8)
    run = ready("convert", "logs", "-o", "more/", "-q", "--summary-json", "missing/summary")
    assert (run.code, len(run.lines), (ready.directory / "more").exists()) == (2, 1, False)


def test_dry_run_shows_what_is_left(ready: CliHere) -> None:
    (ready.directory / "logs" / "test.txt.gz").write_bytes(b"x")
    run = ready("convert", "logs", "-o", "events/", "--dry-run")
    first, second = run.output.decode().splitlines()
    assert run.code == 0
    assert first.startswith("objects 4 (") and first.endswith("), tasks 4, skipped 1 (check file 1)")
    assert second.startswith("left: objects 4 (") and second.endswith("), tasks 4; nothing was written")
    assert not (ready.directory / "events").exists()
    assert ready("convert", "logs", "-o", "events/").code == 0
    run = ready("convert", "logs", "-o", "events/", "--dry-run", "--json")
    found = json.loads(run.output)
    assert (run.code, found["objects"], found["tasks_left"], found["objects_left"]) == (0, 4, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 0),
        (["--strict"], 1),
        (["--fail-on", "problems"], 1),
        (["--fail-on", "none"], 0),
    ],
)
def test_strict_and_fail_on_decide_the_exit_code(ready: CliHere, arguments: list[str], code: int) -> None:
    content = b'oops\n{"QueryName":"n4.example.com","SourceIP":"x","Timestamp":1767225600}\n'
    (ready.directory / "logs" / NAMES[2]).write_bytes(content)
    run = ready("convert", "logs", "-o", "events/", "-q", *arguments)
    assert (run.code, len(run.lines)) == (code, code)
    assert events(ready.directory / "events") == [*numbered(5), *numbered(2, 6)]


def test_records_without_a_known_key_fail(cli_here: CliHere) -> None:
    for arguments, code in (([], 1), (["--fail-on", "none"], 0)):
        run = cli_here("convert", "in", "-o", f"events{code}/", "-q", *arguments, **{"in": b'{"a":1}\n{"a":2}\n'})
        assert run.code == code
        assert run.lines == ["cfdns-fast: none of 2 records has a key that the mapping reads (see --dataset)"][:code]


# Faults


def test_damaged_input_is_a_fault_and_the_rest_is_done(ready: CliHere) -> None:
    path = ready.directory / "logs" / NAMES[1]
    whole = gzip.compress(records(3000, 100), mtime=0)
    path.write_bytes(whole[:-100])
    run = ready("convert", "logs", "-o", "events/", "-q")
    assert (run.code, len(run.lines)) == (1, 1)
    assert NAMES[1] in run.lines[0] and "truncated gzip" in run.lines[0]
    found = events(ready.directory / "events")
    assert found[:6] == [*numbered(2), *numbered(4, 4)] and len(found) > 1000
    assert ready("status", "events").code == 1
    # It is not read again before it is repaired, and stays a fault.
    fault = run.lines[0]
    run = ready("convert", "logs", "-o", "events/")
    assert (run.code, run.lines) == (1, [fault, "cfdns-fast: nothing new, faults of earlier runs 1"])
    path.write_bytes(whole)
    run = ready("convert", "logs", "-o", "events/", "-q")
    assert (run.code, run.lines) == (0, [])
    assert events(ready.directory / "events") == [*numbered(2), *numbered(4, 4), *numbered(3000, 100)]
    assert ready("status", "events").code == 0


def test_input_of_another_format_is_a_fault(ready: CliHere) -> None:
    (ready.directory / "logs" / NAMES[1]).write_bytes("{}".encode("utf-16"))
    run = ready("convert", "logs", "-o", "events/", "-q")
    assert (run.code, len(run.lines)) == (1, 1)
    assert NAMES[1] in run.lines[0] and "format.utf16" in run.lines[0]
    assert events(ready.directory / "events") == [*numbered(2), *numbered(4, 4)]


def test_equal_objects_are_reported_or_left_out(ready: CliHere) -> None:
    """Files of a disk are equal to no other file: their ETag has the inode."""
    os.link(ready.directory / "logs" / NAMES[0], ready.directory / "logs" / log_name("20260825", 0, 9))
    run = ready("convert", "logs", "-o", "all/")
    assert run.code == 0
    assert ", equal 1 (size and ETag of an earlier object: " in run.lines[-1]
    assert len(events(ready.directory / "all")) == 10
    assert ready("convert", "logs", "-o", "some/", "--duplicates", "skip").code == 0
    assert events(ready.directory / "some") == numbered(8)


@needs_posix
def test_names_that_are_no_text_are_escaped(cli_here: CliHere) -> None:
    """JSON cannot hold their bytes, and a terminal must not get control characters."""
    (cli_here.directory / "logs").mkdir()
    for name in (b"a\xff", b"b\n\x1b[31m"):
        Path(os.fsdecode(os.path.join(os.fsencode(cli_here.directory), b"logs", name))).write_bytes(b"\x1f\x8b")
    run = cli_here("convert", "logs", "-o", "events/", "-q", "--json")
    faults = json.loads(run.output)["faults"]
    assert [each["input"].rpartition("/")[2] for each in faults] == ["a\\xff", "b\n\x1b[31m"]
    assert [line.rpartition("/")[2].partition(":")[0] for line in run.lines] == ["a\\xff", "b\\n\\x1b[31m"]
    found = json.loads(cli_here("status", "events", "--json").output)
    assert found["faults"] == faults
    run = cli_here("convert", "logs", "-o", "out", "-q")
    assert [line.partition(":")[2].partition(":")[0] for line in run.lines] == [" logs/a\\xff", " logs/b\\n\\x1b[31m"]


def test_many_faults_are_counted(cli_here: CliHere) -> None:
    write_logs(cli_here.directory / "logs", *[log_name("20260825", 0, number) for number in range(15)])
    for path in (cli_here.directory / "logs").rglob("*.gz"):
        path.write_bytes(path.read_bytes()[:-1])
    run = cli_here("convert", "logs", "-o", "events/", "-q")
    assert (run.code, len(run.lines)) == (1, 11)
    assert run.lines[-1] == "cfdns-fast: more inputs with faults: 5 (cfdns-fast status --json lists them)"
    status = cli_here("status", "events", "--json")
    assert (status.code, len(json.loads(status.output)["faults"])) == (1, 15)


# Wrong uses


def wrong_uses() -> Iterator[tuple[list[str], int, str]]:
    yield (
        ["logs", "-o", "logs/out/"],
        2,
        "the output logs/out/ is inside the input logs, so that",
    )
    yield ["events/sub", "-o", "events/"], 2, "the input events/sub is inside the output events/"
    yield ["logs", "-o", "foreign/"], 2, "foreign: holds files of other programs (README)"
    yield ["empty", "-o", "events/"], 1, "empty: has no files"
    yield ["logs/*.zip", "-o", "events/"], 1, "logs/*.zip: matches no files"
    yield ["typo", "-o", "events/"], 1, "typo: there is no such file or folder"
    yield ["-", "-o", "events/"], 2, "standard input cannot be read a second time"
    yield ["-o", "events/"], 2, "standard input cannot be read a second time"
    yield ["logs", "-o", "in/"], 2, "in: is a file, not a folder"
    yield ["logs", "-o", "events/", "--rejects", "-"], 2, "--rejects is a directory or a prefix if the output is one"
    yield ["logs", "-o", "events/", "--threads", "2"], 2, "--jobs is the number of threads here"
    for flag in ("--detect=sliver", "--indicators=in", "--rules=in", "--alerts=x", "--annotate"):
        yield ["logs", "-o", "events/", flag], 2, "is for one output file, and is not supported for a directory"
    yield ["logs", "-o", "events/", "--json", "--summary-json", "x"], 2, "both ask for the summary"
    yield ["logs", "-o", "events/", "--strict", "--fail-on", "none"], 2, "exclude each other"
    yield ["logs", "-o", "events/", "--format", "parqet"], 2, "did you mean parquet?"
    yield ["logs", "-o", "events/", "--partition-by", "dat"], 2, "did you mean date?"
    yield ["logs", "-o", "events/", "--partition-by", "hour,date"], 2, "did you mean date,hour?"
    yield ["logs", "-o", "events/", "--duplicates", "skp"], 2, "did you mean skip?"
    yield ["logs", "-o", "events/", "--shard", "2/2"], 2, "'2/2' is not I/N with a number I from 0 to N - 1"
    yield ["logs", "-o", "events/", "--group-bytes", "64 apples"], 2, "'64 apples' is not a size above 0"
    yield ["logs", "-o", "events/", "--jobs", "0"], 2, "0 is not in the range"
    yield ["logs", "-o", "events/", "--fields", "dns.question.nam"], 2, "dns.question.nam"
    yield ["logs", "-o", "events/", "--format", "ndjson", "--fields", "dns"], 2, "--fields is for Parquet"
    yield ["logs", "-o", "events/", "--region", "eu"], 2, "--region is for object stores"
    yield ["logs", "-o", "events/", "--fromat", "ndjson"], 2, "No such option"
    yield ["logs", "-o", "s4://bucket/x/"], 2, "s4://bucket/x/: use s3://, gs://, az://"
    for flag in (
        "--format=ndjson",
        "--jobs=2",
        "--shard=0/2",
        "--state=x",
        "--retry-faults",
        "--table=delta",
        "--dry-run",
    ):
        yield (
            ["logs", "-o", "events.ndjson", flag],
            2,
            f"{flag.partition('=')[0]} is for a directory or a prefix as output",
        )
    yield ["logs", "-o", "events.ndjson", "--json"], 2, "--summary-json - is that of one file"


@needs_posix
def test_mapping_of_a_pipe_is_refused_at_once(ready: CliHere) -> None:
    os.mkfifo(ready.directory / "fifo.toml")
    run = ready("convert", "logs", "-o", "events/", "--schema", "fifo.toml")
    assert (run.code, len(run.lines)) == (2, 1), run.errors
    assert "is not a regular file" in run.lines[0]
    assert not (ready.directory / "events").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "text"), [pytest.param(*each, id=" ".join(each[0])) for each in wrong_uses()]
)
def test_wrong_use_is_one_sentence(ready: CliHere, arguments: list[str], code: int, text: str) -> None:
    for name in ("empty", "foreign", "events/sub"):
        (ready.directory / name).mkdir(parents=True)
    ready.write("foreign/README", b"x")
    ready.write("in", RECORD)
    run = ready("convert", *arguments)
    assert (run.code, len(run.lines)) == (code, 1), run.errors
    assert text in run.lines[0]
    assert parts(ready.directory) == []


@pytest.mark.parametrize("flag", ["--no-message", "--names=nested"])
def test_other_options_on_the_same_output_are_refused(ready: CliHere, flag: str) -> None:
    assert ready("convert", "logs", "-o", "events/").code == 0
    before = parts(ready.directory / "events")
    run = ready("convert", "logs", "-o", "events/", flag)
    assert (run.code, len(run.lines)) == (2, 1)
    assert run.lines[0].startswith("cfdns-fast: events was begun with other options: ")
    assert (parts(ready.directory / "events"), run.output) == (before, b"")
    # Options that do not change rows may differ.
    assert ready("convert", "logs", "-o", "events/", "--jobs", "1", "--group-bytes", "1MB", "--strict").code == 0


@needs_posix
def test_fifo_as_an_input_is_wrong_usage(ready: CliHere) -> None:
    os.mkfifo(ready.directory / "fifo")
    run = ready("convert", "fifo", "-o", "events/")
    assert (run.code, len(run.lines)) == (2, 1)
    assert "fifo: is neither a file nor a directory, and cannot be read a second time" in run.lines[0]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_output_without_permission_exits_1(ready: CliHere) -> None:
    (ready.directory / "events").mkdir(mode=0o500)
    run = ready("convert", "logs", "-o", "events/")
    assert (run.code, len(run.lines)) == (1, 1)
