"""What inputs are as files: their times by name and by content, gaps, lateness, and equal content."""

from __future__ import annotations

import hashlib
import re
import statistics
from array import array
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from .event_times import Times
from .summary import Fault, File, Files, Gap

__all__ = ["FileCounts", "InputFile", "named_range"]

#: Files of which lateness, equality and counts are kept; of further ones only totals and the times in their names.
MAX_KEPT = 100_000
#: Files, gaps, groups and faults that a summary has at most.
_MAX_LISTED, _MAX_GAPS, _MAX_GROUPS, _MAX_FAULTS, _MAX_LATE = 1000, 100, 100, 100, 10
_MIN_FILES_FOR_GAPS = 3
_NAME = re.compile(r"(\d{8}T\d{6})Z_(\d{8}T\d{6})Z_[0-9a-f]+")
_NS_PER_S = 10**9


class InputFile:
    """The counts of one input, while it is read.

    Parameters
    ----------
    name : str
        The path or the URL, for messages.
    path : str or None
        The path of a regular file, to compare its content.
    identity : str or None
        Equal for objects with equal content.
    """

    __slots__ = (
        *("events", "identity", "kind", "name", "named_from_ns", "named_to_ns", "path", "problems", "rejects"),
        *("size_bytes", "times", "unknown"),
    )

    def __init__(self, name: str, *, path: str | None = None, identity: str | None = None) -> None:
        self.name = name
        self.path = path
        self.identity = identity
        self.kind = "logs"
        self.size_bytes = 0
        self.events = self.rejects = self.problems = 0
        #: Events without a key that the mapping reads.
        self.unknown = 0
        self.times = Times()
        self.named_from_ns: int | None = None
        self.named_to_ns: int | None = None
        if (named := named_range(name)) is not None:
            self.named_from_ns, self.named_to_ns = named

    def add_times(self, times: Times) -> None:
        """Add the times of some events."""
        self.times = self.times.joined(times)

    def lateness_ns(self) -> int:
        """Return how much the earliest event is before the name's range; 0 if it is not."""
        if self.times.first_ns is None or self.named_from_ns is None:
            return 0
        return max(0, self.named_from_ns - self.times.first_ns)

    def as_file(self) -> File:
        """Return the counts as data."""
        return File(
            name=self.name,
            kind=self.kind,
            size_bytes=self.size_bytes,
            events=self.events,
            rejects=self.rejects,
            problems=self.problems,
            first_ns=self.times.first_ns,
            last_ns=self.times.last_ns,
            named_from_ns=self.named_from_ns,
            named_to_ns=self.named_to_ns,
            late=self.times.early,
            lateness_ns=self.lateness_ns(),
        )


def named_range(name: str) -> tuple[int, int] | None:
    """Return the range of time in a name of Logpush (``START_END_HASH.log.gz``); None if it is another name."""
    found = _NAME.search(re.split(r"[/\\]", name)[-1])
    if found is None:
        return None
    try:
        start, end = (datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC) for text in found.groups())
    except ValueError:
        return None
    return int(start.timestamp()) * _NS_PER_S, int(end.timestamp()) * _NS_PER_S


class FileCounts:
    """All inputs of an inspection."""

    def __init__(self) -> None:
        self._kept: list[InputFile] = []
        self._count = self._size_bytes = 0
        self._starts = array("q")
        self._ends = array("q")
        self._faults: list[Fault] = []
        self._fault_count = 0

    def add(self, file: InputFile) -> None:
        """Add an input when it was read. Its counts may still grow."""
        self._count += 1
        self._size_bytes += file.size_bytes
        if len(self._kept) < MAX_KEPT:
            self._kept.append(file)
        if file.named_from_ns is not None and file.named_to_ns is not None:
            self._starts.append(file.named_from_ns)
            self._ends.append(file.named_to_ns)

    def add_fault(self, name: str, reason: str) -> None:
        """Add an input that could not be read, or not to its end, or of which no record is known."""
        self._fault_count += 1
        if len(self._faults) < _MAX_FAULTS:
            self._faults.append(Fault(name, reason))

    def files(self, skipped: Counter[str]) -> Files:
        """Return all that is known of the inputs; files of equal size and counts are read again, to compare them."""
        gaps, usual_s = _gaps(sorted(zip(self._starts, self._ends, strict=True)))
        longest = sorted(gaps, key=lambda gap: gap.from_ns - gap.to_ns)[:_MAX_GAPS]
        late = [file for file in self._kept if file.lateness_ns()]
        groups = _equal_groups(self._kept)
        latest = sorted(late, key=lambda file: (-file.lateness_ns(), file.name))[:_MAX_LATE]
        return Files(
            count=self._count,
            size_bytes=self._size_bytes,
            skipped=dict(sorted(skipped.items())),
            named_from_ns=min(self._starts, default=None),
            named_to_ns=max(self._ends, default=None),
            usual_interval_s=usual_s,
            gaps=tuple(sorted(longest, key=lambda gap: gap.from_ns)),
            gap_count=len(gaps),
            late_files=len(late),
            latest=tuple(file.as_file() for file in latest),
            equal=tuple(tuple(file.name for file in group[:_MAX_LATE]) for group in groups[:_MAX_GROUPS]),
            equal_count=sum(len(group) - 1 for group in groups),
            listed=tuple(file.as_file() for file in self._kept[:_MAX_LISTED]),
            faults=tuple(self._faults),
            fault_count=self._fault_count,
        )


def _gaps(ranges: list[tuple[int, int]]) -> tuple[list[Gap], float | None]:
    """Return the gaps between sorted ranges of time, and the usual time between their beginnings in seconds."""
    starts = sorted({start for start, _ in ranges})
    if len(starts) < _MIN_FILES_FOR_GAPS:
        return [], None
    usual_ns = statistics.median(after - before for before, after in pairwise(starts))
    gaps = []
    covered_ns, last_start = ranges[0][1], ranges[0][0]
    for start, end in ranges:
        if start - last_start > 2 * usual_ns and start > covered_ns:
            gaps.append(Gap(covered_ns, start))
        covered_ns, last_start = max(covered_ns, end), start
    return gaps, usual_ns / _NS_PER_S


def _equal_groups(files: Iterable[InputFile]) -> list[list[InputFile]]:
    """Return groups of files with equal content, each in the order of the inputs."""
    by_counts: dict[Any, list[InputFile]] = {}
    for file in files:
        if file.identity is not None:
            by_counts.setdefault(file.identity, []).append(file)
        elif file.path is not None:
            # Not the number of late events, which depends on the name.
            key = file.size_bytes, file.events, file.rejects, file.times.first_ns, file.times.last_ns
            by_counts.setdefault(key, []).append(file)
    groups = []
    for key, alike in by_counts.items():
        if len(alike) > 1:
            groups += [alike] if isinstance(key, str) else _with_equal_bytes(alike)
    return groups


def _with_equal_bytes(files: list[InputFile]) -> list[list[InputFile]]:
    by_digest: dict[bytes, list[InputFile]] = {}
    for file in files:
        assert file.path is not None
        try:
            with open(file.path, "rb") as opened:
                digest = hashlib.file_digest(opened, "blake2b").digest()
        except OSError:
            # The file was readable before, and is not needed for anything else.
            continue
        by_digest.setdefault(digest, []).append(file)
    return [group for group in by_digest.values() if len(group) > 1]
