"""The answers of the server, code by code, and that nothing is kept after them."""

from __future__ import annotations

import base64
import gzip
import logging
import random
import threading
from contextlib import ExitStack
from typing import Any

import pytest

pytest.importorskip("tornado", reason="needs the extra receiver")
pytest.importorskip("xxhash", reason="needs the extra receiver")
pytest.importorskip("resource", reason="the receiver needs POSIX")

from support.receiving import KEY, connect, post, read_reply, request, running, send

from cfdns_fast.receiver import server
from cfdns_fast.receiver.examine import Examination, Limits
from cfdns_fast.receiver.keys import Keys
from cfdns_fast.receiver.redaction import Redaction
from cfdns_fast.receiver.settings import parse_networks
from cfdns_fast.spool import hash_of

LINES = b"".join(b'{"QueryName":"host-%04d.example.com","Timestamp":%d}\n' % (number, number) for number in range(1000))


def test_batch_is_acknowledged() -> None:
    with running() as run:
        reply = post(run.port, LINES)
        assert (reply.code, reply.body) == (200, b'{"accepted":1000,"batch":"000000000001"}')
        (arrival,) = run.arrivals
        assert gzip.decompress(arrival.body) == LINES
        assert arrival[:5] == ("one", "/plain/batch", "dns_logs", 1000, len(LINES))
        assert arrival.hash == hash_of(arrival.body)
        assert run.counts.requests == [(200, "/plain/batch")]
        assert run.counts.batches == [(len(arrival.body), len(LINES), 1000)]


def test_plain_batch_is_compressed() -> None:
    with running() as run:
        reply = send(run.port, request(LINES))
        assert reply.json == {"accepted": 1000, "batch": "000000000001"}
        (arrival,) = run.arrivals
        assert gzip.decompress(arrival.body) == LINES
        assert arrival.hash == hash_of(LINES)


def test_chunked_batch_is_acknowledged() -> None:
    body = gzip.compress(LINES)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:1], body[1:700], body[700:]))
    with running() as run:
        reply = send(run.port, request(chunks + b"0\r\n\r\n", Transfer_Encoding="chunked"))
        assert reply.json == {"accepted": 1000, "batch": "000000000001"}
        assert run.arrivals[0].body == body


def test_duplicate_is_acknowledged() -> None:
    with running() as run:
        run.outcome = lambda arrival: "duplicate"
        assert post(run.port, LINES).body == b'{"accepted":1000,"batch":"000000000001","duplicate":true}'
        assert run.counts.duplicates == 1


@pytest.mark.parametrize(("outcome", "retry_after"), [("full", "30"), ("failed", "5")])
def test_batch_that_is_not_stored_is_refused(outcome: str, retry_after: str) -> None:
    with running() as run:
        run.outcome = lambda arrival: outcome
        reply = post(run.port, LINES)
        assert (reply.code, reply.json) == (503, {"error": outcome})
        assert reply.headers["retry-after"] == retry_after
        assert run.counts.reasons == [outcome]


def test_failing_submit_is_refused() -> None:
    def fail(arrival: object) -> None:
        raise RuntimeError("closed")

    with running() as run:
        run.outcome = fail
        assert post(run.port, LINES).json == {"error": "failed"}


def test_lack_of_memory_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(server, "examination", fail)
    with running() as run:
        reply = post(run.port, LINES)
        assert (reply.code, reply.json) == (503, {"error": "busy"})


def test_event_ids_are_one_for_each_record() -> None:
    with running(answer="event_ids") as run:
        ids = post(run.port, LINES).json["event_ids"]
        assert len(set(ids)) == 1000
        assert all(len(each) == 36 and each[8] == each[13] == each[18] == each[23] == "-" for each in ids)
        assert post(run.port, LINES).json["event_ids"] == ids
        small = [post(run.port, b"{}\n").json["event_ids"] for _ in range(2)]
        assert [len(each) for each in small] == [1, 1]
        assert small[0] != small[1]
        assert send(run.port, request()).json == {"event_ids": []}


# What is refused before the body, in the order of the checks: each request also has all faults of the following ones.
EARLY = [
    (404, "path", {"path": "/other?intake_key=x", "method": "GET", "key": None}),
    (405, "method", {"method": "PUT", "key": None}),
    (401, "key", {"key": "wrong", "Content_Length": "x"}),
    (401, "key", {"key": None}),
    (401, "key", {"key": None, "path": f"/plain/batch?intake_key={KEY}"}),
    (401, "key", {"key": f"{KEY}, {KEY}"}),
    (401, "key", {"key": None, "Authorization": f"Bearer {KEY}"}),
    (401, "key", {"key": None, "Authorization": "Basic ~~~"}),
    (400, "request", {"Content_Length": "5", "Transfer_Encoding": "chunked", "Content_Encoding": "br"}),
    (400, "request", {"Content_Length": "5, 6"}),
    (400, "request", {"Content_Length": "5\r\nContent-Length: 5"}),
    (400, "request", {"Content_Length": "-1"}),
    (400, "request", {"Content_Length": "²"}),
    (400, "request", {"Content_Length": "5", "Transfer_Encoding": "gzip"}),
    (411, "length", {"Content_Length": ""}),
    (415, "encoding", {"Content_Encoding": "br", "Content_Length": "1000000000000"}),
    (415, "encoding", {"Content_Encoding": "gzip, gzip"}),
    (413, "too_large", {"Content_Length": "1000000000000"}),
    (413, "too_large", {"Content_Length": "9" * 5000}),
    (413, "too_large", {"Content_Length": "67108865"}),
]


@pytest.mark.parametrize(("code", "word", "options"), EARLY, ids=[f"{each[1]}{n}" for n, each in enumerate(EARLY)])
def test_request_is_refused_before_its_body(code: int, word: str, options: dict[str, str]) -> None:
    """Only the headers are sent."""
    headers = {"Content_Length": "1000", **options}
    with running() as run:
        reply = send(run.port, request(**headers))  # type: ignore[arg-type]
        assert (reply.code, reply.body) == (code, b'{"error":"%s"}' % word.encode())
        assert reply.headers["connection"] == "close"
        assert reply.headers.get("allow") == ("POST" if code == 405 else None)
        assert run.counts.reasons == [word]
        assert run.counts.requests == [(code, "other" if code == 404 else "/plain/batch")]
        assert run.arrivals == []


@pytest.mark.parametrize("body", [b"", b"test", b"tests\n", b'{"content":"tests"}', b" \n\r\n"])
@pytest.mark.parametrize("is_gzip", [False, True])
def test_validation_upload_is_not_stored(body: bytes, is_gzip: bool) -> None:
    with running() as run:
        data = request(gzip.compress(body), Content_Encoding="gzip") if is_gzip else request(body)
        assert send(run.port, data).body == b'{"accepted":0}'
        assert run.arrivals == []
        assert run.counts.requests == [(200, "/plain/batch")]


def test_validation_upload_needs_a_key() -> None:
    with running() as run:
        assert send(run.port, request(b"test", key="wrong")).code == 401


def test_basic_password_is_a_key() -> None:
    password = base64.b64encode(b"user:another-key-for-tests-2").decode()
    with running() as run:
        assert post(run.port, LINES, key=None, Authorization=f"Basic {password}").code == 200
        assert run.arrivals[0].key_name == "two"


def test_no_key_is_accepted_if_allowed() -> None:
    with running(keys_environment=None, allow_no_key=True) as run:
        assert post(run.port, LINES, key=None).code == 200
        assert run.arrivals[0].key_name == "anonymous"


def test_address_outside_the_ranges_is_refused() -> None:
    with running(allow_from=parse_networks(["192.0.2.0/24"])) as run:
        assert send(run.port, request(Content_Length="9", key="wrong")).json == {"error": "address"}
    with running(allow_from=parse_networks(["192.0.2.0/24", "127.0.0.1"])) as run:
        assert post(run.port, LINES).code == 200


def test_other_headers_and_the_query_never_gate() -> None:
    with running() as run:
        reply = post(
            run.port, LINES, path="/plain/batch?tags=a&x=%zz", Content_Type="text/html", User_Agent="x", Accept="a/b"
        )
        assert reply.code == 200


def test_gzip_is_detected_without_a_header() -> None:
    with running() as run:
        assert send(run.port, request(gzip.compress(LINES))).json["accepted"] == 1000
        assert send(run.port, request(gzip.compress(LINES), Content_Encoding="x-gzip")).json["accepted"] == 1000
        assert send(run.port, request(LINES, Content_Encoding="identity")).json["accepted"] == 1000
        assert send(run.port, request(LINES, Content_Encoding="gzip")).json == {"error": "gzip"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
def test_other_methods_are_refused(method: str) -> None:
    with running() as run:
        reply = send(run.port, request(method=method, Content_Length=""), is_head=method == "HEAD")
        assert (reply.code, reply.headers["allow"]) == (405, "POST")
        assert reply.body == (b"" if method == "HEAD" else b'{"error":"method"}')
        assert reply.headers["content-length"] == "18"


def test_damaged_gzip_is_refused_on_a_kept_connection() -> None:
    body = gzip.compress(LINES)
    with running() as run, connect(run.port) as connection:
        for cut in (len(body) - 1, len(body) // 2, 3):
            connection.sendall(request(body[:cut], Content_Encoding="gzip"))
            reply = read_reply(connection)
            assert (reply.code, reply.json) == (400, {"error": "gzip"})
            assert "connection" not in reply.headers
        connection.sendall(request(body, Content_Encoding="gzip"))
        assert read_reply(connection).code == 200


def test_requests_of_a_key_are_limited() -> None:
    with running(max_requests_per_key=2) as run:
        run.outcome = lambda arrival: None
        with connect(run.port) as first, connect(run.port) as second:
            first.sendall(request(LINES))
            second.sendall(request(LINES))
            run.wait_until(lambda: run.held == 2)
            reply = post(run.port, LINES)
            assert (reply.code, reply.json, reply.headers["retry-after"]) == (429, {"error": "requests"}, "1")
            assert post(run.port, b"test", key="another-key-for-tests-2").code == 200
            run.release()
            assert read_reply(first).code == read_reply(second).code == 200
        run.outcome = lambda arrival: "stored"
        assert post(run.port, LINES).code == 200


@pytest.mark.parametrize("is_chunked", [False, True])
def test_bytes_in_flight_are_limited(is_chunked: bool) -> None:
    body = b"x" * 5000
    data = request(b"1388\r\n" + body + b"\r\n0\r\n\r\n", Transfer_Encoding="chunked") if is_chunked else request(body)
    with running(max_body_bytes=8000, in_flight_bytes=8000) as run:
        run.outcome = lambda arrival: None
        with connect(run.port) as first:
            first.sendall(data)
            run.wait_until(lambda: run.held == 1)
            assert run.server.in_flight_bytes == 5000
            reply = send(run.port, data)
            assert (reply.code, reply.json, reply.headers["retry-after"]) == (503, {"error": "busy"}, "1")
            assert run.server.in_flight_bytes == 5000
            run.release()
            assert read_reply(first).code == 200
        run.outcome = lambda arrival: "stored"
        assert send(run.port, data).code == 200


def test_large_body_is_refused_by_its_chunks() -> None:
    with running(max_body_bytes=2048) as run:
        reply = send(run.port, request(b"1001\r\n" + b"x" * 4097, Transfer_Encoding="chunked"))
        assert (reply.code, reply.json) == (413, {"error": "too_large"})
        assert send(run.port, request(b"x" * 2048)).code == 200
        assert send(run.port, request(b"x" * 2049)).code == 413


def test_full_spool_refuses_before_the_body() -> None:
    with running(is_full=lambda: True) as run:
        reply = send(run.port, request(Content_Length="3000000"))
        assert (reply.code, reply.json, reply.headers["retry-after"]) == (503, {"error": "full"}, "30")


def test_answer_to_expect_has_no_continue() -> None:
    with running() as run, connect(run.port) as connection:
        connection.sendall(request(Content_Length="10", Expect="100-continue", key="wrong"))
        received = b"".join(iter(lambda: connection.recv(4096), b""))
        assert received.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
        assert received.endswith(b'{"error":"key"}')


def test_expected_body_is_asked_for() -> None:
    body = gzip.compress(LINES)
    with running() as run, connect(run.port) as connection:
        connection.sendall(request(Content_Length=str(len(body)), Expect="100-continue"))
        rest = bytearray()
        assert read_reply(connection, rest).code == 100
        connection.sendall(body)
        assert read_reply(connection, rest).json["accepted"] == 1000


def test_sender_gets_to_read_a_refusal() -> None:
    """The whole body is sent before the answer is read; a reset connection would lose the answer."""
    with running() as run, connect(run.port) as connection:
        connection.sendall(request(bytes(5_000_000), key="wrong"))
        assert read_reply(connection).json == {"error": "key"}
        assert connection.recv(1) == b""


def test_pipelined_requests_are_answered_in_order() -> None:
    with running() as run, connect(run.port) as connection:
        connection.sendall(b"".join(request(b"{}\n" * count) for count in range(1, 21)))
        rest = bytearray()
        assert [read_reply(connection, rest).json["accepted"] for _ in range(20)] == list(range(1, 21))


@pytest.mark.parametrize(
    ("version", "header", "is_kept"),
    [("1.1", "", True), ("1.1", "close", False), ("1.0", "", False), ("1.0", "keep-alive", True)],
)
def test_connection_is_kept_as_the_client_asks(version: str, header: str, is_kept: bool) -> None:
    data = request(LINES, Connection=header).replace(b" HTTP/1.1\r\n", f" HTTP/{version}\r\n".encode(), 1)
    with running() as run, connect(run.port) as connection:
        for _ in range(3 if is_kept else 1):
            connection.sendall(data)
            reply = read_reply(connection)
            assert reply.json["accepted"] == 1000
        if is_kept:
            assert run.server.connections == 1
        else:
            assert reply.headers.get("connection", "close") == "close"
            assert connection.recv(1) == b""


def test_many_clients_at_once_get_their_own_answers() -> None:
    """Outcomes come late, in groups, and in any order."""
    dice = random.Random(9)
    with running() as run, ExitStack() as stack:
        run.outcome = lambda arrival: None
        connections = {count: stack.enter_context(connect(run.port)) for count in range(1, 101)}
        for count, connection in connections.items():
            connection.sendall(request(gzip.compress(b"{}\n" * count), Content_Encoding="gzip"))
        open_count = len(connections)
        while open_count:
            run.wait_until(lambda: run.held > 0)
            open_count -= run.release(shuffle=dice.shuffle)
        assert {count: read_reply(each).json["accepted"] for count, each in connections.items()} == {
            count: count for count in connections
        }


def test_large_body_does_not_delay_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread examines both. The first body needs steps until the second one is stored."""
    examine = server.examination
    is_second_stored = threading.Event()

    def endless(body: bytes, is_gzip: bool, limits: Limits) -> Examination:
        while len(body) > 10_000 and not is_second_stored.is_set():
            yield
        return (yield from examine(body, is_gzip, limits))

    monkeypatch.setattr(server, "examination", endless)
    monkeypatch.setattr(server, "EXAMINERS", 1)
    with running() as run, connect(run.port) as large:
        large.sendall(request(LINES))
        run.wait_until(lambda: run.server.in_flight_bytes == len(LINES))
        assert send(run.port, request(LINES[:1000])).code == 200
        is_second_stored.set()
        assert read_reply(large).json["accepted"] == 1000


def test_body_that_is_being_examined_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*arguments: object) -> Examination:
        while True:
            yield

    monkeypatch.setattr(server, "examination", endless)
    with running() as run, connect(run.port) as connection, connect(run.port) as other:
        connection.sendall(request(LINES))
        other.sendall(request(LINES))
        run.wait_until(lambda: run.server.in_flight_bytes == 2 * len(LINES))


def test_group_is_answered_by_one_wake_up() -> None:
    with running() as run:
        run.outcome = lambda arrival: None
        with ExitStack() as stack:
            connections = [stack.enter_context(connect(run.port)) for _ in range(10)]
            for connection in connections:
                connection.sendall(request(LINES))
            run.wait_until(lambda: run.held == 10)
            wake = run.loop.call_soon_threadsafe
            calls: list[Any] = []
            run.loop.call_soon_threadsafe = lambda *arguments: calls.append(wake(*arguments))  # type: ignore
            run.release()
            del run.loop.call_soon_threadsafe
            assert len(calls) == 1
            assert {read_reply(connection).json["batch"] for connection in connections} == {
                f"{number:012d}" for number in range(1, 11)
            }


# What happens to requests that are open at the end.


def test_failing_answer_leaves_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as run, connect(run.port) as first, connect(run.port) as second:
        run.outcome = lambda arrival: None
        for number, connection in enumerate((first, second), 1):
            connection.sendall(request(b"{}\n"))
            run.wait_until(lambda number=number: run.held == number)  # type: ignore[misc]
        faults = [ValueError("a fault")]

        def received(*_: int) -> None:
            if faults:
                raise faults.pop()

        monkeypatch.setattr(run.counts, "received", received)
        run.release()
        assert read_reply(second).code == 200
        assert first.recv(100) == b""
        assert run.call(lambda: run.server.in_flight_bytes) == 0


def test_drain_finishes_open_requests() -> None:
    with running() as run:
        run.outcome = lambda arrival: None
        with connect(run.port) as connection, connect(run.port) as idle:
            connection.sendall(request(LINES))
            run.wait_until(lambda: run.held == 1)
            run.call(run.server.stop_accepting)
            drained = run.start(lambda: run.server.drain(10))
            assert idle.recv(1) == b""
            run.release()
            reply = read_reply(connection)
            assert (reply.code, reply.headers["connection"]) == (200, "close")
            assert connection.recv(1) == b""
            assert drained.result(10) == 0
        with pytest.raises(ConnectionRefusedError):
            connect(run.port)


def test_drain_returns_what_is_not_answered() -> None:
    with running() as run:
        run.outcome = lambda arrival: None
        with connect(run.port) as connection:
            connection.sendall(request(LINES))
            run.wait_until(lambda: run.held == 1)
            assert run.call(lambda: run.server.drain(0.05)) == 1


def test_other_keys_are_valid_after_a_reload() -> None:
    with running() as run, connect(run.port) as connection:
        connection.sendall(request(b"test"))
        assert read_reply(connection).code == 200
        run.call(lambda: run.server.reload(Keys("new = a-new-key-for-the-tests")))
        connection.sendall(request(b"test", key="a-new-key-for-the-tests"))
        assert read_reply(connection).code == 200
        connection.sendall(request(b"test"))
        assert read_reply(connection).code == 401


def test_idle_connection_with_a_key_stays_longer() -> None:
    with running(header_timeout_s=0.5, idle_timeout_s=60) as run, connect(run.port) as known, connect(run.port) as new:
        known.sendall(request(b"test"))
        assert read_reply(known).code == 200
        assert new.recv(1) == b""  # closed by the deadline
        known.sendall(request(b"test"))
        assert read_reply(known).code == 200


def test_gauges_are_reported() -> None:
    with running(header_timeout_s=0.1) as run, connect(run.port):
        run.wait_until(lambda: run.counts.gauges == {"in_flight": 0, "connections": 1})


def test_log_has_no_content(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with running() as run:
        for data in (
            b"GET / HTTP/9.9\r\nX-Secret: secret-text\r\n\r\n",
            b"POST /plain/batch?secret-text HTTP/1.1\r\nsecret-text\r\n\r\n",
            request(b"secret-text\r\n", Transfer_Encoding="chunked"),
            request(b"secret-text", Content_Encoding="gzip"),
        ):
            with connect(run.port) as connection:
                connection.sendall(data)
                assert b" 400 " in connection.recv(4096)
        run.call(
            lambda: logging.getLogger("tornado.application").error("secret-text", exc_info=ValueError("secret-text"))
        )
    assert "secret-text" not in caplog.text
    assert "ValueError" in caplog.text


def test_error_that_repeats_is_logged_once() -> None:
    """A listening socket that fails does so in each round of the loop."""
    redaction, fault = Redaction(), OSError(24, "secret-text")
    records = [
        logging.LogRecord("asyncio", logging.ERROR, "", 1, "x", None, (OSError, each, None))
        for each in (fault, fault, ValueError())
    ]
    assert [redaction.filter(record) for record in records] == [True, False, True]
    assert records[0].getMessage() == "asyncio: OSError 24"
