"""Outputs of the command, and outputs that are wrong usage."""

from __future__ import annotations

import gzip
import json
import os
import stat
import subprocess

import pytest
from support.command import RECORD, Cli, Finished, needs_posix, numbered, query_names, records


def test_output_named_gz_is_compressed(cli: Cli) -> None:
    cli.write("in", records(100) + b"x\n")
    assert cli("convert", "in", "-o", "out.gz", "--rejects", "rejects.gz").code == 0
    assert query_names(gzip.decompress((cli.directory / "out.gz").read_bytes())) == numbered(100)
    assert json.loads(gzip.decompress((cli.directory / "rejects.gz").read_bytes()))["raw"] == "x"


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


def test_same_file_for_two_outputs_is_wrong_usage(cli: Cli) -> None:
    assert cli("convert", "-o", "out", "--rejects", "./out").code == 2
    for arguments in (["--rejects", "-"], ["--rejects", "-", "-o", "-"]):
        run = cli("convert", *arguments)
        assert (run.code, len(run.lines)) == (2, 1)
        assert run.lines[0].startswith("cfdns-fast: two outputs would both go to standard output")
    assert cli.names() == []


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
def test_output_that_is_the_mapping_is_wrong_usage(cli: Cli, option: str) -> None:
    path = cli.write("my.toml", b'[[field]]\nfrom = "QueryName"\nto = "name"\nkind = "name"\n')
    (cli.directory / "link").symlink_to("my.toml")
    before = path.read_bytes()
    for name in ("./my.toml", "link"):
        run = cli("convert", "--schema", "./my.toml", option, name, input=RECORD)
        assert (run.code, run.lines) == (2, [f"cfdns-fast: {name}: is the same file as the mapping ./my.toml"])
    assert path.read_bytes() == before


@pytest.mark.skipif(not os.path.exists("/proc/thread-self/fd"), reason="names of descriptors as Linux has them")
@pytest.mark.parametrize(
    "name",
    [
        "/dev/fd/1",
        "/proc/self/fd/1",
        "/proc/thread-self/fd/1",
        "/proc/self/task/{}/fd/1",
        "/dev/./fd/1",
        "//dev/fd/1",
        "/proc/net/../fd/1",
        "folder/1",
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
