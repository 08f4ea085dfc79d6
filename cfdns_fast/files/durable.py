"""Create and replace names so that a power failure undoes nothing that was reported as done. All raise OSError."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from ..io.temporaries import create_named

__all__ = ["in_folder", "make_folders", "replace", "sync_folder"]

T = TypeVar("T")

#: File systems that cannot sync folders, such as some network mounts, answer with these.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.EOPNOTSUPP, errno.EACCES, errno.EPERM}


def replace(temporary: str, path: str) -> None:
    """Give a synced temporary file its final name, in place of a file that has it, and sync the name."""
    try:
        in_folder(path, lambda: os.replace(temporary, path))
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_to_other_device(temporary, path)
    sync_folder(os.path.dirname(path))


def in_folder(path: str, function: Callable[[], T]) -> T:
    """Call a function that creates a path; create the folders of the path if they are missing."""
    try:
        return function()
    except FileNotFoundError:
        make_folders(os.path.dirname(path))
        return function()


def make_folders(folder: str) -> None:
    """Create a folder with its parents, and sync the names of the new ones."""
    new = []
    at = folder
    # A drive of Windows that does not exist is its own parent.
    while not os.path.isdir(at) and at != os.path.dirname(at):
        new.append(at)
        at = os.path.dirname(at)
    for each in reversed(new):
        with suppress(FileExistsError):
            os.mkdir(each)
        sync_folder(os.path.dirname(each))


def sync_folder(folder: str) -> None:
    """Sync the names in a folder to disk, where the system can do that."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        # The folder may be written, but not read.
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def _copy_to_other_device(temporary: str, path: str) -> None:
    """Replace a file in a folder that is on another file system than the root."""
    descriptor, copy = create_named(os.path.dirname(path), 0o666)
    try:
        try:
            with open(temporary, "rb") as source, open(descriptor, "wb", closefd=False) as target:
                shutil.copyfileobj(source, target, 1 << 20)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(copy, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(copy)
        raise
    with suppress(OSError):
        os.unlink(temporary)
