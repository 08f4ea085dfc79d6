"""Lines of small bars, one character each."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["bar", "sparkline"]

_LEVELS = "▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉"


def sparkline(counts: Sequence[int], width: int) -> str:
    """Return a line of at most `width` characters whose heights begin at 0; an empty interval is a space."""
    size = -(-len(counts) // width) or 1
    sums = [sum(counts[start : start + size]) for start in range(0, len(counts), size)]
    greatest = max(sums, default=0) or 1
    return "".join(_LEVELS[-(-count * len(_LEVELS) // greatest) - 1] if count else " " for count in sums)


def bar(share: float, width: int) -> str:
    """Return a bar of at most `width` characters for a share of 0 to 1; a share that is not 0 can be seen."""
    eighths = max(round(share * width * 8), 1 if share > 0 else 0)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
