"""A fake of Elasticsearch's `_bulk`, because no server of it can be had from a package registry.

It does what the documentation of version 9 describes for `create` actions: media types with ``compatible-with``, the
header by which the official client knows the product, a status for each item, data streams that need ``@timestamp``,
API keys, and a limit for the size of a request.
"""

from __future__ import annotations

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["FakeElasticsearch"]


class FakeElasticsearch:
    """A server on a free port of the loopback interface.

    Attributes
    ----------
    documents : dict
        The documents by index and ``_id``.
    requests : list
        For each bulk request the ``_id`` of its items.
    refuse : callable
        Documents for which it returns True are answered with 400 and ``mapper_parsing_exception``.
    busy : int
        The number of further items that are answered with 429.
    busy_requests : int
        The number of further requests that are answered with 429 and ``Retry-After: 0``.
    max_bytes : int
        The limit of a request.
    keys : set
        The API keys; if it is empty, none is needed.
    versions : tuple
        The major versions with which the server is compatible.
    is_elasticsearch : bool
        Whether answers have the header ``X-Elastic-Product``.
    """

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.requests: list[list[str]] = []
        self.refuse: Any = lambda document: False
        self.busy = self.busy_requests = 0
        self.max_bytes = 100 << 20
        self.keys: set[str] = set()
        self.versions: tuple[int, ...] = (8, 9)
        self.is_elasticsearch = True
        self._lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = fake.answer(self.path, self.headers, body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Content-Type", "application/vnd.elasticsearch+json;compatible-with=9")
                if fake.is_elasticsearch:
                    self.send_header("X-Elastic-Product", "Elasticsearch")
                if status == 429:
                    self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(data)

            do_PUT = do_POST

            def log_message(self, format: str, *arguments: object) -> None:
                """Write nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            # Threads of connections end when the clients close theirs.
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeElasticsearch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        """Return the status and the answer for a request."""
        if self.keys and headers["Authorization"] not in {f"ApiKey {key}" for key in self.keys}:
            return _error(401, "security_exception")
        if len(body) > self.max_bytes:
            return 413, {}
        if headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        media, _, version = headers["Content-Type"].partition(";")
        if media not in ("application/vnd.elasticsearch+x-ndjson", "application/x-ndjson"):
            return _error(406, "media_type_header_exception")
        if media.startswith("application/vnd") and int(version.partition("=")[2]) not in self.versions:
            return _error(400, "media_type_header_exception")
        name, query = path.lstrip("/").split("?")
        index, _, action = name.partition("/")
        assert action == "_bulk" and "filter_path=errors,items." in query.replace("%2C", ",").replace("%2A", "*")
        with self._lock:
            if self.busy_requests:
                self.busy_requests -= 1
                return _error(429, "es_rejected_execution_exception")
            return self._bulk(index, body)

    def _bulk(self, index: str, body: bytes) -> tuple[int, Any]:
        if not body.endswith(b"\n"):
            return _error(400, "illegal_argument_exception")
        lines = body.split(b"\n")[:-1]
        items = []
        identities = []
        for action_line, source in zip(lines[::2], lines[1::2], strict=True):
            ((action, parameters),) = json.loads(action_line).items()
            identities.append(parameters["_id"])
            status, error = self._create(index, action, parameters["_id"], source)
            items.append({action: {"status": status} | ({"error": {"type": error}} if error else {})})
        self.requests.append(identities)
        return 200, {"errors": any("error" in item["create"] for item in items), "items": items}

    def _create(self, index: str, action: str, identity: str, source: bytes) -> tuple[int, str]:
        if self.busy:
            self.busy -= 1
            return 429, "es_rejected_execution_exception"
        stored = self.documents.setdefault(index, {})
        is_stream = index.startswith("logs-")
        if is_stream and action != "create":
            return 400, "illegal_argument_exception"
        document = json.loads(source)
        if self.refuse(document) or (is_stream and "@timestamp" not in document):
            return 400, "mapper_parsing_exception"
        if identity in stored:
            return 409, "version_conflict_engine_exception"
        stored[identity] = document
        return 201, ""


def _error(status: int, kind: str) -> tuple[int, Any]:
    return status, {
        "error": {"type": kind, "reason": "the reason can quote an event: secret-name.example"},
        "status": status,
    }
