"""Temporary files that other libraries write by their path, protected from the clean-up of other processes."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

from ..io.temporaries import create_named, remove_dead

__all__ = ["TemporaryFiles"]

#: Maximum number of descriptors that stay open: a task may have a file for each of thousands of hours, and processes
#: often may open 1,024, or 256, files.
_MAX_LOCKED = 64


class TemporaryFiles:
    """The temporary files of a store, all in one folder.

    Descriptors of the newest files stay open: their locks keep processes in other containers, which cannot see this
    process, from removing the files. If they remove one without a lock, the task fails and is repeated. All methods may
    be called from any thread.

    Parameters
    ----------
    folder : str
        Absolute path of the folder.
    mode : int
        Permissions of new files before the umask applies.
    """

    def __init__(self, folder: str, mode: int) -> None:
        self.folder = folder
        self._mode = mode
        self._lock = threading.Lock()
        self._descriptors: dict[str, int] = {}

    def create(self) -> str:
        """Create an empty file, and return its path; raises OSError."""
        descriptor, path = create_named(self.folder, self._mode)
        with self._lock:
            # The system keeps the content of removed files that are open.
            removed = [each for each in self._descriptors if not os.path.lexists(each)]
            for each in removed:
                os.close(self._descriptors.pop(each))
            if os.name == "posix":
                self._descriptors[path] = descriptor
                if len(self._descriptors) > _MAX_LOCKED:
                    os.close(self._descriptors.pop(next(iter(self._descriptors))))
            else:
                # Windows neither renames nor removes open files.
                os.close(descriptor)
        return path

    def release(self, path: str) -> None:
        """Forget a file that has been renamed."""
        with self._lock:
            descriptor = self._descriptors.pop(path, None)
        if descriptor is not None:
            os.close(descriptor)

    def remove(self, path: str) -> None:
        """Remove a file; errors are ignored."""
        with suppress(OSError):
            os.unlink(path)
        self.release(path)

    def remove_stale(self) -> None:
        """Remove files of processes that have ended; errors are ignored."""
        remove_dead(self.folder)

    def __del__(self) -> None:
        for descriptor in self._descriptors.values():
            with suppress(OSError):
                os.close(descriptor)
