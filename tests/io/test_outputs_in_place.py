"""Outputs that no rename can replace: they are rewritten in place, rejected before the conversion, or kept."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cfdns_fast.io import outputs
from cfdns_fast.io.outputs import Output, OutputFault, publish_all
from cfdns_fast.io.temporaries import Temporary

NOBODY = 65534

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sticky folders, file attributes and mounts of Linux")
needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs two users")


@contextmanager
def unprivileged() -> Iterator[None]:
    """Run the block as a user who is not root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that every user can reach and write; those of pytest are for one user."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o777)
    yield path
    path.chmod(0o777)
    shutil.rmtree(path)


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Replace the folder for temporary files by one of this test, and return it."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o777)
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(path))
    yield path
    shutil.rmtree(path)


@contextmanager
def attribute(flag: str, path: Path) -> Iterator[None]:
    """Give a file an attribute by chattr."""
    if os.geteuid() != 0 or shutil.which("chattr") is None:
        pytest.skip("needs root and chattr")
    if subprocess.run(["chattr", f"+{flag}", path], capture_output=True).returncode != 0:
        pytest.skip("this file system has no attributes")
    try:
        yield
    finally:
        subprocess.run(["chattr", f"-{flag}", path], check=True)


def file_of(path: Path, content: bytes, mode: int, owner: int | None = None) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    if owner is not None:
        os.chown(path, owner, owner)
    return path


def sealed(path: Path, content: bytes) -> Output:
    output = Output(os.fspath(path))
    output.open()
    output.write(content)
    output.seal()
    return output


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def refusal(path: Path) -> str:
    """Return why an output cannot be opened, without its name."""
    output = Output(os.fspath(path))
    with pytest.raises(OutputFault) as caught:
        output.open()
    output.discard()
    assert caught.value.name == os.fspath(path)
    return caught.value.reason


def failing(code: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@needs_root
def test_output_of_another_user_is_rewritten_in_place(folder: Path) -> None:
    """The folder is sticky, so only the owner may replace the file."""
    path = file_of(folder / "out", b"old and longer", 0o666, owner=0)
    folder.chmod(0o1777)
    inode = path.stat().st_ino
    with unprivileged():
        output = sealed(path, b"new")
        assert path.read_bytes() == b"old and longer"
        output.publish()
    assert (names(folder), path.read_bytes(), path.stat().st_ino) == (["out"], b"new", inode)


@needs_root
def test_output_of_another_user_can_be_discarded(folder: Path) -> None:
    path = file_of(folder / "out", b"old", 0o666, owner=0)
    folder.chmod(0o1777)
    with unprivileged():
        sealed(path, b"new").discard()
    assert (names(folder), path.read_bytes()) == (["out"], b"old")


@needs_root
@pytest.mark.parametrize(("owner", "mode"), [(NOBODY, 0o644), (0, 0o666)], ids=["own file", "own folder"])
def test_output_in_a_sticky_folder_is_replaced(folder: Path, owner: int, mode: int) -> None:
    """In a sticky folder the owner of the file, the owner of the folder and root may rename."""
    path = file_of(folder / "out", b"old", mode, owner)
    os.chown(folder, NOBODY if owner == 0 else 0, 0)
    folder.chmod(0o1777)
    inode = path.stat().st_ino
    with unprivileged():
        sealed(path, b"new").publish()
    assert (names(folder), path.read_bytes()) == (["out"], b"new")
    assert path.stat().st_ino != inode


@needs_root
def test_protected_output_in_a_sticky_folder_raises(folder: Path) -> None:
    path = file_of(folder / "out", b"old", 0o644, owner=0)
    folder.chmod(0o1777)
    with unprivileged():
        assert refusal(path) == "Permission denied"


def test_output_in_a_protected_folder_is_rewritten(folder: Path, temporary_folder: Path) -> None:
    """The data is first in a private file in the folder for temporary files."""
    path = file_of(folder / "out.gz", b"old", 0o666)
    folder.chmod(0o555)
    with unprivileged():
        output = sealed(path, b"new")
        assert output.temporary_folder == os.fspath(temporary_folder)
        assert output._raw is not None and os.fstat(output._raw.fileno()).st_mode & 0o777 == 0o600
        output.publish()
    assert (names(folder), names(temporary_folder)) == (["out.gz"], [])
    assert path.read_bytes().startswith(b"\x1f\x8b")


def test_output_in_a_protected_folder_is_kept_if_full(
    folder: Path, temporary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(folder / "out", b"old", 0o666)
    folder.chmod(0o555)
    with unprivileged():
        output = sealed(path, b"new")
        monkeypatch.setattr(Temporary, "copy_to", failing(errno.ENOSPC))
        with pytest.raises(OutputFault) as caught:
            publish_all([output])
    (kept,) = temporary_folder.iterdir()
    reason = f"No space left on device, so the file is incomplete; the complete data is kept in {kept}"
    assert (caught.value.reason, kept.read_bytes()) == (reason, b"new")


def test_output_without_a_writable_folder_raises(folder: Path, temporary_folder: Path) -> None:
    path = file_of(folder / "out", b"old", 0o666)
    folder.chmod(0o555)
    temporary_folder.chmod(0o555)
    with unprivileged():
        expected = f"the folder {folder} cannot be written (Permission denied), nor can the folder for temporary files"
        assert refusal(path) == f"{expected} (Permission denied)"
    assert path.read_bytes() == b"old"


def test_new_output_in_a_protected_folder_raises(folder: Path) -> None:
    folder.chmod(0o555)
    with unprivileged():
        assert refusal(folder / "out") == f"the folder {folder} cannot be written (Permission denied)"


def test_output_in_an_unsearchable_folder_raises(folder: Path) -> None:
    folder.chmod(0o666)
    with unprivileged():
        assert refusal(folder / "out") == f"the folder {folder} cannot be searched (Permission denied)"


def test_unreadable_output_is_written(folder: Path) -> None:
    path = file_of(folder / "out", b"old", 0o222, owner=NOBODY if os.geteuid() == 0 else None)
    with unprivileged():
        sealed(path, b"new").publish()
    path.chmod(0o644)
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("flag", ["i", "a"])
def test_output_with_a_protecting_attribute_raises(tmp_path: Path, flag: str) -> None:
    """An immutable or append-only file can neither be replaced nor rewritten."""
    path = file_of(tmp_path / "out", b"old", 0o666)
    with attribute(flag, path):
        assert refusal(path) == "Operation not permitted"
    assert (names(tmp_path), path.read_bytes()) == (["out"], b"old")


@pytest.mark.parametrize("flag", ["i", "a"])
def test_output_in_a_folder_with_attribute_is_written(tmp_path: Path, temporary_folder: Path, flag: str) -> None:
    path = file_of(tmp_path / "out", b"old", 0o666)
    with attribute(flag, tmp_path):
        sealed(path, b"new").publish()
        assert (names(tmp_path), path.read_bytes()) == (["out"], b"new")


def test_new_output_in_append_only_folder_is_written(tmp_path: Path) -> None:
    """A file can be created there, but not renamed."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with attribute("a", folder):
        sealed(folder / "out", b"new").publish()
        assert (names(folder), (folder / "out").read_bytes()) == (["out"], b"new")


@pytest.mark.parametrize("error", [errno.EBUSY, errno.EPERM])
def test_output_is_rewritten_if_replacement_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """A mount, for example, can appear while the data is written."""
    path = file_of(tmp_path / "out", b"old", 0o644)
    output = sealed(path, b"new")
    monkeypatch.setattr(os, "replace", failing(error))
    output.publish()
    assert (names(tmp_path), path.read_bytes()) == (["out"], b"new")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Output]]:
    """Return two outputs with data, rejects and events."""
    pair = [sealed(tmp_path / name, name.encode()) for name in ("rejects", "events")]
    yield pair
    for output in pair:
        output.discard()


def test_publish_all_keeps_all_data_if_the_first_fails(tmp_path: Path, pair: list[Output]) -> None:
    """No later output is published, and all data is kept."""
    (tmp_path / "rejects").mkdir()
    with pytest.raises(OutputFault) as caught:
        publish_all(pair)
    kept = {path.read_bytes(): path for path in tmp_path.glob("cfdns-fast-kept-*")}
    assert str(caught.value) == (
        f"{tmp_path / 'rejects'}: Is a directory; the complete data is kept in {kept[b'rejects']}; "
        f"{tmp_path / 'events'} is not published either; the complete data is kept in {kept[b'events']}"
    )
    assert len(names(tmp_path)) == 3


def test_publish_all_keeps_the_second_if_it_fails(tmp_path: Path, pair: list[Output]) -> None:
    (tmp_path / "events").mkdir()
    with pytest.raises(OutputFault) as caught:
        publish_all(pair)
    (kept,) = tmp_path.glob("cfdns-fast-kept-*")
    assert str(caught.value) == (
        f"{tmp_path / 'events'}: Is a directory; the complete data is kept in {kept}; "
        f"{tmp_path / 'rejects'} is published"
    )
    assert ((tmp_path / "rejects").read_bytes(), kept.read_bytes()) == (b"rejects", b"events")


def test_publish_all_reports_data_that_cannot_be_kept(
    tmp_path: Path, pair: list[Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "events").mkdir()
    monkeypatch.setattr(Temporary, "keep", failing(errno.EIO))
    with pytest.raises(OutputFault, match="; the data could not be kept \\(Input/output error\\); "):
        publish_all(pair)


def test_publish_all_does_not_count_direct_outputs(tmp_path: Path) -> None:
    """An output that was written directly has no data to keep, and is not named as published."""
    (tmp_path / "out").mkdir()
    direct = Output(os.devnull)
    direct.open()
    direct.seal()
    (tmp_path / "out").rmdir()
    output = sealed(tmp_path / "out", b"new")
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputFault) as caught:
        publish_all([direct, output, direct])
    assert os.devnull not in str(caught.value)


def test_probe_of_a_replaceable_file_is_harmless(tmp_path: Path) -> None:
    path = file_of(tmp_path / "out", b"old", 0o644)
    before = path.stat()
    assert outputs._can_be_replaced(os.fspath(path))
    assert path.stat() == before
    assert path.read_bytes() == b"old"
