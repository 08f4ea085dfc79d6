"""Replace small files so that a crash leaves the old content or the new content."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

__all__ = ["give_to_owner", "is_full_disk", "replace_file", "sync_folder"]


def sync_folder(folder: str | Path) -> None:
    """Make the names in a folder durable; raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def give_to_owner(descriptor: int, folder: Path) -> None:
    """Give a new file to the owner of its folder, if this process may do so.

    Root runs commands on the folder of a service, whose user must be able to open the files that they leave.
    """
    if os.geteuid() == 0:
        with suppress(OSError):
            owner = os.stat(folder)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file, make it durable, and rename it to `path`; raises OSError, and then `path` is unchanged."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        try:
            give_to_owner(descriptor, path.parent)
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def is_full_disk(error: OSError) -> bool:
    """Return whether the file system, or the quota of the user, has no space."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
