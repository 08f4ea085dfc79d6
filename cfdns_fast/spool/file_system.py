"""Detect the type of a file system, and refuse the types on which SQLite's WAL mode loses data."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["file_system_type", "refusal", "warning"]

#: WAL mode needs shared memory between all processes (https://sqlite.org/wal.html), and locks that work.
_NETWORK = frozenset(
    (
        *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"),
        *("ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "vmhgfs"),
    )
)
_MOUNTINFO = Path("/proc/self/mountinfo")


def file_system_type(path: Path, mountinfo: str | None = None) -> str | None:
    """Return the type of the file system of an existing folder, for example ``ext4``.

    Parameters
    ----------
    path : Path
        The folder.
    mountinfo : str or None
        The content of ``/proc/self/mountinfo`` (proc(5)); None reads the file.

    Returns
    -------
    str or None
        None if the system has no such file.
    """
    if mountinfo is None:
        try:
            mountinfo = _MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return None
    real = os.path.realpath(path)
    found: str | None = None
    length = -1
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = _unescape(fields[4])
        is_above = real == point or real.startswith(point.rstrip("/") + "/")
        # A later line of the same mount point hides the earlier one.
        if is_above and len(point) >= length:
            found, length = after.split(" ")[0], len(point)
    return found


def refusal(path: Path, kind: str | None) -> str | None:
    """Return the sentence that refuses a folder on a file system of type `kind`; None if it can be used."""
    if kind is not None and (kind in _NETWORK or kind == "fuse" or kind.startswith("fuse.")):
        return f"state folder {path}: it is on a file system of type {kind}; use a local one, for example ext4 or XFS"
    return None


def warning(path: Path, kind: str | None) -> str | None:
    """Return a sentence if the file system does not keep its files; None otherwise."""
    if kind in ("tmpfs", "ramfs"):
        return f"state folder {path}: {kind} is in memory; batches are lost if the machine stops"
    if kind == "overlay":
        return f"state folder {path}: it is in the layer of a container; batches are lost with the container"
    return None


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
