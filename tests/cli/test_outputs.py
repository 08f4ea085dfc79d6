"""Outputs of the command, and outputs that are wrong usage."""

from __future__ import annotations

import gzip
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.command import RECORD, Cli, CliHere, Finished, needs_posix, numbered, query_names, records

from cfdns_fast.io import ZstdMissing
from cfdns_fast.io.zstd_library import zstd_library


def zstd_or_skip() -> Any:
    try:
        return zstd_library()
    except ZstdMissing:
        pytest.skip("no library for zstd")


def test_output_named_gz_is_compressed(cli: Cli) -> None:
    cli.write("in", records(100) + b"x\n")
    assert cli("convert", "in", "-o", "out.gz", "--rejects", "rejects.gz").code == 0
    assert query_names(gzip.decompress((cli.directory / "out.gz").read_bytes())) == numbered(100)
    assert json.loads(gzip.decompress((cli.directory / "rejects.gz").read_bytes()))["raw"] == "x"


def test_zstd_is_read_and_written(cli: Cli) -> None:
    zstd = zstd_or_skip()
    cli.write("in.log", zstd.compress(records(50)) + zstd.compress(records(50, 50) + b"x\n"))
    assert cli("convert", "in.log", "-o", "out.ndjson.zst", "--rejects", "rejects.zst").code == 0
    assert query_names(zstd.decompress((cli.directory / "out.ndjson.zst").read_bytes())) == numbered(100)
    assert json.loads(zstd.decompress((cli.directory / "rejects.zst").read_bytes()))["raw"] == "x"


def test_truncated_zstd_input_exits_1(cli: Cli) -> None:
    compressed = zstd_or_skip().compress(records(20_000))
    (cli.directory / "in").write_bytes(compressed[:-100])
    run = cli("convert", "in", "-o", "out")
    message = f"cfdns-fast: in: truncated zstd (at byte {len(compressed) - 100} of the compressed input)"
    assert (run.code, run.lines[0]) == (1, message)
    events = query_names((cli.directory / "out").read_bytes())
    assert 10_000 < len(events) < 20_000 and events == numbered(len(events))


@pytest.mark.parametrize("place", ["input", "output"])
def test_missing_zstd_is_one_sentence(cli: Cli, place: str) -> None:
    for name in ("compression", "backports"):
        (cli.directory / f"{name}.py").write_text("")
    environment = {"PYTHONPATH": os.pathsep.join([str(cli.directory), cli.environment["PYTHONPATH"]])}
    content = b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00" if place == "input" else records(1)
    run = cli("convert", "-o", "out.zst" if place == "output" else "out", input=content, env=environment)
    assert run.code == 1
    assert run.lines[0].endswith(
        "the library backports.zstd is missing: pip install 'cfdns-fast[zstd]'"
        + (" (at byte 0 of the compressed input)" if place == "input" else "")
    )


@needs_posix
def test_symlink_output_replaces_its_target(cli: Cli) -> None:
    """The target keeps its permissions."""
    target = cli.write("target", b"old")
    target.chmod(0o640)
    (cli.directory / "link").symlink_to("target")
    assert cli("convert", "-o", "link", input=RECORD).code == 0
    assert (cli.directory / "link").is_symlink()
    assert query_names(target.read_bytes()) == ["www.example.com"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@needs_posix
def test_fifo_output_is_written_directly(cli: Cli) -> None:
    fifo = cli.directory / "fifo"
    os.mkfifo(fifo)
    process = cli.start("convert", "-o", "fifo", stdin=subprocess.PIPE)
    with open(fifo, "rb") as reader:
        run = Finished(process, RECORD)
        assert query_names(reader.read()) == ["www.example.com"]
    assert run.code == 0
    assert stat.S_ISFIFO(fifo.stat().st_mode)


@needs_posix
@pytest.mark.parametrize("arguments", [[], ["-o", "/dev/stdout"]])
def test_stdout_is_appended_to_a_file(cli: Cli, arguments: list[str]) -> None:
    path = cli.write("log", b"before\n")
    with open(path, "ab") as log:
        run = cli("convert", *arguments, input=RECORD, stdout=log)
        log.write(b"after\n")
    assert run.code == 0
    before, event, after = path.read_bytes().splitlines()
    assert (before, query_names(event), after) == (b"before", ["www.example.com"], b"after")


@needs_posix
def test_dev_null_stays_a_device(cli: Cli) -> None:
    assert cli("convert", "-o", "/dev/null", "--rejects", "/dev/null", input=RECORD).code == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@needs_posix
def test_output_that_is_an_input_is_wrong_usage(cli: Cli) -> None:
    path = cli.write("in", RECORD)
    os.link(path, cli.directory / "hard")
    (cli.directory / "soft").symlink_to("in")
    for option, name in (("-o", "in"), ("-o", "hard"), ("--rejects", "soft")):
        run = cli("convert", "in", option, name)
        assert (run.code, run.lines) == (2, [f"cfdns-fast: {name}: is the same file as the input in"])
    with open(path, "rb") as file:
        run = cli("convert", "-o", "in", stdin=file)
    assert (run.code, run.lines) == (2, ["cfdns-fast: in: is the same file as standard input"])
    assert path.read_bytes() == RECORD
    assert cli.names() == ["hard", "in", "soft"]


@needs_posix
def test_stdout_that_is_an_input_is_wrong_usage(cli: Cli) -> None:
    path = cli.write("in", RECORD)
    with open(path, "ab") as file:
        run = cli("convert", "in", stdout=file)
    assert (run.code, run.lines) == (2, ["cfdns-fast: standard output: is the same file as the input in"])
    assert path.read_bytes() == RECORD


def test_same_file_for_two_outputs_is_wrong_usage(cli_here: CliHere) -> None:
    assert cli_here("convert", "-o", "out", "--rejects", "./out").code == 2
    for arguments in (["--rejects", "-"], ["--rejects", "-", "-o", "-"]):
        run = cli_here("convert", *arguments)
        assert (run.code, len(run.lines)) == (2, 1)
        assert run.lines[0].startswith("cfdns-fast: two outputs would both go to standard output")
    assert os.listdir() == []


def test_missing_output_directory_is_wrong_usage(cli: Cli) -> None:
    run = cli("convert", "-o", os.path.join("nowhere", "out"))
    directory = os.path.realpath(cli.directory / "nowhere")
    assert run.code == 2
    assert run.lines == [f"cfdns-fast: {os.path.join('nowhere', 'out')}: there is no directory {directory}"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_full_disk_is_one_line_and_exit_1(cli: Cli) -> None:
    run = cli("convert", "-o", "/dev/full", "--rejects", "rejects", input=RECORD)
    assert (run.code, run.lines) == (1, ["cfdns-fast: /dev/full: No space left on device"])
    assert cli.names() == []
    with open("/dev/full", "wb") as full:
        run = cli("convert", input=RECORD, stdout=full)
        assert (run.code, run.lines) == (1, ["cfdns-fast: stdout: No space left on device"])
        assert cli("--help", stdout=full).code == 1
        assert cli("convert", input=RECORD, stderr=full).code == 0


@needs_posix
def test_closed_stdout_is_one_line_and_exit_1(cli: Cli) -> None:
    cli.write("in", RECORD)
    run = Finished(cli.shell('"$0" -m cfdns_fast convert in >&-'))
    assert (run.code, run.lines) == (1, ["cfdns-fast: stdout: is closed"])
    assert (cli.directory / "in").read_bytes() == RECORD


@needs_posix
def test_closed_reader_of_events_ends_silently(cli: Cli) -> None:
    cli.write("in", records(30_000))
    process = cli.start("convert", "in")
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    run = Finished(process)
    assert (run.code, run.errors) == (0, "")


@needs_posix
def test_closed_reader_of_rejects_exits_1(cli: Cli) -> None:
    cli.write("in", b"x\n" * 30_000)
    os.mkfifo(cli.directory / "fifo")
    process = cli.start("convert", "--input-format", "ndjson", "in", "-o", "out", "--rejects", "fifo")
    with open(cli.directory / "fifo", "rb") as reader:
        reader.read(1)
    run = Finished(process)
    assert (run.code, run.lines) == (1, ["cfdns-fast: fifo: Broken pipe"])
    assert cli.names() == ["fifo", "in"]


@needs_posix
@pytest.mark.parametrize("option", ["-o", "--rejects"])
def test_output_that_is_the_mapping_is_wrong_usage(cli_here: CliHere, option: str) -> None:
    path = Path("my.toml")
    path.write_bytes(b'[[field]]\nfrom = "QueryName"\nto = "name"\nkind = "name"\n')
    os.symlink("my.toml", "link")
    before = path.read_bytes()
    for name in ("./my.toml", "link"):
        run = cli_here("convert", "in", "--schema", "./my.toml", option, name, **{"in": RECORD})
        assert (run.code, run.lines) == (2, [f"cfdns-fast: {name}: is the same file as the mapping ./my.toml"])
    assert path.read_bytes() == before


@pytest.mark.skipif(not os.path.exists("/proc/thread-self/fd"), reason="names of descriptors as Linux has them")
@pytest.mark.parametrize(
    "name",
    [
        "/dev/fd/1",
        "/proc/thread-self/fd/1",
        "/proc/self/task/{}/fd/1",
        "folder/1",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("/proc/self/fd/1", "/dev/./fd/1", "//dev/fd/1")),
        pytest.param("/proc/net/../fd/1", marks=pytest.mark.slow),
    ],
)
def test_descriptor_output_is_written_at_its_position(cli: Cli, name: str) -> None:
    path = cli.write("log", b"before\n")
    (cli.directory / "folder").symlink_to("/proc/self/fd")
    # The shell becomes the process that writes, so $$ names its task.
    cli.write("in", RECORD)
    process = cli.shell(f'exec "$0" -m cfdns_fast convert -q -o {name.format("$$")} >> log < in')
    assert Finished(process).code == 0
    before, event = path.read_bytes().splitlines()
    assert (before, query_names(event)) == (b"before", ["www.example.com"])


@pytest.mark.skipif(not os.path.exists("/proc/thread-self/fd"), reason="names of descriptors as Linux has them")
def test_foreign_descriptor_output_is_wrong_usage(cli: Cli) -> None:
    path = cli.write("log", b"before\n")
    with open(path, "ab") as log:
        name = f"/proc/{os.getpid()}/fd/{log.fileno()}"
        run = cli("convert", "-o", name, input=RECORD)
    assert (run.code, run.lines) == (2, [f"cfdns-fast: {name}: is a descriptor of another process"])
    assert path.read_bytes() == b"before\n"


@needs_posix
def test_closed_reader_of_rejects_named_stdout_exits_1(cli: Cli) -> None:
    cli.write("in", b"x\n" * 30_000)
    os.mkfifo(cli.directory / "stdout")
    process = cli.start("convert", "--input-format", "ndjson", "in", "--rejects", "stdout")
    with open(cli.directory / "stdout", "rb") as reader:
        reader.read(1)
    run = Finished(process)
    assert (run.code, run.lines) == (1, ["cfdns-fast: stdout: Broken pipe"])
