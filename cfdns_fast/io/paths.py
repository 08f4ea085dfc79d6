"""Resolve the names of inputs and outputs, and check that they can be used together."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress

from ..errors import CfdnsError

__all__ = [
    "STANDARD_STREAM",
    "PathError",
    "check_outputs",
    "descriptor_of",
    "real_path",
    "reason_of",
    "status_of",
    "text_of",
    "total_bytes",
]

#: The name of standard input as an input, and of standard output as an output.
STANDARD_STREAM = "-"

#: The name of an open descriptor. Opening it again would truncate a file that the shell opened for appending, and
#: replacing its file would leave the reader with the old one.
_DESCRIPTOR = re.compile(r"(?:/dev|/proc/(self|thread-self|[0-9]+)(?:/task/[0-9]+)?)/fd/([0-9]{1,9})")


class PathError(CfdnsError, ValueError):
    """Inputs and outputs that cannot be used together, or an invalid name."""


def check_outputs(inputs: Sequence[str], outputs: Sequence[str], *, mapping: str | None = None) -> None:
    """Check the names of a run before any file is opened.

    Parameters
    ----------
    inputs, outputs : sequence of str
        Paths, or ``-`` for the standard stream.
    mapping : str or None
        The path of the mapping file.

    Raises
    ------
    PathError
        A name is empty, an output is a folder or in a missing one, or an output is the same file as an input, the
        mapping or another output.
    """
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
    """Return the total size of the stored inputs in bytes; None if one of them is not a regular file."""
    total = 0
    for name in names:
        status = status_of(name, 0)
        if status is None or not stat.S_ISREG(status.st_mode):
            return None
        total += status.st_size
    return total


def _identities(name: str, standard: int) -> set[tuple[object, ...]]:
    """Return keys of a name. Two names share a key if they are the same file.

    A device has no key, because a terminal or /dev/null can be input and output at the same time.
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
    """Return whether a path is a folder, or cannot be examined; then opening the output reports the reason."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def _shown(text: str, name: str, standard: int) -> str:
    """Return `text`, or the name of the standard stream if `name` is ``-``."""
    return ("standard input", "standard output")[standard] if name == STANDARD_STREAM else text


def _descriptor_of(name: str, standard: int) -> int | None:
    """Return the open descriptor of an input (`standard` is 0) or output (1); None if the name is a path."""
    if name == STANDARD_STREAM:
        return standard
    try:
        return descriptor_of(name)
    except PathError:
        # An input can be opened again by its path.
        if standard == 0:
            return None
        raise


def status_of(name: str, standard: int) -> os.stat_result | None:
    """Return the status of an input (`standard` is 0) or output (1); None if it has none."""
    descriptor = _descriptor_of(name, standard)
    with suppress(OSError):
        return os.stat(name) if descriptor is None else os.fstat(descriptor)
    return None


def descriptor_of(path: str) -> int | None:
    """Return the open descriptor that `path` names, directly or by symbolic links; None if it names none.

    Raises
    ------
    PathError
        The descriptor belongs to another process.
    """
    for _ in range(40):  # Linux follows at most 40 links
        # The folder can be spelled in many ways and contain links.
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
    """Return the absolute path without the symbolic links that can be read."""
    try:
        return os.path.realpath(path)
    except OSError:
        # readlink fails for a link in /proc of another user's process.
        return os.path.abspath(path)


def reason_of(error: OSError) -> str:
    """Return the cause of an error without the path."""
    return error.strerror or type(error).__name__


def text_of(name: str) -> str:
    """Return `name` with bytes that are not UTF-8 (surrogates, as `os.fsdecode` makes them) as ``\\xNN``."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    return name
