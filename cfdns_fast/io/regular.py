"""Tell regular files from other kinds, and read a small one: a configuration, a key, a certificate."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

__all__ = ["is_special", "read_regular"]


def is_special(path: str) -> bool:
    """Return whether a path is neither a regular file nor a folder, such as a FIFO; False if nothing is there.

    Opening a FIFO waits for a writer, and what it holds can be read only once.
    """
    return os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))


def read_regular(path: Path, max_bytes: int = -1) -> tuple[bytes, int]:
    """Return the first bytes of a regular file, by default all, and its mode; raises OSError.

    Any other kind of file is an error: a FIFO stops the caller until another program writes to it, and a pipe can be
    read only once.

    Parameters
    ----------
    path : Path
    max_bytes : int
        The maximum number of bytes that are read; -1 is no limit.
    """
    with open(path, "rb", opener=_open) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return file.read(max_bytes), mode


def _open(path: str, flags: int) -> int:
    # Otherwise opening a FIFO waits for a writer. Windows has no such flag, and no FIFOs in folders.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
