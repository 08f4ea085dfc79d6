"""The metrics: their names, and the sums over processes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

pytest.importorskip("prometheus_client", reason="the extra receiver is not installed")
pytest.importorskip("tornado", reason="the extra receiver is not installed")
pytest.importorskip("xxhash", reason="the extra receiver is not installed")

from prometheus_client.parser import text_string_to_metric_families
from support.command import needs_posix

from cfdns_fast.receiver.health import HealthServer
from cfdns_fast.receiver.metrics import Metrics, SinkReport
from cfdns_fast.receiver.observer import Observer
from cfdns_fast.spool import SpoolStatus

pytestmark = needs_posix

#: As dashboards and alerts have them.
NAMES = {
    "cfdns_requests_total",
    "cfdns_refused_total",
    "cfdns_received_bytes_total",
    "cfdns_records_received_total",
    "cfdns_duplicates_total",
    "cfdns_request_seconds_count",
    "cfdns_commit_seconds_count",
    "cfdns_commit_batches_count",
    "cfdns_in_flight_bytes",
    "cfdns_connections",
    "cfdns_spool_bytes",
    "cfdns_spool_batches",
    "cfdns_spool_oldest_seconds",
    "cfdns_spool_free_bytes",
    "cfdns_spool_full",
    "cfdns_spool_corrupt_total",
    "cfdns_sink_events_total",
    "cfdns_sink_bytes_total",
    "cfdns_sink_rejects_total",
    "cfdns_sink_problems_total",
    "cfdns_sink_dead_letters_total",
    "cfdns_sink_retries_total",
    "cfdns_sink_lag_batches",
    "cfdns_sink_lag_seconds",
    "cfdns_sink_write_seconds_count",
    "cfdns_sink_up",
    "cfdns_sink_restarts_total",
}


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    text, kind = metrics.text()
    assert kind.startswith("text/plain")
    families = text_string_to_metric_families(text.decode())
    return {(each.name, tuple(each.labels.values())): each.value for family in families for each in family.samples}


def full_metrics() -> Metrics:
    now_ns = time.time_ns()
    spool = SpoolStatus(1000, 7, now_ns - 60_000_000_000, 20, 5000, True, False, 1, True)
    totals = {
        "events": 12,
        "bytes": 34,
        "rejects": {"json.syntax": 2},
        "problems": {"field.type": 3},
        "dead_letters": {"400": 4},
        "retries": {"connect": 5},
        "writes": 6,
        "write_seconds": 0.5,
        "loops": 7,
    }
    sinks = [SinkReport("out", totals, True, 8, 15, now_ns - 30_000_000_000), SinkReport("new", {}, False, 0, 20, 0)]
    metrics = Metrics(lambda: spool, lambda: sinks)
    observer: Observer = metrics
    observer.request(200, "/plain/batch", 0.01)
    observer.refused("key")
    observer.received(10, 100, 5)
    observer.duplicate()
    observer.in_flight(3)
    observer.connections(2)
    metrics.commit(0.001, 4)
    return metrics


def test_names_are_the_documented_ones() -> None:
    found = {name for name, _ in samples(full_metrics()) if name.startswith("cfdns_")}
    suffixes = ("_bucket", "_sum")
    assert {name for name in found if not name.endswith(suffixes)} == NAMES


def test_values_are_those_of_the_parts() -> None:
    found = samples(full_metrics())
    assert found["cfdns_received_bytes_total", ("decoded",)] == 100
    assert found["cfdns_requests_total", ("200", "/plain/batch")] == 1
    assert found["cfdns_spool_full", ()] == 1 and found["cfdns_spool_corrupt_total", ()] == 1
    assert found["cfdns_sink_rejects_total", ("json.syntax", "out")] == 2
    assert found["cfdns_sink_lag_batches", ("out",)] == 5 and found["cfdns_sink_lag_batches", ("new",)] == 0
    assert 29 < found["cfdns_sink_lag_seconds", ("out",)] < 3600 and found["cfdns_sink_lag_seconds", ("new",)] == 0
    assert found["cfdns_sink_up", ("out",)] == 1 and found["cfdns_sink_up", ("new",)] == 0
    assert found["cfdns_sink_restarts_total", ("out",)] == 8
    assert found["cfdns_sink_write_seconds_count", ("out",)] == 6


def test_no_spool_means_no_state() -> None:
    found = samples(Metrics(lambda: None, list))
    assert not any(name.startswith("cfdns_s") for name, _ in found)


def test_unix_socket_of_operators_is_removed(tmp_path: Path) -> None:
    """Load balancers ask by HEAD as well."""
    path = tmp_path / "socket"

    async def ask() -> bytes:
        health = HealthServer(lambda: (b"", "text/plain"), lambda: "", lambda: "the spool is full")
        health.start(f"unix:{path}")
        assert health.urls == (f"unix:{path}",) and path.exists()
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"HEAD /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        await health.stop()
        return answer

    assert asyncio.run(ask()).startswith(b"HTTP/1.1 503 ")
    assert not path.exists()
