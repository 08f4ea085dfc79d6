"""The command with files that cannot be replaced, unreadable inputs, and killed runs."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from support.command import RECORD, Cli, Finished, query_names, records, temporary_bytes, wait_until

from cfdns_fast.io.temporaries import _open_unnamed

NOBODY = 65534
#: The command as another user, after a run that imports all modules, which this user may be unable to read.
AS_NOBODY = f"""
import contextlib, io, os, sys, tempfile
from cfdns_fast.cli.app import main
try:
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        main(["convert", "-q", os.devnull, folder])
except SystemExit:
    os.setgroups([])
    os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
    os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
main()
"""
#: The command on a system without O_TMPFILE.
NAMED = "import os; del os.O_TMPFILE; from cfdns_fast.__main__ import main; main()"


@cache
def mounts_are_allowed() -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, capture_output=True).returncode == 0


def with_mounts(cli: Cli, setup: str, *arguments: str) -> Finished:
    """Run the command after shell commands that mount, in a mount namespace that ends with it."""
    if not mounts_are_allowed():
        pytest.skip("needs the right to mount")
    script = f"set -e; {setup}; exec {shlex.join([sys.executable, '-m', 'cfdns_fast', *arguments])}"
    return Finished(cli.shell(f"exec unshare -m sh -c {shlex.quote(script)}"))


@pytest.fixture
def unprivileged(never_stuck: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """Return the command, run by a user who is not root, in a folder that every user can reach and write."""
    if not hasattr(os, "geteuid"):
        pytest.skip("POSIX permissions")
    if os.geteuid() == 0:
        monkeypatch.setattr(Cli, "prefix", ["-c", AS_NOBODY])
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o777)
    yield Cli(directory)
    directory.chmod(0o777)
    assert not list(directory.glob(".cfdns-fast-*"))
    shutil.rmtree(directory)


def test_convert_rewrites_mounted_files(cli: Cli) -> None:
    """A rename onto a mounted file, as in a container, fails with EBUSY."""
    cli.write("in", records(2) + b"x\n")
    for name in ("real-events", "real-rejects", "events", "rejects"):
        cli.write(name, b"old and a good deal longer than what replaces it" * 100)
    setup = "mount --bind real-events events; mount --bind real-rejects rejects"
    run = with_mounts(cli, setup, "convert", "in", "-o", "events", "--rejects", "rejects")
    assert (run.code, len(run.lines)) == (0, 1)
    assert query_names((cli.directory / "real-events").read_bytes()) == ["n0.example.com", "n1.example.com"]
    assert json.loads((cli.directory / "real-rejects").read_bytes())["raw"] == "x"
    assert cli.names() == ["events", "in", "real-events", "real-rejects", "rejects"]


def test_convert_rejects_a_read_only_mounted_file(cli: Cli) -> None:
    """The command fails before it opens the input."""
    for name in ("real", "rejects"):
        cli.write(name, b"old")
    setup = "mount --bind real rejects; mount -o remount,bind,ro rejects"
    run = with_mounts(cli, setup, "convert", "nowhere", "-o", "events", "--rejects", "rejects")
    assert (run.code, run.lines) == (1, ["cfdns-fast: rejects: Read-only file system"])
    assert (cli.names(), (cli.directory / "real").read_bytes()) == (["real", "rejects"], b"old")


def test_convert_rewrites_a_file_in_a_read_only_folder(cli: Cli) -> None:
    """The root of a container is often read-only, with the output mounted into it."""
    cli.write("in", RECORD)
    cli.write("real", b"old")
    (cli.directory / "folder").mkdir()
    cli.write("folder/out", b"")
    # Files of killed processes in the system's folder would be removed, and reported.
    setup = "mkdir empty; export TMPDIR=$PWD/empty; mount --bind folder folder; mount --bind real folder/out; "
    setup += "mount -o remount,bind,ro folder"
    run = with_mounts(cli, setup, "convert", "in", "-o", "folder/out")
    assert (run.code, len(run.lines)) == (0, 1)
    assert query_names((cli.directory / "real").read_bytes()) == ["www.example.com"]


def test_convert_keeps_the_data_if_a_mount_is_full(cli: Cli) -> None:
    """The message names the file with the complete data, and the rejects are published."""
    cli.write("in", records(2000) + b"x\n")
    cli.write("events", b"")
    setup = "mkdir small; mount -t tmpfs -o size=64k none small; touch small/f; mount --bind small/f events"
    run = with_mounts(cli, setup, "convert", "in", "-o", "events", "--rejects", "rejects")
    (kept,) = cli.directory.glob("cfdns-fast-kept-*")
    text = (
        "cfdns-fast: events: No space left on device, so the file is incomplete; "
        f"the complete data is kept in {kept}; rejects is published"
    )
    assert (run.code, run.lines) == (1, [text])
    assert len(query_names(kept.read_bytes())) == 2000
    assert json.loads((cli.directory / "rejects").read_bytes())["raw"] == "x"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs two users")
def test_convert_rewrites_files_of_another_user(unprivileged: Cli) -> None:
    """In a sticky folder, a rename onto a file of another user fails with EPERM."""
    for name in ("events", "rejects"):
        unprivileged.write(name, b"old").chmod(0o666)
    unprivileged.directory.chmod(0o1777)
    run = unprivileged("convert", "-o", "events", "--rejects", "rejects", input=RECORD + b"x\n")
    assert (run.code, len(run.lines)) == (0, 1)
    assert query_names((unprivileged.directory / "events").read_bytes()) == ["www.example.com"]
    assert json.loads((unprivileged.directory / "rejects").read_bytes())["raw"] == "x"


def test_convert_reports_each_unreadable_input(unprivileged: Cli) -> None:
    """Each unreadable input is one line, and the other inputs are converted."""
    unprivileged.write("good", RECORD)
    unprivileged.write("secret", RECORD).chmod(0)
    (unprivileged.directory / "folder").mkdir()
    (unprivileged.directory / "loop").symlink_to("loop")
    # A link that is visible but unreadable.
    (unprivileged.directory / "foreign").symlink_to("/proc/1/cwd/in")
    run = unprivileged("convert", "-q", "secret", "nowhere", "good/x", "folder", "loop", "foreign", "good")
    assert (run.code, query_names(run.output)) == (1, ["www.example.com"])
    # Some containers run all processes as one user.
    reasons = ("Permission denied", "No such file or directory")
    assert run.lines.pop() in [f"cfdns-fast: foreign: {reason}" for reason in reasons]
    assert run.lines == [
        "cfdns-fast: secret: Permission denied",
        "cfdns-fast: nowhere: No such file or directory",
        "cfdns-fast: good/x: Not a directory",
        "cfdns-fast: folder: has no files",
        "cfdns-fast: loop: Too many levels of symbolic links",
    ]


def test_convert_writes_unreadable_outputs(unprivileged: Cli) -> None:
    """The user may write to the output and to the FIFO of rejects, but may not read them."""
    path = unprivileged.write("events", b"old")
    fifo = unprivileged.directory / "fifo"
    os.mkfifo(fifo)
    with open(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        for each in (path, fifo):
            if os.geteuid() == 0:
                os.chown(each, NOBODY, -1)
            each.chmod(0o222)
        run = unprivileged("convert", "-o", "events", "--rejects", "fifo", input=RECORD + b"x\n")
        assert json.loads(reader.read())["raw"] == "x"
    assert (run.code, len(run.lines)) == (0, 1)
    path.chmod(0o644)
    assert query_names(path.read_bytes()) == ["www.example.com"]


def killed(cli: Cli) -> None:
    """Kill the command while it writes a new file and one that exists."""
    process = cli.start("convert", "fifo", "-o", "out", "--rejects", "rejects")
    with open(cli.directory / "fifo", "wb") as writer:
        writer.write(records(2000) + b"x\n")
        writer.flush()
        wait_until(lambda: temporary_bytes(process, cli.directory))
        process.send_signal(signal.SIGKILL)
        assert Finished(process).code == -signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="no O_TMPFILE")
def test_convert_removes_files_of_a_killed_run(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed run leaves temporary files only without O_TMPFILE, and the next run removes them."""
    if _open_unnamed(os.fspath(cli.directory), 0o600) is None:
        pytest.skip("no O_TMPFILE on this file system")
    os.mkfifo(cli.directory / "fifo")
    cli.write("out", b"old")
    killed(cli)
    assert cli.names() == ["fifo", "out"]
    monkeypatch.setattr(Cli, "prefix", ["-c", NAMED])
    killed(cli)
    left = [os.path.realpath(cli.directory / name) for name in cli.names() if name.startswith(".cfdns-fast-")]
    assert len(left) == 2
    run = cli("convert", "-q", "-o", "out", input=RECORD)
    assert run.code == 0
    assert sorted(run.lines) == [f"cfdns-fast: {path}: removed; a run that was killed left it" for path in sorted(left)]
    assert cli.names() == ["fifo", "out"]
