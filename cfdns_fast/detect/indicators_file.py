"""Indicators that follow their files."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from .. import Detection
from ..io import is_special, text_of
from ..matching import Annotation, SharedNameTable
from .feeds.errors import FeedError
from .feeds.options import FeedPath, path_of, several
from .indicator import Indicator
from .indicators import Indicators
from .report import Report

__all__ = ["IndicatorsFile"]


class IndicatorsFile:
    """Indicators that follow their files: `poll` loads them again when a file has changed.

    `Normalizer` takes it like `Indicators`; a call uses one version from its start to its end. Any thread may call all
    methods.

    Parameters
    ----------
    *feeds, **options
        Those of `Indicators.load`. Each feed must be a regular file, because it is read again.

    Attributes
    ----------
    loads, failures : int
        Successful loads, the first one included, and failed ones.
    last_error : FeedError or None
        Why the last load failed; None if it did not.

    Raises
    ------
    FeedError
        The first load failed.
    """

    #: Versions that are kept for detections of calls that began before a change.
    _OLDER_VERSIONS = 2

    def __init__(self, *feeds: FeedPath, **options: Any) -> None:
        self._feeds = feeds
        self._options = {**options, "allow": tuple(several(options.get("allow", ())))}
        self._lock = threading.Lock()
        self._signature = self._signatures()
        # A new tuple replaces it, because other threads read it without the lock.
        self._versions: tuple[Indicators, ...] = (self._load(),)
        self.loads = 1
        self.failures = 0
        self.last_error: FeedError | None = None
        self._shared = SharedNameTable(self.current.table)

    @property
    def current(self) -> Indicators:
        """The version that calls use which begin now."""
        return self._versions[0]

    @property
    def report(self) -> Report:
        """The report of the current version."""
        return self.current.report

    def matcher(self) -> SharedNameTable:
        """Return the matcher, for `Normalizer`; it always has the current table."""
        return self._shared

    def poll(self) -> bool:
        """Load the files again if one has changed (size, times or inode); return whether a new version is in use.

        A load that fails keeps the old version, is counted, and is tried again when a file changes, or at the next
        call if a file could not be read. While it loads, memory holds the new version, the current one and the two
        before. A call during the load of another thread returns False.
        """
        if not self._lock.acquire(blocking=False):
            return False
        try:
            signature = self._signatures()
            # A file that could not be read may be back as it was before.
            is_read = self.last_error is None or self.last_error.code != "feed.unreadable"
            if is_read and signature == self._signature:
                return False
            try:
                loaded = self._load()
            except (FeedError, MemoryError) as error:
                self.failures += 1
                # The exception itself would keep the memory of the load.
                self.last_error = error = _without_traceback(error)
                self._signature = signature
                return False
            # A file that changed during the load may have been read in part.
            if self._signatures() != signature:
                return False
            # A call that begins now may use the new table, so its version is known before.
            self._versions = (loaded, *self._versions[: self._OLDER_VERSIONS])
            self._shared.table = loaded.table
            self._signature = signature
            self.loads += 1
            self.last_error = None
            return True
        finally:
            self._lock.release()

    def version_of(self, table: object) -> Indicators | None:
        """Return the version that has a table (`Detection.by`); None if three later versions have replaced it."""
        return next((each for each in self._versions if each.table is table), None)

    def resolve(self, detection: Detection, event_time_ns: int | None = None) -> Indicator | None:
        """Return what `Indicators.resolve` returns, of the version that made the detection.

        A detection without a table, as after pickling, is resolved by the current version. None if three later versions
        have replaced that of the detection.
        """
        return next(self.resolve_all(detection, event_time_ns), None)

    def resolve_all(self, detection: Detection, event_time_ns: int | None = None) -> Iterator[Indicator]:
        """Yield what `Indicators.resolve_all` yields, of the version that made the detection."""
        version = self.current if detection.by is None else self.version_of(detection.by)
        return iter(()) if version is None else version.resolve_all(detection, event_time_ns)

    def annotation(self, detection: Detection, event: Mapping[str, Any], /) -> Annotation | None:
        """Return what `Indicators.annotation` returns, of the version that made the detection."""
        version = self.current if detection.by is None else self.version_of(detection.by)
        return None if version is None else version.annotation(detection, event)

    def match_address(
        self, address: str, event_time_ns: int | None = None, *, role: str = "source"
    ) -> Indicator | None:
        """Return what `Indicators.match_address` of the current version returns."""
        return self.current.match_address(address, event_time_ns, role=role)

    def _load(self) -> Indicators:
        for path in self._paths():
            if is_special(path):
                raise FeedError("feed.unreadable", text_of(path), None, "it is not a regular file")
        return Indicators.load(*self._feeds, **self._options)

    def _paths(self) -> Iterator[str]:
        return map(path_of, (*self._feeds, *self._options["allow"]))

    def _signatures(self) -> tuple[object, ...]:
        return tuple(map(_signature, self._paths()))


def _without_traceback(error: FeedError | MemoryError) -> FeedError:
    if isinstance(error, MemoryError):
        return FeedError("feed.memory", "", None, "there is not enough memory for a second version")
    return FeedError(error.code, error.file, error.line, error.reason)


def _signature(path: str) -> tuple[int, ...] | None:
    """Return what changes when a file is written or replaced; None if there is no file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev
