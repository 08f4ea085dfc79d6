"""The state folder: its parts, its version, and its locks."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import CfdnsError
from .file_system import file_system_type, refusal, warning
from .files import give_to_owner, is_full_disk, replace_file, sync_folder

if sys.platform != "win32":
    import fcntl

__all__ = ["VERSION", "StateError", "StateFolder", "check_name", "is_locked"]

#: The version of the layout of the folder and of the tables.
VERSION = 1

_LOCK_TRIES = 5
_LOCK_WAIT_S = 0.02
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class StateError(CfdnsError):
    """The state folder cannot be used. The message is one sentence.

    Attributes
    ----------
    code : str
        ``"state.missing"`` (no state folder), ``"state.locked"`` (in use by another process), ``"state.network"``
        (a file system that is not local), ``"state.version"``, ``"state.unwritable"``, ``"state.full"`` (no space),
        ``"state.platform"`` (not POSIX), ``"state.name"`` (not a name of a sink), ``"state.sink"`` (no such sink, or
        it has undelivered batches), ``"state.batch"`` (no such batch), ``"state.closed"`` (the writer is closed),
        ``"state.unreadable"`` (a file cannot be read now; damage is not reported so).
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.code, str(self))

    @classmethod
    def of(cls, path: Path, error: OSError) -> StateError:
        """Return the error for a file that could not be written."""
        code = "state.full" if is_full_disk(error) else "state.unwritable"
        return cls(code, f"{path}: {error.strerror or type(error).__name__}")


class StateFolder:
    """The folder in which a receiver keeps batches and positions.

    Attributes
    ----------
    path, spool, sinks, corrupt : Path
        The folder, and its folders of segments, of positions of sinks, and of damaged segments.
    warnings : tuple of str
        Set by `prepare`: sentences about a file system that does not keep its files.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.spool = self.path / "spool"
        self.sinks = self.path / "sinks"
        self.corrupt = self.path / "corrupt"
        self.warnings: tuple[str, ...] = ()
        self._has_receiver_lock = False

    @property
    def has_receiver_lock(self) -> bool:
        """Whether this object holds the lock of `lock_receiver`."""
        return self._has_receiver_lock

    def dead(self, name: str) -> Path:
        """Return the folder of a sink's dead letters, which is created."""
        return self._folder("dead", name)

    def rejects(self, name: str) -> Path:
        """Return the folder of the records that a sink could not convert, which is created."""
        return self._folder("rejects", name)

    def temporary(self, name: str) -> Path:
        """Return the folder of a sink's temporary data, which is created."""
        return self._folder("temporary", name)

    def prepare(self) -> None:
        """Create what is missing, and check the file system and the version; raises StateError."""
        if os.name != "posix":
            raise StateError("state.platform", "the receiver needs a POSIX system, for example Linux")
        try:
            self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise StateError.of(self.path, error) from error
        self._check_file_system(self.path)
        try:
            for folder in (self.spool, self.sinks, self.corrupt):
                folder.mkdir(mode=0o750, exist_ok=True)
            for folder in (self.path, self.path.absolute().parent):
                sync_folder(folder)
            if not self._version_file.exists():
                replace_file(self._version_file, b"%d\n" % VERSION)
        except OSError as error:
            raise StateError.of(self.path, error) from error
        self.check()

    def preview(self) -> bool:
        """Check what `prepare` would find, and change nothing. Returns whether the folder exists; raises StateError."""
        place = self.path.absolute()
        while not os.path.lexists(place):
            place = place.parent
        if not place.is_dir():
            raise StateError("state.unwritable", f"{place}: it is not a folder")
        if not os.access(place, os.W_OK | os.X_OK):
            raise StateError("state.unwritable", f"{place}: this user may not write there")
        self._check_file_system(place)
        if self._version_file.exists():
            self.check()
        return place == self.path.absolute()

    @property
    def is_in_use(self) -> bool:
        """Whether a receiver uses the folder now."""
        return is_locked(self._lock_file)

    def is_configured(self, sink_name: str) -> bool:
        """Return whether a receiver that runs has this sink, also while the process of the sink does not run."""
        if not self.is_in_use:
            return False
        lines = self._lock_file.read_text(encoding="ascii", errors="replace").split()
        # A full disk can have refused the text.
        return not lines or sink_name in lines[1:]

    def _check_file_system(self, place: Path) -> None:
        kind = file_system_type(place)
        refused = refusal(self.path, kind)
        if refused is not None:
            raise StateError("state.network", refused)
        warned = warning(self.path, kind)
        self.warnings = () if warned is None else (warned,)

    def check(self) -> None:
        """Raise StateError if the folder is missing or has another version. Changes nothing."""
        try:
            text = self._version_file.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            raise StateError("state.missing", f"{self.path}: there is no state folder of a receiver") from None
        except OSError as error:
            raise StateError.of(self._version_file, error) from error
        if text != str(VERSION):
            raise StateError(
                "state.version",
                f"state folder {self.path}: it has version {text[:20]!r}, and this program reads version {VERSION}",
            )

    @contextmanager
    def lock_receiver(self, sink_names: Iterable[str] = ()) -> Iterator[None]:
        """Hold the lock of the one receiver of this folder; raises StateError at once if another process holds it.

        Parameters
        ----------
        sink_names : iterable of str
            The configured sinks, for `is_configured` of other processes.
        """
        with self._lock(self._lock_file, f"state folder {self.path}: another receiver uses it", sink_names):
            self._has_receiver_lock = True
            try:
                yield
            finally:
                self._has_receiver_lock = False

    @contextmanager
    def lock_sink(self, name: str) -> Iterator[None]:
        """Hold the lock of the one process of a sink; raises StateError at once if another process holds it."""
        check_name(name)
        with self._lock(self.sinks / f"{name}.lock", f"sink {name}: another process of it runs"):
            yield

    @contextmanager
    def lock_requests(self) -> Iterator[None]:
        """Hold the lock of the requests to all sinks; waits for the process that writes or takes one. Raises OSError.

        The lock is that of the folder, because a new file may not fit on a full disk.
        """
        descriptor = os.open(self.sinks, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @property
    def _lock_file(self) -> Path:
        return self.path / "lock"

    @property
    def _version_file(self) -> Path:
        return self.path / "version"

    def _folder(self, kind: str, name: str) -> Path:
        check_name(name)
        folder = self.path / kind / name
        try:
            folder.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            folder.mkdir(mode=0o750, exist_ok=True)
        except OSError as error:
            raise StateError.of(folder, error) from error
        return folder

    @contextmanager
    def _lock(self, path: Path, taken: str, lines: Iterable[str] = ()) -> Iterator[None]:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
        except OSError as error:
            raise StateError.of(path, error) from error
        try:
            give_to_owner(descriptor, path.parent)
            if not _take(descriptor):
                owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").partition("\n")[0]
                raise StateError("state.locked", taken + (f" (process {owner})" if owner else ""))
            with suppress(OSError):  # The lock counts; its text is for messages and for `is_configured`.
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, "\n".join((str(os.getpid()), *lines, "")).encode("ascii"), 0)
            yield
        finally:
            os.close(descriptor)


def _take(descriptor: int) -> bool:
    """Take a lock. `is_locked` of another process may hold it for a moment, so there are some tries."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_WAIT_S)
        else:
            return True
    return False


def is_locked(path: Path) -> bool:
    """Return whether a process holds a lock file. A shared lock is taken for a moment, which the owner never holds."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def check_name(name: str) -> None:
    """Raise StateError if `name` cannot be the name of a sink, because it becomes a part of paths."""
    if not _NAME.fullmatch(name):
        raise StateError("state.name", f"sink name {name!r}: use 1 to 64 characters of a-z, 0-9, - and _")
