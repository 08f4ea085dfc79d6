"""A local HTTP server that answers as Cloudflare's Logpush API does, for tests of jobs.

It is written from Cloudflare's documentation, its SDK and reports of users, not from recordings: envelopes and codes
of errors, permissions of tokens, the limit of jobs, ``PUT`` that replaces output_options as a whole, the upload of a
test file to a destination, and ownership challenges. ``https`` destinations on this machine are uploaded to by plain
HTTP, because a certificate that the public trusts cannot be had here. Other hosts count as working.
"""

from __future__ import annotations

import gzip
import http.client
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = ["ACCOUNT", "TOKEN", "ZONE", "FakeCloudflare", "Recorded", "Token", "fake_cloudflare", "upload"]

ZONE = "023e105f4ecef8ad9ca31a8372d0c353"
ACCOUNT = "01a7362d577a6c3019a474fd6f485823"
TOKEN = "Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY"
TEST_CONTENT = b'{"content":"tests"}'

FIELDS = {
    "dns_logs": "ColoCode EDNSSubnet EDNSSubnetLength QueryName QueryType ResponseCached ResponseCode SourceIP "
    "Timestamp",
    "dns_firewall_logs": "ClientResponseCode ClusterID ColoCode EDNSSubnet EDNSSubnetLength QueryDO QueryName QueryRD "
    "QuerySize QueryTCP QueryType ResponseCached ResponseCachedStale ResponseReason SourceIP Timestamp "
    "UpstreamIP UpstreamResponseCode UpstreamResponseTimeMs",
    "gateway_dns": "AccountID ApplicationID ApplicationName ColoCode ColoID Datetime DeviceID DeviceName DstIP DstPort "
    "Email Location LocationID MatchedCategoryIDs MatchedCategoryNames MatchedIndicatorFeedIDs "
    "MatchedIndicatorFeedNames Policy PolicyID PolicyName Protocol QueryCategoryIDs QueryCategoryNames "
    "QueryID QueryName QueryNameReversed QuerySize QueryType QueryTypeName RCode RData ResolvedIPs "
    "ResolverDecision SrcIP SrcPort TimeZone TimeZoneInferredMethod UserID",
}
_SCOPES = {"dns_logs": "zones", "dns_firewall_logs": "accounts", "gateway_dns": "accounts"}
_OUTPUT_DEFAULTS = {
    "CVE-2021-44228": False,
    "field_names": [],
    "output_type": "ndjson",
    "sample_rate": 1,
    "timestamp_format": "unixnano",
}
_LIMITS = {
    "max_upload_bytes": (5_000_000, 1_000_000_000),
    "max_upload_records": (1_000, 1_000_000),
    "max_upload_interval_seconds": (30, 300),
}
_NO_CHALLENGE = ("https://", "r2://", "datadog://", "splunk://")


@dataclass
class Token:
    """A token: its state, and its permissions as (scope, name)."""

    status: str = "active"
    permissions: set[tuple[str, str]] = field(
        default_factory=lambda: {
            ("zones", "Logs Edit"),
            ("zones", "Zone Read"),
            ("accounts", "Logs Edit"),
            ("accounts", "Zero Trust: PII Read"),
        }
    )
    is_of_account: bool = False


@dataclass(frozen=True)
class Recorded:
    """A request that the server received."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Refused(Exception):
    """The answer to a request is an error."""

    def __init__(self, status: int, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.errors = [{"code": code, "message": message, **more}]


class FakeCloudflare:
    """The state of the API, and the server. `url` is for CLOUDFLARE_BASE_URL.

    `behave` maps "METHOD suffix-of-path" to a function that gets the handler and the envelope (status, document) and
    answers itself; `once` is the same, for one request.
    """

    def __init__(self, write_object: Callable[[str, str, bytes], object] | None = None) -> None:
        self.tokens = {TOKEN: Token()}
        self.zones = {ZONE: "example.com"}
        self.accounts = {ACCOUNT}
        self.jobs: dict[str, dict[int, dict[str, Any]]] = {}
        self.requests: list[Recorded] = []
        self.challenges: dict[str, str] = {}
        self.refused_destinations: dict[str, str] = {}
        self.write_object = write_object or (lambda bucket, key, data: None)
        self.once: dict[str, Callable[[Handler, int, dict[str, Any]], None]] = {}
        self.behave: dict[str, Callable[[Handler, int, dict[str, Any]], None]] = {}
        self.lock = threading.RLock()
        self._next_id = 148
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/client/v4"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def all_jobs(self) -> list[dict[str, Any]]:
        return [job for jobs in self.jobs.values() for job in jobs.values()]

    def made(self, method: str, suffix: str = "") -> list[Recorded]:
        """Return the requests with this method whose path ends so."""
        return [each for each in self.requests if each.method == method and each.path.endswith(suffix)]

    def add_job(self, scope: str = f"zones/{ZONE}", **settings: Any) -> int:
        """Put a job in place without a call."""
        self._next_id += 1
        job = {
            "id": self._next_id,
            "dataset": "dns_logs",
            "name": "",
            "kind": "",
            "enabled": False,
            "destination_conf": "https://logs.example.com/plain/batch",
            "filter": None,
            "logpull_options": None,
            "output_options": None,
            "last_complete": None,
            "last_error": None,
            "error_message": None,
            **settings,
        }
        self.jobs.setdefault(scope, {})[self._next_id] = job
        return self._next_id

    # What the calls do

    def answer(self, request: Recorded) -> tuple[int, Any]:
        """Return the status and the result of a call. Raises Refused."""
        token = self._token(request)
        path = request.path.removeprefix("/client/v4/")
        if path == "user/tokens/verify":
            if token.is_of_account:
                raise Refused(401, 1000, "Invalid API Token")
            return 200, {"id": "ed17574386854bf78a67040be0a770b0", "status": token.status}
        if re.fullmatch(r"accounts/\w+/tokens/verify", path):
            return 200, {"id": "ed17574386854bf78a67040be0a770b0", "status": token.status}
        if token.status != "active":
            raise Refused(403, 9109, "Invalid access token")
        if path == "zones":
            if ("zones", "Zone Read") not in token.permissions:
                raise Refused(403, 10000, "Authentication error")
            name = request.query.get("name")
            return 200, [{"id": id, "name": each} for id, each in self.zones.items() if name in (None, each)]
        found = re.fullmatch(r"(zones|accounts)/([^/]+)/logpush/(.+)", path)
        if found is None or found[2] not in (self.zones if found[1] == "zones" else self.accounts):
            raise Refused(404, 7003, f"Could not route to /{path}, perhaps your object identifier is invalid?")
        if (found[1], "Logs Edit") not in token.permissions:
            raise Refused(403, 10000, "Authentication error")
        return self._logpush(request, token, f"{found[1]}/{found[2]}", found[3])

    def _token(self, request: Recorded) -> Token:
        sent = request.headers.get("authorization", "")
        if not sent.startswith("Bearer "):
            raise Refused(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
        if sent[7:] not in self.tokens:
            if request.path.endswith("/verify"):
                raise Refused(401, 1000, "Invalid API Token")
            raise Refused(403, 9109, "Invalid access token")
        return self.tokens[sent[7:]]

    def _logpush(self, request: Recorded, token: Token, scope: str, rest: str) -> tuple[int, Any]:
        jobs = self.jobs.setdefault(scope, {})
        body = request.body if isinstance(request.body, dict) else {}
        match request.method, *rest.split("/"):
            case "GET", "jobs":
                return 200, list(jobs.values())
            case "POST", "jobs":
                return 201, self._create(jobs, scope, token, body)
            case method, "jobs", number:
                job = jobs.get(int(number))
                if job is None:
                    raise Refused(404, 1002, "job not found")
                self._require_product(token, job["dataset"])
                if method == "DELETE":
                    del jobs[int(number)]
                    return 200, {"id": int(number)}
                return 200, self._change(job, body) if method == "PUT" else job
            case "GET", "datasets", dataset, "fields":
                if dataset not in FIELDS:
                    raise Refused(400, 1002, f"unknown dataset: {dataset}")
                return 200, {name: "string; a field" for name in FIELDS[dataset].split()}
            case "GET", "datasets", dataset, "jobs":
                return 200, [job for job in jobs.values() if job["dataset"] == dataset]
            case "POST", "validate", "destination":
                message = self._fault_of(body["destination_conf"])
                return 200, {"valid": message is None, "message": message or ""}
            case "POST", "validate", "destination", "exists":
                used = {job["destination_conf"] for job in jobs.values()}
                return 200, {"exists": body["destination_conf"] in used}
            case "POST", "ownership":
                return 200, self._challenge(body["destination_conf"])
            case "POST", "ownership", "validate":
                wanted = self.challenges.get(body["destination_conf"])
                return 200, {"valid": wanted is not None and body["ownership_challenge"] == wanted}
        raise Refused(405, 10001, "method not allowed for this resource")

    def _require_product(self, token: Token, dataset: str) -> None:
        if dataset == "gateway_dns" and ("accounts", "Zero Trust: PII Read") not in token.permissions:
            raise Refused(403, 1004, f"reading job for product '{dataset}' is not allowed")

    def _create(self, jobs: dict[int, Any], scope: str, token: Token, body: dict[str, Any]) -> dict[str, Any]:
        dataset = body.get("dataset", "http_requests")
        if _SCOPES.get(dataset) != scope.partition("/")[0]:
            raise Refused(400, 1002, f"dataset {dataset} is not available")
        self._require_product(token, dataset)
        if len(jobs) >= 4:
            raise Refused(400, 1004, "creating a new job is not allowed: exceeded max jobs allowed")
        self._check(dataset, body)
        conf = body["destination_conf"]
        if not conf.startswith(_NO_CHALLENGE) and "access-key-id=" not in conf:
            wanted = self.challenges.get(conf)
            if wanted is None or body.get("ownership_challenge") != wanted:
                raise Refused(400, 1002, "ownership_challenge is invalid")
        self._require_destination(conf)
        settings = {key: value for key, value in body.items() if key != "ownership_challenge"}
        if settings.get("output_options") is not None:
            settings["output_options"] = {**_OUTPUT_DEFAULTS, **settings["output_options"]}
        return jobs[self.add_job(scope, **settings)]

    def _change(self, job: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        if {"dataset", "kind", "id"} & set(body):
            raise Refused(400, 1002, "dataset and kind cannot be changed")
        self._check(job["dataset"], body)
        if "destination_conf" in body:
            self._require_destination(body["destination_conf"])
        job |= {key: value for key, value in body.items() if key not in ("output_options", "ownership_challenge")}
        if body.get("output_options") is not None:
            job["output_options"] = {**_OUTPUT_DEFAULTS, **body["output_options"]}
            job["logpull_options"] = None
        return job

    def _check(self, dataset: str, body: dict[str, Any]) -> None:
        for name, (low, high) in _LIMITS.items():
            value = body.get(name)
            if value not in (None, 0) and not low <= value <= high:
                raise Refused(400, 1002, f"{name} is out of range", source={"pointer": f"/{name}"})
        for name in (body.get("output_options") or {}).get("field_names") or ():
            if name not in FIELDS[dataset].split():
                raise Refused(400, 1002, f"unknown field {name}")

    def _require_destination(self, conf: str) -> None:
        message = self._fault_of(conf)
        if message is not None:
            raise Refused(400, 1002, f"error validating destination: {message}")

    def _fault_of(self, conf: str) -> str | None:
        if conf in self.refused_destinations:
            return self.refused_destinations[conf]
        host = urlsplit(conf).hostname
        if conf.startswith("https://") and host in ("127.0.0.1", "::1", "localhost"):
            try:
                status, text = upload(conf, gzip.compress(TEST_CONTENT))
            except OSError:
                return "error writing object: error uploading"
            if not 200 <= status < 300:
                return f"error writing object: error uploading to https: {status} {text}"
        return None

    def _challenge(self, conf: str) -> dict[str, Any]:
        if conf.startswith(_NO_CHALLENGE):
            return {"filename": "", "valid": False, "message": "this destination has no ownership challenge"}
        place = urlsplit(conf)
        key = f"{place.path.strip('/')}/ownership-challenge-{len(self.challenges):08x}.txt".lstrip("/")
        text = f"eyJhbGciOiJkaXIifQ..{len(conf):x}.challenge-{len(self.challenges)}"
        self.challenges[conf] = text
        self.write_object(place.netloc, key, text.encode() + b"\n")
        return {"filename": key, "valid": True, "message": ""}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakeCloudflare

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hung up


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # the headers and the body in one packet

    def log_message(self, format: str, *values: object) -> None:
        pass

    def do(self) -> None:
        fake = self.server.fake
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        place = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Recorded(
            self.command, place.path, dict(parse_qsl(place.query)), headers, json.loads(data) if data else None
        )
        with fake.lock:
            fake.requests.append(request)
            try:
                status, result = fake.answer(request)
                envelope = {"success": True, "errors": [], "messages": [], "result": result}
            except Refused as error:
                status = error.status
                envelope = {"success": False, "errors": error.errors, "messages": [], "result": None}
        key = next((key for key in (*fake.once, *fake.behave) if _is_meant(key, request)), None)
        if key is None:
            self.send(status, envelope)
        else:
            (fake.once.pop(key, None) or fake.behave[key])(self, status, envelope)

    do_GET = do_POST = do_PUT = do_DELETE = do

    def send(self, status: int, document: Any) -> None:
        self.send_bytes(status, "application/json", json.dumps(document).encode())

    def send_bytes(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # Behaviours for `once` and `behave`

    def hang_up(self, status: int, document: Any) -> None:
        """Close the connection without an answer, after the call had its effect."""
        self.close_connection = True

    def cut(self, status: int, document: Any) -> None:
        """Send a part of the answer."""
        self.send_response(status)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b'{"success":')
        self.close_connection = True

    def stall(self, status: int, document: Any) -> None:
        """Answer too late."""
        time.sleep(2)
        self.close_connection = True

    def html(self, status: int, document: Any) -> None:
        """Answer as a proxy does."""
        self.send_bytes(200, "text/html; charset=UTF-8", b"<html><title>Just a moment...</title></html>")

    def fail(self, status: int, document: Any) -> None:
        """Answer 502 without an envelope."""
        self.send_bytes(502, "text/html", b"<html>Bad gateway</html>")

    def deny(self, status: int, document: Any) -> None:
        """Answer success: false with status 200."""
        errors = [{"code": 1234, "message": "the dataset is on holiday"}]
        self.send(200, {"success": False, "errors": errors, "messages": [], "result": None})


def _is_meant(key: str, request: Recorded) -> bool:
    method, _, suffix = key.partition(" ")
    return request.method == method and request.path.endswith(suffix)


def upload(conf: str, body: bytes) -> tuple[int, str]:
    """Post a body to an ``https`` destination on this machine by plain HTTP, with its headers; return the answer."""
    place = urlsplit(conf)
    own, headers = [], {"Content-Encoding": "gzip"}
    for part in place.query.split("&") if place.query else []:
        name, _, value = part.partition("=")
        if name.lower().startswith("header_"):
            headers[name[7:]] = unquote(value)
        else:
            own.append(part)
    connection = http.client.HTTPConnection(place.hostname or "", place.port or 443, timeout=10)
    try:
        target = place.path + (f"?{'&'.join(own)}" if own else "")
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(500).decode("utf-8", "replace")
    finally:
        connection.close()


@contextmanager
def fake_cloudflare(write_object: Callable[[str, str, bytes], object] | None = None) -> Iterator[FakeCloudflare]:
    """Run the server for a block."""
    fake = FakeCloudflare(write_object)
    fake.start()
    try:
        yield fake
    finally:
        fake.stop()
