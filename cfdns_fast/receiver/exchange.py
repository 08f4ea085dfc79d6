"""One request and its answer. Everything here runs in the event loop's thread, and nothing waits.

The order of the checks: path, method, address, key, framing, encoding, size, space in the spool, requests of the key,
memory. All of them come before the body; a refused request closes its connection.
"""

from __future__ import annotations

import math
from asyncio import Future
from collections.abc import Callable
from typing import Protocol

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine

from .admission import Admission
from .answers import NOTHING_STORED, Answer, refusal
from .examine import Examined
from .keys import Keys
from .links import Link
from .observer import Observer
from .settings import Settings

__all__ = ["Exchange", "Host"]

#: After a refusal, so much of the body is read and dropped, so that the sender gets to read the answer: closing a
#: socket with unread data resets the connection.
LINGER_BYTES = 8 << 20
LINGER_S = 2.0

MIN_PIECE_BYTES = 16384
MAX_LENGTH_DIGITS = 18

_ENCODINGS = {"": False, "identity": False, "gzip": True, "x-gzip": True}

#: What is counted if the client closed the connection before it got an answer.
GONE = Answer(499, "", b"")

# States.
WAITING, RECEIVING, STORING, ANSWERED, LINGERING, ENDED = range(6)


class Host(Protocol):
    """What a request needs of its server."""

    settings: Settings
    keys: Keys
    observer: Observer
    paths: frozenset[str]
    admission: Admission
    is_draining: bool
    is_full: Callable[[], bool]
    now: Callable[[], float]

    def examine_soon(self, exchange: Exchange) -> None:
        """Pass a complete body to a thread that examines it, stores it, and leads to `Exchange.answer`."""


class Exchange(HTTPMessageDelegate):
    """One request, as tornado's protocol for messages; also the token that travels with the batch to the spool."""

    def __init__(self, server: Host, link: Link, connection: HTTP1Connection) -> None:
        self._server = server
        self._link = link
        self._connection = connection
        self._state = WAITING
        self._started_s = 0.0
        self._reserved_bytes = 0
        self._received_bytes = 0
        self._dropped_bytes = 0
        self._is_head = False
        self._is_chunked = False
        self._has_entered = False
        self.path = "other"
        self.key_name = ""
        self.is_gzip = False
        self.pieces: list[bytes] = []
        self.body = b""
        self._small = bytearray()
        self._written: Future[None]
        self.examined = Examined(b"", 0, 0)
        self.hash = b""
        self.prepared: Answer | None = None

    # The protocol of tornado.

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        """Check everything that can be checked without the body."""
        assert isinstance(start_line, RequestStartLine)
        server = self._server
        self._started_s = server.now()
        # The connection's own limit answers without a body; this class has a limit for lengths and one for chunks.
        self._connection.set_max_body_size(1 << 62)
        word = self._check(start_line, headers)
        if word:
            self._refuse_early(word, headers)
            return
        self._state = RECEIVING
        self._link.is_known = True
        self._link.deadline_s = self._started_s + server.settings.body_timeout_s

    def _check(self, start_line: RequestStartLine, headers: HTTPHeaders) -> str:
        server, settings = self._server, self._server.settings
        path = start_line.path.partition("?")[0]
        self._is_head = start_line.method == "HEAD"
        if path not in server.paths:
            return "path"
        self.path = path
        if start_line.method != "POST":
            return "method"
        if not self._link.is_allowed:
            return "address"
        key_name = server.keys.name_of(headers.get(settings.key_header), headers.get("Authorization"))
        if key_name is None:
            return "key"
        self.key_name = key_name
        length, encoding = headers.get("Content-Length"), headers.get("Transfer-Encoding")
        if encoding is not None:
            if length is not None or encoding.lower() != "chunked":
                return "request"
            self._is_chunked = True
        elif length is None:
            return "length"
        elif not (length.isascii() and length.isdigit()):  # two lengths are joined by a comma
            return "request"
        is_gzip = _ENCODINGS.get(headers.get("Content-Encoding", "").strip().lower())
        if is_gzip is None:
            return "encoding"
        self.is_gzip = is_gzip
        if length is not None and len(length) > MAX_LENGTH_DIGITS:
            return "too_large"
        size_bytes = int(length or 0)
        if size_bytes > settings.max_body_bytes:
            return "too_large"
        if server.is_full():
            return "full"
        if not server.admission.enter(key_name):
            return "requests"
        self._has_entered = True
        if not server.admission.reserve(size_bytes):
            return "busy"
        self._reserved_bytes = size_bytes
        return ""

    def data_received(self, chunk: bytes) -> None:
        """Keep a piece of the body, or drop it after a refusal."""
        if self._state == RECEIVING:
            self._received_bytes += len(chunk)
            if self._is_chunked:
                if self._received_bytes > self._server.settings.max_body_bytes:
                    self._refuse_late("too_large")
                    return
                if not self._server.admission.reserve(len(chunk)):
                    self._refuse_late("busy")
                    return
                self._reserved_bytes += len(chunk)
            self._keep(chunk)
        elif self._state == LINGERING:
            self._dropped_bytes += len(chunk)
            if self._dropped_bytes > LINGER_BYTES:
                self._connection.close()

    def _keep(self, chunk: bytes) -> None:
        # Small pieces are joined: each object has 33 bytes of its own, which the reservation does not cover.
        if len(chunk) < MIN_PIECE_BYTES:
            self._small += chunk
            if len(self._small) < MIN_PIECE_BYTES:
                return
            chunk = b""
        if self._small:
            self.pieces.append(bytes(self._small))
            self._small.clear()
        if chunk:
            self.pieces.append(chunk)

    def finish(self) -> None:
        """Pass the complete body on."""
        if self._state == RECEIVING:
            if not self._received_bytes:
                self.answer(NOTHING_STORED[self._server.settings.answer])
                return
            self._state = STORING
            self._link.deadline_s = math.inf
            if self._small:
                self.pieces.append(bytes(self._small))
                self._small.clear()
            self._server.examine_soon(self)
        elif self._state == LINGERING:
            self._close_after_answer()

    def on_connection_close(self) -> None:
        """Release everything, because the connection ended before the body did."""
        if self._state == RECEIVING:
            self._report(GONE)
        if self._state != STORING:
            self._end()

    # The calls of the server.

    def answer(self, answer: Answer) -> None:
        """Send the answer to a complete request; a client that closed the connection gets none."""
        is_draining = self._server.is_draining
        if self._connection.stream.closed():
            self._report(GONE._replace(word=answer.word))
            self._end()
        else:
            self._write(answer, is_last=is_draining)
            if not is_draining:
                self._connection.finish()

    def abandon(self) -> None:
        """Close the connection without an answer."""
        self._connection.close()
        self._end()

    def expire(self) -> None:
        """End what takes too long: 408 for a body, and a closed connection for headers and for an unread answer."""
        if self._state == RECEIVING:
            self._refuse_late("timeout")
        else:
            self._connection.close()

    def malformed(self) -> bytes:
        """Return the answer to a request that tornado cannot read; empty if the request has been answered."""
        if self._state not in (WAITING, RECEIVING):
            return b""
        if self._state == WAITING:
            self._started_s = self._server.now()
        answer = refusal("request")
        self._release()
        self._report(answer)
        self._state = ANSWERED
        return answer.as_bytes()

    @property
    def is_waiting(self) -> bool:
        """Whether no headers have been read."""
        return self._state == WAITING

    # Refusals before the end of the body.

    def _refuse_early(self, word: str, headers: HTTPHeaders) -> None:
        expects = headers.pop("Expect", None)  # or tornado would send a 100 after the answer
        if word == "request" or len(headers.get("Content-Length", "")) > MAX_LENGTH_DIGITS:
            # The end of the body is unknown; without these headers, tornado takes it for empty.
            headers.pop("Content-Length", None)
            headers.pop("Transfer-Encoding", None)
        # A client that asked does not send its body, so there is nothing to drop.
        self._write(refusal(word), is_last=True, lingers=expects is None)

    def _refuse_late(self, word: str) -> None:
        self._write(refusal(word), is_last=True, lingers=word != "timeout")

    # Common parts.

    def _write(self, answer: Answer, *, is_last: bool, lingers: bool = False) -> None:
        self._release()
        self._report(answer)
        headers = HTTPHeaders()
        headers["Content-Type"] = "application/json"
        headers["Content-Length"] = str(len(answer.body))
        for name, value in answer.headers:
            headers[name] = value
        if is_last:
            headers["Connection"] = "close"
        self._state = LINGERING if lingers else ANSWERED
        seconds = LINGER_S if lingers else self._server.settings.body_timeout_s
        self._link.deadline_s = self._server.now() + seconds
        self._written = self._connection.write_headers(
            ResponseStartLine("HTTP/1.1", answer.code, answer.phrase), headers, None if self._is_head else answer.body
        )
        if is_last and not lingers:
            self._close_after_answer()

    def _close_after_answer(self) -> None:
        self._written.add_done_callback(lambda _: self._connection.close())

    def _report(self, answer: Answer) -> None:
        observer = self._server.observer
        observer.request(answer.code, self.path, self._server.now() - self._started_s)
        if answer.word:
            observer.refused(answer.word)

    def _release(self) -> None:
        if self._has_entered:
            self._has_entered = False
            self._server.admission.leave(self.key_name, self._reserved_bytes)
        self.pieces = []
        self.body = b""
        self.prepared = None
        self._small.clear()
        self.examined = Examined(b"", 0, 0)

    def _end(self) -> None:
        self._state = ENDED
        self._release()
