"""The HTTP server: takes batches, has them examined and stored, and answers after they are on disk."""

from __future__ import annotations

import asyncio
import logging
import queue
import socket
import ssl
import threading
from asyncio import Future
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPMessageDelegate, HTTPServerConnectionDelegate
from tornado.iostream import IOStream, SSLIOStream, UnsatisfiableReadError
from tornado.netutil import ssl_wrap_socket

from ..spool import MIN_DUPLICATE_BYTES, Arrival, Outcome, hash_of
from .addresses import bind, exposure, remove_unix_socket, url_of
from .admission import Admission
from .answers import NOTHING_STORED, Answer, refusal, stored, with_event_ids
from .door import Door
from .examine import Examination, Examined, Limits, Refused, examination
from .exchange import Exchange
from .keys import Keys
from .links import Link, Links, is_allowed, max_connections
from .observer import NoObserver, Observer
from .redaction import install
from .settings import Settings

__all__ = ["Server"]

MAX_HEADER_BYTES = 16384
EXAMINERS = 2
MAX_SWEEP_INTERVAL_S = 1.0
GRACE_S = 0.1

_LOGGER = logging.getLogger("tornado.application")

#: What tornado answers by itself if it cannot read a request. It has no body, and tornado calls no delegate before.
MALFORMED = b"HTTP/1.1 400 Bad Request\r\n\r\n"


class _HttpServer(HTTPServer):
    """tornado's server, which also passes on that a connection ends."""

    forget: Callable[[IOStream], None]

    def on_close(self, server_conn: object) -> None:
        super().on_close(server_conn)
        assert isinstance(server_conn, HTTP1ServerConnection)
        self.forget(server_conn.stream)


class Server(HTTPServerConnectionDelegate):
    """The HTTP server. The event loop's thread calls all methods but `resolve`.

    Parameters
    ----------
    settings : Settings
        The settings.
    keys : Keys
        The valid keys.
    submit : callable
        ``submit(arrival, token)`` stores a batch. Threads of the server call it. It must not wait for the commit, and
        leads to one call of `resolve` with the token.
    observer : Observer or None
        Counts and gauges.
    tls : ssl.SSLContext or None
        The context of new connections; None serves plain HTTP.
    is_full : callable
        Returns whether the spool is full, so that bodies need not be read. It must be cheap.
    """

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        submit: Callable[[Arrival, Exchange], object],
        observer: Observer | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        is_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self.settings = settings
        self.keys = keys
        self.observer: Observer = observer or NoObserver()
        self.is_full = is_full
        self.paths = frozenset(settings.paths)
        self.admission = Admission(settings.in_flight_bytes, settings.max_requests_per_key)
        self.is_draining = False
        self.ports: list[int] = []
        self.urls: list[str] = []
        #: A sentence for the operator if keys are received without TLS from other machines.
        self.warning = ""
        self._submit = submit
        self._tls = tls
        self._limits = Limits.of(settings)
        self._links = Links()
        self._max_connections = max_connections(settings.max_connections)
        self._bodies: queue.SimpleQueue[tuple[Exchange, Examination | None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop
        self._door: Door
        self._http: _HttpServer | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._has_bound = False

    # Start and end.

    def start(self, sockets: Iterable[socket.socket] | None = None) -> None:
        """Listen. Call it while the event loop runs.

        Parameters
        ----------
        sockets : iterable of socket or None
            Sockets that listen already, for socket activation; None binds the address of the settings.

        Raises
        ------
        SettingsError
            The address cannot be bound.
        """
        install()
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._has_bound = sockets is None
        listening = bind(self.settings.listen) if sockets is None else list(sockets)
        self._http = _HttpServer(self, max_header_size=MAX_HEADER_BYTES)
        self._http.forget = self._forget
        # The sweeper has the deadlines: one timer for all connections is cheaper than two for each request.
        self._http.conn_params.header_timeout = None
        for each in listening:
            each.setblocking(False)
        self._door = Door(self._loop, self.settings.header_timeout_s, self._has_room, self._open)
        self._door.listen(listening)
        addresses = [each.getsockname() for each in listening if each.family != socket.AF_UNIX]
        self.ports = [address[1] for address in addresses]
        scheme = "http" if self._tls is None else "https"
        urls = (url_of(each, scheme, path) for each in listening for path in self.settings.paths)
        self.urls = list(dict.fromkeys(urls))
        if self._tls is None and not self.settings.allow_no_key:
            self.warning = exposure(address[0] for address in addresses)
        for number in range(EXAMINERS):
            thread = threading.Thread(target=self._examine_bodies, name=f"cfdns-examine-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)
        timeouts = (self.settings.header_timeout_s, self.settings.body_timeout_s, self.settings.idle_timeout_s)
        self._sweep(min(MAX_SWEEP_INTERVAL_S, *(each / 4 for each in timeouts)))

    def reload(self, keys: Keys | None = None, tls: ssl.SSLContext | None = None) -> None:
        """Use other keys for new requests, and another context for new connections. None changes nothing."""
        if keys is not None:
            self.keys = keys
        if tls is not None:
            self._tls = tls

    def stop_accepting(self) -> None:
        """Stop listening. Each connection is closed after its next answer."""
        self.is_draining = True
        if self._http is not None:
            self._door.stop()
            if self._has_bound:
                remove_unix_socket(self.settings.listen)

    async def drain(self, seconds: float) -> int:
        """Close idle connections, and wait until all requests are answered.

        Returns the number of requests that are not answered after this time.
        """
        self.stop_accepting()
        end = self.now() + seconds
        await asyncio.sleep(min(GRACE_S, seconds))  # requests that are on their way are read
        self._door.close_all()
        self._links.close_waiting()
        while self.requests and self.now() < end:
            await asyncio.sleep(0.01)
        return self.requests

    async def close(self) -> None:
        """Close everything. Call `drain` first; requests that are open get no answer."""
        self.stop_accepting()
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._http is not None:
            self._door.close()
            await self._http.close_all_connections()
        for _ in self._threads:
            self._bodies.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._threads.clear()
        await asyncio.sleep(0)  # answers that a thread passed to the loop release their memory
        while not self._bodies.empty():
            item = self._bodies.get()
            if item is not None:
                item[0].answer(refusal("failed"))

    # State.

    @property
    def requests(self) -> int:
        """The requests that are being received, stored or answered."""
        return self._links.open_requests()

    @property
    def in_flight_bytes(self) -> int:
        """The compressed bytes of the requests that are being received or stored."""
        return self.admission.bytes

    @property
    def connections(self) -> int:
        """The open connections."""
        return len(self._links) + (len(self._door) if self._http is not None else 0)

    # The protocol of tornado.

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Begin to wait for the headers of a request."""
        assert isinstance(request_conn, HTTP1Connection)
        # A connection that had to give way is closed, and has no link.
        link = self._links.get(request_conn.stream) or Link(request_conn.stream, False, 0.0)
        if link.request is not None:
            timeout_s = self.settings.idle_timeout_s if link.is_known else self.settings.header_timeout_s
            link.deadline_s = self.now() + timeout_s
        exchange = link.request = Exchange(self, link, request_conn)
        return exchange

    def _has_room(self) -> bool:
        """Return whether a further connection may be open; the oldest one without a request gives way."""
        if self.connections < self._max_connections:
            return True
        return self._door.close_oldest() or self._links.close_oldest_waiting()

    def _open(self, connection: socket.socket, address: Any, deadline_s: float) -> None:
        """Take over a connection whose client has begun to send."""
        assert self._http is not None
        stream = IOStream(connection) if self._tls is None else _tls_stream(connection, self._tls)
        if stream is None:
            return
        is_ours = is_allowed(address, connection.family, self.settings.allow_from)
        link = Link(stream, is_ours, deadline_s)
        stream.write = partial(self._write, link, stream.write)  # type: ignore[method-assign]
        self._links.add(link)
        self._http.handle_stream(stream, address)

    def _forget(self, stream: IOStream) -> None:
        self._links.remove(stream)
        # tornado closes these without an answer.
        if isinstance(stream.error, ssl.SSLError):
            self.observer.refused("tls")
        elif isinstance(stream.error, UnsatisfiableReadError):
            self.observer.refused("request")

    def _write(self, link: Link, write: Callable[[bytes], Future[None]], data: bytes) -> Future[None]:
        """Write to a stream; what tornado answers by itself is replaced and counted."""
        if data == MALFORMED and isinstance(link.request, Exchange):
            data = link.request.malformed()
        return write(data)

    def _sweep(self, interval_s: float) -> None:
        now_s = self.now()
        # Both take a step; what is left over comes soon.
        has_more = [each.sweep(now_s) for each in (self._door, self._links)]
        self.observer.connections(self.connections)
        self.observer.in_flight(self.admission.bytes)
        self._sweeper = self._loop.call_later(0 if any(has_more) else interval_s, self._sweep, interval_s)

    # From the body to the answer.

    def examine_soon(self, exchange: Exchange) -> None:
        """Pass a complete body to a thread that examines it."""
        self._bodies.put((exchange, None))

    def _examine_bodies(self) -> None:
        while (item := self._bodies.get()) is not None:
            exchange, started = item
            try:
                answer = self._examine(exchange, started)
            except Refused as refused:
                answer = refusal(refused.word)
            except MemoryError:
                answer = refusal("busy")
            except Exception:
                answer = refusal("failed")
            if answer is not None:
                self._call_soon(self._answer, exchange, answer)

    def _examine(self, exchange: Exchange, started: Examination | None) -> Answer | None:
        """Examine a body, or take a step of that if others wait; returns the answer if nothing is to be stored."""
        if started is None:
            pieces = exchange.pieces
            exchange.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            exchange.pieces = []
            started = examination(exchange.body, exchange.is_gzip, self._limits)
        try:
            next(started)
            while self._bodies.empty():
                next(started)
        except StopIteration as end:
            return self._store(exchange, end.value)
        self._bodies.put((exchange, started))
        return None

    def _store(self, exchange: Exchange, examined: Examined) -> Answer | None:
        if not examined.records:
            return NOTHING_STORED[self.settings.answer]
        exchange.examined = examined
        exchange.hash = hash_of(exchange.body)
        exchange.body = b""
        if self.settings.answer == "event_ids" and examined.decoded_bytes >= MIN_DUPLICATE_BYTES:
            exchange.prepared = with_event_ids(exchange.hash, examined.records)
        arrival = Arrival(
            exchange.key_name,
            exchange.path,
            self.settings.dataset,
            examined.records,
            examined.decoded_bytes,
            exchange.hash,
            examined.body,
        )
        self._submit(arrival, exchange)
        return None

    def resolve(self, group: list[tuple[Exchange, Outcome]]) -> None:
        """Answer a group of batches. Any thread may call it; the group costs one wake-up of the event loop."""
        self._call_soon(self._resolve, group)

    def _call_soon(self, function: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed, and so are the connections
            self._loop.call_soon_threadsafe(function, *arguments)

    def _answer(self, exchange: Exchange, answer: Answer) -> None:
        exchange.answer(answer)

    def _resolve(self, group: list[tuple[Exchange, Outcome]]) -> None:
        for exchange, outcome in group:
            try:
                exchange.answer(self._answer_to(exchange, outcome))
            except Exception as error:  # the other requests of the group are answered all the same
                _LOGGER.exception("an answer failed", exc_info=error)
                exchange.abandon()

    def _answer_to(self, exchange: Exchange, outcome: Outcome) -> Answer:
        is_duplicate = outcome.code == "duplicate"
        if outcome.code != "stored" and not is_duplicate:
            return refusal("full" if outcome.code == "full" else "failed")
        examined = exchange.examined
        self.observer.received(len(examined.body), examined.decoded_bytes, examined.records)
        if is_duplicate:
            self.observer.duplicate()
        if exchange.prepared is not None:
            return exchange.prepared
        return stored(self.settings.answer, outcome.seq, examined, exchange.hash, is_duplicate=is_duplicate)


def _tls_stream(connection: socket.socket, context: ssl.SSLContext) -> IOStream | None:
    """Return a stream that begins with the handshake; None if the connection has ended."""
    try:
        return SSLIOStream(ssl_wrap_socket(connection, context, server_side=True, do_handshake_on_connect=False))
    except OSError:
        connection.close()
        return None
