"""The sink of files, cut at every step by the end of the process or an error: each event stays in exactly one file."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("the receiver and its sinks need POSIX", allow_module_level=True)

from support.file_sinks import (
    Caller,
    collected,
    events_in,
    expected,
    hidden,
    ignore,
    sink_of,
    visible,
    without_links,
    written,
)
from support.sinks import Record, ndjson_batch

from cfdns_fast.sinks import SinkFault, SinkRewind, files, open_sink, publish

URL = "file://{}/out/?rotate_bytes=1KiB&prefix=dns"


class Killed(BaseException):
    """Stands for the end of the process: no handler of the program catches it."""


class Cut:
    """Ends the process at one of the calls that change files or store what is pending, before or after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int = 0, error: int | None = None) -> None:
        self.count = 0
        self.at = at
        self.error = error
        self.names: list[str] = []
        for name in ("open", "write", "fsync", "link", "unlink", "mkdir"):
            function = getattr(os, name) if name != "fsync" else lambda _: None
            monkeypatch.setattr(publish.os, name, self.wrapped(name, function))

    def wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.step(name)
            result = function(*args, **options)
            self.step(name)
            return result

        return call

    def step(self, name: str) -> None:
        self.count += 1
        self.names.append(name)
        if self.count == self.at:
            if self.error is None:
                raise Killed
            if self.count % 2:
                raise OSError(self.error, os.strerror(self.error))


@pytest.mark.parametrize("is_collected", [False, True])
def test_kill_at_any_step_keeps_each_event_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_collected: bool
) -> None:
    total = steps_of(tmp_path / "first", monkeypatch)
    assert total > 50
    for at in range(1, total + 1):
        root = tmp_path / str(at)
        caller = Caller(Record(root / "own"), URL.format(root) + "&format=ndjson", 4)
        with monkeypatch.context() as patch:
            cut = Cut(patch, at)
            store = caller.store
            caller.store = stepped(cut, store)  # type: ignore[method-assign]
            with pytest.raises(Killed):
                caller.run()
            if is_collected:
                collected(root / "out", root / "in")
            caller.run()
        if is_collected:
            collected(root / "out", root / "in")
        assert events_in(root / ("in" if is_collected else "out")) == expected(4), (at, cut.names[at - 1])
        assert hidden(root / "out") == []
        assert caller.after == 4


def stepped(cut: Cut, store: Callable[[Mapping[str, Any]], None]) -> Callable[[Mapping[str, Any]], None]:
    def call(pending: Mapping[str, Any]) -> None:
        cut.step("store")
        store(pending)
        cut.step("store")

    return call


def steps_of(root: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the number of steps of an undisturbed run."""
    with monkeypatch.context() as patch:
        cut = Cut(patch)
        caller = Caller(Record(root / "own"), URL.format(root) + "&format=ndjson", 4)
        caller.store = stepped(cut, caller.store)  # type: ignore[method-assign]
        caller.run()
    return cut.count


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_error_at_any_step_keeps_each_event_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    for at in range(1, steps_of(tmp_path / "first", monkeypatch) + 1, 2):
        root = tmp_path / str(at)
        caller = Caller(Record(root / "own"), URL.format(root) + "&format=ndjson", 4)
        with monkeypatch.context() as patch:
            cut = Cut(patch, at, error)
            caller.run()
        assert events_in(root / "out") == expected(4), (at, cut.names[at - 1])
        # A name that could not be removed belongs to a file that is complete.
        assert all(path.stat().st_nlink == 2 for path in hidden(root / "out"))
        assert all(fault.reason == "disk" for fault in caller.faults)


@pytest.mark.parametrize("is_moved", [False, True])
def test_kill_without_links_keeps_each_event_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_moved: bool
) -> None:
    record = Record(tmp_path / "own")
    stored: list[Mapping[str, Any]] = []
    rename = os.rename

    def killed(*names: Any) -> None:
        rename(*names)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(publish.os, "link", without_links)
        patch.setattr(publish.os, "rename", killed)
        sink = written(record, URL.format(tmp_path), range(1, 3))
        with pytest.raises(Killed):
            sink.commit(stored.append)
    if is_moved:
        collected(tmp_path / "out", tmp_path / "in")
    assert sink_of(record, URL.format(tmp_path)).recover(stored[-1])
    assert events_in(tmp_path / ("in" if is_moved else "out")) == expected(2, 5)


def test_link_that_was_made_twice_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS can answer that a name is taken, by the link that the same request made."""
    link = os.link

    def made_twice(*names: Any) -> None:
        link(*names)
        link(*names)

    monkeypatch.setattr(publish.os, "link", made_twice)
    sink = written(Record(tmp_path / "own"), URL.format(tmp_path), range(1, 3))
    assert sink.commit(ignore) == 2
    sink.close()
    assert events_in(tmp_path / "out") == expected(2, 5)
    assert len(visible(tmp_path / "out")) == 1


def test_folder_that_cannot_be_synced_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def of_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(publish.os, "fsync", of_files)
    sink = written(Record(tmp_path / "own"), URL.format(tmp_path), range(1, 3))
    assert sink.commit(ignore) == 2
    sink.close()
    assert events_in(tmp_path / "out") == expected(2, 5)


def test_failed_sync_after_a_rename_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish.os, "link", without_links)
    sink = written(Record(tmp_path / "own"), URL.format(tmp_path), range(1, 3))
    failures = [OSError(errno.EIO, "Input/output error")]
    fsync, rename = os.fsync, os.rename
    is_renamed: list[bool] = []

    def failing(descriptor: int) -> None:
        if is_renamed and failures:
            raise failures.pop()
        fsync(descriptor)

    monkeypatch.setattr(publish.os, "rename", lambda *names: (rename(*names), is_renamed.append(True)))
    monkeypatch.setattr(publish.os, "fsync", failing)
    with pytest.raises(SinkFault):
        sink.commit(ignore)
    assert sink.commit(ignore) == 2
    sink.close()
    assert events_in(tmp_path / "out") == expected(2, 5)


def test_full_disk_loses_no_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    is_full = [True]

    def partly(descriptor: int, data: bytes) -> int:
        if is_full[0] and len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[: max(len(data) // 2, 1)])

    monkeypatch.setattr(publish.os, "write", partly)
    sink = sink_of(Record(tmp_path / "own"), URL.format(tmp_path) + "&format=ndjson")
    first, second = ndjson_batch(1, 100, 50)
    sink.write(first)
    for _ in range(3):
        with pytest.raises(SinkFault, match=r"cannot write to .*: No space left on device") as caught:
            sink.write(second)
        assert not isinstance(caught.value, SinkRewind)
        assert caught.value.reason == "disk"
    is_full[0] = False
    sink.write(second)
    is_full[0] = True
    with pytest.raises(SinkFault):
        sink.commit(ignore)
    assert sink.is_due()
    with pytest.raises(SinkFault, match="the last commit is not complete"):
        sink.write(next(ndjson_batch(2, 1)))
    is_full[0] = False
    assert sink.commit(ignore) == 1
    sink.close()
    assert events_in(tmp_path / "out") == expected(1, 100)


def test_folder_that_vanishes_is_made_again(tmp_path: Path) -> None:
    record = Record(tmp_path / "own")
    sink = written(record, URL.format(tmp_path), range(1, 3))
    for path in hidden(tmp_path / "out"):
        path.unlink()
    (tmp_path / "out").rmdir()
    with pytest.raises(SinkRewind, match=r"cannot sync a file in .*/out: "):
        sink.commit(ignore)
    for seq in (1, 2):
        for piece in ndjson_batch(seq, 5):
            sink.write(piece)
    assert sink.commit(ignore) == 2
    sink.close()
    assert events_in(tmp_path / "out") == expected(2, 5)


def test_file_removed_after_its_sync_is_written_again(tmp_path: Path) -> None:
    record = Record(tmp_path / "own")
    sink = written(record, URL.format(tmp_path), range(1, 3))
    stored: list[Mapping[str, Any]] = []

    def remove(pending: Mapping[str, Any]) -> None:
        stored.append(pending)
        Path(pending["temporary"]).unlink(missing_ok=True)

    with pytest.raises(SinkRewind):
        sink.commit(remove)
    sink.close()
    assert [pending.get("is_lost", False) for pending in stored] == [False, True]
    again = sink_of(record, URL.format(tmp_path))
    assert not again.recover(stored[-1])


def test_unmounted_folder_does_not_look_like_success(tmp_path: Path) -> None:
    record = Record(tmp_path / "own")
    sink = written(record, URL.format(tmp_path), range(1, 3))
    stored: list[Mapping[str, Any]] = []
    sink.commit(stored.append)
    sink.close()
    (pending,) = stored
    assert sink_of(record, URL.format(tmp_path)).recover(pending)
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert not sink_of(record, URL.format(tmp_path)).recover(pending)
    (tmp_path / "out").mkdir()
    assert not sink_of(record, URL.format(tmp_path)).recover(pending)


def test_names_are_synced_before_they_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"file://{tmp_path}/out/{{date}}/?format=ndjson"
    steps: list[str] = []
    link, unlink = os.link, os.unlink

    def fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        paths = [path for path in [tmp_path, *tmp_path.rglob("*")] if path.stat().st_ino == status.st_ino]
        steps.append(f"sync {paths[0].relative_to(tmp_path).parts[-1:] or ('root',)}")

    def step(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *names: (steps.append(name), function(*names))

    sink = written(Record(tmp_path / "own"), url, range(1, 3))
    (draft,) = hidden(tmp_path / "out")
    monkeypatch.setattr(files.time, "time", lambda: 0.0)
    monkeypatch.setattr(publish.os, "fsync", fsync)
    monkeypatch.setattr(publish.os, "link", step("link", link))
    monkeypatch.setattr(publish.os, "unlink", step("unlink", unlink))
    assert sink.commit(lambda _: steps.append("store")) == 2
    sink.close()
    (path,) = visible(tmp_path / "out")
    date = path.parent.name
    assert steps == [
        f"sync {(draft.name,)}",
        "sync ('out',)",
        "store",
        "sync ('out',)",
        "link",
        f"sync {(date,)}",
        "unlink",
        "sync ('out',)",
    ]


def test_fault_of_the_cursor_delays_the_name(tmp_path: Path) -> None:
    sink = written(Record(tmp_path / "own"), URL.format(tmp_path), range(1, 3))
    stored: list[Mapping[str, Any]] = []

    def full(_: Mapping[str, Any]) -> None:
        raise SinkFault("disk", "no space for the cursor")

    for _ in range(2):
        with pytest.raises(SinkFault, match="no space for the cursor"):
            sink.commit(full)
        assert visible(tmp_path / "out") == []
    assert sink.commit(stored.append) == 2
    sink.close()
    (pending,) = stored
    assert (pending["first"], pending["last"]) == (1, 2)
    assert events_in(tmp_path / "out") == expected(2, 5)


def test_error_of_a_write_begins_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = sink_of(Record(tmp_path / "own"), URL.format(tmp_path) + "&format=ndjson")
    first, second = ndjson_batch(1, 100, 50)
    sink.write(first)
    with monkeypatch.context() as patch:
        patch.setattr(publish.os, "write", without_links)
        with pytest.raises(SinkRewind, match=r"cannot write to .*: Operation not permitted"):
            sink.write(second)
    assert hidden(tmp_path / "out") == []
    for piece in (first, second):
        sink.write(piece)
    assert sink.commit(ignore) == 1
    sink.close()
    assert events_in(tmp_path / "out") == expected(1, 100)


def test_error_of_an_early_sync_begins_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []

    def fdatasync(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 2:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(publish, "_SYNC_BYTES", 1000)
    monkeypatch.setattr(publish.os, "fdatasync", fdatasync, raising=False)
    caller = Caller(Record(tmp_path / "own"), f"file://{tmp_path}/out/?format=ndjson", 20)
    caller.run()
    assert [type(fault) for fault in caller.faults] == [SinkRewind]
    assert len(synced) > 10
    assert events_in(tmp_path / "out") == expected(20)
    assert hidden(tmp_path / "out") == []


def test_published_file_may_change_before_recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record(tmp_path / "own")
    stored: list[Mapping[str, Any]] = []
    link = os.link

    def killed(*names: Any) -> None:
        link(*names)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(publish.os, "link", killed)
        with pytest.raises(Killed):
            written(record, URL.format(tmp_path), range(1, 3)).commit(stored.append)
    (path,) = visible(tmp_path / "out")
    path.write_bytes(b"")
    assert sink_of(record, URL.format(tmp_path)).recover(stored[-1])
    assert hidden(tmp_path / "out") == []
    assert visible(tmp_path / "out") == [path]


@pytest.mark.parametrize("url", ["file:///nowhere/", "stdout:", "http://host/"])
def test_pending_of_another_kind_is_written_again(tmp_path: Path, url: str) -> None:
    pytest.importorskip("urllib3", reason="the kinds need urllib3")
    sink = open_sink(url, Record(tmp_path).context)
    assert not sink.recover({"kind": "other", "first": 1, "last": 2})
    sink.close()


def test_incomplete_file_is_written_again(tmp_path: Path) -> None:
    record = Record(tmp_path / "own")
    stored: list[Mapping[str, Any]] = []

    def kill(pending: Mapping[str, Any]) -> None:
        stored.append(pending)
        raise Killed

    with pytest.raises(Killed):
        written(record, URL.format(tmp_path), range(1, 3)).commit(kill)
    (draft,) = hidden(tmp_path / "out")
    draft.write_bytes(draft.read_bytes()[:-5])
    assert not sink_of(record, URL.format(tmp_path)).recover(stored[-1])
    assert hidden(tmp_path / "out") == visible(tmp_path / "out") == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting a file system needs root on Linux")
def test_full_file_system_loses_no_event(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        url = f"file://{folder}/out/?prefix=dns&format=ndjson&rotate_bytes=20KB"
        caller = Caller(Record(tmp_path / "own"), url, 200)
        caller.on_fault = lambda: collected(folder / "out", tmp_path / "in")
        caller.run()
        collected(folder / "out", tmp_path / "in")
        assert any(fault.reason == "disk" for fault in caller.faults)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert events_in(tmp_path / "in") == expected(200)
