"""The options of a run on an output, checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from .. import Normalizer
from .errors import FilesError
from .layout import Layout
from .state import STATE_FOLDER
from .store import StoreOptions

__all__ = ["DEFAULT_GROUP_BYTES", "FORMATS", "MAX_JOBS", "RunOptions", "default_jobs", "state_url"]

#: The formats of outputs.
FORMATS = ("parquet", "ndjson", "ndjson.gz", "ndjson.zst")
#: Stored bytes of a task.
DEFAULT_GROUP_BYTES = 64 << 20
#: More threads would wait for the GIL; more machines take shards.
MAX_JOBS = 16
_DUPLICATES = ("report", "skip")
_CHANGED = ("fail", "reconvert")
_TABLES = (None, "delta")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of `convert`, `plan` and `preview`, which `convert` documents.

    ValueError if an option has a value that it cannot have.
    """

    src: Sequence[str]
    dst: str
    normalizer: Normalizer
    format: str = "parquet"
    layout: Layout = field(default_factory=Layout)
    since: str | None = None
    until: str | None = None
    group_bytes: int = DEFAULT_GROUP_BYTES
    shard: tuple[int, int] = (0, 1)
    state: str | None = None
    rejects: str | None = None
    duplicates: str = "report"
    changed: str = "fail"
    retry_faults: bool = False
    single_writer: bool = False
    table: str | None = None
    store_options: StoreOptions = field(default_factory=StoreOptions)
    output_store_options: StoreOptions = field(default_factory=StoreOptions)

    def __post_init__(self) -> None:
        _check_choice("format", self.format, FORMATS)
        _check_choice("duplicates", self.duplicates, _DUPLICATES)
        _check_choice("changed", self.changed, _CHANGED)
        _check_choice("table", self.table, _TABLES)
        if not _is_whole(self.group_bytes) or self.group_bytes < 1:
            raise ValueError(f"group_bytes must be a whole number from 1 on, not {self.group_bytes!r}")
        index, count = self.shard
        if not _is_whole(index) or not _is_whole(count) or not 0 <= index < count:
            raise ValueError(f"shard must be (I, N) with I from 0 to N - 1, not {self.shard!r}")
        if not self.src:
            raise ValueError("src must name at least one input")
        if "-" in self.src:
            raise FilesError("files.options", "standard input cannot be an input of an output of many files")
        if self.table is not None and self.format != "parquet":
            raise ValueError("table is for the format 'parquet'")
        if self.table is not None and self.changed == "reconvert":
            raise FilesError("files.options", "objects that have changed cannot be converted again into a Delta table")


def default_jobs() -> int:
    """Return the number of cores that this process may use, at most `MAX_JOBS`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_JOBS)


def state_url(dst: str, state: str | None) -> str:
    """Return the URL or the path of the state of an output."""
    return f"{dst.rstrip('/')}/{STATE_FOLDER}/" if state is None else state


def _check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")


def _is_whole(value: object) -> bool:
    # bool is a subclass of int, but not a number here.
    return isinstance(value, int) and not isinstance(value, bool)
