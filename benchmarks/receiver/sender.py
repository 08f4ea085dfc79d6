"""python -m benchmarks.receiver.sender: post batches as fast as they are answered, or at a rate.

The settings are one JSON object on standard input (`Load`), the result is one on standard output. One thread serves all
connections; each has one request in flight. Every request has other bytes, because the time in its gzip header is
counted up, so that none is a duplicate of another. A request that fails is sent again with the same bytes.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HTTP_OK = 200
RETRY_S = 0.2
#: Seconds after the end of the load in which open requests must be answered.
GRACE_S = 60
_MTIME = slice(4, 8)
_BATCH = re.compile(rb'"batch": ?"(\d+)"')


@dataclass(frozen=True)
class Load:
    """What to send.

    Attributes
    ----------
    host, port, path, key_header, key
        Where, and the key.
    folder : str
        The bodies of a `Pool`.
    seconds : float
        How long requests are begun.
    batches_per_s : float or None
        The rate at which requests become due, whether or not earlier ones are answered; None sends the next one when
        one is answered.
    connections : int
        Requests in flight at most.
    """

    host: str
    port: int
    path: str
    key_header: str
    key: str
    folder: str
    seconds: float
    batches_per_s: float | None
    connections: int


class Request:
    """A batch: which body, when it became due, and its bytes."""

    __slots__ = ("body", "due_s", "parts", "sent_s")

    def __init__(self, body: int, due_s: float, parts: list[memoryview]) -> None:
        self.body, self.due_s, self.sent_s, self.parts = body, due_s, 0.0, parts


class Connection:
    """A connection and the request that it carries."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=GRACE_S)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request: Request | None = None
        self.unsent: list[memoryview] = []
        self.received = b""

    def send(self) -> bool:
        """Send what fits, and return whether all is sent."""
        while self.unsent:
            try:
                sent = self.socket.sendmsg(self.unsent)
            except BlockingIOError:
                return False
            while self.unsent and sent >= len(self.unsent[0]):
                sent -= len(self.unsent.pop(0))
            if self.unsent:
                self.unsent[0] = self.unsent[0][sent:]
        return True

    def receive(self) -> tuple[int, bytes, bool] | None:
        """Return the status, the body, and whether the connection stays open; None if the answer is not complete."""
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return None
        if not data:
            raise ConnectionResetError
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return None
        lowered = head.lower()
        _, _, length = lowered.partition(b"content-length:")
        if len(body) < int(length.split(b"\r\n", 1)[0] or 0):
            return None
        self.received = b""
        return int(head[9:12]), body, b"connection: close" not in lowered


class Sender:
    """Runs one `Load`."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.heads: list[tuple[memoryview, memoryview]] = []
        for path in sorted(Path(load.folder).glob("*.gz")):
            body = path.read_bytes()
            head = (
                f"POST {load.path} HTTP/1.1\r\nHost: {load.host}\r\n{load.key_header}: {load.key}\r\n"
                f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            self.heads.append((memoryview(head.encode() + body[: _MTIME.start]), memoryview(body)[_MTIME.stop :]))
        self.selector = selectors.DefaultSelector()
        self.idle: list[Connection] = []
        self.due: deque[Request] = deque()
        self.again: deque[tuple[float, Request]] = deque()
        self.made = 0
        self.acknowledged = [0] * len(self.heads)
        self.waits_s, self.services_s = array("d"), array("d")
        self.statuses: Counter[str] = Counter()
        self.duplicates = self.last_batch = self.max_waiting = self.open = 0

    def run(self) -> dict[str, Any]:
        """Send for the time of the load, wait for the open requests, and return the result."""
        load = self.load
        address = (load.host, load.port)
        self.idle = [Connection(address) for _ in range(load.connections)]
        for connection in self.idle:
            self.selector.register(connection.socket, selectors.EVENT_READ, connection)
        begin_s, begin_cpu_s = time.monotonic(), time.process_time()
        end_s = begin_s + load.seconds
        last_s = begin_s
        while True:
            now_s = time.monotonic()
            if now_s < end_s:
                self._make_due(now_s, begin_s)
            elif not (self.due or self.again or self.open) or now_s > end_s + GRACE_S:
                break
            while self.again and self.again[0][0] <= now_s:
                self.due.append(self.again.popleft()[1])
            while self.due and self.idle:
                self._begin(self.idle.pop(), self.due.popleft())
            self.max_waiting = max(self.max_waiting, len(self.due))
            for key, events in self.selector.select(self._pause_s(begin_s, end_s)):
                if self._serve(key.data, events):
                    last_s = time.monotonic()
        unanswered = len(self.due) + len(self.again) + self.open
        return {
            "acknowledged": self.acknowledged,
            "batches": sum(self.acknowledged),
            "unanswered": unanswered,
            "seconds": last_s - begin_s,
            "statuses": dict(self.statuses),
            "duplicates": self.duplicates,
            "last_batch": self.last_batch,
            "max_waiting": self.max_waiting,
            "cpu_seconds": time.process_time() - begin_cpu_s,
            "wait_ms": percentiles(self.waits_s),
            "service_ms": percentiles(self.services_s),
        }

    def _make_due(self, now_s: float, begin_s: float) -> None:
        rate = self.load.batches_per_s
        if rate is None:
            while len(self.due) < len(self.idle):
                self._make(now_s)
            return
        while begin_s + self.made / rate <= now_s:
            self._make(begin_s + self.made / rate)

    def _make(self, due_s: float) -> None:
        body = self.made % len(self.heads)
        self.made += 1
        head, tail = self.heads[body]
        self.due.append(Request(body, due_s, [head, memoryview(self.made.to_bytes(4, "little")), tail]))

    def _pause_s(self, begin_s: float, end_s: float) -> float:
        now_s = time.monotonic()
        if self.due and self.idle:
            return 0
        rate = self.load.batches_per_s
        next_s = begin_s + self.made / rate if rate is not None else end_s
        return max(0.0, min(next_s - now_s if now_s < end_s else RETRY_S, RETRY_S))

    def _begin(self, connection: Connection, request: Request) -> None:
        self.open += 1
        request.sent_s = time.monotonic()
        connection.request, connection.unsent = request, list(request.parts)
        try:
            if not connection.send():
                both = selectors.EVENT_READ | selectors.EVENT_WRITE
                self.selector.modify(connection.socket, both, connection)
        except OSError as error:
            self._broken(connection, type(error).__name__)

    def _serve(self, connection: Connection, events: int) -> bool:
        """Go on with a connection, and return whether a batch was acknowledged."""
        try:
            if events & selectors.EVENT_WRITE and connection.send():
                self.selector.modify(connection.socket, selectors.EVENT_READ, connection)
            answer = connection.receive() if events & selectors.EVENT_READ else None
        except OSError as error:
            self._broken(connection, type(error).__name__)
            return False
        if answer is None or connection.request is None:
            return False
        status, body, is_kept = answer
        request, connection.request = connection.request, None
        self.open -= 1
        self.statuses[str(status)] += 1
        if status == HTTP_OK:
            now_s = time.monotonic()
            self.waits_s.append(now_s - request.due_s)
            self.services_s.append(now_s - request.sent_s)
            self.acknowledged[request.body] += 1
            self.duplicates += b'"duplicate"' in body
            if found := _BATCH.search(body):
                self.last_batch = max(self.last_batch, int(found[1]))
        else:
            self.again.append((time.monotonic() + RETRY_S, request))
        if is_kept and not connection.unsent:
            self.idle.append(connection)
        else:
            self._replace(connection)
        return status == HTTP_OK

    def _broken(self, connection: Connection, reason: str) -> None:
        if connection.request is not None:
            self.statuses[reason] += 1
            self.open -= 1
            self.again.append((time.monotonic() + RETRY_S, connection.request))
            self._replace(connection)
        else:
            # The server closed an idle connection.
            self.idle.remove(connection)
            self._replace(connection)

    def _replace(self, connection: Connection) -> None:
        self.selector.unregister(connection.socket)
        connection.socket.close()
        fresh = Connection((self.load.host, self.load.port))
        self.selector.register(fresh.socket, selectors.EVENT_READ, fresh)
        self.idle.append(fresh)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return the median, percentiles and the maximum in milliseconds; an empty dict of nothing."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    last = len(ordered) - 1
    found = {f"p{share:g}": ordered[round(last * share / 100)] for share in (50, 90, 99, 99.9)}
    return {name: round(1000 * value, 3) for name, value in {**found, "max": ordered[-1]}.items()}


def main() -> int:
    load = Load(**json.load(sys.stdin))
    json.dump(Sender(load).run(), sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
