"""The progress of a conversion to a directory: a bar on a terminal, else a line every 30 seconds."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from ..files import Progress
from .report import assumed_size, say

__all__ = ["DirectoryProgress", "size_text"]

#: The time between two lines where there is no terminal.
_LINE_INTERVAL_S = 30.0
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


class DirectoryProgress:
    """Shows the progress of a run on standard error. The engine may call it on any thread.

    Parameters
    ----------
    shown : bool
        Whether anything is shown.
    """

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._lock = threading.Lock()
        self._bar: Any = None
        self._next_line_s = time.monotonic() + _LINE_INTERVAL_S

    def __call__(self, progress: Progress) -> None:
        """Show the progress."""
        if not self._shown:
            return
        with self._lock:
            try:
                if self._is_terminal:
                    self._show_bar(progress)
                elif time.monotonic() >= self._next_line_s:
                    self._next_line_s = time.monotonic() + _LINE_INTERVAL_S
                    say(_line(progress))
            except OSError:
                # The terminal is gone; the conversion continues.
                self._shown = False

    def close(self) -> None:
        """Remove the bar."""
        with self._lock:
            self._shown = False
            bar, self._bar = self._bar, None
            if bar is not None:
                bar.close()

    def _show_bar(self, progress: Progress) -> None:
        if self._bar is None:
            from tqdm import tqdm

            # The monitor thread of tqdm is for loops that update too rarely.
            tqdm.monitor_interval = 0
            self._bar = tqdm(
                total=progress.total_bytes, unit="B", unit_scale=True, leave=False, file=sys.stderr, **assumed_size()
            )
        bar = self._bar
        bar.total = progress.total_bytes
        text = f"{progress.objects}/{progress.total_objects} objects, {_rate(progress)} events/s"
        bar.set_postfix_str(text, refresh=False)
        bar.update(progress.size_bytes - bar.n)


def size_text(size_bytes: float) -> str:
    """Return a size for readers, for example ``1.5 GB``."""
    unit = 0
    while size_bytes >= 1000 and unit < len(_UNITS) - 1:
        size_bytes /= 1000
        unit += 1
    return f"{size_bytes:.0f} {_UNITS[unit]}" if not unit else f"{size_bytes:.1f} {_UNITS[unit]}"


def _line(progress: Progress) -> str:
    done = f"{size_text(progress.size_bytes)} of {size_text(progress.total_bytes)}"
    objects = f"objects {progress.objects} of {progress.total_objects}"
    counts = f"events {progress.events}, {_rate(progress)} events/s"
    faults = f", faults {progress.faults}" if progress.faults else ""
    failures = f", failed tasks {progress.failures}" if progress.failures else ""
    left_s = _left_s(progress)
    left = "" if left_s is None else f", {_duration_text(left_s)} left"
    return f"{objects}, {done}, {counts}{faults}{failures}{left}"


def _rate(progress: Progress) -> int:
    return round(progress.events / max(progress.seconds, 1e-9))


def _left_s(progress: Progress) -> float | None:
    if not progress.size_bytes:
        return None
    return progress.seconds * (progress.total_bytes - progress.size_bytes) / progress.size_bytes


def _duration_text(seconds: float) -> str:
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
