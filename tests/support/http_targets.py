"""HTTP servers on loopback that answer as a test asks, and keep all requests."""

from __future__ import annotations

import gzip
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

__all__ = ["Answer", "HttpTarget", "Request"]


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """What a server does with a request.

    Status 0 cuts the connection, -1 in the middle of the answer; -2 sends an answer of 200 byte by byte without an end.
    """

    status: int
    headers: dict[str, str] = {}  # noqa: RUF012


class HttpTarget:
    """An HTTP server on a free port. `answers` are used up first; then `rule` decides."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: list[Answer] = []
        self.rule: Callable[[Request], Answer] = lambda _: Answer(200)
        self.seen: list[tuple[int, Request]] = []
        self.lock = threading.Lock()
        self.is_closed = threading.Event()
        target = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = Request(self.path, dict(self.headers), body)
                with target.lock:
                    answer = target.answers.pop() if target.answers else target.rule(request)
                    target.seen.append((answer.status, request))
                if answer.status <= 0:
                    if answer.status == -2:
                        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
                        with suppress(OSError):
                            while not target.is_closed.wait(0.01):
                                self.wfile.write(b"x")
                    elif answer.status:
                        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            # With the default of 5, the system drops some of many connections at once, and the client waits a second.
            request_queue_size = 64

        self.server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            # The handshake takes place in the thread of the connection, when it reads first.
            listener = self.server.socket
            self.server.socket = context.wrap_socket(listener, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.is_closed.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def url(self, options: str = "", scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}/in?proxy=off&{options}"

    def taken(self) -> list[Request]:
        return [request for status, request in self.seen if status == 200]

    def events(self) -> Counter[bytes]:
        return Counter(line for request in self.taken() for line in gzip.decompress(request.body).splitlines())
