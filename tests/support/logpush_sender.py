"""A sender that behaves as Cloudflare Logpush does towards an HTTP destination; as a library and as a script.

    python tests/support/logpush_sender.py 'https://host/plain/batch?header_NAME=VALUE' --batches 10 --records 1000
    python tests/support/logpush_sender.py http://127.0.0.1:8443/plain/batch --key-file key.txt
    python tests/support/logpush_sender.py --job job.json --to http://127.0.0.1:8443 --records 20000

What it does as Logpush does, as far as Cloudflare documents it:

- Parameters of the destination that begin with ``header_`` become headers; the others stay in the URL.
- Before anything else, a gzipped test upload checks the destination.
- One POST carries one batch: gzip, ``Content-Encoding: gzip``, no ``Content-Type: application/json``.
- Everything but a 2xx, and every connection that breaks, is tried again with the same bytes, until a deadline. Then the
  batch is dropped.
- A job whose uploads fail for long enough is disabled and sends nothing more. The last error stays on the job, with the
  status and the text of the answer.

Only the standard library is used, so the script runs anywhere.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import random
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

__all__ = [
    "Delivery",
    "Destination",
    "Job",
    "Rejected",
    "compress",
    "destination_conf",
    "job_batches",
    "records",
    "render",
]

KEY_HEADER = "X-SEKOIAIO-INTAKE-KEY"
#: The texts of the test upload: the documented one, and the one that live accounts were seen to send.
VALIDATIONS = (gzip.compress(b'{"content":"tests"}', mtime=0), b"test")
FIRST_BACK_OFF_S, MAX_BACK_OFF_S = 0.05, 2.0
MAX_ERROR_CHARACTERS = 500
HTTP_OK, HTTP_REDIRECT = 200, 300


class Rejected(Exception):
    """The destination did not take the test upload, so no job is made. The text is the one that Cloudflare shows."""


@dataclass(frozen=True)
class Destination:
    """A parsed ``destination_conf``: the URL of the request, and its headers."""

    url: str
    headers: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Destination:
        """Split a ``destination_conf``. Values of headers are percent-encoded; ``+`` is a plus sign."""
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("a destination is http:// or https:// with a host")
        if len(text) > 4096:
            raise ValueError("a destination has at most 4096 characters")
        headers, kept = {}, []
        for pair in filter(None, parts.query.split("&")):
            name, _, value = pair.partition("=")
            if name.startswith("header_"):
                headers[unquote(name.removeprefix("header_"))] = unquote(value)
            else:
                kept.append(pair)
        return cls(urlunsplit(parts._replace(query="&".join(kept), fragment="")), headers)


def destination_conf(url: str, headers: Mapping[str, str]) -> str:
    """Return the ``destination_conf`` of a URL and headers."""
    pairs = "&".join(f"header_{name}={quote(value, safe='')}" for name, value in headers.items())
    return f"{url}{'&' if '?' in url else '?'}{pairs}" if pairs else url


class Delivery(NamedTuple):
    """A batch that was acknowledged: its position, its records, its bytes, the answer, and the uploads it took."""

    index: int
    records: int
    body: bytes
    answer: Any
    attempts: int


@dataclass
class Job:
    """A Logpush job. `push` may be called from several threads.

    Attributes
    ----------
    destination_conf : str
        As in a job of the API.
    give_up_s : float
        Seconds after which a batch is dropped. Logpush takes the retention time of the dataset.
    disable_after_s : float
        Seconds without a success after which failures disable the job. Logpush takes 24 hours.
    timeout_s : float
        Seconds for one upload.
    context : ssl.SSLContext or None
        How certificates are checked; None is the default of the system.
    acknowledged, dropped : list
        What became of the batches, in the order of the outcomes.
    enabled, error_message, last_error_s, last_complete_s
        As on a job of the API; times are seconds of `time.time`.
    """

    destination_conf: str
    give_up_s: float = 60
    disable_after_s: float = 60
    timeout_s: float = 30
    context: ssl.SSLContext | None = None
    enabled: bool = True
    error_message: str | None = None
    last_error_s: float | None = None
    last_complete_s: float | None = None
    uploads: int = 0
    acknowledged: list[Delivery] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.destination = Destination.parse(self.destination_conf)
        parts = urlsplit(self.destination.url)
        self._target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        self._is_https, self._host, self._port = parts.scheme == "https", parts.hostname or "", parts.port
        self._local = threading.local()
        self._connections: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._good_s = time.monotonic()

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections. No thread may push any more."""
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()
        self._local = threading.local()

    def validate(self, bodies: Iterable[bytes] = VALIDATIONS[:1]) -> None:
        """Send the test upload, as the API does before it makes or changes a job. Raises `Rejected`."""
        for body in bodies:
            error, _ = self._upload(body)
            if error is not None:
                raise Rejected(f"error validating destination: error writing object: error uploading: {error}")

    def push(self, index: int, body: bytes, records: int) -> bool:
        """Upload a batch until it is acknowledged, and return whether it was.

        False says that the batch was dropped: the time was up, or the job is disabled.
        """
        deadline_s, back_off_s, attempts = time.monotonic() + self.give_up_s, FIRST_BACK_OFF_S, 0
        while self.enabled:
            attempts += 1
            error, answer = self._upload(body)
            if error is None:
                with self._lock:
                    self.acknowledged.append(Delivery(index, records, body, answer, attempts))
                    self.error_message = self.last_error_s = None
                    self.last_complete_s, self._good_s = time.time(), time.monotonic()
                return True
            self._failed(error)
            if time.monotonic() + back_off_s > deadline_s:
                break
            time.sleep(back_off_s * random.uniform(0.5, 1))
            back_off_s = min(2 * back_off_s, MAX_BACK_OFF_S)
        with self._lock:
            self.dropped.append(index)
        return False

    def push_all(self, batches: Iterable[tuple[bytes, int]], *, connections: int = 4) -> bool:
        """Upload batches (body and records of each) over several connections; return whether all were acknowledged."""
        waiting, lock = enumerate(batches), threading.Lock()

        def push_some(_: int) -> bool:
            is_complete = True
            while True:
                with lock:
                    index, batch = next(waiting, (-1, None))
                if batch is None:
                    return is_complete
                is_complete &= self.push(index, *batch)

        with ThreadPoolExecutor(connections) as pool:
            return all(list(pool.map(push_some, range(connections))))

    def _failed(self, error: str) -> None:
        with self._lock:
            self.error_message, self.last_error_s = error, time.time()
            if time.monotonic() - self._good_s > self.disable_after_s:
                self.enabled = False

    def _upload(self, body: bytes) -> tuple[str | None, Any]:
        """Send one request. Returns the error, or None and the answer."""
        with self._lock:
            self.uploads += 1
        headers = {"Content-Encoding": "gzip", "User-Agent": "Go-http-client/1.1", **self.destination.headers}
        connection = self._connection()
        try:
            # A refusal can arrive before the body is sent.
            with suppress(BrokenPipeError):
                connection.request("POST", self._target, body, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return f"error pushing: error uploading to https: {type(error).__name__}", None
        if HTTP_OK <= response.status < HTTP_REDIRECT:
            return None, _parsed(text)
        shown = text[:MAX_ERROR_CHARACTERS].decode("utf-8", "replace")
        return f"error {response.status}: error pushing: error uploading to https: {response.status} {shown}", None

    def _connection(self) -> http.client.HTTPConnection:
        """Return the kept connection of this thread; `http.client` opens a closed one again."""
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            if self._is_https:
                connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self.timeout_s, context=self.context
                )
            else:
                connection = http.client.HTTPConnection(self._host, self._port, timeout=self.timeout_s)
            self._local.connection = connection
            with self._lock:
                self._connections.append(connection)
        return connection


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


# Batches

FIELDS = (
    "ColoCode", "EDNSSubnet", "EDNSSubnetLength", "QueryName", "QueryType", "ResponseCached", "ResponseCode",
    "SourceIP", "Timestamp",
)  # fmt: skip
FIRST_TIMESTAMP_NS = 1_767_225_600_000_000_000


def records(count: int, first: int = 0) -> Iterator[dict[str, Any]]:
    """Yield records of dns_logs. The number of a record is in its name, so no two records are equal."""
    for number in range(first, first + count):
        yield {
            "ColoCode": ("CDG", "FRA", "AMS")[number % 3],
            "EDNSSubnet": "192.0.2.0" if number % 2 else "",
            "EDNSSubnetLength": 24 if number % 2 else 0,
            "QueryName": f"n{number}.example{number % 7}.co.uk.",
            "QueryType": (1, 28, 65, 15)[number % 4],
            "ResponseCached": number % 3 == 0,
            "ResponseCode": 3 if number % 10 == 0 else 0,
            "SourceIP": f"198.51.100.{number % 250 + 1}" if number % 5 else f"2001:db8::{number % 65536:x}",
            "Timestamp": FIRST_TIMESTAMP_NS + number * 1_000_003,
        }


def render(batch: Iterable[Mapping[str, Any]], output_options: Mapping[str, Any] | None = None) -> bytes:
    """Return a batch as NDJSON, with the fields and the form of timestamps of a job's ``output_options``."""
    options = output_options or {}
    names = options.get("field_names") or FIELDS
    stamp = _STAMPS[options.get("timestamp_format", "unixnano")]
    lines = (
        json.dumps(
            {name: stamp(record[name]) if name == "Timestamp" else record[name] for name in names},
            separators=(",", ":"),
        )
        for record in batch
    )
    return "".join(f"{line}\n" for line in lines).encode()


def _rfc3339(nanoseconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(nanoseconds // 10**9))


_STAMPS: dict[str, Callable[[int], object]] = {
    "unixnano": lambda nanoseconds: nanoseconds,
    "unix": lambda nanoseconds: nanoseconds // 10**9,
    "rfc3339": _rfc3339,
}


def compress(plain: bytes) -> bytes:
    """Return the body of an upload."""
    return gzip.compress(plain, compresslevel=6)


def job_batches(job: Mapping[str, Any], count: int, first: int = 0) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield the batches of a job of the API: plain text, body and records of each.

    `job` is the body of a request that makes a job: ``max_upload_records`` cuts the batches, and ``output_options``
    says how a record is written.
    """
    size = job.get("max_upload_records") or 100_000
    for start in range(first, first + count, size):
        length = min(size, first + count - start)
        plain = render(records(length, start), job.get("output_options"))
        yield plain, compress(plain), length


# The script


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Send batches of dns_logs as Cloudflare Logpush does.")
    parser.add_argument("destination", nargs="?", help="URL, with header_ parameters as in a destination_conf")
    parser.add_argument("--job", type=Path, help="what cfdns-fast job create --dry-run --json --show-secrets printed")
    parser.add_argument("--to", metavar="URL", help="scheme, host and port in place of those of the job's destination")
    parser.add_argument("--key-file", type=Path, help="file whose first line is sent in --key-header")
    parser.add_argument("--key-header", default=KEY_HEADER)
    parser.add_argument("--batches", type=int, default=1)
    parser.add_argument("--records", type=int, default=1000, help="records of a batch; with --job of all batches")
    parser.add_argument("--first", type=int, default=0, help="number of the first record")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60, help="time after which a batch is dropped")
    parser.add_argument("--ca-file", help="certificate to trust")
    return parser


def _key(text: str) -> str:
    """Return the key of a file that holds a key, or lines ``name = key``."""
    lines = (line.strip() for line in text.splitlines())
    first = next(line for line in lines if line and not line.startswith("#"))
    return first.rpartition("=")[2].strip() if " = " in first else first


def _planned(options: argparse.Namespace) -> tuple[str, Iterator[tuple[bytes, int]]]:
    """Return the destination, and the body and the records of each batch."""
    if options.job:
        job = json.loads(options.job.read_text("utf-8"))["body"]
        destination = job["destination_conf"]
        if options.to:
            here = urlsplit(options.to)
            destination = urlunsplit(urlsplit(destination)._replace(scheme=here.scheme, netloc=here.netloc))
        return destination, ((body, count) for _, body, count in job_batches(job, options.records, options.first))
    destination = options.destination
    if options.key_file:
        destination = destination_conf(destination, {options.key_header: _key(options.key_file.read_text("utf-8"))})
    starts = range(options.first, options.first + options.batches * options.records, options.records)
    return destination, ((compress(render(records(options.records, start))), options.records) for start in starts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Send, print a summary as JSON, and return 0 if every batch was acknowledged, 1 if not."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if bool(options.job) == bool(options.destination):
        parser.error("give a destination or --job")
    destination, batches = _planned(options)
    context = ssl.create_default_context(cafile=options.ca_file) if options.ca_file else None
    with Job(destination, give_up_s=options.seconds, disable_after_s=options.seconds, context=context) as job:
        try:
            job.validate()
        except Rejected as error:
            print(error, file=sys.stderr)
            return 1
        is_complete = job.push_all(batches, connections=options.connections)
        summary = {
            "acknowledged": len(job.acknowledged),
            "records": sum(delivery.records for delivery in job.acknowledged),
            "dropped": len(job.dropped),
            "uploads": job.uploads,
            "error": job.error_message,
        }
        print(json.dumps(summary))
    return 0 if is_complete else 1


if __name__ == "__main__":
    socket.setdefaulttimeout(60)
    raise SystemExit(main())
