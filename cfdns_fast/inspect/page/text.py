"""Texts of the page: names as HTML, and numbers and times for readers."""

from __future__ import annotations

from markupsafe import Markup, escape

from ..figures import count_text, duration_text
from ..summary import time_text
from ..visible import escapes, groups_of

__all__ = ["NOT_KNOWN", "compact_text", "interval_text", "name_html", "utc_text"]

#: The longest name that is shown whole, in characters. A DNS name with every byte escaped as \DDD has 1,004.
_MAX_NAME_CHARACTERS = 1024
#: What stands for a value that is not known.
NOT_KNOWN = "–"
_INTERVALS = {1: "second", 60: "minute", 3600: "hour", 86_400: "day"}
_ESCAPE = Markup('<span class="escape">{}</span>')
_COMPACT = ("", "k", "M", "G", "T", "P", "E")


def name_html(text: str | None) -> Markup:
    """Return a text of the input as HTML in which all is visible; more than 1,024 characters are cut, and said so.

    Control characters, invisible characters and those that change the direction of text become backslash escapes in an
    element of their own. The element around the text keeps letters from right to left away from what surrounds it, and
    a name reads from left to right.
    """
    if not text:
        return _ESCAPE.format("none" if text is None else "empty")
    parts = [
        escape("".join(group)) if is_shown else _ESCAPE.format(escapes("".join(group)))
        for is_shown, group in groups_of(text[:_MAX_NAME_CHARACTERS])
    ]
    if len(text) > _MAX_NAME_CHARACTERS:
        parts.append(_ESCAPE.format(f"… {count_text(len(text))} characters"))
    return Markup('<bdi dir="ltr">{}</bdi>').format(Markup("").join(parts))


def compact_text(count: int) -> str:
    """Return a number of at most three significant digits in few characters: ``1.5k``."""
    power = 0
    value = float(count)
    while value >= 1000 and power < len(_COMPACT) - 1:
        value /= 1000
        power += 1
    return f"{value:g}{_COMPACT[power]}"


def interval_text(interval_s: int) -> str:
    """Return the name of an interval after "per": ``minute``, ``5 min``."""
    return _INTERVALS.get(interval_s, duration_text(interval_s))


def utc_text(time_ns: int | None) -> str:
    """Return a time (nanoseconds since 1970) in UTC, without its fraction of a second; a dash if there is none."""
    if time_ns is None:
        return NOT_KNOWN
    text = time_text(time_ns)
    return f"{text[:10]} {text[11:19]}"
