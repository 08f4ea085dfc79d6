"""Indicators: names and addresses of feeds, in a table for the conversion, with what is known of each."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .. import Detection
from ..matching import ALLOW, BELOW, SELF, Annotation, NameTable, NameTableBuilder, NetworkTable
from .addresses import AddressTable
from .enrichment import FIELDS, LEVEL, RULE, THREAT, enrichment_of
from .event_reader import time_of_event
from .feeds.collector import Collector
from .feeds.options import FeedPath, Limits, feed_of, several
from .feeds.reader import OpenFeed
from .feeds.store import NEVER, Store
from .feeds.values import ANSWER, SOURCE
from .indicator import Indicator
from .report import Report

__all__ = ["Indicators"]


class Indicators:
    """Indicators of one or more feeds. Immutable; any number of threads may use it. `load` makes it.

    Attributes
    ----------
    report : Report
        What was loaded, and what was skipped and why.
    version : str
        16 hexadecimal digits that identify the content of the feeds and the options.
    table : NameTable
        The names, and the addresses. `Detection.detail` is the number of what is known of them, which `resolve` reads.
    """

    def __init__(
        self, table: NameTable, store: Store, addresses: AddressTable, report: Report, version: str, grace_ns: int
    ) -> None:
        self.table = table
        self.report = report
        self.version = version
        self._store = store
        self._addresses = addresses
        self._grace_ns = grace_ns

    @classmethod
    def load(
        cls,
        *feeds: FeedPath,
        allow: FeedPath | Iterable[FeedPath] = (),
        min_confidence: int = 0,
        addresses: bool = False,
        grace_s: int = 0,
        limits: Limits | None = None,
    ) -> Indicators:
        """Load feeds.

        Parameters
        ----------
        *feeds : path or Feed
            Files, plain or gzip. The format is detected by the content; a `Feed` can name it, and has further options.
        allow : path, Feed, or an iterable of them
            Names that are no match; a longer name wins over a shorter one, and an allowed name over an equal one.
        min_confidence : int, default 0
            Indicators with a lower stated confidence (0 to 100) are skipped; those that state none are kept.
        addresses : bool, default False
            Whether addresses and networks are loaded, and looked for in events.
        grace_s : int, default 0
            Seconds for which an indicator matches after its validity ended.
        limits : Limits, optional
            Bounds of memory.

        Raises
        ------
        FeedError
            A feed is missing or broken, or a limit is exceeded. Invalid entries are no error: `report` counts them.
        """
        if isinstance(min_confidence, bool) or not 0 <= min_confidence <= 100:
            raise ValueError(f"min_confidence must be 0 to 100, not {min_confidence!r}")
        if grace_s < 0:
            raise ValueError(f"grace_s must not be negative, not {grace_s!r}")
        builder = NameTableBuilder()
        collector = Collector(
            builder,
            limits or Limits(),
            min_confidence=min_confidence,
            addresses=addresses,
            now_ns=time.time_ns() - grace_s * 10**9,
        )
        digest = hashlib.blake2b(repr((min_confidence, addresses, grace_s)).encode(), digest_size=8)
        opened = [OpenFeed(feed_of(each), is_allow=False) for each in feeds]
        allowed = [OpenFeed(feed_of(each), is_allow=True) for each in several(allow)]
        # Names of allow lists first, and then those that may have facts, are known before names are added in bulk.
        with_facts = [each for each in opened if each.has_facts]
        for feed in (*allowed, *with_facts, *(each for each in opened if not each.has_facts)):
            digest.update(repr(feed.feed).encode("utf-8", "surrogatepass"))
            if not feed.has_facts:
                collector.seal()
            feed.read(collector, digest)
        collector.finish()
        table = builder.build()
        store = collector.store
        if collector.networks:
            roles = {number: store.roles_of(number) for number in collector.networks.values()}
            rows = ((network, roles[number], number) for network, number in collector.networks.items())
            table = table.with_networks(NetworkTable(rows))
        reports = tuple(feed.report for feed in (*opened, *allowed))
        report = Report(reports, collector.names, len(collector.networks), collector.allowed)
        addresses_of = AddressTable(collector.networks)
        return cls(table, store, addresses_of, report, digest.hexdigest(), grace_s * 10**9)

    def __len__(self) -> int:
        """The number of different names, allowed ones included, and addresses."""
        return len(self.table) + len(self._addresses)

    @property
    def memory_bytes(self) -> int:
        """About the memory of the table and of what is known; addresses are not counted."""
        return self.table.memory_bytes + self._store.memory_bytes

    def matcher(self) -> NameTable:
        """Return the table of names and addresses, for `Normalizer`."""
        return self.table

    def resolve(self, detection: Detection, event_time_ns: int | None = None) -> Indicator | None:
        """Return the indicator of a detection, if it was valid at the time of the event.

        Parameters
        ----------
        detection : Detection
            A detection of this table.
        event_time_ns : int or None
            The time of the event in nanoseconds since 1970; None does not check the validity.

        Returns
        -------
        Indicator or None
            Of several valid ones: the one with the highest confidence, then the newest. None if none was valid, or if
            an allow list has the name.
        """
        return next(self.resolve_all(detection, event_time_ns), None)

    def resolve_all(self, detection: Detection, event_time_ns: int | None = None) -> Iterator[Indicator]:
        """Yield all valid indicators of a detection, best first. Parameters are those of `resolve`."""
        if detection.field != "name":
            bit = ANSWER if detection.field == "answer" else SOURCE
            yield from self._of_address(detection.name, bit, event_time_ns)
            return
        is_exact = detection.start == 0
        bit = SELF if is_exact else BELOW
        store = self._store
        all_rows = store.rows_of(detection.detail)
        # A name of two plain lists has the flags of both in the table, and the row of the first.
        rows = [row for row in all_rows if store.flags[row] & bit] or list(all_rows)
        if any(store.flags[row] & ALLOW for row in rows):
            return
        value = detection.name[detection.start :].lower()
        for row in self._ranked(rows, event_time_ns):
            yield self._indicator(row, value, "domain-name", is_exact)

    def annotation(self, detection: Detection, event: Mapping[str, Any], /) -> Annotation | None:
        """Return what `Normalizer` adds to an event; None if no indicator was valid at its ``@timestamp``."""
        occurred, occurred_ns = time_of_event(event)
        indicator = self.resolve(detection, occurred_ns)
        if indicator is None:
            return None
        enrichment = enrichment_of(indicator, field=FIELDS[detection.field], occurred=occurred)
        own = {"indicator": {"match": "exact" if indicator.is_exact else "parent"}}
        return Annotation(LEVEL, RULE, THREAT, (enrichment,), own)

    def match_address(
        self, address: str, event_time_ns: int | None = None, *, role: str = "source"
    ) -> Indicator | None:
        """Return the best valid indicator that is an address, or the smallest network that holds it.

        Parameters
        ----------
        address : str
            IPv4 or IPv6; other text matches nothing.
        event_time_ns : int or None
            As for `resolve`.
        role : {"source", "answer"}
            Whether the address asked (``SourceIP``), or is in an answer (``ResolvedIPs``). Addresses of servers, for
            example of the phase command-and-control, match in answers only.
        """
        if role not in ("source", "answer"):
            raise ValueError(f"role must be source or answer, not {role!r}")
        return next(self._of_address(address, SOURCE if role == "source" else ANSWER, event_time_ns), None)

    def matching(self, names: Iterable[str]) -> Iterator[str]:
        """Yield the names that have an indicator, for example those of a list of popular names.

        Such names are loaded like others: a feed can be right about them. Validity is not checked.
        """
        for name in names:
            match = self.table.find(name.encode("utf-8", "surrogatepass"))
            if match is not None:
                row, number, start = match
                detection = Detection(0, -1, 0, row, number, start, name.strip("."), self.table)
                if self.resolve(detection) is not None:
                    yield name

    def _of_address(self, address: str, bit: int, event_time_ns: int | None) -> Iterator[Indicator]:
        """Yield the valid indicators of the networks that hold an address: the smallest network first."""
        for network, number in self._addresses.lookup(address):
            rows = [row for row in self._store.rows_of(number) if self._store.flags[row] & bit]
            is_exact = network.prefixlen == network.max_prefixlen
            value = str(network.network_address) if is_exact else str(network)
            for row in self._ranked(rows, event_time_ns):
                yield self._indicator(row, value, f"ipv{network.version}-addr", is_exact)

    def _ranked(self, rows: list[int], event_time_ns: int | None) -> list[int]:
        """Return the rows that are valid at a time: highest confidence first, then the newest, then as loaded."""
        store = self._store
        valid_from, valid_until, modified = store.times[0], store.times[1], store.times[4]
        valid = [
            row
            for row in rows
            if event_time_ns is None
            or (
                valid_from[row] <= event_time_ns
                and (valid_until[row] == NEVER or event_time_ns < valid_until[row] + self._grace_ns)
            )
        ]
        if len(valid) > 1:
            confidences = {row: store.shared[store.shared_row[row]].confidence for row in valid}
            valid.sort(
                key=lambda row: (-1 if (found := confidences[row]) is None else found, modified[row]), reverse=True
            )
        return valid

    def _indicator(self, row: int, value: str, kind: str, is_exact: bool) -> Indicator:
        store = self._store
        shared = store.shared[store.shared_row[row]]
        valid_from, valid_until, first_seen, last_seen, modified = (
            None if column[row] == NEVER else column[row] for column in store.times
        )
        provider = store.providers.get(shared.provider_ref or "", shared.provider)
        tlp = next((store.markings[each] for each in shared.tlp_refs if each in store.markings), shared.tlp)
        return Indicator(
            value=value,
            type=kind,
            is_exact=is_exact,
            source=shared.source,
            version=self.version,
            id=store.ids[row],
            provider=provider,
            confidence=shared.confidence,
            tlp=tlp,
            reference=store.references[row],
            description=store.descriptions[row],
            kill_chain=shared.kill_chain,
            valid_from_ns=valid_from,
            valid_until_ns=valid_until,
            first_seen_ns=first_seen,
            last_seen_ns=last_seen,
            modified_ns=modified,
        )
