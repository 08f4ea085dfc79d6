"""The reports of a run: the summary, messages, progress."""

from __future__ import annotations

import itertools
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..io.paths import STANDARD_STREAM, text_of

if TYPE_CHECKING:
    from typing import TextIO

    from .. import Result

__all__ = [
    "UNKNOWN",
    "Progress",
    "Tally",
    "assumed_size",
    "by_code",
    "is_terminal",
    "printable",
    "say",
    "shown_name",
]

#: The problem of a record without a key that the mapping reads.
UNKNOWN = "record.unknown"


class Tally:
    """The totals of a run. It keeps no rejects, only their counts and the position of the first one of each code."""

    def __init__(self) -> None:
        self.lines = 0
        self.unfinished_bytes = 0  # read and not converted when a signal ended the run
        self.events = 0
        self.blank = 0
        self.problems: Counter[str] = Counter()
        self.rejects: Counter[str] = Counter()
        #: By code: the input, the line and the byte offset of the first reject.
        self.first: dict[str, tuple[str, int, int]] = {}
        #: Inputs that Logpush wrote to check a destination.
        self.skipped: list[str] = []
        self._unused_columns = _Names()

    def add(self, name: str, result: Result[bytes]) -> None:
        """Count the result of one block of the input `name`."""
        self.events += result.events
        self.blank += result.blank
        self.problems.update(result.problems)
        counts = result.rejects.count_by_code()
        for code in counts.keys() - self.rejects.keys():
            first = next(reject for reject in result.rejects if reject.code == code)
            self.first[code] = name, first.line, first.byte_offset
        self.rejects.update(counts)

    def add_unused(self, columns: Iterable[str]) -> None:
        """Note columns that the mapping does not read. Each is named once."""
        for column in columns:
            self._unused_columns.add(column)

    @property
    def unused_columns(self) -> list[str]:
        """Names of columns that the mapping does not read, long ones cut; the first thousand."""
        return self._unused_columns.names()

    @property
    def unknown(self) -> int:
        """Number of events whose records have no key that the mapping reads."""
        return self.problems[UNKNOWN]

    def events_per_second(self, seconds: float) -> int:
        """Return the rate of a run of this duration."""
        return round(self.events / max(seconds, 1e-9))

    def summary(self, seconds: float, *, positions: bool) -> str:
        """Return the totals in one line; with `positions` also where the first reject of each code is."""
        problems = by_code(self.problems, {})
        first = {
            code: f"first at {shown_name(name)}:{line} byte offset {byte_offset}"
            for code, (name, line, byte_offset) in self.first.items()
        }
        rejects = by_code(self.rejects, first if positions else {})
        rate = self.events_per_second(seconds)
        counts = f"lines {self.lines}, events {self.events}, blank {self.blank}"
        text = f"{counts}, problems {problems}, rejects {rejects}, {rate} events/s"
        if self.skipped:
            names = _Names()
            for name in self.skipped:
                names.add(shown_name(name))
            text += f", skipped {len(self.skipped)} (Logpush's checks of a destination: {names})"
        if self._unused_columns:
            text += f", columns not used: {self._unused_columns}"
        return text


class _Names:
    """Different names, of which the first are shown. Memory is bounded, whatever the names are."""

    _MAX_SHOWN = 10
    _MAX_KEPT = 1000
    _MAX_CHARACTERS = 200

    def __init__(self) -> None:
        self._kept: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._kept)

    def add(self, name: str) -> None:
        if len(self._kept) < self._MAX_KEPT:
            is_long = len(name) > self._MAX_CHARACTERS
            self._kept[f"{name[: self._MAX_CHARACTERS]}…" if is_long else name] = None

    def names(self) -> list[str]:
        return list(self._kept)

    def __str__(self) -> str:
        shown = ", ".join(name or '""' for name in itertools.islice(self._kept, self._MAX_SHOWN))
        more = len(self._kept) - self._MAX_SHOWN
        if more <= 0:
            return shown
        return f"{shown} and {more} more" if len(self._kept) < self._MAX_KEPT else f"{shown} and many more"


def by_code(counts: Counter[str], notes: Mapping[str, str]) -> str:
    """Return a total and its counts by code, each with its note."""
    each = (f"{code} {counts[code]}" + (f", {notes[code]}" if code in notes else "") for code in sorted(counts))
    return f"{counts.total()} ({'; '.join(each)})" if counts else "0"


class Progress:
    """A bar on standard error that counts the bytes read, as they are stored.

    Parameters
    ----------
    total_bytes : int or None
        The size of all inputs; None if it is not known.
    shown : bool
        Whether there is a bar; without it tqdm is not imported.
    """

    def __init__(self, total_bytes: int | None, *, shown: bool) -> None:
        self._bar = None
        if shown:
            from tqdm import tqdm

            # The monitor thread of tqdm is for loops that update too rarely; this one updates at every block.
            tqdm.monitor_interval = 0
            self._bar = tqdm(
                total=total_bytes, unit="B", unit_scale=True, leave=False, file=sys.stderr, **assumed_size()
            )

    def update(self, size_bytes: int) -> None:
        """Count bytes that were read."""
        if self._bar is None:
            return
        try:
            self._bar.update(size_bytes)
        except OSError:
            # The terminal is gone; the conversion continues.
            self._bar.disable = True
            self._bar = None

    def say(self, text: str) -> None:
        """Write a message above the bar."""
        if self._bar is not None:
            self._bar.clear()
        say(text)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def assumed_size() -> dict[str, int]:
    """Return a size for tqdm if the terminal does not report its own; without it tqdm would show nothing."""
    try:
        known = all(os.get_terminal_size(sys.stderr.fileno()))
    except (OSError, ValueError):
        known = False
    return {} if known else {"ncols": 80, "nrows": 24}


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a standard stream, which may be closed, is a terminal."""
    return stream is not None and stream.isatty()


def shown_name(name: str) -> str:
    """Return the name of an input for messages."""
    return "stdin" if name == STANDARD_STREAM else name


def say(text: str) -> None:
    """Write one line to standard error. Control characters (of a file name, for example) are escaped."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"cfdns-fast: {printable(text)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        # The reader is gone. The interpreter would try again at exit and change the exit code.
        sys.stderr = None


def printable(text: str) -> str:
    """Return `text` with everything that is not printable as a backslash escape."""
    text = text_of(text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
