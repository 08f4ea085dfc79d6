"""``convert`` to one file of Parquet or zstd: complete or absent, as other outputs are."""

from __future__ import annotations

import gzip
import json
import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest
from support.command import (
    RECORD,
    Cli,
    CliHere,
    Finished,
    needs_posix,
    numbered,
    query_names,
    records,
    temporary_bytes,
    wait_until,
)
from support.logpush_names import log_name, write_logs

parquet: Any = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

slow = pytest.mark.slow
OTHER_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGKILL") if hasattr(signal, name)]


def rows_of(path: Path) -> list[dict[str, Any]]:
    # Not read_table with a path, which would make partitions of folders.
    with open(path, "rb") as file:
        return parquet.read_table(file).to_pylist()


def names_in(path: Path) -> list[str]:
    return [row["dns_question_name"] for row in rows_of(path)]


# Parquet


def test_parquet_file_has_the_events_in_order(cli_here: CliHere) -> None:
    """Inputs of all kinds go to one file, with the rejects and the summary of other outputs."""
    write_logs(cli_here.directory / "logs", log_name("20260825", 0), log_name("20260825", 1), count=3000)
    files = {"in": records(2, 6000) + b"oops\n", "rows": b"QueryName,Timestamp\nn6002.example.com,1\n"}
    options = ("--rejects", "rejects", "--summary-json", "summary", "--threads", "2")
    run = cli_here("convert", "logs", "in", "rows", "-o", "out.parquet", *options, **files)
    summary = json.loads((cli_here.directory / "summary").read_bytes())
    assert (run.code, summary["events"], summary["rejects"]["json.syntax"]["count"]) == (0, 6003, 1)
    assert names_in(cli_here.directory / "out.parquet") == numbered(6003)
    assert json.loads((cli_here.directory / "rejects").read_bytes())["raw"] == "oops"


@pytest.mark.parametrize(
    ("arguments", "columns"),
    [
        (["--names", "dotted", "--fields", "dns.question.name,@timestamp"], ["@timestamp", "dns.question.name"]),
        (["--fields", "dns.question.name, source"], ["dns_question_name", "source_address", "source_ip"]),
        (["--fields", "dns", "--without", "dns.question"], ["dns_response_code"]),
        (["--names", "nested", "--fields", "dns.question.name"], ["dns"]),
    ],
)
def test_options_choose_the_columns(cli_here: CliHere, arguments: list[str], columns: list[str]) -> None:
    run = cli_here("convert", "in", "-o", "out.parquet", *arguments, **{"in": RECORD})
    assert (run.code, list(rows_of(cli_here.directory / "out.parquet")[0])) == (0, columns)


def test_parquet_has_no_message_and_another_level(cli_here: CliHere) -> None:
    cli_here.write("in", records(2000))
    sizes = []
    for level in ("1", "19"):
        run = cli_here("convert", "in", "-o", "out.parquet", "--no-message", "--compression-level", level)
        assert run.code == 0
        assert "message" not in rows_of(cli_here.directory / "out.parquet")[0]
        sizes.append((cli_here.directory / "out.parquet").stat().st_size)
    assert sizes[1] != sizes[0]


def test_parquet_of_nothing_has_the_columns(cli_here: CliHere) -> None:
    assert cli_here("convert", "in", "-o", "out.parquet", **{"in": b"\n"}).code == 0
    with open(cli_here.directory / "out.parquet", "rb") as file:
        assert "dns_question_name" in parquet.read_table(file).column_names


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--fields", "dns.question.nam"], "dns.question.nam"),
        (["--without", "qname"], "qname"),
        (["--fields", "dns,,source"], "is a list of names with commas, none of them empty"),
        (["--names", "undersocre"], "did you mean underscore?"),
        (["--annotate", "--detect", "sliver"], "--annotate is for NDJSON"),
        (["--partition-by", "date"], "--partition-by is for a directory or a prefix as output"),
        (["--compression-level", "23"], "23"),
    ],
)
def test_layout_that_does_not_fit_is_wrong_usage(cli_here: CliHere, arguments: list[str], text: str) -> None:
    run = cli_here("convert", "in", "-o", "out.parquet", *arguments, **{"in": RECORD})
    assert (run.code, len(run.lines), cli_here.names()) == (2, 1, ["in"])
    assert text in run.lines[0]


@pytest.mark.parametrize("flag", ["--names=dotted", "--fields=dns", "--without=dns", "--compression-level=2"])
def test_option_of_parquet_needs_parquet(cli_here: CliHere, flag: str) -> None:
    name = flag.partition("=")[0]
    for arguments, text in (
        (["-o", "out.ndjson"], f"{name} is for Parquet: -o FILE.parquet, or a directory as output"),
        (["-o", "out/", "--format", "ndjson"], f"{name} is for Parquet: --format parquet"),
    ):
        run = cli_here("convert", "in", flag, *arguments, **{"in": RECORD})
        assert (run.code, len(run.lines), cli_here.names()) == (2, 1, ["in"])
        assert text in run.lines[0]


def test_alerts_go_with_parquet(cli_here: CliHere) -> None:
    cli_here.write("feed.txt", b"example.com\n")
    arguments = ["--indicators", "feed.txt", "--alerts", "alerts"]
    assert cli_here("convert", "in", "-o", "out.parquet", *arguments, **{"in": RECORD}).code == 0
    alert = json.loads((cli_here.directory / "alerts").read_bytes())
    assert alert["dns"]["question"]["name"] == "www.example.com"


def test_input_fault_keeps_what_is_before(cli_here: CliHere) -> None:
    compressed = gzip.compress(records(5000))[:-200]
    run = cli_here("convert", "in", "more", "-o", "out.parquet", **{"in": compressed, "more": records(1, 9000)})
    names = names_in(cli_here.directory / "out.parquet")
    assert (run.code, names[:100], names[-1]) == (1, numbered(100), "n9000.example.com")


def test_missing_input_keeps_the_old_parquet_file(cli_here: CliHere) -> None:
    cli_here.write("out.parquet", b"old")
    run = cli_here("convert", "typo", "-o", "out.parquet")
    assert (run.code, (cli_here.directory / "out.parquet").read_bytes()) == (1, b"old")


@needs_posix
@pytest.mark.usefixtures("interrupts")
@pytest.mark.parametrize("number", [signal.SIGTERM, *(pytest.param(each, marks=slow) for each in OTHER_SIGNALS)])
@pytest.mark.parametrize(
    ("name", "count"), [pytest.param("out.parquet", 132_000, marks=slow), ("out.ndjson.zst", 2000)]
)
def test_signal_keeps_the_old_file(cli: Cli, number: int, name: str, count: int) -> None:
    """A row group of a Parquet file is written when it is full."""
    cli.write(name, b"old")
    os.mkfifo(cli.directory / "fifo")
    process = cli.start("convert", "fifo", "-o", name)
    with open(cli.directory / "fifo", "wb") as writer:
        writer.write(records(count))
        writer.flush()
        wait_until(lambda: temporary_bytes(process, cli.directory))
        process.send_signal(number)
        run = Finished(process)
    assert run.code == (-9 if number == 9 else 128 + number)
    assert ((cli.directory / name).read_bytes(), cli.names()) == (b"old", ["fifo", name])


@slow
@needs_posix
def test_parquet_goes_to_a_fifo(cli: Cli) -> None:
    fifo = cli.directory / "pipe.parquet"
    os.mkfifo(fifo)
    cli.write("in", records(10))
    process = cli.start("convert", "in", "-o", "pipe.parquet")
    content = fifo.read_bytes()
    assert Finished(process).code == 0
    copy = cli.write("copy", content)
    assert names_in(copy) == numbered(10)
    assert stat.S_ISFIFO(fifo.stat().st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_full_disk_is_one_line_with_parquet(cli_here: CliHere) -> None:
    (cli_here.directory / "out.parquet").symlink_to("/dev/full")
    run = cli_here("convert", "in", "-o", "out.parquet", **{"in": records(100)})
    assert (run.code, run.lines) == (1, ["cfdns-fast: out.parquet: No space left on device"])


# zstd


def test_output_named_zst_is_read_again(cli_here: CliHere) -> None:
    run = cli_here("convert", "in", "-o", "out.ndjson.zst", "--rejects", "r.zst", **{"in": records(3000) + b"oops\n"})
    content = (cli_here.directory / "out.ndjson.zst").read_bytes()
    assert (run.code, content[:4]) == (0, b"\x28\xb5\x2f\xfd")
    assert (cli_here.directory / "r.zst").read_bytes()[:4] == b"\x28\xb5\x2f\xfd"
    from cfdns_fast.io import read_plain

    plain = b"".join(read_plain(str(cli_here.directory / "out.ndjson.zst")))
    assert query_names(plain) == numbered(3000)
