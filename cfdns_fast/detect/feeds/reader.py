"""Open a feed, find its format, and read it into a collector."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Protocol

from ...io import text_of
from ..report import FeedReport
from .adblock import read_adblock
from .collector import Collector
from .csv_rows import read_csv
from .detection import HEAD_BYTES, detect_format
from .dnsmasq import read_dnsmasq, read_unbound
from .errors import FeedError
from .hosts import read_hosts
from .json_items import Item, json_items
from .lines import LineBlock, line_blocks, plain_pieces
from .misp import MispReader
from .options import Feed
from .plain import read_plain_list
from .rpz import read_rpz
from .stix import StixReader

__all__ = ["Digest", "OpenFeed"]

_LINE_READERS: dict[str, Callable[[Iterator[LineBlock], Collector], None]] = {
    "adblock": read_adblock,
    "csv": read_csv,
    "dnsmasq": read_dnsmasq,
    "hosts": read_hosts,
    "plain": read_plain_list,
    "rpz": read_rpz,
    "unbound": read_unbound,
}
#: Formats whose entries have facts. They are read before the others, so that names in both are known.
_WITH_FACTS = frozenset(("csv", "misp", "stix"))
#: Skipped entries of other reasons than these make a feed no broken one.
_INVALID = frozenset(
    ("line.unknown", "name.syntax", "name.single_label", "name.too_long", "name.wildcard", "value.empty")
)


class Digest(Protocol):
    """A hash of hashlib."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""


class _JsonReader(Protocol):
    def read(self, item: Item) -> None: ...


class OpenFeed:
    """A feed whose start was read.

    Attributes
    ----------
    feed : Feed
        Which file, and how.
    file : str
        Its name in messages.
    format : str
        The format, detected if it was not named.
    has_facts : bool
        Whether its entries may have ids, times or texts.
    report : FeedReport
        What was read.
    """

    def __init__(self, feed: Feed, *, is_allow: bool) -> None:
        self.feed = feed
        self._path = os.fspath(feed.path)
        self.file = text_of(self._path)
        self._pieces = plain_pieces(self._path, self.file)
        self._head = b""
        try:
            while len(self._head) < HEAD_BYTES and (piece := next(self._pieces, b"")):
                self._head += piece
            self.format = self._format_of(self._head, is_allow)
        except BaseException:
            self.close()
            raise
        if os.path.isfile(self._path):
            # A load of many files would have them all open. What is no file, such as a pipe, can be read once.
            self.close()
            self._head, self._pieces = b"", plain_pieces(self._path, self.file)
        self.has_facts = self.format in _WITH_FACTS
        self.report = FeedReport(file=self.file, format=self.format, is_allow=is_allow)

    def _format_of(self, head: bytes, is_allow: bool) -> str:
        if not head and not is_allow:
            raise FeedError("feed.empty", self.file, None, "the file has no bytes; an empty feed has a comment or {}")
        return detect_format(head[:HEAD_BYTES], self.file) if self.feed.format == "auto" else self.feed.format

    def close(self) -> None:
        """Close the file."""
        self._pieces.close()

    def read(self, collector: Collector, digest: Digest) -> None:
        """Read the feed to its end, and close it.

        Raises
        ------
        FeedError
            The feed is broken, or a limit is exceeded.
        """
        collector.begin(self.feed, self.file, self.report)
        pieces = _digested(itertools.chain((self._head,) if self._head else (), self._pieces), digest)
        self._head = b""
        try:
            self._read(collector, pieces)
        finally:
            self.close()
        self._check()

    def _read(self, collector: Collector, pieces: Iterator[bytes]) -> None:
        if self.format in _LINE_READERS:
            blocks = line_blocks(pieces, self.file, collector.limits.max_line_bytes)
            _LINE_READERS[self.format](blocks, collector)
            return
        may_descend = MispReader.may_descend if self.format == "misp" else StixReader.may_descend
        reader: _JsonReader = MispReader(collector) if self.format == "misp" else StixReader(collector)
        for item in json_items(pieces, self.file, collector.limits.max_object_bytes, may_descend):
            reader.read(item)

    def _check(self) -> None:
        """Raise if the file has entries, and none is valid: it is no feed, or of another format."""
        report = self.report
        invalid = sum(found.count for reason, found in report.skipped.items() if reason in _INVALID)
        if invalid and invalid == report.entries:
            line = min((found.line for found in report.skipped.values() if found.line is not None), default=None)
            raise FeedError(
                "feed.nothing_valid",
                self.file,
                line,
                f"none of {invalid} entries is valid; is the format {self.format}?",
            )


def _digested(pieces: Iterator[bytes], digest: Digest) -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece
