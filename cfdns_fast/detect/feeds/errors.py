"""Why a feed cannot be loaded: stable codes, and the exception that carries one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ...errors import CfdnsError

__all__ = ["FEED_CODES", "FeedError"]

#: Codes are stable; their texts may change.
FEED_CODES: Mapping[str, str] = MappingProxyType(
    {
        "feed.unreadable": "the file cannot be read to its end",
        "feed.empty": "the file has no bytes, as after a failed download",
        "feed.format": "the format cannot be detected, or is not a feed",
        "feed.option": "an option of the feed cannot be used with it",
        "feed.column": "a column of the CSV file is absent",
        "feed.csv": "the text is not CSV",
        "feed.json": "the text is not JSON",
        "feed.zone": "the text is not a zone file",
        "feed.encoding": "the text is not UTF-8",
        "feed.line_too_long": "a line is longer than max_line_bytes",
        "feed.object_too_large": "a JSON value is larger than max_object_bytes",
        "feed.too_many": "there are more indicators than max_indicators",
        "feed.too_large": "what is known of the indicators is larger than max_details_bytes",
        "feed.memory": "there is not enough memory",
        "feed.nothing_valid": "the file has entries, and none is valid",
    }
)


class FeedError(CfdnsError, ValueError):
    """A feed cannot be loaded. The message has the file, the line and the reason, and no content of the file.

    Attributes
    ----------
    code : str
        A key of `FEED_CODES`.
    file : str
        The name of the feed as it was given.
    line : int or None
        The line, from 1; None if the fault is not in one line.
    reason : str
        The fault, and what is allowed.
    """

    def __init__(self, code: str, file: str, line: int | None, reason: str) -> None:
        self.code = code
        self.file = file
        self.line = line
        self.reason = reason
        where = file if line is None else f"{file}:{line}"
        super().__init__(f"{where}: {code}: {reason}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.code, self.file, self.line, self.reason)
