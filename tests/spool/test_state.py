"""The state folder: versions, locks and file systems."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

pytest.importorskip("xxhash", reason="the extra receiver")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the receiver needs POSIX")

from support.processes import run_python  # noqa: E402
from support.spool import new_state  # noqa: E402

from cfdns_fast.spool import Replay, StateError, StateFolder  # noqa: E402
from cfdns_fast.spool import state as state_module  # noqa: E402
from cfdns_fast.spool.cursor import request_replay  # noqa: E402
from cfdns_fast.spool.file_system import file_system_type, refusal, warning  # noqa: E402

MOUNTINFO = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:5 / /mnt/share rw - nfs4 server:/export rw,vers=4.2
31 22 0:6 / /mnt/with\040space rw - cifs //server/share rw
32 22 0:7 / /mnt/remote rw - fuse.sshfs host: rw
33 22 0:8 / /mnt/share/local rw shared:3 master:1 - xfs /dev/vdb rw
34 22 0:9 / /over rw - nfs server:/ rw
35 22 0:10 / /over rw - btrfs /dev/vdc rw
36 22 0:11 / /mnt/p9 rw - 9p share rw
37 22 0:12 / /mnt/ntfs rw - fuseblk /dev/vdd rw
a broken line
""".lstrip()


def test_folder_is_created_once(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "a" / "b")
    state.prepare()
    assert sorted(path.name for path in state.path.iterdir()) == ["corrupt", "sinks", "spool", "version"]
    assert state.path.stat().st_mode & 0o007 == 0
    before = (state.path / "version").stat()
    state.prepare()
    state.check()
    assert (state.path / "version").stat() == before
    assert state.dead("one").relative_to(state.path) == Path("dead/one")
    assert state.rejects("one").is_dir()
    assert state.temporary("one").is_dir()


@pytest.mark.parametrize("content", ["0", "2", "", "1.1", "x\n" * 100])
def test_other_version_is_refused(tmp_path: Path, content: str) -> None:
    state = new_state(tmp_path)
    (state.path / "version").write_text(content)
    for use in (state.check, state.prepare):
        with pytest.raises(StateError, match="and this program reads version 1") as error:
            use()
        assert error.value.code == "state.version"
        assert len(str(error.value)) < 300


def test_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match="state: File exists") as error:
        new_state(tmp_path)
    assert error.value.code == "state.unwritable"


@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StateError, match="Permission denied") as error:
        new_state(tmp_path)
    tmp_path.chmod(0o700)
    assert error.value.code == "state.unwritable"


def test_error_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(StateError("state.locked", "a sentence")))
    assert (error.code, str(error)) == ("state.locked", "a sentence")


# Locks


def test_lock_is_held_by_one(tmp_path: Path) -> None:
    state, other = new_state(tmp_path), StateFolder(tmp_path / "state")
    with state.lock_sink("one"), state.lock_sink("two"):
        assert state_module.is_locked(state.sinks / "one.lock")
        with pytest.raises(StateError, match=rf"sink one: another process of it runs \(process {os.getpid()}\)"):
            other.lock_sink("one").__enter__()
    assert not state_module.is_locked(state.sinks / "one.lock")
    with other.lock_sink("one"):
        pass
    assert not state_module.is_locked(state.sinks / "three.lock")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_files_of_root_belong_to_the_receiver(tmp_path: Path) -> None:
    """An operator asks for a replay as root, and the process of the sink runs as another user."""
    state = StateFolder(tmp_path)
    state.prepare()
    os.chown(state.sinks, 12345, 12346)
    request_replay(state, "one", Replay(0))
    with state.lock_sink("one"):
        found = {path.name: path.stat() for path in state.sinks.iterdir()}
    assert sorted(found) == ["one.lock", "one.replay"]
    assert {(each.st_uid, each.st_gid) for each in found.values()} == {(12345, 12346)}


def test_lock_ends_with_its_process(tmp_path: Path) -> None:
    state = new_state(tmp_path)
    program = """
import os, signal, sys
from cfdns_fast.spool import StateFolder
with StateFolder(sys.argv[1]).lock_receiver():
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run_python(program, str(state.path)).returncode == -9
    with state.lock_receiver():
        assert state.has_receiver_lock
    assert not state.has_receiver_lock


# File systems


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/srv/state", "ext4"),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/state", "nfs4"),
        ("/mnt/shared", "ext4"),
        ("/mnt/share/local/x", "xfs"),
        ("/mnt/with space/x", "cifs"),
        ("/mnt/remote/x", "fuse.sshfs"),
        ("/over/x", "btrfs"),
        ("/mnt/p9", "9p"),
    ],
)
def test_type_of_a_file_system_is_found(path: str, kind: str) -> None:
    assert file_system_type(Path(path), MOUNTINFO) == kind


def test_type_of_this_file_system_is_known(tmp_path: Path) -> None:
    kind = file_system_type(tmp_path)
    assert kind is None or refusal(tmp_path, kind) is None


def test_missing_mountinfo_is_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cfdns_fast.spool import file_system

    monkeypatch.setattr(file_system, "_MOUNTINFO", tmp_path / "missing")
    assert file_system_type(tmp_path) is None
    assert refusal(tmp_path, None) is None
    assert warning(tmp_path, None) is None


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "fuse", "ceph"])
def test_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(state_module, "file_system_type", lambda path: kind)
    with pytest.raises(StateError, match=rf"on a file system of type {kind}; use a local one") as error:
        new_state(tmp_path)
    assert error.value.code == "state.network"
    assert list((tmp_path / "state").iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "words"), [("tmpfs", "in memory"), ("overlay", "container"), ("ext4", ""), ("fuseblk", "")]
)
def test_volatile_file_system_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, words: str
) -> None:
    monkeypatch.setattr(state_module, "file_system_type", lambda path: kind)
    warnings = new_state(tmp_path).warnings
    assert len(warnings) == bool(words)
    assert words in "".join(warnings)


def test_other_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = StateFolder(tmp_path)
    monkeypatch.setattr(state_module.os, "name", "nt")
    try:
        with pytest.raises(StateError, match="needs a POSIX system") as error:
            state.prepare()
    finally:
        monkeypatch.undo()
    assert error.value.code == "state.platform"
