"""The kind `https:`: batches forwarded by POST, as they are stored or as ECS events; Sekoia's intake is a variant."""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from .base import Pending, Piece, SinkContext, SinkFault, SinkRefused, SinkSettingError, Wants
from .headers import parsed_headers, retry_after_s
from .option_files import check_file
from .urls import Info, Option, Target
from .window import Sent, Window

__all__ = ["INFO", "OPTIONS", "HttpSink", "open"]

SEKOIA_KEY_HEADER = "X-SEKOIAIO-INTAKE-KEY"
SEKOIA_PATH = "/plain/batch"
BATCH_HEADER = "X-Cfdns-Batch"

#: Answers that are about the content: it would be refused again.
_REFUSED = {400, 413, 422}
_ADVICE = {
    401: "check the key",
    403: "check the key and its rights",
    404: "check the URL",
    405: "check the URL",
    407: "check the proxy",
    415: "the target takes no gzip or not this Content-Type",
}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
#: The connection is used again if the body of an answer is not longer.
_MAX_ANSWER_BYTES = 64 << 10

OPTIONS = (
    Option("kind", "choice", "generic", "what receives the requests", choices=("generic", "sekoia")),
    Option(
        "send",
        "choice",
        "raw",
        "raw passes the stored gzip bodies on, ecs sends converted events as NDJSON in gzip",
        choices=("raw", "ecs"),
    ),
    Option("key", "secret", None, "intake key of kind=sekoia"),
    Option("headers", "secret", None, "lines 'Name: value', which are sent as headers"),
    Option("content_type", "text", "application/x-ndjson", "header Content-Type"),
    Option("concurrency", "int", 8, "maximum number of requests at once", minimum=1, maximum=64),
    Option("max_body", "size", "64MiB", "maximum size of a compressed body; larger ones are divided", minimum=1024),
    Option("connect_timeout", "duration", "10s", "time to connect", minimum=0.1, maximum=600),
    Option("timeout", "duration", "30s", "longest time without a byte of the answer", minimum=0.1, maximum=600),
    Option("ca_file", "text", "", "PEM file of certificates that are trusted instead of the system's"),
    Option(
        "proxy", "choice", "env", "env uses HTTPS_PROXY, HTTP_PROXY and NO_PROXY; off uses none", choices=("env", "off")
    ),
)


def _wants(options: Mapping[str, Any]) -> Wants:
    return "raw" if options["send"] == "raw" else "ndjson"


def _check(target: Target) -> None:
    options = target.options
    if not target.host:
        raise SinkSettingError("the URL has no host")
    if options["kind"] == "sekoia":
        if options["key"] is None:
            raise SinkSettingError(
                "kind=sekoia needs the intake key: key_file=PATH, key=env:NAME or key=credential:NAME"
            )
        if target.path not in ("", "/") and not target.path.endswith(SEKOIA_PATH):
            raise SinkSettingError(f"kind=sekoia posts to a path that ends with {SEKOIA_PATH}")
    elif options["key"] is not None:
        raise SinkSettingError("option key is for kind=sekoia; use headers_file=PATH for other keys")
    if not re.fullmatch(r"[\x20-\x7e]+", options["content_type"]):
        raise SinkSettingError("option content_type: use printable ASCII characters")
    _headers(target)
    _tls(options["ca_file"])
    if options["proxy"] == "env":
        _proxy_of(target)


INFO = Info(
    wants=_wants,
    guarantee=f"at least once; a request that is repeated has the same header {BATCH_HEADER}",
    check=_check,
)


def open(target: Target, context: SinkContext) -> HttpSink:
    """Return the sink; it connects when it sends."""
    has_secret = target.options["key"] is not None or target.options["headers"] is not None
    if target.scheme == "http" and has_secret and target.host not in _LOOPBACK:
        context.warn(f"{target.url}: the key is sent without TLS")
    return HttpSink(target, context)


class HttpSink:
    """A `Sink` that forwards batches by POST, several at once.

    2xx is success. 400, 413 and 422 refuse content. Every other answer, redirects included, is a fault of the target or
    of the settings: the request is repeated until it succeeds.
    """

    def __init__(self, target: Target, context: SinkContext) -> None:
        options = target.options
        self.wants: Wants = _wants(options)
        self._target = target
        self._max_body_bytes: int = options["max_body"]
        path = SEKOIA_PATH if options["kind"] == "sekoia" and target.path in ("", "/") else target.raw_path or "/"
        self._url = f"{target.scheme}://{target.authority}{path}"
        self._headers: dict[str, str] | None = None
        self._lock = threading.Lock()
        self._pool = _pool(target, self._url)
        divider = None
        if self.wants == "raw":
            from .raw import RawDivider

            divider = RawDivider()
        self._window = Window(context, options["concurrency"], self._post, divider=divider)

    def write(self, piece: Piece) -> None:
        """Send a piece, in a thread of the window."""
        self._window.write(piece)

    def is_due(self) -> bool:
        """Return whether further batches are delivered."""
        return self._window.is_due()

    def commit(self, store: Callable[[Pending], object], *, final: bool = False) -> int:
        """Return the last batch that is delivered together with all before it."""
        return self._window.commit(final=final)

    def recover(self, pending: Pending) -> bool:
        """Return False: this sink stores nothing, so another kind of sink did before the URL was changed."""
        return False

    def close(self) -> None:
        """End the threads and close the connections."""
        self._window.close()
        self._pool.clear()

    def _post(self, piece: Piece) -> Sent:
        from .raw import as_gzip

        body = as_gzip(piece.data)
        if len(body) > self._max_body_bytes:
            raise SinkRefused("max_body", f"a body has {len(body)} bytes")
        headers = {**self._current_headers(), BATCH_HEADER: _batch_name(piece)}
        status, retry_after = self._answer(body, headers)
        if 200 <= status < 300:
            return Sent(piece.events, len(body))
        if status in _REFUSED:
            raise SinkRefused(str(status), f"{self._url} answered {status}")
        if status in (401, 403):
            # The file of the key may have a new one by now.
            with self._lock:
                self._headers = None
        advice = _ADVICE.get(status, "redirects are not followed" if 300 <= status < 400 else "")
        text = f"{self._url} answered {status}{advice and ': '}{advice}"
        raise SinkFault(str(status), text, retry_after_s(retry_after))

    def _answer(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, str | None]:
        """Post a body, and return the status and the header Retry-After."""
        import urllib3

        try:
            answer = self._pool.urlopen(
                "POST", self._url, body=body, headers=headers, redirect=False, retries=False, preload_content=False
            )
            try:
                _read_to_end(answer, self._target.options["timeout"])
            finally:
                answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            reason, text = _reason_of(error)
            raise SinkFault(reason, f"{self._url}: {text}") from None
        return answer.status, answer.headers.get("Retry-After")

    def _current_headers(self) -> dict[str, str]:
        with self._lock:
            if self._headers is None:
                try:
                    self._headers = _headers(self._target)
                except SinkSettingError as error:
                    raise SinkFault("key", str(error)) from None
            return self._headers


def _read_to_end(answer: Any, max_s: float) -> None:
    """Read the body of an answer, which makes the connection usable again; an incomplete body is an error.

    A body that is too long, or comes too slowly, is left; the status is known.
    """
    length_bytes = 0
    end = time.monotonic() + max_s
    while block := answer.read1(_MAX_ANSWER_BYTES, decode_content=False):
        length_bytes += len(block)
        if length_bytes > _MAX_ANSWER_BYTES or time.monotonic() > end:
            answer.close()
            return


def _batch_name(piece: Piece) -> str:
    """Return what identifies a request: parts of a refused piece have a name of their own."""
    if piece.is_whole:
        return f"{piece.batch_id.hex()}-{piece.part}"
    return f"{piece.batch_id.hex()}-{piece.part}-{piece.first_event}+{piece.events}"


def _headers(target: Target) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    options = target.options
    headers = {"Content-Type": options["content_type"], "Content-Encoding": "gzip"}
    try:
        headers["User-Agent"] = f"cfdns-fast/{version('cfdns-fast')}"
    except PackageNotFoundError:
        headers["User-Agent"] = "cfdns-fast"
    if options["headers"] is not None:
        headers |= parsed_headers(options["headers"].read())
    if options["kind"] == "sekoia":
        key = options["key"].read()
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            raise SinkSettingError("option key: the key has spaces or characters that are not ASCII")
        headers[SEKOIA_KEY_HEADER] = key
    return headers


def _tls(ca_file: str) -> ssl.SSLContext:
    if ca_file:
        check_file("ca_file", ca_file)
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except ssl.SSLError:
        raise SinkSettingError(f"option ca_file: {ca_file} has no certificate in PEM form") from None
    except OSError as error:
        raise SinkSettingError(f"option ca_file: cannot read {ca_file}: {error.strerror}") from None


def _pool(target: Target, url: str) -> Any:
    import urllib3

    options = target.options
    settings: dict[str, Any] = {
        "maxsize": options["concurrency"],
        "timeout": urllib3.Timeout(connect=options["connect_timeout"], read=options["timeout"]),
    }
    if target.scheme == "https":
        settings["ssl_context"] = _tls(options["ca_file"])
    if options["proxy"] == "env":
        proxy = _proxy_of(target)
        if proxy is not None:
            address, credentials = proxy
            headers = urllib3.make_headers(proxy_basic_auth=credentials) if credentials else None
            return urllib3.ProxyManager(address, proxy_headers=headers, **settings)
    return urllib3.PoolManager(**settings)


def _proxy_of(target: Target) -> tuple[str, str | None] | None:
    """Return the address of the proxy, and ``user:password`` for it, that the environment has for a target."""
    from urllib.parse import unquote, urlsplit
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    address = proxies.get(target.scheme) or proxies.get("all")
    if not address or proxy_bypass(target.authority):
        return None
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme not in ("http", "https"):
        raise SinkSettingError("the proxy of the environment is not of HTTP; use proxy=off")
    credentials, _, host = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{host}", unquote(credentials) or None


def _reason_of(error: Exception) -> tuple[str, str]:
    """Return a word and a sentence for an error of urllib3. Its own text may have more than a log should hold."""
    import urllib3.exceptions as errors

    if isinstance(error, errors.ProxyError):
        return "proxy", "the proxy cannot be reached, or refuses"
    if isinstance(error, errors.SSLError):
        cause = next((each for each in error.args if isinstance(each, ssl.SSLCertVerificationError)), None)
        return "tls", f"TLS failed: {cause.verify_message}" if cause else "TLS failed"
    if isinstance(error, errors.NameResolutionError):
        return "connect", "the host name has no address"
    if isinstance(error, errors.NewConnectionError):
        return "connect", "no connection can be made"
    if isinstance(error, errors.TimeoutError):
        return "timeout", "there was no answer in time"
    return "connect", "the connection ended before the answer"
