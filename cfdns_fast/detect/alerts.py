"""Alerts: one for each key, severity and window of time, with a count."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from .. import Detection, Result
from ..matching import Annotation, Detector
from .documents import alert_document, line_of, time_text
from .event_reader import EventReader, event_time_ns
from .findings import Finding, SliverSource, Source, source_of
from .open_alerts import Key, OpenAlert, Span, int_or_none
from .sessions import MAX_SESSIONS

__all__ = ["MAX_KEYS", "MAX_WINDOWS", "Alerts"]

#: Open alerts; each takes about 2 KB.
MAX_WINDOWS = 10_000
#: Bytes of the documents of open alerts. A record, and with it the document of its alert, may have a megabyte.
MAX_OPEN_BYTES = 64 << 20
#: Different keys of one rule and severity in one window of time; further ones share one alert.
MAX_KEYS = 1_000


class Alerts:
    """Makes alerts of detections. Any thread may call all methods; calls wait for each other.

    Detections with equal rules, keys and severities within one window of event time are one alert. The key is the
    session of Sliver, the value of an indicator, and for other rules the registered domain of the query name.

    An alert is a document of the Elastic Common Schema on one line. It is given at once, with ``cfdns.alert.state``
    ``open`` and the count 1; if more detections followed, it is given once more at the end of its window, with the same
    ``event.id``, the state ``closed`` and their number. With ``at_once=False`` it is given at the end only.

    Parameters
    ----------
    detect : sequence of Detector
        What the `Normalizer` has as ``detect``, in the same order.
    window_s : int, default 600
        The length of a window in seconds. Windows begin at multiples of it since 1970. Two messages of Sliver within
        this time belong together.
    late_s : int, default 600
        How long after the end of a window, by the time of the newest event, its alerts stay open for late records. A
        record that is later still opens a new alert.
    at_once : bool, default True
        Whether an alert is also given at its first detection.
    max_windows, max_keys, max_sessions : int
        Bounds of memory: alerts that are open, alerts of one rule, severity and window, and sessions of Sliver. Beyond
        the first, or beyond `MAX_OPEN_BYTES`, the alert that was opened first ends early; beyond the second, further
        keys are counted in one alert with ``cfdns.alert.merged``; beyond the third, the session that was seen longest
        ago is forgotten.
    clock : callable
        Returns the time in nanoseconds since 1970, for ``event.created``. Events that have no time count as of the
        newest event, or as of now.

    Raises
    ------
    ValueError
        A number is less than 1 (`late_s`: 0).

    Attributes
    ----------
    findings : int
        Detections that counted: not those of expired indicators, for example.
    documents : int
        Documents that were given.
    not_kept : int
        Detections that a result had only counted (`Detections.not_kept`), of which there is no alert.
    """

    def __init__(
        self,
        detect: Sequence[Detector],
        *,
        window_s: int = 600,
        late_s: int = 600,
        at_once: bool = True,
        max_windows: int = MAX_WINDOWS,
        max_keys: int = MAX_KEYS,
        max_sessions: int = MAX_SESSIONS,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        for name, value, least in (
            ("window_s", window_s, 1),
            ("late_s", late_s, 0),
            ("max_windows", max_windows, 1),
            ("max_keys", max_keys, 1),
            ("max_sessions", max_sessions, 1),
        ):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value!r}")
        self.findings = 0
        self.documents = 0
        self.not_kept = 0
        self._window_ns = window_s * 10**9
        self._late_ns = late_s * 10**9
        self._at_once = at_once
        self._max_windows = max_windows
        self._max_keys = max_keys
        self._clock = clock
        self._max_sessions = max_sessions
        self._detectors: tuple[Detector, ...] = ()
        self._sources: list[Source] = []
        self._lock = threading.Lock()
        #: The open alerts, by the number of the window.
        self._spans: dict[int, Span] = {}
        self._open = self._open_bytes = 0
        self._newest_ns: int | None = None
        #: The windows before this number are closed.
        self._bound: int | None = None
        self.use(detect)

    def use(self, detect: Sequence[Detector]) -> None:
        """Take detections of other detectors from now on, for example of rules that were loaded again.

        What is known of a detector that is among them still counts, and so do all open alerts.
        """
        with self._lock:
            known = {id(each): source for each, source in zip(self._detectors, self._sources, strict=True)}
            window_ns, max_sessions = self._window_ns, self._max_sessions
            self._sources = [
                known.get(id(each)) or source_of(each, window_ns=window_ns, max_sessions=max_sessions)
                for each in detect
            ]
            self._detectors = tuple(detect)

    def take(self, result: Result[Any]) -> list[bytes]:
        """Take the detections of a result, and return documents.

        Parameters
        ----------
        result : Result
            Of `to_ndjson`, `to_dicts`, `to_arrow`, or of a stream of these.

        Returns
        -------
        list of bytes
            Lines of NDJSON, each with its newline.
        """
        if not result.detections:
            return []
        with self._lock:
            self.not_kept += getattr(result.detections, "not_kept", 0)
            return self._take(result.output, result.detections)

    def take_event(self, event: Mapping[str, Any], detections: Iterable[Detection]) -> list[bytes]:
        """Take the detections of one event, as `Normalizer.iter_dicts` gives it, and return documents."""
        with self._lock:
            return self._take(event, detections)

    def advance(self, output: bytes) -> list[bytes]:
        """Close the windows that are over as of the last event of a batch of NDJSON, and return their documents.

        Without this, windows are closed by events that have detections only, and at the end. It costs no more than a
        look at one event, and nothing if no alert is open.
        """
        with self._lock:
            made: list[bytes] = []
            if self._spans and output:
                start = output.rfind(b"\n", 0, len(output) - 1) + 1
                occurred = EventReader(output).occurred_at(start)
                self._time_of(None if occurred is None else event_time_ns(occurred), self._clock(), made)
            return made

    def state(self) -> dict[str, Any]:
        """Return the open alerts and the sessions as JSON values, for `restore` in another process."""
        with self._lock:
            sessions = next((each.sessions for each in self._sources if isinstance(each, SliverSource)), None)
            return {
                "window_ns": self._window_ns,
                "newest_ns": self._newest_ns,
                "bound": self._bound,
                "spans": [[window, span.state()] for window, span in self._spans.items()],
                "sessions": None if sessions is None else sessions.state(),
            }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue with what `state` has returned, instead of what is open now.

        Raises
        ------
        ValueError
            It is something else, or has windows of another length. Nothing is changed.
        """
        with self._lock:
            try:
                if state["window_ns"] != self._window_ns:
                    raise ValueError("the windows have another length")
                spans = {int(window): Span.of(span) for window, span in state["spans"]}
                newest_ns, bound = int_or_none(state["newest_ns"]), int_or_none(state["bound"])
                sessions = state["sessions"]
                for each in self._sources:
                    if isinstance(each, SliverSource) and sessions is not None:
                        each.sessions.restore(sessions)
            except (KeyError, TypeError, AttributeError, IndexError) as error:
                raise ValueError(f"not a state of alerts: {type(error).__name__}") from None
            alerts = [alert for span in spans.values() for alert in span.alerts.values()]
            self._spans, self._newest_ns, self._bound = spans, newest_ns, bound
            self._open, self._open_bytes = len(alerts), sum(alert.size_bytes for alert in alerts)

    def flush(self) -> list[bytes]:
        """Close all windows, and return the documents that are due: at the end of the input."""
        with self._lock:
            made: list[bytes] = []
            self._close(sorted(self._spans), made)
            return made

    def _take(self, output: Any, detections: Iterable[Detection]) -> list[bytes]:
        now_ns = self._clock()
        made: list[bytes] = []
        reader = EventReader(output)
        for detection in detections:
            occurred = reader.occurred(detection)
            occurred_ns = None if occurred is None else event_time_ns(occurred)
            time_ns = self._time_of(occurred_ns, now_ns, made)
            source = self._sources[detection.matcher]
            finding = source.finding(detection, reader, occurred_ns, time_ns)
            if finding is None:
                continue
            span = self._spans.get(time_ns // self._window_ns)
            alert = None if span is None else span.alerts.get(finding)
            if alert is not None:
                self.findings += 1
                alert.add(occurred, occurred_ns)
                continue
            describe = partial(_described, source, finding, detection, reader)
            self._add(finding, occurred, occurred_ns, time_ns, describe, made)
        return made

    def _add(
        self,
        finding: Finding,
        occurred: str | None,
        occurred_ns: int | None,
        time_ns: int,
        describe: Callable[[], tuple[Annotation, Mapping[str, Any]]],
        made: list[bytes],
    ) -> None:
        """Count a finding, and open its alert if there is none; `describe` is called only then."""
        self.findings += 1
        window = time_ns // self._window_ns
        span = self._spans.get(window)
        if span is None:
            span = self._spans[window] = Span()
        alert = span.alerts.get(finding)
        if alert is None:
            key = self._key(finding, span)
            alert = span.alerts.get(key)
            if alert is None:
                line = self._document(key, *describe())
                span.alerts[key] = OpenAlert(line, occurred, occurred_ns)
                self._opened(line, made)
                return
        alert.add(occurred, occurred_ns)

    def _key(self, finding: Finding, span: Span) -> Key:
        """Return the key of a new alert; after the first keys of a rule, the one that they share."""
        group = finding[0], finding[2]
        if span.keys[group] >= self._max_keys:
            return finding[0], None, finding[2]
        span.keys[group] += 1
        return finding

    def _document(self, key: Key, annotation: Annotation, event: Mapping[str, Any]) -> bytes:
        # An event of OCSF has its name and its type in `query`.
        marks = (*key, event.get("@timestamp", event.get("time_dt")), event.get("dns", event.get("query")))
        mark = repr(marks).encode("utf-8", "surrogateescape")
        alert: dict[str, Any] = {"state": "open", "count": 1, "window_seconds": self._window_ns // 10**9}
        if key[1] is None:
            alert["merged"] = True
        else:
            alert["key"] = key[1]
        return line_of(
            alert_document(
                event,
                annotation,
                severity=key[2],
                id=hashlib.blake2b(mark, digest_size=16).hexdigest(),
                created=time_text(self._clock()),
                alert=alert,
            )
        )

    def _opened(self, line: bytes, made: list[bytes]) -> None:
        if self._at_once:
            made.append(line)
            self.documents += 1
        self._open += 1
        self._open_bytes += len(line)
        while self._open > self._max_windows or (self._open_bytes > MAX_OPEN_BYTES and self._open > 1):
            self._close_first(made)

    def _time_of(self, occurred_ns: int | None, now_ns: int, made: list[bytes]) -> int:
        """Return the time as of which an event counts, and close what is over by then."""
        newest_ns = self._newest_ns
        if occurred_ns is None:
            return now_ns if newest_ns is None else newest_ns
        if newest_ns is None or occurred_ns > newest_ns:
            # A time in the future would close the windows of all other events.
            self._advance(min(occurred_ns, now_ns + self._late_ns), made)
        return occurred_ns

    def _advance(self, newest_ns: int, made: list[bytes]) -> None:
        if self._newest_ns is not None and newest_ns <= self._newest_ns:
            return
        self._newest_ns = newest_ns
        # A window that a late record has opened is not closed before the bound moves, so it gives few documents.
        bound = (newest_ns - self._late_ns) // self._window_ns
        if bound != self._bound:
            self._bound = bound
            self._close(sorted(each for each in self._spans if each < bound), made)

    def _close(self, windows: Iterable[int], made: list[bytes]) -> None:
        created = time_text(self._clock())
        for window in windows:
            alerts = self._spans.pop(window).alerts
            for alert in alerts.values():
                self._give(alert, created, made)

    def _close_first(self, made: list[bytes]) -> None:
        window, span = next(iter(self._spans.items()))
        alert = span.alerts.pop(next(iter(span.alerts)))
        self._give(alert, time_text(self._clock()), made)
        if not span.alerts:
            del self._spans[window]

    def _give(self, alert: OpenAlert, created: str, made: list[bytes]) -> None:
        """End an alert that is no longer in its span."""
        self._open -= 1
        self._open_bytes -= alert.size_bytes
        if alert.count > 1 or not self._at_once:
            made.append(alert.closed(created))
            self.documents += 1


def _described(
    source: Source, finding: Finding, detection: Detection, reader: EventReader
) -> tuple[Annotation, Mapping[str, Any]]:
    return source.describe(finding, detection, reader), reader.event(detection)
