"""Create temporary files, without a name if the system supports it, and remove those of dead processes."""

from __future__ import annotations

import os
import re
import stat
import sys
from contextlib import suppress
from typing import BinaryIO

# Windows needs no locks: an open file can be neither renamed nor removed there.
if sys.platform != "win32":
    import fcntl

__all__ = ["Temporary", "create_named", "is_temporary", "remove_dead", "system_folder"]

_COPY_BYTES = 1 << 20
_PREFIX = ".cfdns-fast-"
#: Host, process id, start time of the process (0 if the system does not have it), and a random part.
_NAME = re.compile(r"\.cfdns-fast-(.+)-([1-9][0-9]{0,9})-([0-9]{1,20})-[0-9a-f]{16}\.tmp")
_KEPT_PREFIX = "cfdns-fast-kept-"


class Temporary:
    """A temporary file, which gets its final name when it is complete.

    With O_TMPFILE (Linux, most local file systems) the file has no name before, so a killed process leaves no file.
    Elsewhere it has a hidden name that identifies the process, for `remove_dead`.

    The constructor has no effect on files, so that `discard` can be registered first.

    Parameters
    ----------
    folder : str
        Absolute path of the folder.
    mode : int
        Permissions before the umask applies.
    """

    def __init__(self, folder: str, mode: int = 0o600) -> None:
        self.folder = folder
        self._mode = mode
        self._file: BinaryIO | None = None
        self._path: str | None = None

    @property
    def file(self) -> BinaryIO:
        """The open file, unbuffered."""
        assert self._file is not None
        return self._file

    def open(self) -> None:
        """Create the file; raises OSError."""
        descriptor = _open_unnamed(self.folder, self._mode)
        if descriptor is None:
            descriptor, self._path = create_named(self.folder, self._mode)
        else:
            _lock(descriptor)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)

    def write(self, data: bytes) -> None:
        """Append all of the data; raises OSError."""
        rest = memoryview(data)
        while rest:
            rest = rest[self.file.write(rest) :]

    def sync(self) -> None:
        """Sync the content to disk; raises OSError."""
        os.fsync(self.file.fileno())

    def move_to(self, target: str, *, new: bool) -> None:
        """Give the file its final name, in its folder; raises OSError.

        Parameters
        ----------
        target : str
            Absolute path, replaced if it exists.
        new : bool
            Whether `target` is expected not to exist.
        """
        if self._path is None and new:
            with suppress(OSError):
                self._link(target)
                return
        self._set_path()
        assert self._path is not None
        if sys.platform == "win32":
            self.file.close()
        os.replace(self._path, target)
        self._path = None

    def copy_to(self, descriptor: int) -> None:
        """Write the content to an open file; raises OSError."""
        with self._reader() as source:
            while block := source.read(_COPY_BYTES):
                rest = memoryview(block)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]

    def keep(self) -> str:
        """Close the file, leave it in its folder under a visible name and return its path; raises OSError."""
        path = os.path.join(self.folder, f"{_KEPT_PREFIX}{_random()}")
        self.move_to(path, new=True)
        self.discard()
        return path

    def discard(self) -> None:
        """Close the file, and remove it if it has no final name."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()
        path, self._path = self._path, None
        if path is not None:
            with suppress(OSError):
                os.unlink(path)

    def _reader(self) -> BinaryIO:
        if self.file.closed:
            assert self._path is not None
            return open(self._path, "rb", buffering=0)
        self.file.seek(0)
        return open(self.file.fileno(), "rb", buffering=0, closefd=False)

    def _set_path(self) -> None:
        """Give the file a hidden name if it has none."""
        if self._path is not None:
            return
        path = _new_path(self.folder)
        try:
            self._link(path)
        except OSError:
            # A security module may deny the link.
            self._copy_to_named(path)
        self._path = path

    def _link(self, path: str) -> None:
        number = self.file.fileno()
        # src_dir_fd is unused, but makes Python call linkat, which can follow the link in /proc.
        os.link(f"/proc/self/fd/{number}", path, src_dir_fd=number, follow_symlinks=True)

    def _copy_to_named(self, path: str) -> None:
        status = os.fstat(self.file.fileno())
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _lock(descriptor)
            self.copy_to(descriptor)
            if sys.platform != "win32":
                with suppress(OSError):
                    os.fchown(descriptor, status.st_uid, status.st_gid)
                os.fchmod(descriptor, status.st_mode & 0o777)
            os.fsync(descriptor)
        except BaseException:
            os.close(descriptor)
            os.unlink(path)
            raise
        self.file.close()
        self._file = os.fdopen(descriptor, "r+b", buffering=0)


def system_folder() -> str:
    """Return the system's folder for temporary files."""
    # Not at the top: this import takes longer than that of most of this package.
    from tempfile import gettempdir

    return os.path.abspath(gettempdir())


def create_named(folder: str, mode: int = 0o600) -> tuple[int, str]:
    """Create a temporary file with a hidden name for `remove_dead`; raises OSError.

    Parameters
    ----------
    folder : str
        Absolute path of the folder.
    mode : int
        Permissions before the umask applies.

    Returns
    -------
    descriptor : int
        Opened for reading and writing. While it is open, its lock marks the file as in use for `remove_dead` in another
        container, which cannot see this process.
    path : str
        Absolute path of the file.
    """
    path = _new_path(folder)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    _lock(descriptor)
    return descriptor, path


def is_temporary(name: str) -> bool:
    """Return whether a file name is that of a temporary file of this package."""
    return name.startswith(_PREFIX) and name.endswith(".tmp")


def remove_dead(folder: str) -> list[str]:
    """Remove the temporary files of dead processes of this package from a folder, and return their paths.

    A file is removed only if its name has this host, its process has ended (a process with the same id and another
    start time is another process), and its lock is free. Errors are ignored.
    """
    removed = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(_PREFIX):
                continue
            with suppress(OSError):
                if _is_dead(entry.name) and _remove_unlocked(entry.path):
                    removed.append(entry.path)
    return removed


def _is_dead(name: str) -> bool:
    parts = _NAME.fullmatch(name)
    return parts is not None and parts[1] == _host() and not _is_running(int(parts[2]), parts[3])


def _remove_unlocked(path: str) -> bool:
    if sys.platform == "win32":
        os.unlink(path)
        return True
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or not _lock(descriptor):
            return False
        os.unlink(path)
    finally:
        os.close(descriptor)
    return True


def _open_unnamed(folder: str, mode: int) -> int | None:
    """Return a descriptor of a new file without a name; None if the system does not support it."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None:
        return None
    try:
        descriptor = os.open(folder, flag | os.O_RDWR, mode)
    except OSError:
        # Creating a named file either succeeds or raises the error to report.
        return None
    # The file gets its name by /proc.
    if os.path.exists(f"/proc/self/fd/{descriptor}"):
        return descriptor
    os.close(descriptor)
    return None


def _new_path(folder: str) -> str:
    start = _start_of(os.getpid()) or "0"
    return os.path.join(folder, f"{_PREFIX}{_host()}-{os.getpid()}-{start}-{_random()}.tmp")


def _random() -> str:
    return os.urandom(8).hex()


def _host() -> str:
    name = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    return re.sub(r"[^A-Za-z0-9.-]", "_", name)[:64] or "_"


def _is_running(process: int, start: str) -> bool:
    known = _start_of(process)
    if known is not None:
        return known == start
    if sys.platform == "win32":  # os.kill ends the process there
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True


def _start_of(process: int) -> str | None:
    """Return the start time of a process in ticks since boot; None if /proc does not have the process."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            content = file.read()
    except OSError:
        return None
    # The second field, the name in parentheses, may contain any character; the start time is the 22nd field.
    return content.rpartition(b")")[2].split()[19].decode("ascii")


def _lock(descriptor: int) -> bool:
    if sys.platform != "win32":
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False
