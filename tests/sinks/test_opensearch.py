"""The sink for OpenSearch with its official client, against osmem-server."""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("the receiver and its sinks need POSIX", allow_module_level=True)
pytest.importorskip("opensearchpy", reason="opensearch-py is not installed")

import opensearchpy
from support.deliveries import Caller, batches_of, events_of, record_line
from support.servers import Relay, Server, osmem
from support.sinks import Record, batch_id, wait_until

from cfdns_fast.sinks import Piece, window

INDEX = "logs-cloudflare.dns-default"


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "MIN_DELAY_S", 0.01)
    monkeypatch.setattr(window, "MAX_DELAY_S", 0.2)


@pytest.fixture
def server() -> Iterator[Server]:
    with osmem() as server:
        yield server


def documents(server: Server, index: str = INDEX) -> dict[str, Any]:
    """Return all documents by _id."""
    with opensearchpy.OpenSearch([server.url]) as client:
        found: dict[str, Any] = {}
        after: Any = None
        while True:
            body = {"size": 1000, "sort": ["_id"], "query": {"match_all": {}}}
            hits = client.search(index=index, body=body | ({"search_after": after} if after else {}))["hits"]["hits"]
            if not hits:
                assert client.count(index=index)["count"] == len(found)
                return found
            found |= {hit["_id"]: hit["_source"] for hit in hits}
            after = hits[-1]["sort"]


def expected(batches: list[list[Piece]]) -> dict[str, Any]:
    return {
        f"{base64.b32encode(piece.batch_id).decode().rstrip('=')}-{piece.first_event + number}": json.loads(line)
        for batch in batches
        for piece in batch
        for number, line in enumerate(piece.data.splitlines())
    }


def some_batches(count: int = 3, events: int = 120, per_piece: int = 50) -> list[list[Piece]]:
    data = {seq: events_of(b"".join(record_line(seq, i) for i in range(events))) for seq in range(1, count + 1)}
    return batches_of(data, per_piece)


def test_each_event_arrives_exactly(server: Server, tmp_path: Path) -> None:
    record = Record(tmp_path)
    batches = some_batches()
    caller = Caller(record, f"opensearch+http://{server.address}/")
    caller.run(batches)
    assert caller.after == 3
    assert documents(server) == expected(batches)
    assert record.letters == [] and record.counts()["events"] == 360


def test_a_second_delivery_adds_nothing(server: Server, tmp_path: Path) -> None:
    batches = some_batches()
    for options in ("bulk_bytes=64KiB", "compress=on"):
        record = Record(tmp_path)
        Caller(record, f"opensearch+http://{server.address}/dns?{options}").run(batches)
        assert documents(server, "dns") == expected(batches)
        assert record.letters == []


def test_a_refused_event_is_a_dead_letter(server: Server, tmp_path: Path) -> None:
    mapping = {"mappings": {"properties": {"source": {"properties": {"ip": {"type": "ip"}}}}}}
    with opensearchpy.OpenSearch([server.url]) as client:
        client.indices.create(index="dns", body=mapping)
    records = [record_line(1, number) for number in range(10)]
    lines = events_of(b"".join(records)).splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"ip":"192.0.2.4"', b'"ip":"not an address"')
    batches = batches_of({1: b"".join(lines)}, 3)
    record = Record(tmp_path)
    Caller(record, f"opensearch+http://{server.address}/dns").run(batches)
    wanted = expected(batches)
    del wanted[f"{base64.b32encode(batch_id(1)).decode().rstrip('=')}-4"]
    assert documents(server, "dns") == wanted
    assert record.letters == [(1, 4, lines[4].rstrip(b"\n"), "mapper_parsing_exception")]


def test_compressed_requests_arrive_exactly(server: Server, tmp_path: Path) -> None:
    batches = some_batches(1)
    Caller(Record(tmp_path), f"opensearch+http://{server.address}/dns?compress=on").run(batches)
    assert documents(server, "dns") == expected(batches)


@pytest.mark.slow
def test_a_cut_network_loses_nothing(server: Server, tmp_path: Path) -> None:
    batches = some_batches(30)
    record = Record(tmp_path)
    with Relay(server.port) as relay:

        def disturb(seq: int) -> None:
            if seq % 12 == 0:
                wait_until(lambda: relay.is_up)
                relay.cut()
                threading.Timer(0.05, relay.mend).start()

        caller = Caller(record, f"opensearch+http://{relay.address}/dns?concurrency=3")
        caller.run(batches, between=disturb)
        wait_until(lambda: relay.is_up)
    assert caller.after == 30
    assert documents(server, "dns") == expected(batches)
    assert record.letters == []


@pytest.mark.slow
def test_a_server_that_starts_again_gets_the_rest(server: Server, tmp_path: Path) -> None:
    batches = some_batches(20, 40)
    record = Record(tmp_path)
    caller = Caller(record, f"opensearch+http://{server.address}/dns?concurrency=2")
    stored: dict[str, Any] = {}

    def restart(seq: int) -> None:
        if seq == 10:
            # It keeps everything in memory, so what it has is lost with it; these batches are delivered.
            stored.update(documents(server, "dns") if caller.after else {})
            server.kill()
            threading.Timer(0.3, server.start).start()

    caller.run(batches[:4])
    assert caller.after == 4
    caller.run(batches, between=restart)
    assert stored and caller.after == 20
    assert {**stored, **documents(server, "dns")} == expected(batches)
    assert record.counts()["retries"]["connect"] > 0
    assert record.counts()["up"] == 1


def test_a_stopped_process_waits_for_no_server(tmp_path: Path) -> None:
    server = osmem()
    record = Record(tmp_path)
    caller = Caller(record, f"opensearch+http://{server.address}/dns")
    threading.Timer(0.2, record.context.stop.set).start()
    caller.run(some_batches(2))
    assert caller.after == 0
    assert all("192.0.2" not in message for message in record.messages)
