"""The sink for Elasticsearch with its official client, against a fake that answers as the real server does."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("the receiver and its sinks need POSIX", allow_module_level=True)
pytest.importorskip("elasticsearch", reason="elasticsearch is not installed")

import elasticsearch
from support.deliveries import Caller, batches_of, events_of, record_line
from support.fake_elasticsearch import FakeElasticsearch
from support.sinks import Record, batch_id, wait_until

from cfdns_fast.sinks import Piece, SinkFault, SinkSettingError, check_sink, open_sink, window
from cfdns_fast.sinks.bulk import ItemOutcome, outcomes_of

STREAM = "logs-cloudflare.dns-default"
#: The client of version 8 asks for compatibility with 8.
VERSION = elasticsearch.__version__[0]


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "MIN_DELAY_S", 0.01)
    monkeypatch.setattr(window, "MAX_DELAY_S", 0.05)


@pytest.fixture
def server() -> Iterator[FakeElasticsearch]:
    with FakeElasticsearch() as server:
        yield server


def identity(seq: int, index: int) -> str:
    return f"{base64.b32encode(batch_id(seq)).decode().rstrip('=')}-{index}"


def batch(seq: int, events: int, per_piece: int = 1000) -> list[list[Piece]]:
    return batches_of({seq: events_of(b"".join(record_line(seq, i) for i in range(events)))}, per_piece)


def expected(batches: list[list[Piece]]) -> dict[str, Any]:
    return {
        identity(piece.seq, piece.first_event + number): json.loads(line)
        for pieces in batches
        for piece in pieces
        for number, line in enumerate(piece.data.splitlines())
    }


def run(server: FakeElasticsearch, batches: list[list[Piece]], folder: Path, options: str = "") -> Record:
    record = Record(folder)
    caller = Caller(record, f"elasticsearch+http://{server.address}/{options}")
    caller.run(batches)
    assert caller.after == batches[-1][0].seq
    return record


def test_each_event_arrives_exactly(server: FakeElasticsearch, tmp_path: Path) -> None:
    batches = [*batch(1, 50, 20), *batch(2, 30)]
    record = run(server, batches, tmp_path, "?compress=on")
    assert server.documents == {STREAM: expected(batches)}
    assert record.letters == [] and record.counts()["events"] == 80
    run(server, batches, tmp_path, f"{STREAM}?concurrency=1")
    assert server.documents == {STREAM: expected(batches)}


def test_only_busy_events_are_sent_again(server: FakeElasticsearch, tmp_path: Path) -> None:
    server.busy = 7
    batches = batch(1, 20)
    run(server, batches, tmp_path)
    assert server.documents[STREAM] == expected(batches)
    assert server.requests[1:] == [[identity(1, number) for number in range(7)]]


def test_a_busy_server_gets_the_same_request(server: FakeElasticsearch, tmp_path: Path) -> None:
    server.busy_requests = 2
    batches = batch(1, 20)
    record = run(server, batches, tmp_path)
    assert server.documents[STREAM] == expected(batches)
    assert record.counts()["retries"] == {"429": 2}


def test_a_refused_event_is_a_dead_letter(server: FakeElasticsearch, tmp_path: Path) -> None:
    server.refuse = lambda document: document["source"]["ip"] == "192.0.2.13"
    server.busy = 3
    batches = batch(1, 20, 8)
    record = run(server, batches, tmp_path)
    wanted = expected(batches)
    del wanted[identity(1, 13)]
    assert server.documents[STREAM] == wanted
    line = batches[0][1].data.splitlines()[5]
    assert record.letters == [(1, 13, line, "mapper_parsing_exception")]
    # The first event is busy at first, so that its piece is sent twice.
    assert record.counts()["events"] == 19


def test_a_letter_that_cannot_be_kept_is_kept_later(server: FakeElasticsearch, tmp_path: Path) -> None:
    server.refuse = lambda document: document["source"]["ip"] == "192.0.2.3"
    record = Record(tmp_path)
    record.letter_faults = [SinkFault("disk", "the disk is full")]
    caller = Caller(record, f"elasticsearch+http://{server.address}/")
    caller.run(batch(1, 5))
    assert [letter[1] for letter in record.letters] == [3]
    assert record.counts()["events"] == 4
    assert server.requests[1] == [identity(1, 3)]


def test_a_request_that_is_too_large_is_cut(server: FakeElasticsearch, tmp_path: Path) -> None:
    batches = batch(1, 400)
    batches[0].append(batches[0][0]._replace(part=1, first_event=400))
    batches[0][0] = batches[0][0]._replace(is_last=False)
    server.max_bytes = 100_000
    record = run(server, batches, tmp_path, "?concurrency=1")
    assert server.documents[STREAM] == expected(batches)
    assert record.letters == []
    # The second piece is cut before it is sent.
    assert max(map(len, server.requests)) < 200


def test_an_event_that_is_too_large_is_a_dead_letter(server: FakeElasticsearch, tmp_path: Path) -> None:
    batches = batch(1, 12)
    lines = batches[0][0].data.splitlines(keepends=True)
    lines[5] = lines[5].replace(b'"ColoCode":"CDG"', b'"ColoCode":"%b"' % (b"C" * 9000))
    batches = batches_of({1: b"".join(lines)})
    server.max_bytes = 8000
    record = run(server, batches, tmp_path)
    wanted = expected(batches)
    del wanted[identity(1, 5)]
    assert server.documents[STREAM] == wanted
    assert [letter[1:] for letter in record.letters] == [(5, lines[5].rstrip(b"\n"), "413")]


def test_a_changed_key_is_read_again(server: FakeElasticsearch, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("b2xk\n")
    server.keys = {"bmV3"}
    record = Record(tmp_path)
    sink = open_sink(f"elasticsearch+http://{server.address}/?key_file={key}", record.context)
    batches = batch(1, 5)
    sink.write(batches[0][0])
    wait_until(lambda: record.counts().get("retries", {}).get("401", 0) >= 3)
    assert server.documents == {}
    key.unlink()
    wait_until(lambda: record.counts()["retries"].get("secret", 0) >= 2)
    key.write_text("bmV3\n")
    assert sink.commit(lambda pending: None, final=True) == 1
    sink.close()
    assert server.documents[STREAM] == expected(batches)
    assert record.letters == []
    assert any("401" in message for message in record.messages)
    assert not any("secret-name" in message or "b2xk" in message for message in record.messages)


def test_a_key_without_tls_is_warned_of(tmp_path: Path) -> None:
    for host, count in (("es.example", 1), ("127.0.0.1", 0)):
        record = Record(tmp_path)
        open_sink(f"elasticsearch+http://{host}:1/?key=env:K", record.context, environment={"K": "hush"}).close()
        assert len(record.messages) == count and "hush" not in str(record.messages)


@pytest.mark.parametrize("fault", ["product", "version"])
def test_a_server_that_does_not_fit_gets_all_later(server: FakeElasticsearch, tmp_path: Path, fault: str) -> None:
    if fault == "product":
        server.is_elasticsearch = False
    else:
        server.versions = (VERSION - 1,)
    record = Record(tmp_path)
    sink = open_sink(f"elasticsearch+http://{server.address}/", record.context)
    batches = batch(1, 5)
    sink.write(batches[0][0])
    reason = "product" if fault == "product" else "400"
    wait_until(lambda: record.counts().get("retries", {}).get(reason, 0) >= 3)
    server.is_elasticsearch, server.versions = True, (8, 9)
    assert sink.commit(lambda pending: None, final=True) == 1
    sink.close()
    assert server.documents[STREAM] == expected(batches)
    assert record.letters == []


@pytest.mark.parametrize(
    ("answer", "events"),
    [({}, 1), ({"errors": True, "items": []}, 1), ({"errors": True, "items": [{"create": {}}]}, 1), ([], 0), ("", 2)],
)
def test_an_answer_of_another_form_is_a_fault(answer: Any, events: int) -> None:
    with pytest.raises(SinkFault):
        outcomes_of(answer, events)


@pytest.mark.parametrize(
    ("status", "error", "state"),
    [
        (200, "", "done"),
        (201, "", "done"),
        (409, "version_conflict_engine_exception", "done"),
        (400, "mapper_parsing_exception", "refused"),
        (422, "", "refused"),
        (400, "invalid_index_name_exception", "again"),
        (400, "validation_exception", "again"),
        (403, "cluster_block_exception", "again"),
        (404, "index_not_found_exception", "again"),
        (429, "es_rejected_execution_exception", "again"),
        (500, "", "again"),
        (503, "unavailable_shards_exception", "again"),
    ],
)
def test_the_status_of_an_event_decides(status: int, error: str, state: str) -> None:
    outcome = ItemOutcome(status, error)
    assert (outcome.is_done, outcome.is_refused) == (state == "done", state == "refused")


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("elasticsearch+https:///index", "no host"),
        ("elasticsearch+https://host/UPPER", "not a name"),
        ("elasticsearch+https://host/?user=me", "belong together"),
        ("elasticsearch+https://host/?ca_file=/none/ca.pem", "option ca_file"),
        ("elasticsearch+https://host/?user=me&password=env:P&key=env:P", "not both"),
        ("opensearch+https://host/?key=env:P", "no API keys"),
        ("elasticsearch+https://me:secret@host/", "cannot be in the URL"),
        ("elasticsearch+https://host/?bulk=5MiB", "did you mean bulk_bytes"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, part: str) -> None:
    with pytest.raises(SinkSettingError, match=part) as caught:
        check_sink(url, environment={"P": "hush"})
    assert "secret" not in str(caught.value) or "me:secret" not in str(caught.value)
    assert "hush" not in str(caught.value)
