"""Read the times of feeds as nanoseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

__all__ = ["MAX_NS", "time_ns"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

#: The last time that 64 bits hold (2262); later times, which mean "for ever", become this one.
MAX_NS = 2**63 - 1


def time_ns(value: object) -> int | None:
    """Return a time; None if there is none: None, an empty text, or a placeholder such as ``None`` and ``-``.

    Parameters
    ----------
    value : object
        RFC 3339 or ISO 8601 as a str (UTC if there is no offset), or seconds since 1970 as a number or its digits.

    Raises
    ------
    ValueError
        The value is not a time.
    """
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in ("", "-", "none", "null", "n/a", "never"):
            return None
        if not text.isdecimal():
            return _clamp(_of_text(text))
        value = int(text) if len(text) <= 20 else MAX_NS
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise ValueError("not a time")
    return MAX_NS if value >= MAX_NS // 10**9 else _clamp(int(value * 10**9))


# An indicator often has one time in several members, and a feed one time in many indicators.
@lru_cache(maxsize=1 << 12)
def _of_text(text: str) -> int:
    moment = datetime.fromisoformat(text.removesuffix(" UTC"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND * 1000


def _clamp(value: int) -> int:
    return max(-MAX_NS, min(MAX_NS, value))
