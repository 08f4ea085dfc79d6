"""Examples of problems and rejects: short, and safe to print."""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from .. import CfdnsError, Normalizer
from .summary import Example

__all__ = ["EXAMPLE_BYTES", "Examples", "ProblemSearch", "example_text", "raw_lines"]

#: The bytes of input in an example.
EXAMPLE_BYTES = 64
#: Codes that are counted apart. Those of converted events are text of the input.
_MAX_CODES = 1000
#: Searches for one code, each in the records of one part.
_MAX_SEARCHES = 3
_OTHER = "(other)"
_DECODER = codecs.getincrementaldecoder("utf-8")


def example_text(data: bytes) -> str:
    """Return the first bytes as text; bytes that are no UTF-8, and what is not printable, are backslash escapes."""
    is_cut = len(data) > EXAMPLE_BYTES
    # With final=False a character that is cut is left out.
    text = _DECODER("backslashreplace").decode(data[:EXAMPLE_BYTES], final=not is_cut)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return f"{shown}…" if is_cut else shown


class Examples:
    """Counts by code, with the first example of each.

    Parameters
    ----------
    keeps : bool
        Whether there are examples at all.

    Attributes
    ----------
    counts : Counter of str
    """

    def __init__(self, *, keeps: bool) -> None:
        self.counts: Counter[str] = Counter()
        self.keeps = keeps
        self._first: dict[str, tuple[str, str]] = {}
        self._searches: Counter[str] = Counter()

    def add(self, counts: Mapping[str, int]) -> None:
        """Add counts by code."""
        for code, count in counts.items():
            self.counts[code if code in self.counts or len(self.counts) < _MAX_CODES else _OTHER] += count

    def is_wanted(self, code: str) -> bool:
        """Return whether a code has no example yet, and may have one."""
        return self.keeps and code not in self._first and self._searches[code] < _MAX_SEARCHES

    def set(self, code: str, name: str, example: str | None) -> None:
        """Set the example of a code, found in the input `name`; None if none was found."""
        if example is None:
            self._searches[code] += 1
        else:
            self._first[code] = name, example

    def rows(self) -> tuple[Example, ...]:
        """Return all codes, the most frequent first."""
        found = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(Example(code, count, *self._first.get(code, (None, None))[::-1]) for code, count in found)


class ProblemSearch:
    """Finds the record of a problem in records, because a result only counts problems.

    Parameters
    ----------
    normalizer : Normalizer
        Its options are those of the conversion.
    """

    def __init__(self, normalizer: Normalizer) -> None:
        options = {**normalizer.options, "keep_message": False, "detect": (), "on_detection": "collect"}
        options["on_reject"] = "collect"
        #: Reads rows of CSV and TSV.
        self._of_rows = Normalizer(**options)
        self._has_columns = options["columns"] is not None
        options |= {"input_format": "ndjson", "columns": None, "record_delimiter": None}
        self._of_lines = Normalizer(**options)

    def find(self, problem: str, lines: bytes, header: bytes = b"") -> str | None:
        """Return the value that is the first such problem, or the record if there is no value; None if none is found.

        Parameters
        ----------
        problem : str
            A key of `Result.problems`, for example ``field.type:QueryType``.
        lines : bytes
            Complete lines: JSON objects, or rows.
        header : bytes
            For rows, the first line of their input.
        """
        if not lines:
            return None
        has = partial(self._has_line, problem)
        if not lines.startswith(b"{"):
            has = partial(self._has_row, problem, b"" if self._has_columns else header)
        line = _first_line(lines, has)
        if line is None:
            return None
        value = _value_of(line, problem.partition(":")[2])
        return example_text(line.strip() if value is None else value)

    def _has_line(self, problem: str, lines: bytes) -> bool:
        return _has(self._of_lines, problem, lines)

    def _has_row(self, problem: str, header: bytes, lines: bytes) -> bool:
        return _has(self._of_rows, problem, header + lines)


def _has(normalizer: Normalizer, problem: str, data: bytes) -> bool:
    try:
        return problem in normalizer.to_ndjson(data).problems
    except CfdnsError:
        return False


def _first_line(lines: bytes, has: Callable[[bytes], bool]) -> bytes | None:
    """Return the first line that `has` accepts, which accepts some lines if it accepts one of them."""
    if not has(lines):
        return None
    start, end = 0, len(lines)
    # It is in lines[start:end], and the first half is tried until this is one line.
    while True:
        middle = lines.rfind(b"\n", start, (start + end) // 2) + 1
        if middle <= start:
            middle = lines.find(b"\n", start, end - 1) + 1
        if middle <= start or middle >= end:
            return lines[start:end]
        if has(lines[start:middle]):
            end = middle
        else:
            start = middle


def _value_of(line: bytes, key: str) -> bytes | None:
    """Return the value of a key as JSON, the last one if the key is repeated; None without one."""
    try:
        record: Any = json.loads(line)
        if isinstance(record, dict) and key in record:
            return json.dumps(record[key], ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        # A line with several records, or a number that Python does not read.
        pass
    return None


def raw_lines(batch: Any, columns: Sequence[str]) -> bytes:
    """Return the original records of a batch as lines; empty if none of its columns has them.

    Parameters
    ----------
    columns : sequence of str
        The columns that may have them, which depend on the mapping.
    """
    for name in columns:
        if name in batch.schema.names:
            records = (each.replace("\n", " ") for each in batch.column(name).to_pylist() if each is not None)
            return "".join(f"{each}\n" for each in records).encode()
    return b""
