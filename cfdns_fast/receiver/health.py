"""The listener of operators: metrics, and whether the receiver lives and accepts."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from .addresses import bind, remove_unix_socket, url_of

__all__ = ["HealthServer"]

_MAX_REQUEST_BYTES = 1 << 16
_TIMEOUT_S = 10


class HealthServer:
    """Answers ``/metrics``, ``/healthz`` and ``/readyz``.

    Parameters
    ----------
    metrics : callable
        Returns the metrics and their content type.
    fault : callable
        Returns why the receiver does not work, which 503 tells to a supervisor that starts it again; empty if it does.
    not_ready : callable
        Returns why the receiver does not accept batches now; empty if it does.
    """

    def __init__(
        self,
        metrics: Callable[[], tuple[bytes, str]],
        fault: Callable[[], str],
        not_ready: Callable[[], str],
    ) -> None:
        routes = [
            ("/metrics", _Metrics, {"metrics": metrics}),
            ("/healthz", _State, {"fault": fault}),
            ("/readyz", _State, {"fault": not_ready}),
        ]
        self._server = HTTPServer(
            Application(routes, log_function=lambda handler: None),  # type: ignore[arg-type]
            max_header_size=_MAX_REQUEST_BYTES,
            max_body_size=_MAX_REQUEST_BYTES,
            idle_connection_timeout=_TIMEOUT_S,
            body_timeout=_TIMEOUT_S,
        )
        self.ports: tuple[int, ...] = ()
        self.urls: tuple[str, ...] = ()
        self._bound = ""

    def start(self, listen: str, sockets: Sequence[socket.socket] | None = None) -> None:
        """Listen on an address of the settings, or on sockets that are open. Raises SettingsError."""
        opened = list(sockets) if sockets else bind(listen, "metrics_listen")
        self._bound = "" if sockets else listen
        self.urls = tuple(url_of(each, "http", "/metrics") for each in opened)
        self.ports = tuple(each.getsockname()[1] for each in opened if each.family != socket.AF_UNIX)
        for each in opened:
            # A blocking accept would stop the event loop.
            each.setblocking(False)
        self._server.add_sockets(opened)

    async def stop(self) -> None:
        """Close everything."""
        self._server.stop()
        if self._bound:
            remove_unix_socket(self._bound)
        await self._server.close_all_connections()


class _Metrics(RequestHandler):
    def initialize(self, metrics: Callable[[], tuple[bytes, str]]) -> None:
        self._metrics = metrics

    def get(self) -> None:
        text, kind = self._metrics()
        self.set_header("Content-Type", kind)
        self.finish(text)

    head = get


class _State(RequestHandler):
    def initialize(self, fault: Callable[[], str]) -> None:
        self._fault = fault

    def get(self) -> None:
        fault = self._fault()
        self.set_status(503 if fault else 200)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish((fault or "ok") + "\n")

    head = get  # load balancers use both
