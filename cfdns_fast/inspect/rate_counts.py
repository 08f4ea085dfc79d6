"""The number of events over time, by response code, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .summary import Rate

__all__ = ["RateCounts"]

_MINUTE_S = 60
#: Lengths of intervals in seconds; each divides the next one.
_INTERVALS_S = (1, 5, 15, 60, 300, 900, 3600, 6 * 3600, 86_400, 7 * 86_400, 28 * 86_400, 364 * 86_400, 3640 * 86_400)
#: Intervals that are shown at most.
_MAX_INTERVALS = 300
#: Intervals with events that are kept at most; above that, all become longer. Those below a minute are for short
#: batches, and counting many of them would take time.
_MAX_KEPT, _MAX_KEPT_SHORT = 50_000, 1_000
#: Response codes that are kept and shown at most; further ones are counted together.
_MAX_CODES = 64
_MAX_SHOWN_CODES = 8
#: The share of all events that may be outside of the intervals that are shown, on each side.
_OUTSIDE_SHARE = 0.001

_OTHER, _NO_CODE = "(other)", "(none)"


class RateCounts:
    """Counts events by interval and response code. Use it on one thread at a time."""

    def __init__(self) -> None:
        self._level = 0
        self._codes: dict[str, int] = {}
        self._counts: dict[int, Counter[str]] = {}

    @property
    def interval_s(self) -> int:
        """The length of the intervals at present, in seconds."""
        return _INTERVALS_S[self._level]

    def add(self, interval_s: int, times: Iterable[tuple[int, str | None, int]]) -> None:
        """Add numbers of intervals since 1970, response codes and numbers of events.

        The length of the intervals is that of `interval_s` now or earlier.
        """
        size = self.interval_s // interval_s
        for number, code, count in times:
            self._counts.setdefault(number // size, Counter())[self._code(code)] += count
        while len(self._counts) > self._max_kept() and self._level + 1 < len(_INTERVALS_S):
            self._counts = _coarser(self._counts, _INTERVALS_S[self._level + 1] // _INTERVALS_S[self._level])
            self._level += 1

    def rate(self) -> Rate | None:
        """Return what is shown: as many intervals as a chart can have, without a few events far outside."""
        if not self._counts:
            return None
        level, counts = self._level, self._counts
        while True:
            first, last = _range(counts)
            if last - first < _MAX_INTERVALS or level + 1 == len(_INTERVALS_S):
                break
            counts = _coarser(counts, _INTERVALS_S[level + 1] // _INTERVALS_S[level])
            level += 1
        shown = [counts.get(number, Counter()) for number in range(first, last + 1)]
        totals: Counter[str] = Counter()
        for each in shown:
            totals.update(each)
        codes = [code for code, _ in sorted(totals.items(), key=lambda item: (item[0] == _OTHER, -item[1], item[0]))]
        named, rest = codes[:_MAX_SHOWN_CODES], codes[_MAX_SHOWN_CODES:]
        rows = [tuple(each[code] for each in shown) for code in named]
        if rest:
            rows.append(tuple(sum(each[code] for code in rest) for each in shown))
            named.append(_OTHER)
        interval_s = _INTERVALS_S[level]
        return Rate(
            interval_s=interval_s,
            start_ns=first * interval_s * 10**9,
            codes=tuple(named),
            counts=tuple(rows),
            before=sum(each.total() for number, each in counts.items() if number < first),
            after=sum(each.total() for number, each in counts.items() if number > last),
        )

    def _max_kept(self) -> int:
        return _MAX_KEPT if self.interval_s >= _MINUTE_S else _MAX_KEPT_SHORT

    def _code(self, code: str | None) -> str:
        if code is None:
            return _NO_CODE
        if code in self._codes:
            return code
        if len(self._codes) >= _MAX_CODES:
            return _OTHER
        self._codes[code] = len(self._codes)
        return code


def _coarser(counts: dict[int, Counter[str]], factor: int) -> dict[int, Counter[str]]:
    made: dict[int, Counter[str]] = {}
    for number, each in counts.items():
        made.setdefault(number // factor, Counter()).update(each)
    return made


def _range(counts: dict[int, Counter[str]]) -> tuple[int, int]:
    """Return the first and the last interval to show.

    Intervals at the ends are left out only if that makes the range short enough for a chart of this interval, and if
    they have few events.
    """
    numbers = sorted(counts)
    first, last = numbers[0], numbers[-1]
    if last - first < _MAX_INTERVALS:
        return first, last
    allowed = int(sum(each.total() for each in counts.values()) * _OUTSIDE_SHARE)
    start, end = _skipped(counts, numbers, allowed), _skipped(counts, numbers[::-1], allowed)
    return (start, end) if start <= end and end - start < _MAX_INTERVALS else (first, last)


def _skipped(counts: dict[int, Counter[str]], numbers: list[int], allowed: int) -> int:
    """Return the first of the numbers before which there are no more events than are allowed."""
    skipped = 0
    for number in numbers:
        skipped += counts[number].total()
        if skipped > allowed:
            return number
    return numbers[-1]
