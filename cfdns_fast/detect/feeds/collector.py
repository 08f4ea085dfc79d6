"""Collect the entries of all feeds of a load: bulk names go to the builder of the table, others wait until the end.

Entries with facts (STIX, MISP, CSV) wait, because a later version or a revocation may replace them. Names that several
entries share, and allowed names, wait too, since a row of the table holds one set of flags and one number.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network

from ...matching import NameTableBuilder
from ..report import FeedReport
from .errors import FeedError
from .options import Feed, Limits
from .store import NEVER, Facts, Shared, Store
from .values import ALLOW, BELOW, BOTH, SELF, Address, Name, read_name, read_value
from .waiting import NAME_BYTES, WaitingNames

__all__ = ["Collector"]

_ADDRESS_LINE = re.compile(rb"^(?:[0-9]{1,3}\.){3}[0-9]{1,3}$", re.MULTILINE)
_NO_FACTS = Facts()

#: What the builder says of a name -> the reason in the report.
_REASONS = {
    "address": "address.off",
    "duplicate": "duplicate",
    "invalid": "name.syntax",
    "not_ascii": "name.idn",
    "single_label": "name.single_label",
    "too_long": "name.too_long",
}


class Collector:
    """One load. Call `begin` before each feed, and `finish` after the last one.

    Parameters
    ----------
    builder : NameTableBuilder
        The table of names.
    limits : Limits
        Bounds of the whole load.
    min_confidence : int
        Entries with a lower stated confidence are skipped.
    addresses : bool
        Whether addresses are kept.
    now_ns : int
        The time of the load, for the count of expired entries.
    """

    def __init__(
        self, builder: NameTableBuilder, limits: Limits, *, min_confidence: int, addresses: bool, now_ns: int
    ) -> None:
        self.store = Store(limits.max_details_bytes)
        self.limits = limits
        #: The numbers of different names and allowed names, after `finish`.
        self.names = self.allowed = 0
        #: The number of the rows of each network.
        self.networks: dict[IPv4Network | IPv6Network, int] = {}
        self._builder = builder
        self._min_confidence = min_confidence
        self._addresses = addresses
        self._now_ns = now_ns
        self._count = 0
        self._waiting = WaitingNames(self.store)
        self._rows_by_key: dict[str, int] = {}
        # By row: the values of an entry with facts; empty for a row of a whole feed, and for a replaced version.
        self._values: list[tuple[Name | Address, ...]] = []
        self._feed_of_row = array("I")
        self._reports: list[FeedReport] = []
        self._feed_rows: dict[int, int] = {}

    def begin(self, feed: Feed, file: str, report: FeedReport) -> None:
        """Start a feed."""
        self.feed, self.file, self.report = feed, file, report
        self._reports.append(report)
        self._source = feed.name or re.split(r"[/\\]", file)[-1]
        self._feed_rows = {}

    def skip(self, reason: str, line: int | None = None, value: str = "") -> None:
        """Count an entry that is not matched."""
        self.report.entries += 1
        self.report.skip(reason, line, value)

    def add_text(self, written: str, line: int | None, flags: int = 0) -> None:
        """Add an entry without facts in any written form; `flags` is for names that state none, 0 for both."""
        self.report.entries += 1
        wildcard = BOTH if self.feed.wildcard == "both" else BELOW
        value = read_value(written, wildcard)
        if isinstance(value, str):
            self.report.skip(value, line, written)
        elif isinstance(value, Name):
            self._add_name(value.text, value.flags or flags or self.default_flags, line)
        else:
            self._add_address(value, line)

    def add_name(self, written: str, line: int | None, flags: int) -> None:
        """Add a name without facts; `flags` may have ALLOW."""
        self.report.entries += 1
        name = read_name(written)
        if isinstance(name, str):
            self.report.skip(name, line, written)
        else:
            self._add_name(name.text, flags, line)

    def add_address(self, address: Address, line: int | None) -> None:
        """Add an address or network without facts."""
        self.report.entries += 1
        self._add_address(address, line)

    @property
    def default_flags(self) -> int:
        """The flags of names of a feed whose format states none."""
        return BOTH if self.feed.subdomains else SELF

    def add_clean_lines(self, data: bytes, flags: int, numbers: Sequence[int]) -> None:
        """Add many names: LF-separated lines of letters, digits, dots, hyphens and underscores.

        `numbers` are the numbers of the lines.
        """
        # Without last dots, so that the names equal those that wait.
        data = data.lower().replace(b".\n", b"\n").removesuffix(b".")
        lines = data.split(b"\n")
        if _ADDRESS_LINE.search(data):
            for number, line in zip(numbers, lines, strict=False):
                if _ADDRESS_LINE.fullmatch(line):
                    self.add_text(line.decode("ascii"), number)
            lines = [b"" if _ADDRESS_LINE.fullmatch(line) else line for line in lines]
            data = b"\n".join(lines)
        # Most blocks have an empty line, after the last LF.
        count = len(lines) - lines.count(b"")
        self.report.entries += count
        if self.report.is_allow:
            flags |= ALLOW
        if flags & ALLOW or self._is_too_low(None):
            for number, line in zip(numbers, lines, strict=False):
                if line:
                    self._add_clean(line, flags, number)
            return
        self._reserve(count, numbers[0])
        if shared := self._waiting.of(lines):
            for name in shared:
                self._wait(name, flags, self._row_of_feed(flags))
            lines = [b"" if line in shared else line for line in lines]
            data = b"\n".join(lines)
            self.report.names += len(shared)
        outcomes = self._builder.add_lines(data, flags, self._row_of_feed(flags))
        for outcome, number in outcomes.items():
            self._note(outcome, flags, self.report, None, "", number)
        reasons = {_REASONS[each] for each in outcomes if each in _REASONS and each != "duplicate"}
        if any(self.report.skipped[each].line is None for each in reasons):
            self._find_examples(lines, numbers)

    def add_entry(self, values: Iterable[Name | Address], facts: Facts, line: int | None) -> None:
        """Add names and addresses that share facts. A row with a known key replaces its older version.

        Names without flags match themselves and the names below them.
        """
        report = self.report
        report.entries += 1
        if report.is_allow:
            self._allow(values, facts, line)
            return
        if not self._is_newest(facts):
            report.skip("version.old", line)
            return
        if facts.is_revoked:
            report.skip("revoked", line)
            values = ()
        elif self._is_too_low(facts.confidence):
            report.skip("confidence.low", line)
            values = ()
        kept = tuple(value for value in values if self._may_keep(value, line))
        if kept or facts.key is not None:
            self._keep_entry(kept, facts, line)

    def _allow(self, values: Iterable[Name | Address], facts: Facts, line: int | None) -> None:
        """Add names of an allow list. What else is known of them does not matter."""
        if facts.is_revoked:
            self.report.skip("revoked", line)
            return
        for value in values:
            if isinstance(value, Name):
                self._add_name(value.text, value.flags or BOTH, line)
            else:
                self._may_keep(value, line)

    def replace(self, facts: Facts, reason: str, line: int | None, value: str) -> None:
        """Skip an entry whose values cannot be used; older versions of it are dropped, so that no old value stays."""
        self.report.entries += 1
        if not self._is_newest(facts):
            reason = "version.old"
        elif facts.key is not None:
            self._keep_entry((), facts, line)
        self.report.skip(reason, line, value)

    def finish(self) -> None:
        """Add everything that waits to the builder and to `networks`."""
        self.seal()
        for name, flags, allow, number in self._waiting.take():
            if not flags & ~allow:
                self._builder.add(name, allow | ALLOW, 0)
                self.allowed += 1
                continue
            if allow:
                # A row of the table is of one kind, so `Indicators.resolve` finds what is allowed of this name.
                number = self.store.joined(number, self._add_row(_NO_FACTS, allow | ALLOW, None)) or number
            if self._builder.add(name, flags | allow, number) == "public_suffix":
                # The name was counted when it was read.
                report = self._report_of(self.store.rows_of(number)[0])
                report.names -= 1
                self._note("public_suffix", flags | allow, report, None, name, 1)
        self.names = len(self._builder) - self.allowed

    def seal(self) -> None:
        """Let names of entries with facts wait for `finish`; call it when no further entry with facts follows.

        Further calls have no effect.
        """
        for row, values in enumerate(self._values):
            for value in values:
                if isinstance(value, Name):
                    self._wait(value.text.encode("ascii"), value.flags or BOTH, row)
                    self.store.flags[row] |= value.flags or BOTH
                else:
                    self.store.flags[row] |= value.roles
                    self._link_network(value, row)
            self._values[row] = ()
        self._rows_by_key.clear()

    def _add_clean(self, name: bytes, flags: int, line: int | None) -> None:
        read = read_name(name.decode("ascii"))
        if isinstance(read, str):
            self.report.skip(read, line, name.decode("ascii"))
        else:
            self._add_name(read.text, flags, line)

    def _add_name(self, name: str, flags: int, line: int | None) -> None:
        if self.report.is_allow:
            flags |= ALLOW
        elif not flags & ALLOW and self._is_too_low(None):
            self.report.skip("confidence.low", line, name)
            return
        self._reserve(1, line)
        key = name.encode("ascii")
        if flags & ALLOW:
            self.report.names += 1
            self.store.count(NAME_BYTES, self.file, line)
            self._waiting.allow(key, flags)
        elif key in self._waiting:
            self.report.names += 1
            self._wait(key, flags, self._row_of_feed(flags))
        else:
            outcome = self._builder.add(name, flags, self._row_of_feed(flags))
            self._note(outcome or "added", flags, self.report, line, name, 1)

    def _add_address(self, address: Address, line: int | None) -> None:
        if self._is_too_low(None):
            self.report.skip("confidence.low", line, str(address.network))
        elif self._may_keep(address, line):
            self._reserve(1, line)
            self.report.addresses += 1
            row = self._add_row(_NO_FACTS, address.roles, line)
            self._link_network(address, row)

    def _may_keep(self, value: Name | Address, line: int | None) -> bool:
        if isinstance(value, Name):
            return True
        if self.report.is_allow:
            self.report.skip("address.allow", line, str(value.network))
        elif not self._addresses:
            self.report.skip("address.off", line, str(value.network))
        else:
            return True
        return False

    def _is_too_low(self, confidence: int | None) -> bool:
        if confidence is None:
            confidence = self.feed.confidence
        return confidence is not None and confidence < self._min_confidence and not self.report.is_allow

    def _wait(self, name: bytes, flags: int, row: int) -> None:
        if not self._waiting.add(name, flags, row):
            self._report_of(row).skip("duplicate", value=name.decode("ascii"))

    def _report_of(self, row: int) -> FeedReport:
        return self._reports[self._feed_of_row[row]]

    def _link_network(self, address: Address, row: int) -> None:
        number = self.store.joined(self.networks.setdefault(address.network, row), row)
        if number is not None:
            self.networks[address.network] = number

    def _row_of_feed(self, flags: int) -> int:
        """Return the row of all names of this feed that have these flags and no facts of their own."""
        row = self._feed_rows.get(flags)
        if row is None:
            row = self._feed_rows[flags] = self._add_row(_NO_FACTS, flags, None)
        return row

    def _add_row(self, facts: Facts, flags: int, line: int | None) -> int:
        feed = self.feed
        shared = Shared(
            self._source,
            facts.provider or feed.provider,
            facts.provider_ref,
            feed.confidence if facts.confidence is None else facts.confidence,
            facts.tlp or (feed.tlp and feed.tlp.upper()),
            facts.tlp_refs,
            facts.kill_chain,
        )
        row = self.store.add(shared, facts, flags, self.file, line)
        self._values.append(())
        self._feed_of_row.append(len(self._reports) - 1)
        return row

    def _is_newest(self, facts: Facts) -> bool:
        """Return whether no newer version of an entry was read; drop the values of an older one.

        Of versions with equal times the last one counts, as a corrected file may keep the time.
        """
        row = None if facts.key is None else self._rows_by_key.get(facts.key)
        if row is None:
            return True
        if (facts.modified_ns or 0) < max(self.store.times[4][row], 0):
            return False
        if self._values[row]:
            report = self._report_of(row)
            self._count_kept(self._values[row], report, self.store.times[1][row], -1)
            report.skip("version.old")
            self._values[row] = ()
        return True

    def _keep_entry(self, values: tuple[Name | Address, ...], facts: Facts, line: int | None) -> None:
        row = self._add_row(facts, 0, line)
        self.store.count(NAME_BYTES * len(values), self.file, line)
        if facts.key is not None:
            self._rows_by_key[facts.key] = row
        self._values[row] = values
        self._count_kept(values, self.report, facts.valid_until_ns, 1)
        self._reserve(len(values), line)

    def _count_kept(
        self, values: tuple[Name | Address, ...], report: FeedReport, until_ns: int | None, sign: int
    ) -> None:
        names = sum(isinstance(value, Name) for value in values)
        report.names += sign * names
        report.addresses += sign * (len(values) - names)
        if values and until_ns not in (None, NEVER) and until_ns <= self._now_ns:
            report.expired += sign

    def _reserve(self, count: int, line: int | None) -> None:
        self._count += count
        if self._count > self.limits.max_indicators:
            raise FeedError(
                "feed.too_many", self.file, line, f"at most {self.limits.max_indicators} are loaded (max_indicators)"
            )

    def _note(self, outcome: str, flags: int, report: FeedReport, line: int | None, name: str, count: int) -> None:
        """Count names by what the builder says of them."""
        if outcome == "public_suffix" and flags & SELF:
            report.demoted += count
        if outcome == "added" or (outcome == "public_suffix" and flags & SELF):
            report.names += count
        else:
            report.skip(_REASONS.get(outcome, "suffix.refused"), line, name, count)

    def _find_examples(self, lines: list[bytes], numbers: Sequence[int]) -> None:
        """Note the first refused line of each reason, which the builder only counts."""
        for number, line in zip(numbers, lines, strict=False):
            if not line:
                continue
            reason = read_name(line.decode("ascii"))
            if isinstance(reason, str) and reason in self.report.skipped:
                self.report.skip(reason, number, line.decode("ascii"), count=0)
