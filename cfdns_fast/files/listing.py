"""The inputs of a conversion: files, folders, patterns and URLs become entries of stores."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import BinaryIO

from ..io.paths import STANDARD_STREAM, text_of
from .apart import check_apart
from .errors import StoreError
from .globs import has_magic, pattern_of
from .local_store import LocalStore
from .locations import parse_location
from .names import Hours, hour_of, skip_reason
from .own_folders import OwnFolders
from .places import Place, locate
from .store import Entry, Store, StoreOptions

__all__ = ["NO_TIME", "OTHER_TIME", "OWN_FOLDER", "Place", "Source", "check_apart", "entries", "locate", "sources"]

#: Further reasons why an entry is skipped: its name is not in the range of hours, or has no time; or it is in a state,
#: or in another folder that runs keep in an output.
OTHER_TIME, NO_TIME, OWN_FOLDER = "other time", "no time", "state of an output"

#: A folder or a name that begins with a date, after a text that all of them have (``dt=20260825``).
_DATED = re.compile(r"([^/0-9]*)(20\d\d)(-?)[01]\d\3[0-3]\d")
_DEFAULTS = StoreOptions()
_ALWAYS = Hours()


@dataclass(frozen=True, slots=True)
class Source:
    """One input to read, in the order of the conversion.

    Attributes
    ----------
    name : str
        The path or the URL, for messages.
    path : str or None
        The path of a file, or ``-``; None for an object.
    entry : Entry or None
        The file or object; None if it was not listed, for example a named pipe.
    store : Store or None
        The store of an object.
    """

    name: str
    path: str | None
    entry: Entry | None = None
    store: Store | None = None

    def open(self) -> str | BinaryIO:
        """Return what `cfdns_fast.io.read_plain` takes; raises StoreError. The caller closes a reader."""
        if self.path is not None:
            return self.path
        assert self.store is not None and self.entry is not None
        return self.store.open(self.entry.key, self.entry.etag)


def entries(place: Place, hours: Hours = _ALWAYS, skipped: Counter[str] | None = None) -> Iterator[Entry]:
    """Return a lazy iterator over the entries to read, in the order of `Store.list`.

    Parameters
    ----------
    hours : Hours
        The range of the hours in names. Entries without a time are read only if the range has no limit.
    skipped : Counter
        Gets the number of skipped entries by reason. Names outside the range that were never listed are not counted.

    Raises
    ------
    StoreError
        There is nothing to list (``store.missing``), or a fault of the store.
    """
    if place.key is not None:
        # Servers without an order may list other keys before it.
        entry = next((each for each in place.store.list(place.key) if each.key == place.key), None)
        if entry is None:
            raise StoreError("store.missing", f"{place.name}: there is no such file or object")
        yield entry
        return
    counts: Counter[str] = Counter() if skipped is None else skipped
    matches = None if place.pattern is None else pattern_of(place.pattern).fullmatch
    own = OwnFolders(place.store)
    is_empty = True
    for entry in _scan(place.store, place.prefix, hours):
        if matches is not None and not matches(entry.key):
            continue
        is_empty = False
        reason = OWN_FOLDER if own.has(entry.key) else skip_reason(entry.key, entry.size_bytes)
        if reason is None and not hours.is_unlimited:
            hour = place.hour_of(entry.key)
            if not hours.has(hour):
                reason = OTHER_TIME if hour else NO_TIME
        if reason is None:
            yield entry
        else:
            counts[reason] += 1
    if is_empty and (hours.is_unlimited or next(place.store.list(place.prefix), None) is None):
        what = "files" if place.store.is_local else "objects"
        does = "matches no" if place.pattern is not None else "has no"
        raise StoreError("store.missing", f"{place.name}: {does} {what}")


def sources(
    names: Sequence[str],
    options: StoreOptions = _DEFAULTS,
    hours: Hours = _ALWAYS,
    skipped: Counter[str] | None = None,
) -> Iterator[Source]:
    """Return a lazy iterator over all inputs, in the order of the names, and sorted in folders.

    A name that is a file, a device or ``-`` is passed on as it is, also if the file is missing. Raises StoreError.
    """
    for name in names:
        if name == STANDARD_STREAM or _is_file(name):
            yield Source(name, _path_of(name))
            continue
        place = locate(name, options)
        for entry in entries(place, hours, skipped):
            if isinstance(place.store, LocalStore):
                path = place.store.path_of(entry.key)
                yield Source(path, path, entry)
            else:
                yield Source(text_of(f"{place.store.url}/{entry.key}"), None, entry, place.store)


def _scan(store: Store, prefix: str, hours: Hours) -> Iterator[Entry]:
    """Yield entries, without most of those whose first folder or name has a date outside the range.

    A folder of a day may have names of the days next to it.
    """
    if hours.is_unlimited or not store.is_sorted or hour_of(prefix):
        yield from store.list(prefix)
        return
    after = ""
    near = hours.widened(timedelta(days=1))
    while True:
        listed = store.list(prefix, after)
        first = next(listed, None)
        if first is None:
            return
        part, slash, _ = first.key[len(prefix) :].partition("/")
        dated = _DATED.match(part)
        if dated is not None:
            lead, year, dash = dated.groups()
            start, end, last = _bounds(prefix + lead, year, dash, hours)
            if first.key < start:
                after = start
                continue
            for entry in chain((first,), listed):
                if entry.key >= end and entry.key.startswith(f"{prefix}{lead}20"):
                    # The next year, or dates in another form: 2026-08-25 comes before 20260101.
                    after = last
                    break
                yield entry
            else:
                return
        elif slash:
            folder = f"{prefix}{part}/"
            hour = hour_of(folder)
            if hour is None or near.has(hour):
                yield from _scan(store, folder, hours)
            after = f"{folder}\U0010ffff"
        else:
            yield first
            yield from listed
            return


def _bounds(lead: str, year: str, dash: str, hours: Hours) -> tuple[str, str, str]:
    """Return the range of the dates of a year to list, and a text after all its dates in this form."""
    day = timedelta(days=1)
    last = f"{lead}{year}{dash}1~"
    start, end = "", last
    if hours.since is not None:
        # The day before the first one that is read: some servers leave out the folder after which they list.
        low = hours.since - 2 * day
        if year <= f"{low:%Y}":
            start = f"{lead}{low:%Y{dash}%m{dash}%d}~" if year == f"{low:%Y}" else last
    if hours.until is not None:
        high = hours.until - timedelta(hours=1) + 2 * day
        if year >= f"{high:%Y}":
            end = f"{lead}{high:%Y{dash}%m{dash}%d}" if year == f"{high:%Y}" else ""
    return start, end, last


def _is_file(name: str) -> bool:
    """Return whether a name is passed on as it is."""
    location = parse_location(name)
    if location.scheme != "file" or os.path.isdir(location.path):
        return False
    return os.path.lexists(location.path) or not has_magic(location.path)


def _path_of(name: str) -> str:
    return name if name == STANDARD_STREAM else parse_location(name).path
