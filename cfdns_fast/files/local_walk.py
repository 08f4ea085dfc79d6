"""List the files below a folder in the order of their keys."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from ..io.temporaries import is_temporary
from .disk_errors import disk_error
from .store import Entry

__all__ = ["etag_of", "folders_in", "walk"]


def walk(root: str, prefix: str, after: str) -> Iterator[Entry]:
    """Yield the files as `store.Store.list` describes it. Symbolic links are followed."""
    folder = prefix.rpartition("/")[0]
    start = os.path.join(root, *folder.split("/")) if folder else root
    stack = [_level(_Folder(start, f"{folder}/" if folder else "", os.path.realpath(start)), prefix, after)]
    reals = [os.path.realpath(start)]
    while stack:
        item = next(stack[-1], None)
        if item is None:
            stack.pop()
            reals.pop()
        elif isinstance(item, Entry):
            yield item
        elif not any(f"{real}{os.sep}".startswith(f"{item.real}{os.sep}") for real in reals):
            # A link to a folder that contains it has no end.
            stack.append(_level(item, prefix, after))
            reals.append(item.real)


def folders_in(path: str, key: str) -> list[str]:
    """Return the keys of the folders directly in a folder, which has the key `key`."""
    return [item.key for item in _level(_Folder(path, key, path), key, "") if isinstance(item, _Folder)]


def etag_of(status: os.stat_result) -> str:
    """Return the etag of a file: the time of its last change, its size and its inode."""
    return f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"


class _Folder(NamedTuple):
    """A folder to list: its path, its key with a slash at the end, and its path without symbolic links."""

    path: str
    key: str
    real: str


def _level(folder: _Folder, prefix: str, after: str) -> Iterator[Entry | _Folder]:
    """Yield what is directly in a folder and may have keys to list, sorted by key."""
    try:
        with os.scandir(folder.path) as entries:
            found = [(f"{folder.key}{entry.name}{'/' if _is_folder(entry) else ''}", entry) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise disk_error("list", folder.path, error) from None
    for key, entry in sorted(found, key=lambda item: item[0]):
        if key.endswith("/"):
            is_before = key < after and not after.startswith(key)
            if not is_before and (key.startswith(prefix) or prefix.startswith(key)):
                real = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(folder.real, entry.name)
                yield _Folder(entry.path, key, real)
        elif key > after and key.startswith(prefix) and not is_temporary(entry.name):
            try:
                # On Windows the entry itself has no inode.
                status = os.stat(entry.path)
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno == errno.ELOOP:
                    continue
                raise disk_error("examine", entry.path, error) from None
            if stat.S_ISREG(status.st_mode):
                yield Entry(key, status.st_size, etag_of(status))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        # Links that lead to each other are nothing to read, like a link to a missing file.
        if error.errno == errno.ELOOP:
            return False
        raise
