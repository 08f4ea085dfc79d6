"""Numbers, sizes and times as people read them."""

from __future__ import annotations

from .summary import time_text

__all__ = ["MIN_RATE", "count_text", "counted_text", "duration_text", "moment_text", "share_text", "size_text"]

#: Lower rates per second would be shown as zero.
MIN_RATE = 0.1
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def count_text(count: int) -> str:
    """Return a number with commas between thousands."""
    return f"{count:,}"


def counted_text(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural if it is not 1."""
    return f"{count_text(count)} {noun}{'' if count == 1 else 's'}"


def share_text(count: int, total: int) -> str:
    """Return a share in percent; a share that is neither 0 nor 100 is never shown as such."""
    if not count or not total:
        return "0 %"
    percent = 100 * count / total
    if 99.95 <= percent < 100:
        return ">99.9 %"
    return f"{percent:.1f} %" if percent >= 0.05 else "<0.1 %"


def size_text(size_bytes: int) -> str:
    """Return a number of bytes with a unit of powers of 1,000."""
    size: float = size_bytes
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size_bytes} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def duration_text(seconds: float) -> str:
    """Return a duration with its two largest units."""
    if seconds < 1:
        if not seconds:
            return "0 s"
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else "<1 ms"
    rest = int(seconds)
    parts: list[str] = []
    for size, unit in _UNITS:
        number, rest = divmod(rest, size)
        if number or parts:
            parts.append(f"{number} {unit}" if number else "")
    return " ".join(part for part in parts[:2] if part)


def moment_text(time_ns: int) -> str:
    """Return a time as ``2026-08-25 12:00:00.123 UTC``, without a fraction of zero."""
    text = time_text(time_ns)
    fraction = text[20:23]
    return f"{text[:10]} {text[11:19]}{'' if fraction == '000' else f'.{fraction}'} UTC"
