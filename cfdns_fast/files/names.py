"""What the names of Logpush's objects say: the hour of their events, and which of them are no logs.

Logpush writes ``[PREFIX/]{DATE}/START_END_HASH.log.gz``, for example
``20260825/20260825T120000Z_20260825T120030Z_9af500e2.log.gz``. The place of ``{DATE}`` is the operator's.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from .errors import FilesError

__all__ = ["CHECK_FILE", "EMPTY", "HIDDEN", "OWNERSHIP", "Hours", "hour_of", "parse_hour", "skip_reason"]

#: Reasons why an entry is skipped.
CHECK_FILE, OWNERSHIP, EMPTY, HIDDEN = "check file", "ownership challenge", "empty", "hidden"

_NAME = re.compile(r"(\d{8}T\d{2})\d{4}Z_\d{8}T\d{6}Z_[0-9a-f]+")
_DAY = r"(20\d{2})-?([01]\d)-?([0-3]\d)"
#: A folder of a day, also of an hour: 20260825, dt=2026-08-25, 2026-08-25T12, 2026082512.
_DAY_FOLDER = re.compile(rf"(?:[A-Za-z_-]+=)?{_DAY}(?:[T_-]?([0-2]\d))?")
#: The folders year=2026/month=08/day=25, or 2026/08/25.
_DAY_FOLDERS = re.compile(r"(?:^|/)(?:y[a-z]*=)?(20\d{2})/(?:m[a-z]*=)?([01]?\d)/(?:d[a-z]*=)?([0-3]?\d)(?=/)")
_HOUR_FOLDER = re.compile(r"(?:(?:h|hh|hr|hour)=)?([0-2]?\d)")
_HOUR_TEXT = re.compile(rf"{_DAY}(?:[T ]([0-2]\d)(?::?00)?)?Z?")
_OWNERSHIP = re.compile(r"ownership-challenge[^/]*\.txt(\.gz)?")


def hour_of(key: str) -> str | None:
    """Return the hour of a key, UTC, as ``20260825T12``, or its day as ``20260825``; None if the key has neither.

    The name counts if it is one of Logpush; otherwise the folders, from the last one.
    """
    folders, _, name = key.rpartition("/")
    if found := _NAME.search(name):
        return found[1]
    parts = folders.split("/")
    hour = ""
    for part in reversed(parts):
        if found := _DAY_FOLDER.fullmatch(part):
            return _text(found[1], found[2], found[3], found[4] or hour)
        only = _HOUR_FOLDER.fullmatch(part)
        hour = only[1] if only else ""
    if several := list(_DAY_FOLDERS.finditer(f"{folders}/")):
        last = several[-1]
        after = f"{folders}/"[last.end() :].strip("/").partition("/")[0]
        only = _HOUR_FOLDER.fullmatch(after)
        return _text(last[1], last[2], last[3], only[1] if only else "")
    return None


def skip_reason(key: str, size_bytes: int) -> str | None:
    """Return why an entry is not read, or None if it is."""
    name = key.rpartition("/")[2]
    if name == "test.txt.gz":
        return CHECK_FILE
    if _OWNERSHIP.fullmatch(name):
        return OWNERSHIP
    if any(part.startswith(".") for part in key.split("/")):
        return HIDDEN
    return EMPTY if size_bytes == 0 else None


def parse_hour(text: str) -> datetime:
    """Return the beginning of ``2026-08-25``, ``20260825``, ``2026-08-25T12`` or ``20260825T12``, UTC, without a zone.

    Raises
    ------
    FilesError
        With the code ``files.time``.
    """
    found = _HOUR_TEXT.fullmatch(text.strip())
    try:
        if found is not None:
            year, month, day, hour = (int(group or 0) for group in found.groups())
            return datetime(year, month, day, hour)
    except ValueError:
        pass
    raise FilesError("files.time", f"{text!r} is not a date such as 2026-08-25, or an hour such as 2026-08-25T12")


class Hours:
    """A range of hours, to select names.

    Parameters
    ----------
    since : str or None
        The first hour or day; None has no limit.
    until : str or None
        The first hour or day after the range.
    """

    def __init__(self, since: str | None = None, until: str | None = None) -> None:
        self.since = parse_hour(since) if since is not None else None
        self.until = parse_hour(until) if until is not None else None
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise FilesError("files.time", f"the range from {since} until {until} is empty")

    @property
    def is_unlimited(self) -> bool:
        """Whether all names are in the range, also those without a time."""
        return self.since is None and self.until is None

    def widened(self, by: timedelta) -> Hours:
        """Return a range that is longer at both ends."""
        hours = Hours()
        hours.since = None if self.since is None else self.since - by
        hours.until = None if self.until is None else self.until + by
        return hours

    def has(self, hour: str | None) -> bool:
        """Return whether an hour or a day of `hour_of` is in the range, a day if one of its hours is."""
        if self.is_unlimited:
            return True
        if hour is None:
            return False
        try:
            start = datetime.strptime(hour, "%Y%m%dT%H" if "T" in hour else "%Y%m%d")
        except ValueError:
            return False
        end = start + (timedelta(hours=1) if "T" in hour else timedelta(days=1))
        return (self.since is None or end > self.since) and (self.until is None or start < self.until)


def _text(year: str, month: str, day: str, hour: str) -> str:
    text = f"{year}{int(month):02}{int(day):02}"
    return f"{text}T{int(hour):02}" if hour else text
