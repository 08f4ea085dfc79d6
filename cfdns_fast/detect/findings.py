"""What a detection means: its rule, its severity, and the key by which equal findings are counted together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

from .. import Detection, split_domain
from ..matching import Annotation, Detector
from .enrichment import FIELDS, LEVEL, RULE, THREAT, enrichment_of
from .event_reader import EventReader, event_time_ns
from .indicator import Indicator
from .indicators import Indicators
from .indicators_file import IndicatorsFile
from .sessions import Sessions
from .severity import CRITICAL
from .sliver import SLIVER_RULE, Sliver, session_of, sliver_annotation

__all__ = ["Finding", "SliverSource", "Source", "source_of"]

#: Enrichments of one alert, if several feeds have the name.
_MAX_ENRICHMENTS = 10
#: Rows of indicators whose validity is remembered.
_MAX_ROWS = 65_536

#: A detection that counts: the id of the rule, the key, and the severity. Equal findings of a window are one alert.
#: It is a tuple and has no description, because most findings are counted only.
Finding = tuple[str, str, int]


class Source(Protocol):
    """Turns the detections of one detector into findings. Use it on one thread at a time."""

    def finding(
        self, detection: Detection, reader: EventReader, occurred_ns: int | None, now_ns: int
    ) -> Finding | None:
        """Return the finding; None if the detection does not count.

        Parameters
        ----------
        detection : Detection
        reader : EventReader
            Of its output.
        occurred_ns : int or None
            The time of the event in nanoseconds since 1970, if it has one.
        now_ns : int
            The same, or the time that stands for it.
        """

    def describe(self, finding: Finding, detection: Detection, reader: EventReader) -> Annotation:
        """Return what an alert says of the finding; called after `finding` with the same detection."""


def source_of(detector: Detector, *, window_ns: int, max_sessions: int) -> Source:
    """Return the source for a detector."""
    if isinstance(detector, Sliver):
        return SliverSource(Sessions(window_ns, max_sessions))
    if isinstance(detector, Indicators | IndicatorsFile):
        return _IndicatorSource(detector)
    return _OtherSource(detector)


class SliverSource:
    """The `Source` of Sliver.

    Attributes
    ----------
    sessions : Sessions
    """

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions

    def finding(
        self, detection: Detection, reader: EventReader, occurred_ns: int | None, now_ns: int
    ) -> Finding | None:
        parent, session, severity, is_bootstrap = session_of(detection)
        if is_bootstrap:
            self.sessions.add_bootstrap(parent, now_ns)
            return (SLIVER_RULE["id"], parent, severity) if severity else None
        if self.sessions.add(parent, session, detection.name.lower(), now_ns):
            severity = CRITICAL
        return SLIVER_RULE["id"], f"{parent} {session:06x}", severity

    def describe(self, finding: Finding, detection: Detection, reader: EventReader) -> Annotation:
        return sliver_annotation(detection, finding[2])


class _IndicatorSource:
    def __init__(self, indicators: Indicators | IndicatorsFile) -> None:
        self._indicators = indicators
        self._table: object = None
        #: Of the table: for a row (`Detection.detail`) and whether the match is exact, whether it is always valid.
        self._always: dict[tuple[int, bool], bool] = {}
        #: Of the table: for an address and its field, the value of the best indicator, if it is always valid.
        self._values: dict[tuple[str, str], str] = {}

    def finding(
        self, detection: Detection, reader: EventReader, occurred_ns: int | None, now_ns: int
    ) -> Finding | None:
        if detection.field != "name":
            value = self._address_value(detection, occurred_ns)
            return None if value is None else (RULE["id"], f"{FIELDS[detection.field]} {value}", LEVEL)
        # An event without a time cannot be outside of the validity.
        if not self._is_always_valid(detection) and self._indicators.resolve(detection, occurred_ns) is None:
            return None
        return RULE["id"], detection.name[detection.start :].lower(), LEVEL

    def describe(self, finding: Finding, detection: Detection, reader: EventReader) -> Annotation:
        occurred = reader.occurred(detection)
        occurred_ns = None if occurred is None else event_time_ns(occurred)
        found = islice(self._indicators.resolve_all(detection, occurred_ns), _MAX_ENRICHMENTS)
        return _annotation_of(tuple(found), field=FIELDS[detection.field], occurred=occurred)

    def _is_always_valid(self, detection: Detection) -> bool:
        """Return whether a row has no limits of time: then it needs no look at what is known of it."""
        self._use_table(detection.by)
        key = detection.detail, detection.start == 0
        known = self._always.get(key)
        if known is None:
            if len(self._always) >= _MAX_ROWS:
                self._always.clear()
            known = self._always[key] = self._has_no_limits(detection)
        return known

    def _address_value(self, detection: Detection, occurred_ns: int | None) -> str | None:
        """Return the address or network of the best indicator that was valid; None if none was."""
        self._use_table(detection.by)
        key = detection.name, detection.field
        known = self._values.get(key)
        if known is None:
            best = self._indicators.resolve(detection, occurred_ns)
            if best is None:
                return None
            known = best.value
            if self._has_no_limits(detection):
                if len(self._values) >= _MAX_ROWS:
                    self._values.clear()
                self._values[key] = known
        return known

    def _has_no_limits(self, detection: Detection) -> bool:
        """Return whether all indicators of a detection are valid at any time."""
        rows = list(self._indicators.resolve_all(detection, None))
        limits = [each.valid_from_ns is not None or each.valid_until_ns is not None for each in rows]
        return detection.by is not None and bool(rows) and not any(limits)

    def _use_table(self, table: object) -> None:
        if table is not self._table:
            # Only the last table is kept, because tables are large and replaced as a whole.
            self._table, self._always, self._values = table, {}, {}


def _annotation_of(found: Sequence[Indicator], *, field: str, occurred: str | None) -> Annotation:
    """Return what an alert says of indicators of one value, at least one, in a field."""
    enrichments = [enrichment_of(each, field=field, occurred=occurred) for each in found]
    # For a network, `parent` means that an address in it matched.
    own = {"indicator": {"match": "exact" if found[0].is_exact else "parent"}}
    return Annotation(LEVEL, RULE, THREAT, enrichments, own)


class _OtherSource:
    """Sigma rules, and detectors of the user: all that is known of them is what they add to an event."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._annotation: Annotation | None = None

    def finding(
        self, detection: Detection, reader: EventReader, occurred_ns: int | None, now_ns: int
    ) -> Finding | None:
        event = reader.event(detection)
        self._annotation = annotation = self._detector.annotation(detection, event)
        if annotation is None:
            return None
        return str(annotation.rule.get("id", "")), _domain_of(event, detection), annotation.level

    def describe(self, finding: Finding, detection: Detection, reader: EventReader) -> Annotation:
        assert self._annotation is not None
        return self._annotation


def _domain_of(event: Mapping[str, Any], detection: Detection) -> str:
    """Return the registered domain of the query name, because a tunnel makes a new name for each message.

    An event of OCSF does not have it. A name without one, as below a private top-level domain, is counted by its last
    two labels.
    """
    found: Any = event
    for name in ("dns", "question", "registered_domain"):
        found = found.get(name) if isinstance(found, Mapping) else None
    if not isinstance(found, str):
        found = split_domain(detection.name.lower()).registered_domain
    return found or ".".join(detection.name.lower().split(".")[-2:])
