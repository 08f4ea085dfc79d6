"""A feed and how it is read, and the limits of a load."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ...io import text_of
from .errors import FeedError

__all__ = ["COLUMN_ROLES", "FORMATS", "Feed", "FeedPath", "Limits", "feed_of", "path_of", "several"]

#: The formats that can be named; "auto" detects one by the content.
FORMATS = ("auto", "plain", "csv", "hosts", "adblock", "dnsmasq", "unbound", "rpz", "misp", "stix")

#: What a column of a CSV file can hold.
COLUMN_ROLES = (
    "value",
    "type",
    "id",
    "valid_from",
    "valid_until",
    "first_seen",
    "last_seen",
    "modified",
    "confidence",
    "tlp",
    "provider",
    "reference",
    "description",
)

_TLP = ("CLEAR", "WHITE", "GREEN", "AMBER", "AMBER+STRICT", "RED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one load, over all its feeds. They bound its memory for any input.

    Attributes
    ----------
    max_indicators : int
        Maximum number of entries that are kept while loading, duplicates included; a name of a plain list takes 34
        bytes of the table.
    max_line_bytes : int
        Maximum size of a line of a text format.
    max_object_bytes : int
        Maximum size of a JSON value that is decoded at once: a STIX object, a MISP attribute or object.
    max_details_bytes : int
        Maximum memory of what is known of indicators with ids, times or texts, about 700 bytes each.
    """

    max_indicators: int = 4_000_000
    max_line_bytes: int = 1 << 16
    max_object_bytes: int = 1 << 24
    max_details_bytes: int = 1 << 30

    def __post_init__(self) -> None:
        for name in ("max_indicators", "max_line_bytes", "max_object_bytes", "max_details_bytes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an int of at least 1, not {value!r}")


@dataclass(frozen=True, slots=True)
class Feed:
    """One file of indicators. Its data may be gzip.

    Attributes
    ----------
    path : str or os.PathLike
        The file.
    format : str
        One of `FORMATS`.
    name : str or None
        What `Indicator.source` says; None for the last part of the path.
    subdomains : bool
        Whether a name of a plain list or of a CSV file also means the names below it.
    wildcard : {"below", "both"}
        What ``*.name`` and ``.name`` mean there: the names below `name`, or `name` too.
    provider, tlp : str or None
        Defaults for indicators without one of their own.
    confidence : int or None
        The default confidence, 0 to 100.
    columns : mapping of str to str or int
        CSV only: role (`COLUMN_ROLES`) -> name of a column, or its number from 1. Without it, known names of columns
        are used, and the first column is the value if there is no header.
    delimiter : str or None
        CSV only: one character; None detects comma, semicolon, tab and vertical bar.

    Raises
    ------
    FeedError
        ``feed.option``: a value is not allowed.
    """

    path: str | os.PathLike[str]
    format: str = "auto"
    name: str | None = None
    subdomains: bool = True
    wildcard: Literal["below", "both"] = "below"
    provider: str | None = None
    tlp: str | None = None
    confidence: int | None = None
    columns: Mapping[str, str | int] = field(default_factory=dict)
    delimiter: str | None = None

    def __post_init__(self) -> None:
        file = text_of(os.fspath(self.path))
        if self.format not in FORMATS:
            raise FeedError("feed.option", file, None, f"format {self.format!r}: use one of {', '.join(FORMATS)}")
        if self.wildcard not in ("below", "both"):
            raise FeedError("feed.option", file, None, f"wildcard {self.wildcard!r}: use below or both")
        if self.tlp is not None and self.tlp.upper() not in _TLP:
            raise FeedError("feed.option", file, None, f"tlp {self.tlp!r}: use one of {', '.join(_TLP)}")
        if self.confidence is not None and not 0 <= self.confidence <= 100:
            raise FeedError("feed.option", file, None, f"confidence {self.confidence}: use 0 to 100")
        for role, column in self.columns.items():
            if role not in COLUMN_ROLES:
                raise FeedError("feed.option", file, None, f"column {role!r}: use one of {', '.join(COLUMN_ROLES)}")
            if isinstance(column, int) and column < 1:
                raise FeedError("feed.option", file, None, f"column {role}: numbers are from 1")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise FeedError("feed.option", file, None, "delimiter: use one character, no quote and no line break")


#: How a feed can be named.
FeedPath = str | os.PathLike[str] | Feed


def feed_of(given: FeedPath) -> Feed:
    """Return a feed; a path has the default options."""
    return given if isinstance(given, Feed) else Feed(given)


def path_of(given: FeedPath) -> str:
    """Return the path of a feed."""
    return os.fspath(given.path if isinstance(given, Feed) else given)


def several(given: FeedPath | Iterable[FeedPath]) -> Iterable[FeedPath]:
    """Return feeds, which may be given as one feed."""
    return (given,) if isinstance(given, str | os.PathLike | Feed) else given
