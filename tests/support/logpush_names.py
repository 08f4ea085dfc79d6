"""Folders of files with the names that Logpush gives, for tests."""

from __future__ import annotations

import gzip
from pathlib import Path

from support.command import records

__all__ = ["log_name", "write_logs"]


def log_name(day: str, hour: int, number: int = 0) -> str:
    """Return the name of an object of Logpush, with the folder of its day (``20260825``)."""
    return f"{day}/{day}T{hour:02}{number:02}00Z_{day}T{hour:02}{number:02}30Z_{hour:04x}{number:04x}.log.gz"


def write_logs(folder: Path, *names: str, count: int = 2) -> list[str]:
    """Write a gzip file of records for each name, with other query names in each; return the names of the events."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(records(count, number * count), 1, mtime=0))
    return [f"n{number}.example.com" for number in range(len(names) * count)]
