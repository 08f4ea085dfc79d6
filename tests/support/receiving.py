"""Run a receiving server on a thread for tests, with a spool in memory, and talk to it by raw sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cfdns_fast.receiver.keys import Keys
from cfdns_fast.receiver.server import Server
from cfdns_fast.receiver.settings import Settings, SinkSettings
from cfdns_fast.spool import Arrival, Outcome

__all__ = [
    "DEADLINE_S",
    "KEY",
    "Reply",
    "Running",
    "connect",
    "post",
    "read_reply",
    "request",
    "running",
    "send",
    "settings_for",
]

KEY = "a-key-for-tests-0001"
KEYS = f"one = {KEY}\ntwo = another-key-for-tests-2\n"

#: A wait of a test ends with a failure after this time.
DEADLINE_S = 20.0


def settings_for(**changes: Any) -> Settings:
    """Return settings with short timeouts; port 0."""
    values: dict[str, Any] = {
        "state": Path("/nonexistent"),
        "sinks": (SinkSettings(name="out", url="-"),),
        "keys_environment": "KEYS",
        "listen": "127.0.0.1:0",
    }
    return Settings(**{**values, **changes})


class Reply(NamedTuple):
    """An answer: status code, headers with names in lower case, and the body."""

    code: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeCounts:
    """An observer that keeps what it gets."""

    def __init__(self) -> None:
        self.requests: list[tuple[int, str]] = []
        self.reasons: list[str] = []
        self.batches: list[tuple[int, int, int]] = []
        self.duplicates = 0
        self.gauges: dict[str, int] = {}
        self.sweeps = 0

    def request(self, code: int, path: str, seconds: float) -> None:
        assert seconds >= 0
        self.requests.append((code, path))

    def refused(self, reason: str) -> None:
        self.reasons.append(reason)

    def received(self, compressed_bytes: int, decoded_bytes: int, records: int) -> None:
        self.batches.append((compressed_bytes, decoded_bytes, records))

    def duplicate(self) -> None:
        self.duplicates += 1

    def in_flight(self, size_bytes: int) -> None:
        self.gauges["in_flight"] = size_bytes

    def connections(self, count: int) -> None:
        self.gauges["connections"] = count
        self.sweeps += 1


class Running:
    """A server that runs on a thread.

    `arrivals` holds what was submitted. `outcome` decides about each arrival: a code of `Outcome`, or None to hold it
    until `release`.
    """

    def __init__(self, settings: Settings, tls: ssl.SSLContext | None, is_full: Callable[[], bool]) -> None:
        self.arrivals: list[Arrival] = []
        self.outcome: Callable[[Arrival], str | None] = lambda arrival: "stored"
        self.counts = FakeCounts()
        self._held: list[tuple[Any, Arrival]] = []
        keys = Keys(None) if settings.allow_no_key else Keys(KEYS)
        self.server = Server(settings, keys, self._submit, self.counts, tls=tls, is_full=is_full)

    def _submit(self, arrival: Arrival, token: Any) -> None:
        self.arrivals.append(arrival)
        code = self.outcome(arrival)
        if code is None:
            self._held.append((token, arrival))
        else:
            self.server.resolve([(token, Outcome(code, len(self.arrivals)))])

    def release(self, code: str = "stored", *, shuffle: Callable[[list[Any]], object] = lambda held: None) -> int:
        """Resolve what is held, as one group; returns the number of batches."""
        held = [self._held.pop() for _ in range(len(self._held))][::-1]
        shuffle(held)
        self.server.resolve([(token, Outcome(code, number)) for number, (token, _) in enumerate(held, 1)])
        return len(held)

    @property
    def held(self) -> int:
        return len(self._held)

    @property
    def port(self) -> int:
        return self.server.ports[0]

    def start(self, function: Callable[[], Any]) -> Future[Any]:
        """Begin to call a function, or to await a coroutine function, in the loop of the server."""
        done: Future[Any] = Future()

        async def run() -> None:
            try:
                result = function()
                done.set_result(await result if asyncio.iscoroutine(result) else result)
            except BaseException as error:
                done.set_exception(error)

        self.loop.call_soon_threadsafe(lambda: self.tasks.append(self.loop.create_task(run())))
        return done

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function, or await a coroutine function, in the loop of the server."""
        return self.start(function).result(DEADLINE_S)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, which is read in the loop of the server."""

        async def wait() -> None:
            while not condition():
                await asyncio.sleep(0.002)

        self.call(lambda: asyncio.wait_for(wait(), DEADLINE_S))

    loop: asyncio.AbstractEventLoop
    tasks: list[asyncio.Task[None]]


@contextmanager
def running(
    *,
    tls: ssl.SSLContext | None = None,
    is_full: Callable[[], bool] = lambda: False,
    sockets: list[socket.socket] | None = None,
    **changes: Any,
) -> Iterator[Running]:
    """Run a server with these settings; at the end, all memory must have been released."""
    run = Running(settings_for(**changes), tls, is_full)
    run.tasks = []
    started: Future[None] = Future()

    async def serve() -> None:
        run.loop = asyncio.get_running_loop()
        end = asyncio.Event()
        run.finish = lambda: run.loop.call_soon_threadsafe(end.set)  # type: ignore[attr-defined]
        try:
            run.server.start(sockets)
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(None)
        await end.wait()
        await run.server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        started.result(DEADLINE_S)
        try:
            yield run
        finally:
            run.release("failed")
            run.finish()  # type: ignore[attr-defined]
    finally:
        thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert run.server.in_flight_bytes == 0
    assert run.server.admission.requests == 0


def request(
    body: bytes = b"", *, path: str = "/plain/batch", method: str = "POST", key: str | None = KEY, **headers: str
) -> bytes:
    """Return the bytes of a request; underscores in the names of headers stand for hyphens."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test"]
    if key is not None:
        lines.append(f"X-SEKOIAIO-INTAKE-KEY: {key}")
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    if not {"Content-Length", "Transfer-Encoding"} & names.keys():
        names["Content-Length"] = str(len(body))
    lines += [f"{name}: {value}" for name, value in names.items() if value != ""]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def connect(port: int) -> socket.socket:
    """Return a connection."""
    return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)


def read_reply(connection: socket.socket, rest: bytearray | None = None, *, is_head: bool = False) -> Reply:
    """Read one answer. Bytes of a following answer stay in `rest`."""
    data = rest if rest is not None else bytearray()
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            raise ConnectionResetError("no answer")
        data += received
    head, _, _ = bytes(data).partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    end = len(head) + 4 + (0 if is_head else int(headers.get("content-length", 0)))
    while len(data) < end:
        received = connection.recv(65536)
        if not received:
            raise ConnectionResetError("the answer ends early")
        data += received
    body = bytes(data[len(head) + 4 : end])
    del data[:end]
    return Reply(int(lines[0].split()[1]), headers, body)


def send(port: int, data: bytes, *, is_head: bool = False) -> Reply:
    """Send bytes on a connection of their own, and read one answer."""
    with connect(port) as connection:
        connection.sendall(data)
        return read_reply(connection, is_head=is_head)


def post(port: int, body: bytes, **options: Any) -> Reply:
    """Send a batch, compressed as Logpush does."""
    return send(port, request(gzip.compress(body, 1), Content_Encoding="gzip", **options))
