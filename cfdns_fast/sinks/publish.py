"""Temporary files with a final name: synced, given the name once, and never in place of another file."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .base import SinkFault
from .names import copy_of

__all__ = [
    "FULL_ERRORS",
    "Draft",
    "disk_fault",
    "is_published",
    "make_folders",
    "owner_of",
    "publish",
    "remove_stale",
    "sync_folder",
]

#: After these errors of a write, the content of the file is as before, and the write can be repeated.
FULL_ERRORS = {errno.ENOSPC, errno.EDQUOT}
#: A thread syncs a file each time it has grown by this. One sync at the end would delay the syncs of the spool.
_SYNC_BYTES = 8 << 20
#: File systems without hard links answer with these.
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES}
#: File systems that cannot sync folders, such as some network mounts, answer with these.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.EOPNOTSUPP}


class Draft:
    """A temporary file that grows. Bytes that could not be written are kept, and written first the next time.

    All methods raise OSError.

    Parameters
    ----------
    folder : str
        Where the file is created.
    marker : str
        The beginning of its hidden name, as for `remove_stale`.
    """

    def __init__(self, folder: str, marker: str) -> None:
        self.path = os.path.join(folder, f"{marker}{os.urandom(8).hex()}.tmp")
        self.size_bytes = 0
        self._rest = b""
        self._started_bytes = 0
        self._thread: threading.Thread | None = None
        self._sync_error: OSError | None = None
        self._folder = folder
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    def keep(self, data: bytes) -> None:
        """Take bytes for the next `flush`."""
        self._rest += data

    def flush(self) -> None:
        """Write all bytes that were taken."""
        if self._sync_error is not None:
            raise self._sync_error
        while self._rest:
            count = os.write(self._file, self._rest)
            self.size_bytes += count
            self._rest = self._rest[count:]
        is_idle = self._thread is None or not self._thread.is_alive()
        if is_idle and self.size_bytes - self._started_bytes >= _SYNC_BYTES:
            self._started_bytes = self.size_bytes
            self._thread = threading.Thread(target=self._sync_data, daemon=True)
            self._thread.start()

    def sync(self) -> None:
        """Sync the content and the name of the temporary file to disk."""
        self._join()
        # The system reports an error of the disk to one sync only.
        if self._sync_error is not None:
            raise self._sync_error
        os.fsync(self._file)
        # Without its name on disk, a power failure would look as if the file had been published.
        sync_folder(self._folder)
        if self.is_removed():
            raise FileNotFoundError(errno.ENOENT, "the temporary file was removed", self.path)

    def is_removed(self) -> bool:
        """Return whether another program has removed the temporary file."""
        return os.fstat(self._file).st_nlink == 0

    def is_renamed(self) -> bool:
        """Return whether the file is there, and not under its temporary name."""
        return not self.is_removed() and not os.path.lexists(self.path)

    def close(self) -> None:
        """Close the file, which stays."""
        self._join()
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _sync_data(self) -> None:
        # macOS has no fdatasync.
        sync = getattr(os, "fdatasync", os.fsync)
        try:
            sync(self._file)
        except OSError as error:
            self._sync_error = error

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def discard(self) -> None:
        """Close and remove the file; errors are ignored."""
        with suppress(OSError):
            self.close()
        with suppress(OSError):
            os.unlink(self.path)


def disk_fault(what: str, path: str, error: OSError) -> SinkFault:
    """Return the fault for something that could not be done to a path."""
    return SinkFault("disk", f"cannot {what} {path}: {error.strerror or error}")


def publish(temporary: str, path: str, suffix: str) -> str:
    """Give a synced temporary file its final name, or a numbered one if that is taken, and return it; raises OSError.

    A call that was interrupted is completed by the next one. A link is made first, because a rename would replace a
    file of another receiver.
    """
    folder = os.path.dirname(path)
    make_folders(folder)
    final = path if is_published(temporary) else _linked(temporary, path, suffix)
    sync_folder(folder)
    # The file is safe under its final name. If the other name stays, `remove_stale` removes it at the next start.
    with suppress(OSError):
        os.unlink(temporary)
        sync_folder(os.path.dirname(temporary))
    return final


def _linked(temporary: str, path: str, suffix: str) -> str:
    for final in _candidates(path, suffix):
        try:
            os.link(temporary, final)
        except FileExistsError:
            # A client of NFS that sends a request twice answers so for the link that the first one made.
            if not os.path.samefile(temporary, final):
                continue
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(final):
                continue
            os.rename(temporary, final)
        return final
    raise AssertionError("the candidates have no end")


def is_published(temporary: str) -> bool:
    """Return whether a file that still has its temporary name also has its final one, which may have been moved."""
    return os.stat(temporary).st_nlink > 1


def owner_of(folder: Path) -> str:
    """Return 12 hexadecimal digits that are the same in each run with this folder; raises OSError.

    They keep two receivers with equal names of sinks from removing each other's temporary files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "owner"
    with suppress(FileNotFoundError):
        text = path.read_text(encoding="ascii", errors="replace").strip()
        if re.fullmatch("[0-9a-f]{12}", text):
            return text
    text = os.urandom(6).hex()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
    return text


def remove_stale(folder: str, marker: str) -> None:
    """Remove temporary files of earlier runs from a folder; errors are ignored."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(marker) and entry.name.endswith(".tmp"):
                with suppress(OSError):
                    os.unlink(entry.path)


def make_folders(folder: str) -> None:
    """Create a folder with its parents, and sync the names of the new ones; raises OSError."""
    new = []
    at = folder
    while not os.path.isdir(at):
        new.append(at)
        at = os.path.dirname(at)
    for each in reversed(new):
        with suppress(FileExistsError):
            os.mkdir(each, 0o750)
        sync_folder(os.path.dirname(each))


def sync_folder(folder: str) -> None:
    """Sync the names in a folder to disk, where the file system can do that; raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def _candidates(path: str, suffix: str) -> Iterator[str]:
    yield path
    number = 2
    while True:
        yield copy_of(path, suffix, number)
        number += 1
