"""Folders as stores: whole and durable files, links, names, and faults of the disk."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cfdns_fast.files import Entry, StoreError, durable, local_walk, open_store, temporary_files
from cfdns_fast.files.local_store import LocalStore
from cfdns_fast.io import temporaries

needs_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX file kinds, names and permissions")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path))


def code_of(function: Callable[[], object]) -> str:
    with pytest.raises(StoreError) as caught:
        function()
    return caught.value.code


def keys(store: LocalStore, *where: str) -> list[str]:
    return [entry.key for entry in store.list(*where)]


def test_a_file_is_durable_before_it_is_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is synced, then the name appears, and then the folder is synced, for each way to write."""
    steps: list[str] = []
    store = LocalStore(str(tmp_path))
    real = {name: getattr(os, name) for name in ("fsync", "replace", "link")}

    def fsync(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}") if os.path.exists("/proc/self/fd") else ""
        steps.append("folder" if os.path.isdir(path) else "content")
        real["fsync"](descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    for name in ("replace", "link"):
        monkeypatch.setattr(os, name, lambda *args, name=name: (steps.append("name"), real[name](*args))[1])
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("no /proc")
    for write in (store.put, store.create, lambda key, data: store.put_file(key, store.temporary())):
        (tmp_path / "x").unlink(missing_ok=True)
        steps.clear()
        write("x", b"data")
        assert steps == ["content", "name", "folder"]
    steps.clear()
    store.put("new/folder/x", b"data")
    assert steps == ["content", "name", "folder", "folder", "name", "folder"]


def test_a_killed_writer_leaves_no_part(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom cfdns_fast.files import open_store\n"
        f"store = open_store({str(tmp_path)!r})\n"
        "open(store.temporary(), 'wb').write(b'half')\n"
        "os.replace = os.link = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "getattr(store, sys.argv[1])('a/x', b'data')\n"
    )
    if os.name != "posix":
        pytest.skip("POSIX signals")
    for name in ("put", "create"):
        done = subprocess.run([sys.executable, "-c", code, name], timeout=60)
        assert done.returncode == -9
    store = LocalStore(str(tmp_path))
    assert keys(store) == [] and len(os.listdir(tmp_path)) > 2
    mine = store.temporary()
    store.remove_stale()
    assert os.listdir(tmp_path) == [os.path.basename(mine)]
    store.put_file("a/x", mine)
    assert keys(store) == ["a/x"] and os.listdir(tmp_path) == ["a"]


def test_a_temporary_file_of_another_store_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = LocalStore(str(tmp_path)), LocalStore(str(tmp_path))
    path = one.temporary()
    two.remove_stale()
    assert os.path.exists(path)
    if os.name == "posix":
        # In another container the process cannot be seen, but the lock can.
        monkeypatch.setattr(temporaries, "_is_running", lambda *_: False)
        two.remove_stale()
        assert os.path.exists(path)
        one.create("x", b"1")
        assert sorted(os.listdir(tmp_path)) == [os.path.basename(path), "x"]
    os.unlink(path)
    # The next call closes the descriptor of a file that the caller has removed.
    os.unlink(one.temporary())
    one.temporary()
    assert len(one._temporaries._descriptors) <= 1


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="no /proc")
def test_many_temporary_files_take_few_descriptors(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    first, *others, last = [store.temporary() for _ in range(100)]
    assert len(os.listdir("/proc/self/fd")) <= before + temporary_files._MAX_LOCKED
    for path in others:
        os.unlink(path)
    store.put_file("first", first)
    store.put_file("last", last)
    store.create("other", b"")
    assert keys(store) == ["first", "last", "other"] and len(os.listdir("/proc/self/fd")) == before


def test_a_missing_drive_ends_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(100))
    monkeypatch.setattr(os.path, "isdir", lambda _: next(calls) < 0)
    durable.make_folders(str(tmp_path / "a"))
    assert (tmp_path / "a").exists()


def test_a_full_disk_leaves_the_old_file(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("x", b"old")
    path = store.temporary()
    real = os.write

    def full(descriptor: int, data: Any) -> int:
        if len(data) > 2:
            return real(descriptor, data[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    for function in (lambda: store.put("x", b"new data"), lambda: store.create("y", b"new data")):
        assert code_of(function) == "store.full"
    monkeypatch.setattr(os, "fsync", lambda _: full(-1, b""))
    assert code_of(lambda: store.put_file("x", path)) == "store.full"
    monkeypatch.undo()
    assert os.path.exists(path)
    assert store.read("x") == b"old" and keys(store) == ["x"]


@needs_posix
def test_a_file_system_without_links_has_no_conditions(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", link)
    assert not store.has_conditional_writes()
    assert store.create("x", b"1") and not store.create("x", b"2")
    assert store.read("x") == b"1" and keys(store) == ["x"]


@needs_posix
def test_a_folder_of_another_file_system_is_written(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.replace

    def replace(source: str, target: str) -> None:
        if os.path.dirname(source) != os.path.dirname(target):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real(source, target)

    store.put("a/x", b"0")
    monkeypatch.setattr(os, "replace", replace)
    store.put("a/x", b"1")
    path = store.temporary()
    Path(path).write_bytes(b"2")
    store.put_file("a/y", path)
    assert [(entry.key, store.read(entry.key)) for entry in store.list()] == [("a/x", b"1"), ("a/y", b"2")]
    assert not os.path.exists(path)


@needs_posix
def test_links_that_lead_nowhere_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to("missing")
    (tmp_path / "d").write_bytes(b"d")
    assert [entry.key for entry in LocalStore(str(tmp_path)).list()] == ["d"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"1")
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "link").symlink_to(tmp_path / "real")
    (root / "file").symlink_to(tmp_path / "real" / "file")
    (root / "broken").symlink_to(tmp_path / "none")
    (root / "a" / "up").symlink_to(root)
    (tmp_path / "real" / "back").symlink_to(root / "a")
    (root / "a" / "there").symlink_to(tmp_path / "real")
    os.mkfifo(root / "pipe")
    store = LocalStore(str(root))
    assert keys(store) == ["a/there/file", "file", "link/file"]
    assert code_of(lambda: store.open("pipe")) == "store.unsupported" == code_of(lambda: store.open("a"))
    assert code_of(lambda: store.read("broken")) == "store.missing"
    assert store.size("pipe") is None and store.size("a") is None


@needs_posix
@pytest.mark.skipif(sys.platform == "darwin", reason="names are UTF-8 on macOS")
def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n.gz")
    (tmp_path / name).write_bytes(b"1")
    store = LocalStore(str(tmp_path))
    assert keys(store) == [name] and store.read(name) == b"1"
    with pytest.raises(StoreError) as caught:
        store.read(name + "x")
    str(caught.value).encode()


def test_a_closed_folder_is_not_left_out(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("a/x", b"1")
    real = os.scandir

    def scandir(path: str) -> Any:
        if path.endswith("a"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert code_of(lambda: keys(store)) == "store.denied"


def test_a_name_too_long_for_the_disk_is_said(store: LocalStore) -> None:
    assert code_of(lambda: store.put("x" * 1000, b"")) == "store.unsupported"
    assert keys(store) == []


def test_a_root_is_a_folder_that_exists(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert code_of(lambda: open_store(str(tmp_path / "none"))) == "store.missing"
    assert code_of(lambda: open_store(str(tmp_path / "file"))) == "store.settings"
    assert code_of(lambda: open_store(str(tmp_path / "file" / "x"), create=True)) != ""
    store = open_store(f"{tmp_path.as_uri()}/a%20b/c/", create=True)
    assert (tmp_path / "a b" / "c").is_dir() and store.is_local
    assert open_store(str(tmp_path / "a b" / "c")).location == store.location


def test_a_folder_that_changes_while_it_is_listed(store: LocalStore, tmp_path: Path) -> None:
    for name in ("a/1", "b/1", "c"):
        store.put(name, b"1")
    listed = store.list()
    assert next(listed).key == "a/1"
    (tmp_path / "b" / "1").unlink()
    (tmp_path / "b").rmdir()
    (tmp_path / "c").unlink()
    assert list(listed) == []


@needs_posix
def test_an_error_of_the_disk_is_a_store_error(store: LocalStore, tmp_path: Path) -> None:
    store.put("x", b"1")
    with store.open("x") as reader:
        # A descriptor of a folder cannot be read.
        folder = os.open(tmp_path, os.O_RDONLY)
        os.dup2(folder, reader.fileno())
        os.close(folder)
        for read in (lambda: reader.read(10), lambda: reader.readinto(bytearray(4))):  # type: ignore[attr-defined]
            assert code_of(read) == "store.unsupported"


@needs_posix
def test_threads_share_a_store(store: LocalStore) -> None:
    def work(number: int) -> None:
        for turn in range(10):
            store.put(f"{number % 2}/same", b"%d" % turn)
            store.create("once", b"1")
            path = store.temporary()
            Path(path).write_bytes(b"x" * number)
            store.put_file(f"folder {turn}/{number}", path)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = list(store.list())
    assert len(found) == 40 + 3
    assert [entry.size_bytes for entry in found if entry.key.startswith("folder 9")] == [0, 1, 2, 3]


def test_an_entry_changes_with_the_file(store: LocalStore, tmp_path: Path) -> None:
    def entry() -> Entry:
        return next(store.list())

    store.put("x", b"1")
    first = entry()
    status = os.stat(tmp_path / "x")
    store.put("x", b"2")
    os.utime(tmp_path / "x", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert entry().etag != first.etag
    assert local_walk.etag_of(os.stat(tmp_path / "x")) == entry().etag
