"""What a run of the command line tells: rejects as lines, the summary, messages, progress."""

from __future__ import annotations

import base64
import codecs
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator

from .paths import STANDARD_STREAM
from .results import Reject, Result

__all__ = ["Progress", "Tally", "printable", "reject_line", "reject_line_pieces", "say"]


#: One encoder for all lines: json.dumps() makes a new one at every call with options.
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def reject_line(name: str, reject: Reject) -> bytes:
    """Return a reject as a line of NDJSON.

    ``raw`` holds the rejected bytes if they are UTF-8, else ``raw_base64`` does; nothing is left out. A byte of the
    input's name that is not UTF-8 stands as ``\\xNN``, because JSON has no way to hold it.
    """
    line = _positions(name, reject)
    try:
        line["raw"] = reject.raw.decode("utf-8")
    except UnicodeDecodeError:
        line["raw_base64"] = base64.b64encode(reject.raw).decode("ascii")
    return _to_json(line).encode("utf-8") + b"\n"


def reject_line_pieces(name: str, reject: Reject, pieces: Iterable[bytes], *, is_text: bool) -> Iterator[bytes]:
    """Give the line that `reject_line` would return for a reject whose bytes are too many for memory.

    Parameters
    ----------
    pieces : iterable of bytes
        All bytes of the reject, in pieces whose sizes are a multiple of 3, except the last one.
    is_text : bool
        Whether these bytes are UTF-8.
    """
    key = "raw" if is_text else "raw_base64"
    line = _to_json(_positions(name, reject) | {key: ""})
    yield line.removesuffix('"}').encode("utf-8")
    decoder = codecs.getincrementaldecoder("utf-8")()
    for piece in pieces:
        yield _to_json(decoder.decode(piece))[1:-1].encode("utf-8") if is_text else base64.b64encode(piece)
    yield b'"}\n'


def _positions(name: str, reject: Reject) -> dict[str, object]:
    return {
        "input": _text(name),
        "line": reject.line,
        "byte_offset": reject.byte_offset,
        "byte_length": reject.byte_length,
        "code": reject.code,
    }


class Tally:
    """The totals of a run. Of the rejects only the counts and the first of each code are kept."""

    def __init__(self) -> None:
        self.lines = 0
        self.events = 0
        self.blank = 0
        self.problems: Counter[str] = Counter()
        self.rejects: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, name: str, result: Result[bytes]) -> None:
        """Count what one block of the input `name` gave."""
        self.events += result.events
        self.blank += result.blank
        self.problems.update(result.problems)
        for reject in result.rejects:
            if reject.code not in self.rejects:
                shown = "stdin" if name == STANDARD_STREAM else name
                self._first[reject.code] = f"first at {shown}:{reject.line} byte offset {reject.byte_offset}"
            self.rejects[reject.code] += 1

    def summary(self, seconds: float, *, positions: bool) -> str:
        """Return the totals in one line; with `positions` also where the first reject of each code is."""
        problems = _by_code(self.problems, {})
        rejects = _by_code(self.rejects, self._first if positions else {})
        rate = round(self.events / max(seconds, 1e-9))
        counts = f"lines {self.lines}, events {self.events}, blank {self.blank}"
        return f"{counts}, problems {problems}, rejects {rejects}, {rate} events/s"


def _by_code(counts: Counter[str], notes: dict[str, str]) -> str:
    each = (f"{code} {counts[code]}" + (f", {notes[code]}" if code in notes else "") for code in sorted(counts))
    return f"{counts.total()} ({'; '.join(each)})" if counts else "0"


class Progress:
    """A bar on standard error that counts the bytes read, as they are stored.

    Parameters
    ----------
    total_bytes : int or None
        Of all inputs; None if not known.
    shown : bool
        Without it nothing is shown (and tqdm is not imported).
    """

    def __init__(self, total_bytes: int | None, *, shown: bool) -> None:
        self._bar = None
        if shown:
            from tqdm import tqdm

            # Its monitor thread is for loops that update too rarely; ours updates at every block.
            tqdm.monitor_interval = 0
            self._bar = tqdm(
                total=total_bytes, unit="B", unit_scale=True, leave=False, file=sys.stderr, **_assumed_size()
            )

    def update(self, size_bytes: int) -> None:
        """Count bytes that were read."""
        if self._bar is None:
            return
        try:
            self._bar.update(size_bytes)
        except OSError:
            # The terminal is gone; the conversion need not be.
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


def _assumed_size() -> dict[str, int]:
    """Return the size for tqdm where the terminal does not know its own; tqdm would show nothing there."""
    try:
        known = all(os.get_terminal_size(sys.stderr.fileno()))
    except (OSError, ValueError):
        known = False
    return {} if known else {"ncols": 80, "nrows": 24}


def say(text: str) -> None:
    """Write one line to standard error; what a terminal might obey (from a file's name, say) is escaped."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"cfdns-fast: {printable(text)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        # Nobody reads it. The interpreter would try again at exit and change the exit code.
        sys.stderr = None


def printable(text: str) -> str:
    """Return `text` with everything that is not printable as a backslash escape."""
    text = _text(text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _text(name: str) -> str:
    """Return `name` with bytes that are not UTF-8 (surrogates, as `os.fsdecode` makes them) as ``\\xNN``."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    return name
