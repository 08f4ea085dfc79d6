"""Clients that are slow, cut off, greedy or no HTTP clients are closed, keep no memory, and harm no other client."""

from __future__ import annotations

import errno
import gc
import gzip
import random
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from contextlib import ExitStack, suppress

import pytest

pytest.importorskip("tornado", reason="needs the extra receiver")
pytest.importorskip("xxhash", reason="needs the extra receiver")
pytest.importorskip("resource", reason="the receiver needs POSIX")

import resource

from support.receiving import DEADLINE_S, Running, connect, post, read_reply, request, running, send
from tornado.iostream import IOStream

from cfdns_fast.receiver import door, exchange, server

LINES = b'{"QueryName":"a.example"}\n' * 100
SHORT = {"header_timeout_s": 0.5, "body_timeout_s": 0.5}


def closing(connection: socket.socket, trickle: Callable[[], bytes] | None = None) -> bytes:
    """Read until the server closes, and send what `trickle` returns meanwhile; fails at a deadline."""
    connection.settimeout(0.02)
    received = b""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        try:
            if trickle is not None:
                connection.sendall(trickle())
            data = connection.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return received
        if not data:
            return received
        received += data
    raise AssertionError("the connection stays open")


def test_connection_without_a_byte_is_closed() -> None:
    with running(**SHORT) as run, connect(run.port) as connection:
        assert closing(connection) == b""


def test_trickled_headers_are_closed() -> None:
    with running(**SHORT) as run, connect(run.port) as connection:
        connection.sendall(b"POST /plain/batch HTTP/1.1\r\n")
        assert closing(connection, lambda: b"X-A: b\r\n") == b""


@pytest.mark.parametrize("trickle", [None, lambda: b"x"], ids=["stalled", "trickled"])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_slow_body_is_answered_and_closed(trickle: Callable[[], bytes] | None, is_chunked: bool) -> None:
    headers = {"Transfer_Encoding": "chunked"} if is_chunked else {"Content_Length": "100000"}
    with running(**SHORT) as run, connect(run.port) as connection:
        connection.sendall(request(b"fffff\r\nx" if is_chunked else b"x", **headers))
        received = closing(connection, trickle)
        assert received.startswith(b"HTTP/1.1 408 ")
        assert received.endswith(b'{"error":"timeout"}')
        assert run.server.in_flight_bytes == 0
        assert run.counts.reasons == ["timeout"]


@pytest.mark.parametrize(("name", "value"), [("LINGER_S", 0.1), ("LINGER_BYTES", 1 << 20)])
def test_body_after_a_refusal_is_not_read_for_long(name: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "LINGER_S", 600)
    monkeypatch.setattr(exchange, "LINGER_BYTES", 1 << 60)
    monkeypatch.setattr(exchange, name, value)
    with running(idle_timeout_s=0.2) as run, connect(run.port) as connection:
        connection.sendall(request(Content_Length=str(1 << 40), key="wrong"))
        assert closing(connection, lambda: bytes(1 << 18)).endswith(b'{"error":"key"}')


def test_small_pieces_of_a_body_are_joined() -> None:
    """An object for each piece would take more memory than was reserved."""
    body = random.Random(3).randbytes(150_000)
    kept: list[int] = []
    keep = exchange.Exchange._keep

    def keep_parts(self: exchange.Exchange, chunk: bytes) -> None:
        for start in range(0, len(chunk), 100):
            keep(self, chunk[start : start + 100])
        kept.append(len(self.pieces))

    with pytest.MonkeyPatch.context() as patch, running() as run:
        patch.setattr(exchange.Exchange, "_keep", keep_parts)
        assert send(run.port, request(body)).code == 200
        assert max(kept) <= len(body) // exchange.MIN_PIECE_BYTES
        assert gzip.decompress(run.arrivals[0].body) == body


def test_answer_that_is_not_read_is_closed() -> None:
    with running(answer="event_ids", body_timeout_s=0.3) as run, connect(run.port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(3):  # 12 MB of answers are more than the buffers of the system hold
            connection.sendall(request(gzip.compress(b"x\n" * 100_000)))
        run.wait_until(lambda: run.server.connections == 1 and run.server.requests == 1)
        run.wait_until(lambda: run.server.connections == 0)


def test_slow_spool_is_waited_for() -> None:
    """The deadlines are those of the client; the sender gives up by itself."""
    with running(body_timeout_s=0.05) as run, connect(run.port) as connection:
        run.outcome = lambda arrival: None
        connection.sendall(request(LINES))
        run.wait_until(lambda: run.held == 1)
        sweeps = run.counts.sweeps + 20
        run.wait_until(lambda: run.counts.sweeps >= sweeps)
        run.release()
        assert read_reply(connection).code == 200


@pytest.mark.parametrize("size_bytes", [20_000, 200_000])
def test_large_headers_are_closed(size_bytes: int) -> None:
    with running() as run, connect(run.port) as connection:
        with suppress(ConnectionError):
            connection.sendall(b"POST /plain/batch HTTP/1.1\r\nX: " + b"x" * size_bytes)
        assert closing(connection) == b""
        run.wait_until(lambda: run.counts.reasons == ["request"])


def garbage() -> list[bytes]:
    dice = random.Random(5)
    made = [dice.randbytes(dice.randrange(1, 3000)) for _ in range(20)]
    good = request(gzip.compress(LINES), Content_Encoding="gzip")
    for _ in range(60):
        damaged = bytearray(good)
        for _ in range(dice.randrange(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        made.append(bytes(damaged))
    return [
        *made,
        b"\r\n" * 5000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /plain/batch HTTP/1.1\nX-SEKOIAIO-INTAKE-KEY : x\n\n",
        request(b"zz\r\n", Transfer_Encoding="chunked"),
        request(b"-1\r\nx", Transfer_Encoding="chunked"),
        request(b"1\r\nxx", Transfer_Encoding="chunked"),
        request(b"ffffffffffffffffffff\r\nx", Transfer_Encoding="chunked"),
    ]


def test_garbage_is_closed_and_others_are_served() -> None:
    with running(**SHORT) as run:
        for data in garbage():
            with connect(run.port) as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                closing(connection)
        assert post(run.port, LINES).code == 200
        run.wait_until(lambda: run.server.in_flight_bytes == 0 and run.server.connections == 0)


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b"\x16\x03\x01\x02\r\n\r\n", "other"),
        (b"POST /plain/batch HTTP/1.1\r\nX-A : b\r\n\r\n", "other"),
        (request(b"zz\r\n", Transfer_Encoding="chunked"), "/plain/batch"),
        (request(b"1\r\nxxx", Transfer_Encoding="chunked"), "/plain/batch"),
    ],
)
def test_unreadable_request_is_answered_and_counted(data: bytes, path: str) -> None:
    """tornado finds the fault, and would answer without a body."""
    with running() as run:
        reply = send(run.port, data)
        assert (reply.code, reply.json, reply.headers["connection"]) == (400, {"error": "request"}, "close")
        run.wait_until(lambda: run.server.connections == 0)
        assert run.counts.requests == [(400, path)] and run.counts.reasons == ["request"]


def test_refused_request_is_answered_once() -> None:
    with running() as run, connect(run.port) as connection:
        connection.sendall(request(b"zz\r\n", key="wrong", Transfer_Encoding="chunked"))
        answers = closing(connection)
        assert answers.startswith(b"HTTP/1.1 401") and answers.count(b"HTTP/1.1") == 1
        assert run.counts.requests == [(401, "/plain/batch")]


# Clients that go away. The memory of their request is released when the request is over, not before.


@pytest.mark.parametrize("sent", ["headers", "body"])
@pytest.mark.parametrize("is_reset", [False, True])
def test_disconnect_before_the_end_releases(sent: str, is_reset: bool) -> None:
    data = request(b"x" * 5000)
    with running() as run:
        with connect(run.port) as connection:
            connection.sendall(data[: -5000 if sent == "headers" else -1])
            run.wait_until(lambda: run.server.in_flight_bytes == 5000)
            if is_reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        run.wait_until(lambda: run.server.in_flight_bytes == 0 and run.server.connections == 0)
        assert run.server.admission.requests == 0
        assert run.arrivals == []
        assert run.counts.requests == [(499, "/plain/batch")] and run.counts.reasons == []


def test_disconnect_while_storing_releases_afterwards() -> None:
    with running() as run:
        run.outcome = lambda arrival: None
        with connect(run.port) as connection:
            connection.sendall(request(LINES))
            run.wait_until(lambda: run.held == 1)
        run.wait_until(lambda: run.server.connections == 0)
        assert run.server.in_flight_bytes == len(LINES)
        run.release()
        run.wait_until(lambda: run.server.in_flight_bytes == 0)
        assert run.counts.requests == [(499, "/plain/batch")]
        assert len(run.counts.batches) == 1  # it is stored, and the sender sends it again


def test_disconnect_while_pipelined_releases() -> None:
    with running() as run:
        run.outcome = lambda arrival: None
        with connect(run.port) as connection:
            connection.sendall(request(LINES) * 50)
            run.wait_until(lambda: run.held == 1)
        run.outcome = lambda arrival: "stored"
        run.release()
        run.wait_until(lambda: run.server.in_flight_bytes == 0 and run.server.connections == 0)


def test_many_disconnects_leave_nothing() -> None:
    dice = random.Random(7)
    body = gzip.compress(LINES)
    data = request(body, Content_Encoding="gzip")
    with running() as run:
        for _ in range(300):
            with connect(run.port) as connection:
                connection.sendall(data[: dice.randrange(len(data) + 1)])
        run.wait_until(lambda: run.server.in_flight_bytes == 0 and run.server.connections == 0)
        assert run.server.admission.requests == 0
        assert all(arrival.body == body for arrival in run.arrivals)


# Many connections.


def hold_idle_connections(run: Running, count: int) -> None:
    """Open connections, half of which begin a request, and post batches meanwhile."""
    with ExitStack() as stack:
        for number in range(count):
            connection = stack.enter_context(connect(run.port))
            if number % 2:
                connection.sendall(b"POST /plain/batch HTTP/1.1\r\nX-A: b\r\n")
        assert post(run.port, LINES).code == 200
        run.wait_until(lambda: run.server.connections >= count)
        for _ in range(20):
            assert post(run.port, LINES).code == 200


def test_good_client_is_served_beside_500_idle_ones() -> None:
    with running(header_timeout_s=60) as run:
        hold_idle_connections(run, min(500, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4))


HOLD = """
import socket, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
for connection in connections[::2]:
    connection.sendall(b"POST /plain/batch HTTP/1.1\\r\\nX-A: b\\r\\n")
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_good_client_is_served_beside_10000_idle_ones() -> None:
    """The idle connections are held by another process, because each process has its own limit for open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 10_500
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"needs {needed} open files, and the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    try:
        with running(header_timeout_s=300) as run:
            command = [sys.executable, "-c", HOLD, str(run.port), "10000"]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
                assert holder.stdout is not None
                assert holder.stdout.readline() == b"open\n"
                run.wait_until(lambda: run.server.connections == 10_000)
                for _ in range(20):
                    assert post(run.port, LINES).code == 200
                holder.communicate()
            run.wait_until(lambda: run.server.connections == 0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_oldest_waiting_connection_gives_way() -> None:
    with running(max_connections=20, header_timeout_s=60) as run, ExitStack() as stack:
        known = stack.enter_context(connect(run.port))
        known.sendall(request(b"test"))
        assert read_reply(known).code == 200
        idle = [stack.enter_context(connect(run.port)) for _ in range(19)]
        run.wait_until(lambda: run.server.connections == 20)
        assert send(run.port, request(b"test")).code == 200
        assert idle[0].recv(1) == b""
        run.wait_until(lambda: run.server.connections <= 20)
        known.sendall(request(b"test"))
        assert read_reply(known).code == 200


def test_silent_connections_stay_outside_tornado() -> None:
    with running(header_timeout_s=60) as run, ExitStack() as stack:
        silent = [stack.enter_context(connect(run.port)) for _ in range(20)]
        run.wait_until(lambda: run.server.connections == 20)
        assert not run.call(lambda: len(run.server._links))
        silent[5].sendall(request(b"test"))
        assert read_reply(silent[5]).code == 200
        silent[6].close()
        run.wait_until(lambda: run.server.connections == 19 and len(run.server._links) == 1)


def test_silent_connections_end_with_the_server() -> None:
    with running(header_timeout_s=60) as run, connect(run.port) as silent:
        run.wait_until(lambda: run.server.connections == 1)
        run.call(lambda: run.server.drain(5))
        assert silent.recv(1) == b""


def test_first_byte_gives_no_more_time_for_headers() -> None:
    """The deadline counts from the start of the connection."""
    with running(header_timeout_s=60) as run, connect(run.port) as connection:
        run.wait_until(lambda: run.server.connections == 1)
        ((_, _, deadline_s),) = run.call(lambda: list(run.server._door._waiting.values()))
        connection.sendall(b"P")
        run.wait_until(lambda: len(run.server._links) == 1)
        assert run.call(lambda: [link.deadline_s for link in run.server._links._links.values()]) == [deadline_s]


def test_many_silent_connections_that_end_are_closed() -> None:
    """More than one step of the sweeper, and more than one step of the end of connections."""
    count = 2 * door.MAX_CLOSED + 10
    with running(header_timeout_s=1) as run, ExitStack() as stack:
        silent = [stack.enter_context(connect(run.port)) for _ in range(count)]
        for each in silent:
            assert closing(each) == b""
        run.wait_until(lambda: run.server.connections == 0)
    with running(header_timeout_s=60) as run:
        with ExitStack() as stack:
            for _ in range(count):
                stack.enter_context(connect(run.port))
            run.wait_until(lambda: run.server.connections == count)
        run.wait_until(lambda: run.server.connections == 0)


def test_accepting_pauses_without_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    class Exhausted:
        def accept(self) -> None:
            raise OSError(errno.EMFILE, "too many open files")

    with running() as run:
        listening = Exhausted()
        run.call(lambda: monkeypatch.setattr(door, "PAUSE_S", 60))
        run.call(lambda: monkeypatch.setattr(run.loop, "remove_reader", lambda each: removed.append(each) is None))
        removed: list[object] = []
        run.call(lambda: run.server._door._accept(listening))  # type: ignore[arg-type]
        run.call(monkeypatch.undo)
        assert removed == [listening]
        assert post(run.port, LINES).code == 200


@pytest.mark.parametrize("is_answered", [True, False])
def test_closed_connections_leave_no_circles(is_answered: bool) -> None:
    """Their memory is free at once, without the garbage collector."""
    seen: list[weakref.ref[object]] = []
    with running() as run, pytest.MonkeyPatch.context() as patch:
        handle = server._HttpServer.handle_stream

        def watch(self: server._HttpServer, stream: IOStream, address: tuple[object, ...]) -> None:
            seen.append(weakref.ref(stream))
            handle(self, stream, address)

        patch.setattr(server._HttpServer, "handle_stream", watch)
        gc.disable()
        try:
            for _ in range(5):
                with connect(run.port) as connection:
                    connection.sendall(request(b"") if is_answered else b"POST / HT")
                    if is_answered:
                        assert read_reply(connection).code == 200
                    run.wait_until(lambda: len(run.server._links) == 1)
                run.wait_until(lambda: run.server.connections == 0)
            run.wait_until(lambda: not any(each() for each in seen))
            assert len(seen) == 5
        finally:
            gc.enable()


def test_burst_of_connections_stays_below_the_limit() -> None:
    with running(max_connections=20, header_timeout_s=60) as run, ExitStack() as stack:
        streams: list[IOStream] = []
        numbers: list[int] = []
        handle = server._HttpServer.handle_stream

        def count(self: server._HttpServer, stream: IOStream, address: tuple[object, ...]) -> None:
            handle(self, stream, address)
            streams.append(stream)
            numbers.append(sum(1 for each in streams if not each.closed()))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(server._HttpServer, "handle_stream", count)
            for _ in range(150):
                stack.enter_context(connect(run.port)).sendall(b"P")
            assert send(run.port, request(b"test")).code == 200
        assert max(numbers) <= 20


def test_connection_above_the_limit_is_closed() -> None:
    """All others have shown a key."""
    with running(max_connections=2) as run, ExitStack() as stack:
        for _ in range(2):
            known = stack.enter_context(connect(run.port))
            known.sendall(request(b"test"))
            assert read_reply(known).code == 200
        third = stack.enter_context(connect(run.port))
        assert closing(third) == b""
