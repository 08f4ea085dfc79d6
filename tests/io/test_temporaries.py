"""Temporary files, and the removal of those that ended runs left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cfdns_fast.io import temporaries
from cfdns_fast.io.temporaries import Temporary, remove_dead

needs_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX file kinds and locks")
needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="/proc says when a process started")

CONTENT = b"0123456789" * 300_000


@pytest.fixture(params=["unnamed", "named"])
def kind(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with both kinds of files."""
    if request.param == "named":
        without_unnamed_files(monkeypatch)
    elif temporaries._open_unnamed(os.fspath(tmp_path), 0o600) is None:
        pytest.skip("no O_TMPFILE here")
    return str(request.param)


def without_unnamed_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def filled(folder: Path) -> Temporary:
    temporary = Temporary(os.fspath(folder))
    temporary.open()
    temporary.file.write(CONTENT)
    temporary.sync()
    return temporary


def test_temporary_has_a_name_only_if_needed(tmp_path: Path, kind: str) -> None:
    temporary = filled(tmp_path)
    assert len(names(tmp_path)) == (kind == "named")
    temporary.discard()
    assert names(tmp_path) == []


@pytest.mark.parametrize("existing", [None, b"old"])
@pytest.mark.parametrize("new", [True, False])
def test_temporary_gets_its_final_name(tmp_path: Path, kind: str, existing: bytes | None, new: bool) -> None:
    """`new` is only a hint, because another process can create or remove the target."""
    target = tmp_path / "out"
    if existing is not None:
        target.write_bytes(existing)
    temporary = filled(tmp_path)
    temporary.move_to(os.fspath(target), new=new)
    temporary.discard()
    assert (names(tmp_path), target.read_bytes()) == (["out"], CONTENT)


def test_temporary_content_can_be_copied(tmp_path: Path, kind: str) -> None:
    temporary = filled(tmp_path)
    with open(tmp_path / "copy", "wb") as copy:
        temporary.copy_to(copy.fileno())
    temporary.discard()
    assert (names(tmp_path), (tmp_path / "copy").read_bytes()) == (["copy"], CONTENT)


def test_temporary_can_be_kept(tmp_path: Path, kind: str) -> None:
    """A later run does not remove a file with the name of a kept file."""
    path = filled(tmp_path).keep()
    assert names(tmp_path) == [os.path.basename(path)]
    assert re.fullmatch("cfdns-fast-kept-[0-9a-f]{16}", os.path.basename(path))
    assert Path(path).read_bytes() == CONTENT
    assert remove_dead(os.fspath(tmp_path)) == []


def test_temporary_is_kept_after_a_failed_move(tmp_path: Path, kind: str) -> None:
    (tmp_path / "out").mkdir()
    temporary = filled(tmp_path)
    with pytest.raises(OSError):
        temporary.move_to(os.fspath(tmp_path / "out"), new=False)
    assert Path(temporary.keep()).read_bytes() == CONTENT
    assert len(names(tmp_path)) == 2


def test_temporary_is_copied_if_links_are_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", forbidden)
    temporary = filled(tmp_path)
    temporary.move_to(os.fspath(tmp_path / "out"), new=True)
    temporary.discard()
    assert (names(tmp_path), (tmp_path / "out").read_bytes()) == (["out"], CONTENT)


def test_temporary_without_proc_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "exists", lambda _: False)
    temporary = filled(tmp_path)
    assert len(names(tmp_path)) == 1
    temporary.discard()


@needs_posix
def test_temporary_name_holds_host_and_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_unnamed_files(monkeypatch)
    temporary = filled(tmp_path)
    parts = temporaries._NAME.fullmatch(*names(tmp_path))
    assert parts is not None
    assert (parts[1], int(parts[2])) == (os.uname().nodename, os.getpid())
    assert (int(parts[3]) > 0) is os.path.exists("/proc/self/stat")
    temporary.discard()


def name_of(process: int | None = None, start: str | None = None, host: str | None = None) -> str:
    """Return the name of a temporary file, by default that of a process that has ended."""
    if process is None:
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        process = ended.pid
    return f".cfdns-fast-{host or temporaries._host()}-{process}-{start or '1'}-0123456789abcdef.tmp"


@needs_posix
def test_remove_dead_removes_the_file_of_an_ended_run(tmp_path: Path) -> None:
    path = tmp_path / name_of()
    path.write_bytes(b"x")
    assert remove_dead(os.fspath(tmp_path)) == [os.fspath(path)]
    assert names(tmp_path) == []


@needs_proc
def test_remove_dead_detects_a_reused_process_id(tmp_path: Path) -> None:
    (tmp_path / name_of(os.getpid(), "1")).write_bytes(b"x")
    assert len(remove_dead(os.fspath(tmp_path))) == 1


KEPT_NAMES: dict[str, Callable[[], str]] = {
    "of a living process": lambda: name_of(os.getpid(), temporaries._start_of(os.getpid()) or "0"),
    "of another host": lambda: name_of(host="elsewhere"),
    "of an earlier version": lambda: ".cfdns-fast-0123456789abcdef.tmp",
    "of a host only": lambda: f".cfdns-fast-{temporaries._host()}-0123456789abcdef.tmp",
    "longer": lambda: f"{name_of()}.gz",
    "of another program": lambda: f"{name_of()[1:]}",
}


@needs_posix
@pytest.mark.parametrize("name", KEPT_NAMES.values(), ids=KEPT_NAMES)
def test_remove_dead_leaves_other_names(tmp_path: Path, name: Callable[[], str]) -> None:
    (tmp_path / name()).write_bytes(b"x")
    assert remove_dead(os.fspath(tmp_path)) == []
    assert len(names(tmp_path)) == 1


KEPT_KINDS: dict[str, Callable[[Path], object]] = {
    "folder": lambda path: path.mkdir(),
    "link": lambda path: path.symlink_to("target"),
    "FIFO": lambda path: os.mkfifo(path),
}


@needs_posix
@pytest.mark.parametrize("make", KEPT_KINDS.values(), ids=KEPT_KINDS)
def test_remove_dead_leaves_other_kinds(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "target").write_bytes(b"x")
    make(tmp_path / name_of())
    assert remove_dead(os.fspath(tmp_path)) == []
    assert len(names(tmp_path)) == 2


@needs_posix
def test_remove_dead_leaves_a_locked_file(tmp_path: Path) -> None:
    """The process may run in another container, where its id is not visible."""
    path = tmp_path / name_of()
    with open(path, "wb") as file:
        assert temporaries._lock(file.fileno())
        assert remove_dead(os.fspath(tmp_path)) == []
    assert remove_dead(os.fspath(tmp_path)) == [os.fspath(path)]


@needs_posix
def test_temporary_is_locked_while_it_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_unnamed_files(monkeypatch)
    temporary = filled(tmp_path)
    with open(tmp_path / names(tmp_path)[0], "rb") as file:
        assert not temporaries._lock(file.fileno())
    temporary.discard()


def test_remove_dead_ignores_a_missing_folder(tmp_path: Path) -> None:
    assert remove_dead(os.fspath(tmp_path / "nowhere")) == []
