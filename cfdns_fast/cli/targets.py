"""What a name on the command line is: a file, a directory, a pattern, or a URL of an object store.

This module imports little, because each run asks it, also one that converts a single file.
"""

from __future__ import annotations

import os
import re

from ..io.paths import STANDARD_STREAM, descriptor_of

__all__ = ["is_directory_output", "is_listed", "is_parquet", "is_standard_input", "is_url"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_PATTERN = re.compile(r"[*?[]")
#: The last part of a URL that names one object.
_FILE_NAME = re.compile(r"[^/]*\.(?:ndjson|jsonl?|csv|tsv|log|gz|zst|parquet)", re.IGNORECASE)


def is_url(name: str) -> bool:
    """Return whether a name is a URL. A file that exists under the name is a file."""
    return _URL.match(name) is not None and not os.path.lexists(name)


def is_listed(name: str) -> bool:
    """Return whether an input is a directory, a pattern or a URL; all other inputs are opened by their names."""
    if name == STANDARD_STREAM:
        return False
    if is_url(name) or os.path.isdir(name):
        return True
    return _PATTERN.search(name) is not None and not os.path.lexists(name)


def is_directory_output(name: str) -> bool:
    """Return whether an output is a directory or a prefix: it ends in a slash, exists as a directory, or is a URL."""
    if name == STANDARD_STREAM or not name:
        return False
    if is_url(name):
        return name.endswith("/") or _FILE_NAME.fullmatch(name.rpartition("/")[2]) is None
    if name.endswith((os.sep, os.altsep or os.sep)):
        return True
    return os.path.isdir(name) and descriptor_of(name) is None


def is_parquet(output: str) -> bool:
    """Return whether an output is one Parquet file."""
    return output.lower().endswith(".parquet")


def is_standard_input(name: str) -> bool:
    """Return whether an input is standard input, also by the name of its descriptor."""
    return name == STANDARD_STREAM or descriptor_of(name) == 0
