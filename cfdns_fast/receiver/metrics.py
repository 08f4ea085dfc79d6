"""The metrics of the receiver, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

__all__ = ["Metrics", "SinkReport", "SpoolReport"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class SpoolReport(Protocol):
    """What the metrics use of a `SpoolStatus`."""

    @property
    def bytes(self) -> int: ...
    @property
    def batches(self) -> int: ...
    @property
    def oldest_ns(self) -> int | None: ...
    @property
    def last_seq(self) -> int: ...
    @property
    def free_bytes(self) -> int: ...
    @property
    def is_full(self) -> bool: ...
    @property
    def corrupt_total(self) -> int: ...


class SinkReport(NamedTuple):
    """The state of a sink.

    Attributes
    ----------
    name : str
    totals : mapping
        As `Counters.as_dict` gives them, over all processes of the sink.
    is_up : bool
        Whether its process runs and its target takes data.
    restarts : int
        How often its process was started again.
    seq : int
        The last batch that is delivered.
    oldest_ns : int
        When the oldest batch that is not delivered arrived; 0 if that is not known.
    indicators : int or None
        Names and addresses that are loaded; None if the sink looks for nothing.
    """

    name: str
    totals: Mapping[str, Any]
    is_up: bool
    restarts: int
    seq: int
    oldest_ns: int
    indicators: int | None = None

    def lag_batches(self, spool: SpoolReport) -> int:
        """Return how many batches are not delivered."""
        # Numbers of groups that could not be stored are gaps.
        return max(0, spool.last_seq - self.seq) if spool.batches else 0

    def lag_seconds(self, spool: SpoolReport, now_ns: int) -> float:
        """Return the age of the oldest batch that is not delivered; 0 if there is none."""
        if not self.lag_batches(spool):
            return 0.0
        oldest_ns = self.oldest_ns or spool.oldest_ns or now_ns
        return max(0.0, (now_ns - oldest_ns) / 1e9)


class Metrics:
    """Counts of the server, the spool and the sinks; an `Observer` of the server.

    Parameters
    ----------
    spool : callable
        Returns the state of the spool; None before it is open.
    sinks : callable
        Returns the states of the sinks.
    """

    def __init__(self, spool: Callable[[], SpoolReport | None], sinks: Callable[[], Sequence[SinkReport]]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter("cfdns_requests", "Answers by status code.", ["code", "path"], registry=registry)
        self._refused = Counter("cfdns_refused", "Requests that were refused.", ["reason"], registry=registry)
        self._received = Counter("cfdns_received_bytes", "Bytes of acknowledged batches.", ["kind"], registry=registry)
        self._records = Counter("cfdns_records_received", "Records of acknowledged batches.", registry=registry)
        self._duplicates = Counter("cfdns_duplicates", "Batches that were stored before.", registry=registry)
        self._seconds = Histogram(
            "cfdns_request_seconds", "Time from headers to answer.", buckets=_SECONDS, registry=registry
        )
        self._commit_seconds = Histogram(
            "cfdns_commit_seconds", "Time to commit a group of batches.", buckets=_SECONDS, registry=registry
        )
        self._commit_batches = Histogram(
            "cfdns_commit_batches", "Batches of a committed group.", buckets=_BATCHES, registry=registry
        )
        self._in_flight = Gauge("cfdns_in_flight_bytes", "Compressed bytes of open requests.", registry=registry)
        self._connections = Gauge("cfdns_connections", "Open connections.", registry=registry)
        self._compressed = self._received.labels("compressed")
        self._decoded = self._received.labels("decoded")
        self._answers: dict[tuple[int, str], Counter] = {}
        #: Batches and records that were acknowledged, for the log.
        self.batches = self.records = 0
        registry.register(_StateCollector(spool, sinks))

    def request(self, code: int, path: str, seconds: float) -> None:
        """Count an answer."""
        answers = self._answers.get((code, path))
        if answers is None:
            answers = self._answers[code, path] = self._requests.labels(str(code), path)
        answers.inc()
        self._seconds.observe(seconds)

    def refused(self, reason: str) -> None:
        """Count a request that was refused."""
        self._refused.labels(reason).inc()

    def received(self, compressed_bytes: int, decoded_bytes: int, records: int) -> None:
        """Count a batch that was acknowledged."""
        self._compressed.inc(compressed_bytes)
        self._decoded.inc(decoded_bytes)
        self._records.inc(records)
        self.batches += 1
        self.records += records

    def duplicate(self) -> None:
        """Count a batch that was stored before."""
        self._duplicates.inc()

    def in_flight(self, size_bytes: int) -> None:
        """Set the compressed bytes of open requests."""
        self._in_flight.set(size_bytes)

    def connections(self, count: int) -> None:
        """Set the number of open connections."""
        self._connections.set(count)

    def commit(self, seconds: float, batches: int) -> None:
        """Count a committed group; the spool's thread calls it."""
        self._commit_seconds.observe(seconds)
        self._commit_batches.observe(batches)

    def text(self) -> tuple[bytes, str]:
        """Return all metrics in the text format of Prometheus, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class _StateCollector(Collector):
    """The state of the spool and of the sinks at the moment of the request."""

    def __init__(self, spool: Callable[[], SpoolReport | None], sinks: Callable[[], Sequence[SinkReport]]) -> None:
        self._spool = spool
        self._sinks = sinks

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that a registry does not collect while it registers."""
        return ()

    def collect(self) -> Iterator[Metric]:
        spool = self._spool()
        if spool is None:
            return
        now_ns = time.time_ns()
        age_s = max(0.0, (now_ns - spool.oldest_ns) / 1e9) if spool.oldest_ns else 0.0
        yield GaugeMetricFamily("cfdns_spool_bytes", "Size of the spool.", spool.bytes)
        yield GaugeMetricFamily("cfdns_spool_batches", "Batches in the spool.", spool.batches)
        yield GaugeMetricFamily("cfdns_spool_oldest_seconds", "Age of the oldest batch in the spool.", age_s)
        yield GaugeMetricFamily("cfdns_spool_free_bytes", "Free space of the file system.", spool.free_bytes)
        yield GaugeMetricFamily("cfdns_spool_full", "1 if batches are refused for lack of space.", int(spool.is_full))
        yield CounterMetricFamily("cfdns_spool_corrupt", "Damaged segments.", spool.corrupt_total)
        yield from self._of_sinks(self._sinks(), spool, now_ns)

    def _of_sinks(self, sinks: Sequence[SinkReport], spool: SpoolReport, now_ns: int) -> Iterator[Metric]:
        for name, text in (
            ("events", "Events that the target accepted."),
            ("bytes", "Bytes that the target accepted."),
        ):
            yield _family(CounterMetricFamily, name, text, {each.name: each.totals.get(name, 0) for each in sinks})
        for name, label, text in (
            ("rejects", "code", "Bytes that did not become an event."),
            ("problems", "code", "Fields that were left out of events."),
            ("dead_letters", "code", "Events that the target refused."),
            ("retries", "reason", "Faults of the target or of the disk."),
        ):
            family = CounterMetricFamily(f"cfdns_sink_{name}", text, labels=["sink", label])
            for each in sinks:
                for value, count in sorted(each.totals.get(name, {}).items()):
                    family.add_metric([each.name, value], count)
            yield family
        writes = SummaryMetricFamily("cfdns_sink_write_seconds", "Time of writes to the target.", labels=["sink"])
        for each in sinks:
            writes.add_metric([each.name], each.totals.get("writes", 0), each.totals.get("write_seconds", 0))
        yield writes
        gauges: dict[str, tuple[str, Callable[[SinkReport], float]]] = {
            "lag_batches": ("Batches that are not delivered.", lambda each: each.lag_batches(spool)),
            "lag_seconds": ("Age of the oldest such batch.", lambda each: each.lag_seconds(spool, now_ns)),
            "up": ("1 if the process runs and the target takes data.", lambda each: int(each.is_up)),
        }
        for name, (text, value_of) in gauges.items():
            yield _family(GaugeMetricFamily, name, text, {each.name: value_of(each) for each in sinks})
        looking = [each for each in sinks if each.indicators is not None]
        for name, text in (
            ("detections", "Detections that counted for alerts."),
            ("detections_not_kept", "Detections beyond a million of a piece of a batch, without alerts."),
            ("feed_loads", "Loads of feeds or rules."),
            ("feed_failures", "Looks at feeds or rules that could not be loaded."),
        ):
            yield _family(CounterMetricFamily, name, text, {each.name: each.totals.get(name, 0) for each in looking})
        counts = {each.name: each.indicators or 0 for each in looking}
        yield _family(GaugeMetricFamily, "indicators", "Names and addresses that are loaded.", counts)
        restarts = {each.name: each.restarts for each in sinks}
        yield _family(CounterMetricFamily, "restarts", "Restarts of the process.", restarts)


def _family(kind: Callable[..., Any], name: str, text: str, values: Mapping[str, float]) -> Metric:
    family = kind(f"cfdns_sink_{name}", text, labels=["sink"])
    for sink, value in values.items():
        family.add_metric([sink], value)
    metric: Metric = family
    return metric
