"""Response policy zones (draft-vixie-dnsop-dns-rpz) in the text form of zone files (RFC 1035 section 5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_network

from .collector import Collector
from .errors import FeedError
from .lines import LineBlock
from .values import ALLOW, ANSWER, BELOW, SELF, SOURCE, Address

__all__ = ["RPZ_LINE", "read_rpz"]

RPZ_LINE = re.compile(
    r"\$(?:ORIGIN|TTL)\s|\S+\s+(?:[0-9]+[smhdw]?\s+)?(?:IN\s+)?(?:CNAME\s+(?:\.|\*\.|rpz-[a-z]+\.)\s*(?:;|$)|SOA\s)",
    re.IGNORECASE,
)

_TTL = re.compile(r"[0-9][0-9smhdw]*", re.IGNORECASE)
#: A string, which may lack its end, or a comment. Nothing is tried again, so the time is linear in the line.
_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*+"?|;.*', re.DOTALL)
_TYPES = frozenset(("A", "AAAA", "CNAME", "DNAME", "MX", "NS", "PTR", "RRSIG", "SOA", "SRV", "TXT"))
#: Maximum number of lines of a record.
_MAX_RECORD_LINES = 1_000

#: Most lines of most zones.
_CLEAN = re.compile(
    rb"(\*\.)?([a-z0-9_-]+(?:\.[a-z0-9_-]+)+)[ \t]+(?:[0-9]+[ \t]+)?(?:IN[ \t]+)?CNAME[ \t]+\.[ \t]*(?:;.*)?",
    re.IGNORECASE,
)


def read_rpz(blocks: Iterator[LineBlock], collector: Collector) -> None:
    """Read a policy zone.

    A name matches itself, ``*.name`` the names below it; the action does not matter, except that ``rpz-passthru.``
    makes an exemption. Triggers on addresses are answers (``rpz-ip``) or sources (``rpz-client-ip``).
    """
    zone = _Zone(collector)
    for block in blocks:
        clean: dict[bytes, int] = {}
        lines: dict[bytes, int] = {}
        for number, line in enumerate(block.data.split(b"\n"), block.first_line):
            if zone.is_simple and (found := _CLEAN.fullmatch(line)) is not None and b".rpz-" not in found[2]:
                lines.setdefault(found[2], number)
                clean[found[2]] = clean.get(found[2], 0) | (BELOW if found[1] else SELF)
                zone.owner = (found[1] or b"").decode("ascii") + found[2].decode("ascii")
            elif line and not line.isspace():
                zone.read(number, line.decode("utf-8", "replace"))
        for flags in (SELF, BELOW, SELF | BELOW):
            if names := [name for name, each in clean.items() if each == flags]:
                collector.add_clean_lines(b"\n".join(names), flags, [lines[name] for name in names])
    zone.check_end()


class _Zone:
    """The state of a zone file: what omitted fields of a line refer to."""

    def __init__(self, collector: Collector) -> None:
        self.owner = ""
        #: The number of open parentheses, within which a record continues.
        self.depth = 0
        #: The name of the zone; empty if it is not known. Triggers are names below it.
        self._zone = ""
        #: What relative names are below: empty for the root, None if it was not stated, which means the zone.
        self._origin: str | None = None
        self._last_name = ""
        #: The line where the record begins.
        self._start = 0
        self._collector = collector

    @property
    def is_simple(self) -> bool:
        """Whether a line is a record of its own, and its relative name is a trigger as it stands."""
        return self.depth == 0 and (self._origin is None or self._origin == self._zone)

    def check_end(self) -> None:
        """Raise if a record is not complete."""
        if self.depth:
            raise FeedError("feed.zone", self._collector.file, self._start, "a parenthesis is not closed")

    def read(self, number: int, line: str) -> None:
        """Read one line that is not blank."""
        is_continued = self.depth > 0
        if not is_continued:
            self._start = number
        elif number - self._start > _MAX_RECORD_LINES:
            self.check_end()
        text = _STRING_OR_COMMENT.sub(lambda found: '""' if found[0].startswith('"') else "", line)
        self.depth = max(0, self.depth + text.count("(") - text.count(")"))
        words = text.split()
        if is_continued or not words:
            return
        if words[0].startswith("$"):
            if words[0].upper() == "$ORIGIN" and len(words) > 1:
                self._origin = self._absolute(words[1].lower())
                self._zone = self._zone or self._origin
            elif words[0].upper() != "$TTL":
                self._collector.skip("line.unknown", number, text)
            return
        if not text[0].isspace():
            self.owner = words.pop(0).lower()
        kind, data = _type_and_data(words)
        if kind is None:
            self._collector.skip("line.unknown", number, text)
        elif kind == "SOA":
            self._zone = self._absolute(self.owner)
            if self._zone and self._origin is None:
                self._origin = self._zone
        elif kind not in ("NS", "RRSIG") and (name := self._trigger()):
            # A name with local data has records of several types; the first one counts.
            if kind == "CNAME" or name != self._last_name:
                _add(name, data.lower() if kind == "CNAME" else "", number, self._collector)
            self._last_name = name

    def _absolute(self, name: str) -> str:
        """Return a name without its last dot, and with the origin if it is relative."""
        if name == "@":
            return self._origin or ""
        if name.endswith(".") or not self._origin:
            return name.strip(".")
        return f"{name}.{self._origin}"

    def _trigger(self) -> str:
        """Return the owner without the name of the zone; empty for the zone itself."""
        name = self._absolute(self.owner)
        return "" if name == self._zone else name.removesuffix(f".{self._zone}") if self._zone else name


def _type_and_data(words: list[str]) -> tuple[str | None, str]:
    """Return the type and the first word of the data of a record, after an optional TTL and class."""
    for position, word in enumerate(words[:3]):
        if word.upper() in _TYPES:
            return word.upper(), words[position + 1] if position + 1 < len(words) else ""
        if word.upper() not in ("IN", "CH", "HS") and not _TTL.fullmatch(word):
            break
    return None, ""


def _add(name: str, action: str, line: int, collector: Collector) -> None:
    is_allowed = action == "rpz-passthru." or action.rstrip(".") == name
    if action == "rpz-tcp-only." or name.endswith((".rpz-nsdname", ".rpz-nsip")):
        collector.skip("rpz.trigger", line, name)
        return
    for suffix, roles in ((".rpz-client-ip", SOURCE), (".rpz-ip", ANSWER)):
        if name.endswith(suffix):
            address = _address(name.removesuffix(suffix))
            if address is None:
                collector.skip("line.unknown", line, name)
            elif is_allowed:
                collector.skip("rpz.trigger", line, name)
            else:
                collector.add_address(address._replace(roles=roles), line)
            return
    flags = BELOW if name.startswith("*.") else SELF
    collector.add_name(name.removeprefix("*."), line, flags | ALLOW if is_allowed else flags)


def _address(text: str) -> Address | None:
    """Read a prefix length and reversed labels: ``32.4.3.2.1`` is 1.2.3.4/32, ``128.1.zz.db8.2001`` 2001:db8::1/128."""
    size, *labels = text.split(".")
    labels.reverse()
    try:
        if len(labels) == 4 and all(label.isdecimal() for label in labels):
            return Address(ip_network(f"{'.'.join(labels)}/{int(size)}"))
        # zz stands for the longest run of zeros, as :: does.
        groups = ":".join("" if label == "zz" else label for label in labels)
        groups = (":" if groups.startswith(":") else "") + groups + (":" if groups.endswith(":") else "")
        return Address(ip_network(f"{IPv6Address(groups)}/{int(size)}"))
    except ValueError:
        return None
