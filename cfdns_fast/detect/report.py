"""What a load of indicators kept and what it skipped, by reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

__all__ = ["SKIP_REASONS", "FeedReport", "Report", "Skipped"]

#: Why an entry of a feed is not matched. The words are stable; their texts may change.
SKIP_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "address.off": "an address, and addresses are not asked for",
        "address.allow": "an address in an allow list, which is for names",
        "confidence.low": "a confidence below min_confidence",
        "duplicate": "the name or address was there already",
        "line.unknown": "a line that is not of this format",
        "name.idn": "an international name that IDNA does not allow",
        "name.single_label": "a name of one label",
        "name.syntax": "not a domain name",
        "name.too_long": "a name of 254 characters or more, or a label of more than 63",
        "name.wildcard": "a wildcard that is not the first label",
        "pattern.object": "a STIX pattern on other things than names, addresses and URLs",
        "pattern.operator": "a STIX pattern with more than comparisons joined by OR",
        "pattern.type": "an indicator whose pattern is not a STIX pattern",
        "pattern.unsupported": "a STIX pattern that only the extra cfdns-fast[stix] reads, or an invalid one",
        "revoked": "revoked or deleted by its publisher",
        "rpz.trigger": "an RPZ trigger or action that is not read (rpz-nsdname, rpz-nsip, rpz-tcp-only)",
        "rule.forward": "a rule that forwards queries, which says nothing about the name",
        "rule.options": "a rule with options, a path or a pattern",
        "suffix.refused": "only names below a public suffix, which would be all customers of a registry",
        "time.invalid": "a time that cannot be read",
        "to_ids": "an attribute that its publisher does not mean for detection",
        "type.other": "an indicator of another kind: a hash, a file, a mail address",
        "url.path": "a URL with a path, a query or a fragment: its host alone is not the indicator",
        "url.userinfo": "a URL with a user name or a port that is not a number",
        "value.empty": "an entry without a value",
        "value.hash": "a hash",
        "value.port": "a name or address with a port",
        "version.old": "an older version of an indicator",
    }
)


@dataclass(slots=True)
class Skipped:
    """Entries that were skipped for one reason, with the first of them.

    Attributes
    ----------
    count : int
        How many.
    line : int or None
        The line of the first one; None if it is not known.
    value : str
        The indicator in this line, at most 100 characters. Indicators are public data, not personal data.
    """

    count: int = 0
    line: int | None = None
    value: str = ""


@dataclass(slots=True)
class FeedReport:
    """What was read of one feed.

    Attributes
    ----------
    file, format : str
        The name of the file, and the format in which it was read.
    is_allow : bool
        Whether the feed is an allow list.
    entries : int
        Indicators that were read: names, addresses and skipped ones. Comments are not counted.
    names, addresses : int
        Entries that were kept; names of a text format include duplicates of other feeds.
    expired : int
        Kept entries whose validity had ended when they were loaded. They match events of their time only.
    demoted : int
        Public suffixes that match themselves only, not the names below them.
    skipped : dict of str to Skipped
        By reason (`SKIP_REASONS`).
    """

    file: str
    format: str = "auto"
    is_allow: bool = False
    entries: int = 0
    names: int = 0
    addresses: int = 0
    expired: int = 0
    demoted: int = 0
    skipped: dict[str, Skipped] = field(default_factory=dict)

    def skip(self, reason: str, line: int | None = None, value: str = "", count: int = 1) -> None:
        """Count skipped entries; the first of a reason is kept as an example."""
        found = self.skipped.get(reason)
        if found is None:
            found = self.skipped[reason] = Skipped()
        # Lines of one block are not read in order.
        if line is not None and (found.line is None or line < found.line):
            found.line, found.value = line, _shown(value)
        found.count += count

    def count_of(self, reason: str) -> int:
        """Return how many entries were skipped for a reason."""
        found = self.skipped.get(reason)
        return found.count if found else 0


@dataclass(slots=True)
class Report:
    """What was loaded from all feeds.

    Attributes
    ----------
    feeds : tuple of FeedReport
        In the order in which the feeds were given; allow lists are last.
    names, addresses, allowed : int
        Different names, addresses and allowed names of the result.
    """

    feeds: tuple[FeedReport, ...] = ()
    names: int = 0
    addresses: int = 0
    allowed: int = 0

    @property
    def skipped(self) -> dict[str, int]:
        """The numbers of skipped entries of all feeds, by reason."""
        total: dict[str, int] = {}
        for feed in self.feeds:
            for reason, found in feed.skipped.items():
                total[reason] = total.get(reason, 0) + found.count
        return dict(sorted(total.items()))

    @property
    def expired(self) -> int:
        """The number of kept entries that had expired when they were loaded."""
        return sum(feed.expired for feed in self.feeds)

    @property
    def demoted(self) -> int:
        """The number of public suffixes that match themselves only."""
        return sum(feed.demoted for feed in self.feeds)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "names": self.names,
            "addresses": self.addresses,
            "allowed": self.allowed,
            "expired": self.expired,
            "demoted": self.demoted,
            "skipped": self.skipped,
            "feeds": [
                {
                    "file": feed.file,
                    "format": feed.format,
                    "allow": feed.is_allow,
                    "entries": feed.entries,
                    "names": feed.names,
                    "addresses": feed.addresses,
                    "expired": feed.expired,
                    "demoted": feed.demoted,
                    "skipped": {
                        reason: {"count": found.count, "line": found.line, "value": found.value}
                        for reason, found in sorted(feed.skipped.items())
                    },
                }
                for feed in self.feeds
            ],
        }

    def __str__(self) -> str:
        lines = [f"{self.names} names, {self.addresses} addresses, {self.allowed} allowed names"]
        for feed in self.feeds:
            kind = f"{feed.format}, allow list" if feed.is_allow else feed.format
            lines.append(f"{feed.file} ({kind}): {feed.names} names, {feed.addresses} addresses")
            if feed.expired:
                lines.append(f"  {feed.expired} had expired and match events of their time only")
            if feed.demoted:
                lines.append(f"  {feed.demoted} public suffixes match themselves only")
            for reason, found in sorted(feed.skipped.items()):
                example = "" if found.line is None else f" (first: line {found.line}: {found.value})"
                lines.append(f"  {found.count} skipped: {reason}: {SKIP_REASONS.get(reason, reason)}{example}")
        return "\n".join(lines)


def _shown(value: str) -> str:
    """Return a value for messages: one line, at most 100 characters."""
    text = "".join(each if each.isprintable() else "�" for each in value[:100])
    return text + "…" if len(value) > 100 else text
