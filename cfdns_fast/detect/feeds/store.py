"""What is known of each indicator, in columns: a load of a million indicators has no object for each."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .errors import FeedError
from .values import ANSWER, SOURCE

__all__ = ["NEVER", "ROW_BYTES", "Facts", "Shared", "Store"]

#: The value of a time column that has no time.
NEVER = -(2**63)

#: Maximum numbers of characters that are kept of texts.
_MAX_ID, _MAX_TEXT = 256, 1_024

#: Maximum number of rows of one value. It bounds the time of a hit; a real name has one row a feed.
_MAX_SAME_VALUE = 1_000

#: Numbers from here on are groups of rows. Tables hold numbers of 28 bits.
_FIRST_GROUP = 1 << 27

#: About the memory of a row while it is loaded: the columns, the name, and its places in dicts (measured).
ROW_BYTES = 550


@dataclass(slots=True)
class Facts:
    """What a feed says about one indicator. Times are nanoseconds since 1970; None means that it says nothing.

    Attributes
    ----------
    key : str or None
        Identifies versions of one indicator; the newest `modified_ns` of a key is kept.
    provider_ref, tlp_refs
        Names of things that the feed may describe later: see `Store.providers` and `Store.markings`.
    """

    key: str | None = None
    id: str | None = None
    modified_ns: int | None = None
    valid_from_ns: int | None = None
    valid_until_ns: int | None = None
    first_seen_ns: int | None = None
    last_seen_ns: int | None = None
    confidence: int | None = None
    tlp: str | None = None
    tlp_refs: tuple[str, ...] = ()
    provider: str | None = None
    provider_ref: str | None = None
    kill_chain: tuple[str, ...] = ()
    reference: str | None = None
    description: str | None = None
    is_revoked: bool = False


class Shared(NamedTuple):
    """What many indicators have in common; stored once. What a reference names is preferred to the text beside it."""

    source: str
    provider: str | None
    provider_ref: str | None
    confidence: int | None
    tlp: str | None
    tlp_refs: tuple[str, ...]
    kill_chain: tuple[str, ...]


class Store:
    """Columns of all indicators of a load. The tables of names and addresses hold numbers of rows or of groups of rows.

    Attributes
    ----------
    providers : dict of str to str
        Reference -> name of a publisher.
    markings : dict of str to str
        Reference -> TLP.
    flags : array of unsigned char
        SELF and BELOW bits of names; roles of addresses.
    """

    def __init__(self, max_details_bytes: int) -> None:
        self._max_details_bytes = max_details_bytes
        self._bytes = 0
        self._shared_rows: dict[Shared, int] = {}
        self.shared: list[Shared] = []
        self.providers: dict[str, str] = {}
        self.markings: dict[str, str] = {}
        self.shared_row = array("I")
        self.flags = array("B")
        self.times = tuple(array("q") for _ in range(5))
        self.ids: list[str | None] = []
        self.references: list[str | None] = []
        self.descriptions: list[str | None] = []
        self._groups: list[list[int]] = []
        self._texts: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.flags)

    @property
    def memory_bytes(self) -> int:
        """About the memory of the columns and texts; while a feed is loaded it is more."""
        return self._bytes - len(self) * (ROW_BYTES - 80)

    def add(self, shared: Shared, facts: Facts, flags: int, file: str, line: int | None) -> int:
        """Append a row and return its number."""
        row = self._shared_rows.get(shared)
        if row is None:
            row = self._shared_rows[shared] = len(self.shared)
            self.shared.append(shared)
            # A hostile feed can give each indicator a provider of its own.
            self.count(_size_of(shared), file, line)
        self.count(ROW_BYTES, file, line)
        self.shared_row.append(row)
        self.flags.append(flags)
        valid_from, valid_until, first_seen, last_seen, modified = self.times
        valid_from.append(NEVER if facts.valid_from_ns is None else facts.valid_from_ns)
        valid_until.append(NEVER if facts.valid_until_ns is None else facts.valid_until_ns)
        first_seen.append(NEVER if facts.first_seen_ns is None else facts.first_seen_ns)
        last_seen.append(NEVER if facts.last_seen_ns is None else facts.last_seen_ns)
        modified.append(NEVER if facts.modified_ns is None else facts.modified_ns)
        self.ids.append(self._text(facts.id, _MAX_ID, file, line, is_unique=True))
        self.references.append(self._text(facts.reference, _MAX_TEXT, file, line))
        self.descriptions.append(self._text(facts.description, _MAX_TEXT, file, line))
        return len(self.flags) - 1

    def roles_of(self, number: int) -> int:
        """Return the roles that the rows of a network have together."""
        roles = 0
        for row in self.rows_of(number):
            roles |= self.flags[row] & (SOURCE | ANSWER)
        return roles

    def joined(self, number: int, row: int) -> int | None:
        """Return the number of a group that has the rows of a number and one more; None if it has too many.

        A row may belong to several names or addresses, so a group is of one of them.
        """
        if number < _FIRST_GROUP:
            if number == row:
                return number
            self._groups.append([number, row])
            return _FIRST_GROUP + len(self._groups) - 1
        rows = self._groups[number - _FIRST_GROUP]
        if row not in rows[-1:]:
            if len(rows) >= _MAX_SAME_VALUE:
                return None
            rows.append(row)
        return number

    def rows_of(self, number: int) -> Sequence[int]:
        """Return the rows of a number: one row, or those of a group."""
        return (number,) if number < _FIRST_GROUP else self._groups[number - _FIRST_GROUP]

    def _text(
        self, text: str | None, max_characters: int, file: str, line: int | None, *, is_unique: bool = False
    ) -> str | None:
        if not text:
            return None
        text = text[:max_characters]
        if not text.isascii():
            # JSON can hold unpaired surrogates, which no UTF-8 output can.
            text = text.encode("utf-8", "replace").decode("utf-8")
        if is_unique:
            self.count(len(text) + 50, file, line)
            return text
        found = self._texts.get(text)
        if found is None:
            found = self._texts[text] = text
            self.count(len(text) + 100, file, line)
        return found

    def count(self, size_bytes: int, file: str, line: int | None) -> None:
        """Add to the memory of what is known. Raises FeedError above the limit."""
        self._bytes += size_bytes
        if self._bytes > self._max_details_bytes:
            raise FeedError(
                "feed.too_large",
                file,
                line,
                f"what is known of indicators takes at most {self._max_details_bytes} bytes (max_details_bytes)",
            )


def _size_of(shared: Shared) -> int:
    """Return about the memory of a tuple and of the texts in it."""
    texts = [each for each in shared if isinstance(each, str)]
    texts.extend((*shared.tlp_refs, *shared.kill_chain))
    return 200 + sum(len(text) + 60 for text in texts)
