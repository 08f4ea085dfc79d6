"""The kinds `elasticsearch+https:` and `opensearch+https:`; `bulk` has the requests, `elastic_clients` the clients."""

from __future__ import annotations

import logging
import re
import ssl
import threading
from collections.abc import Callable

from .base import Pending, Piece, SinkContext, SinkFault, SinkRefused, SinkSettingError, Wants
from .bulk import MIN_BULK_BYTES, Bulk, ItemOutcome, outcomes_of
from .elastic_clients import Answer, Client, ElasticsearchClient, OpenSearchClient, index_of
from .headers import retry_after_s
from .option_files import check_file
from .urls import Info, Option, Target
from .window import Window

__all__ = ["INFO", "OPTIONS", "BulkSink", "open"]

LOOPBACK = {"localhost", "127.0.0.1", "::1"}

OPTIONS = (
    Option("key", "secret", None, "API key in the base64 form that the server shows (Elasticsearch only)"),
    Option("user", "text", "", "user name"),
    Option("password", "secret", None, "password of the user"),
    Option("ca_file", "text", "", "PEM file of certificates that are trusted instead of the usual ones"),
    Option("concurrency", "int", 4, "maximum number of requests at once", minimum=1, maximum=64),
    Option("bulk_bytes", "size", "5MiB", "maximum size of a request", minimum=MIN_BULK_BYTES, maximum=100 << 20),
    Option("timeout", "duration", "60s", "time for one request", minimum=1, maximum=3600),
    Option("pipeline", "text", "", "ingest pipeline"),
    Option("compress", "bool", False, "whether requests are compressed with gzip"),
)

#: https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-create
_INDEX = re.compile(r'(?![-_+.])[^A-Z\\/*?"<>| ,#:\x00-\x1f]{1,255}')
#: Errors for a whole request that are about its content, not about the target.
_CONTENT_STATUSES = frozenset({400, 413, 422})
#: Errors with status 400 that every request would get.
_TARGET_ERRORS = re.compile(r"media_type|content.type|index_name|security|license|compatible", re.IGNORECASE)


class BulkSink:
    """A `Sink` of `_bulk` requests in a window. After a 401 it reads its secrets again."""

    wants: Wants = "ndjson"

    def __init__(
        self, context: SinkContext, make_client: Callable[[], Client], *, concurrency: int, bulk_bytes: int
    ) -> None:
        self._make_client = make_client
        self._lock = threading.Lock()
        self._clients = [make_client()]
        self._window = Window(context, concurrency, Bulk(context, self._post, bulk_bytes).send)

    def recover(self, pending: Pending) -> bool:
        """Return False: this sink stores nothing, so another kind of sink did before the URL was changed."""
        return False

    def write(self, piece: Piece) -> None:
        """Add a piece to the window, and wait while the window is full."""
        self._window.write(piece)

    def is_due(self) -> bool:
        """Return whether further batches are complete."""
        return self._window.is_due()

    def commit(self, store: Callable[[Pending], object], *, final: bool = False) -> int:
        """Return the last batch that is complete."""
        return self._window.commit(final=final)

    def close(self) -> None:
        """End the threads, and close the connections."""
        self._window.close()
        for client in self._clients:
            client.close()

    def _post(self, body: bytes, events: int) -> list[ItemOutcome] | None:
        client = self._clients[-1]
        try:
            return outcomes_of(client.post(body), events)
        except Answer as answer:
            if answer.status == 401:
                self._renew(client)
            raise _reaction_to(answer) from None

    def _renew(self, client: Client) -> None:
        """Make a new client with the secrets of now; other threads may still use the old one, so it stays open."""
        with self._lock:
            if client is self._clients[-1]:
                try:
                    self._clients.append(self._make_client())
                except SinkSettingError as error:
                    raise SinkFault("secret", str(error)) from None
                # Only the newest of the earlier clients can have open requests.
                while len(self._clients) > 2:
                    self._clients.pop(0).close()


def _reaction_to(answer: Answer) -> SinkFault | SinkRefused:
    error = f" ({answer.error})" if answer.error else ""
    message = f"the target answered {answer.status}{error}"
    if answer.status in _CONTENT_STATUSES and not _TARGET_ERRORS.search(answer.error):
        code = "413" if answer.status == 413 else answer.error or str(answer.status)
        return SinkRefused(code, message)
    hints = {400: "; does the version of the client fit the server?", 406: "; is this server Elasticsearch?"}
    hints |= {401: "; check the key, or the user and the password", 403: "; the user may not write to this target"}
    text = message + hints.get(answer.status, "")
    return SinkFault(str(answer.status), text, retry_after_s(answer.retry_after))


def open(target: Target, context: SinkContext) -> BulkSink:
    """Return the sink; connections are made with the first event."""
    is_opensearch = target.scheme.startswith("opensearch")
    kind: Callable[[Target], Client] = OpenSearchClient if is_opensearch else ElasticsearchClient
    # The clients log each failed request, with its URL; the window writes one line when the target's state changes.
    for name in ("elastic_transport", "elasticsearch", "opensearch", "opensearchpy.trace"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    options = target.options
    if target.scheme.endswith("+http") and (options["key"] or options["user"]) and target.host not in LOOPBACK:
        context.warn(f"{target.url}: the key or the password is sent without TLS")
    return BulkSink(context, lambda: kind(target), concurrency=options["concurrency"], bulk_bytes=options["bulk_bytes"])


def _check(target: Target) -> None:
    options = target.options
    if not target.host:
        raise SinkSettingError("the URL has no host; use elasticsearch+https://HOST:9200/INDEX")
    index = index_of(target)
    if not _INDEX.fullmatch(index):
        raise SinkSettingError(f"{index[:100]!r} is not a name of an index or a data stream")
    if options["ca_file"]:
        check_file("ca_file", options["ca_file"])
        try:
            ssl.create_default_context(cafile=options["ca_file"])
        except OSError as error:
            raise SinkSettingError(f"option ca_file: {options['ca_file']}: {error.strerror or error}") from None
    if bool(options["user"]) != bool(options["password"]):
        raise SinkSettingError("options user and password belong together")
    if options["key"] and options["user"]:
        raise SinkSettingError("use a key, or a user and a password, not both")
    if options["key"] and target.scheme.startswith("opensearch"):
        raise SinkSettingError("OpenSearch has no API keys; use user and password")


INFO = Info(
    wants=lambda options: "ndjson",
    guarantee="an event that is sent again has the same `_id`, and is stored once in its index",
    check=_check,
    takes_many_hosts=True,
)
