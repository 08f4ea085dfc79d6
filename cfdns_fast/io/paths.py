"""What names of inputs and outputs mean, and which of them cannot be meant together."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress

from ..errors import CfdnsError

__all__ = ["STANDARD_STREAM", "PathError", "check_outputs", "descriptor_of", "real_path", "reason_of", "total_bytes"]

#: The name that means standard input, or standard output.
STANDARD_STREAM = "-"

#: Names of descriptors that are already open, by process. Opening such a name again would truncate a file the shell
#: opened for appending, and replacing the file behind it would write where nobody reads.
_DESCRIPTOR = re.compile(r"(?:/dev|/proc/(self|thread-self|[0-9]+)(?:/task/[0-9]+)?)/fd/([0-9]{1,9})")


class PathError(CfdnsError, ValueError):
    """A choice of inputs and outputs that cannot be meant."""


def check_outputs(inputs: Sequence[str], outputs: Sequence[str], *, mapping: str | None = None) -> None:
    """Raise PathError where an output is no place for a file, or is the same as an input, the mapping or another."""
    for output in outputs:
        if output == STANDARD_STREAM or descriptor_of(output) is not None:
            continue
        if not output:
            raise PathError("an output has an empty name")
        target = real_path(output)
        if os.path.isdir(target):
            raise PathError(f"{output}: is a directory")
        if output.endswith((os.sep, os.altsep or os.sep)):
            raise PathError(f"{output}: names a directory")
        if not _may_be_folder(os.path.dirname(target)):
            raise PathError(f"{output}: there is no directory {os.path.dirname(target)}")
    if "" in inputs:
        raise PathError("an input has an empty name")
    taken = {key: _shown(f"the input {name}", name, 0) for name in inputs for key in _identities(name, 0)}
    if mapping is not None:
        taken.update(dict.fromkeys(_identities(mapping, 0), f"the mapping {mapping}"))
    to_stdout = False
    for output in outputs:
        keys = _identities(output, 1)
        if to_stdout and ("descriptor", 1) in keys:
            raise PathError(
                "two outputs would both go to standard output, where events go without -o; "
                "name a file for one of them (-o events.ndjson)"
            )
        for key in keys & taken.keys():
            raise PathError(f"{_shown(output, output, 1)}: is the same file as {taken[key]}")
        taken.update(dict.fromkeys(keys, _shown(f"the output {output}", output, 1)))
        to_stdout |= ("descriptor", 1) in keys


def total_bytes(names: Sequence[str]) -> int | None:
    """Return the size of all inputs together as they are stored; None if one of them is not a file."""
    total = 0
    for name in names:
        status = status_of(name, 0)
        if status is None or not stat.S_ISREG(status.st_mode):
            return None
        total += status.st_size
    return total


def _identities(name: str, standard: int) -> set[tuple[object, ...]]:
    """Return keys of which two names share one if they mean the same thing.

    Devices have none of their own: a terminal, or /dev/null, is input and output at once.
    """
    keys: set[tuple[object, ...]] = set()
    descriptor = _descriptor_of(name, standard)
    status = status_of(name, standard)
    if descriptor is not None:
        keys.add(("descriptor", descriptor))
    elif status is None:
        keys.add(("path", real_path(name)))
    if status is not None and (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
        keys.add(("inode", status.st_dev, status.st_ino))
    return keys


def _may_be_folder(path: str) -> bool:
    """Whether a path is a folder, or one that cannot be examined: opening the output reports the reason."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def _shown(text: str, name: str, standard: int) -> str:
    """Return `text`, or what the standard stream is called if `name` means it."""
    return ("standard input", "standard output")[standard] if name == STANDARD_STREAM else text


def _descriptor_of(name: str, standard: int) -> int | None:
    """Return the descriptor that a name of an input (`standard` is 0) or output (1) means, None if it is a path."""
    if name == STANDARD_STREAM:
        return standard
    try:
        return descriptor_of(name)
    except PathError:
        # To read it, it can be opened again.
        if standard == 0:
            return None
        raise


def status_of(name: str, standard: int) -> os.stat_result | None:
    descriptor = _descriptor_of(name, standard)
    with suppress(OSError):
        return os.stat(name) if descriptor is None else os.fstat(descriptor)
    return None


def descriptor_of(path: str) -> int | None:
    """Return the number of the open descriptor `path` names, itself or through symbolic links.

    Raises
    ------
    PathError
        It is a descriptor of another process.
    """
    for _ in range(40):  # as many as Linux follows
        # Its folder may be spelled in many ways, and be reached through links.
        folder, name = os.path.split(path)
        named = _DESCRIPTOR.fullmatch(f"{real_path(folder)}/{name}")
        if named and named[1] not in (None, "self", "thread-self", str(os.getpid())):
            raise PathError(f"{path}: is a descriptor of another process")
        if named:
            return int(named[2])
        try:
            path = os.path.join(folder, os.readlink(path))
        except (OSError, AttributeError):
            return None
    return None


def real_path(path: str) -> str:
    """Return the absolute path without symbolic links, as far as they can be read."""
    try:
        return os.path.realpath(path)
    except OSError:
        # A link in /proc of another user's process: lstat can see it, readlink cannot.
        return os.path.abspath(path)


def reason_of(error: OSError) -> str:
    return error.strerror or type(error).__name__
