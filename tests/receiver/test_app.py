"""The receiver as a process, with real files and sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("tornado", reason="the extra receiver is not installed")

from support.command import ROOT, needs_posix
from support.receiver_process import KEY, ReceiverProcess, batch, delivered, numbers_of

from cfdns_fast.receiver import app as app_module
from cfdns_fast.receiver.app import Receiver
from cfdns_fast.receiver.notify import Notifier
from cfdns_fast.spool import StateFolder

pytestmark = needs_posix


def sink(name: str, url: str) -> str:
    return f'[[sink]]\nname = "{name}"\nurl = "{url}"\n'


def file_sink(folder: Path, name: str = "out") -> str:
    return sink(name, f"file://{folder}/{name}/?format=ndjson&rotate=1s")


def events(name: str = "out") -> str:
    return f'cfdns_sink_events_total{{sink="{name}"}}'


def test_batches_reach_all_sinks(tmp_path: Path) -> None:
    """Two sinks, rejects, a second receiver, and the end by a signal, in one run because each start takes time."""
    configuration = file_sink(tmp_path) + file_sink(tmp_path, "other")
    with ReceiverProcess(tmp_path, configuration) as receiver:
        for number in range(5):
            code, answer = receiver.post(batch(number * 10, 10))
            assert code == 200 and json.loads(answer)["accepted"] == 10
        assert receiver.post(b'{"a":}\n')[0] == 200
        assert receiver.post(batch(0, 1), headers={"X-SEKOIAIO-INTAKE-KEY": "wrong"})[0] == 401
        assert receiver.get("/readyz") == (200, "ok\n")
        assert receiver.get("/healthz") == (200, "ok\n")
        assert receiver.get("/absent")[0] == 404
        start = f"http://127.0.0.1:{receiver.port}/plain/batch; metrics on http://127.0.0.1:{receiver.metrics_port}"
        assert f"ready: receiving on {start}/metrics" in receiver.messages()
        receiver.wait_for(lambda: receiver.metric("cfdns_spool_batches") == 0)
        receiver.wait_for(lambda: receiver.metric(events()) == receiver.metric(events("other")) == 50)
        assert receiver.metric("cfdns_records_received_total") == 51
        assert receiver.metric('cfdns_refused_total{reason="key"}') == 1
        assert receiver.metric('cfdns_sink_rejects_total{code="json.syntax",sink="out"}') == 1
        assert receiver.metric('cfdns_sink_lag_batches{sink="out"}') == 0
        state_folder = StateFolder(tmp_path / "state")
        assert [state_folder.is_configured(name) for name in ("out", "other", "old")] == [True, True, False]
        second = ReceiverProcess(tmp_path, configuration)
        assert second.process.wait(60) == 3
        second.__exit__()
        assert "another receiver uses it" in second.messages()[-1] and len(second.messages()) == 1
        assert receiver.stop() == 0
    assert delivered(tmp_path / "out") == delivered(tmp_path / "other") == list(range(50))
    assert receiver.messages()[-1].startswith("drained in")
    assert KEY not in json.dumps(receiver.log)
    state = [tmp_path / "state", *(tmp_path / "state").rglob("*")]
    assert [path for path in state if path.stat().st_mode & 0o007] == []
    (rejects,) = (tmp_path / "state" / "rejects" / "out").glob("*.ndjson")
    assert json.loads(rejects.read_bytes())["batch"] == 6


class Target:
    """An HTTP server that takes events while it is open, except bodies with certain bytes."""

    def __init__(self, port: int = 0) -> None:
        self.bodies: list[bytes] = []
        self.refused = b""
        target = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_refused = bool(target.refused) and target.refused in gzip.decompress(body)
                if not is_refused:
                    target.bodies.append(body)
                self.send_response(400 if is_refused else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.slow
def test_dead_target_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    with ReceiverProcess(tmp_path, sink("far", f"http://127.0.0.1:{port}/x?send=ecs")) as receiver:
        assert receiver.post(batch(0, 10))[0] == 200
        receiver.wait_for(lambda: receiver.metric('cfdns_sink_retries_total{reason="connect",sink="far"}') > 1)
        assert receiver.metric('cfdns_sink_up{sink="far"}') == 0
        assert receiver.metric('cfdns_sink_lag_batches{sink="far"}') == 1
        assert receiver.get("/readyz")[0] == 200
        target = Target(port)
        try:
            receiver.wait_for(lambda: receiver.metric(events("far")) == 10)
            receiver.wait_for(lambda: receiver.metric('cfdns_sink_up{sink="far"}') == 1)
            assert receiver.stop() == 0
        finally:
            target.close()
    assert sorted(numbers_of(gzip.decompress(b"".join(target.bodies)).splitlines())) == list(range(10))


@pytest.mark.slow
def test_end_does_not_lose_what_waits(tmp_path: Path) -> None:
    port = free_port()
    configuration = sink("out", f"http://127.0.0.1:{port}/x?send=ecs")
    with ReceiverProcess(tmp_path, configuration) as receiver:
        assert receiver.post(batch(0, 10))[0] == 200
        assert receiver.stop() == 0
    with ReceiverProcess(tmp_path, file_sink(tmp_path) + 'schema = "ecs"\n') as receiver:
        assert receiver.messages()[0] == "recovered: 1 batches wait for sinks, the last one received is 1"
        receiver.wait_for(lambda: receiver.metric(events()) == 10)
        assert receiver.stop() == 0
    assert delivered(tmp_path / "out") == list(range(10))


def open_request(receiver: ReceiverProcess, body: bytes) -> socket.socket:
    """Send the headers of a request and the first byte of its body."""
    client = socket.create_connection(("127.0.0.1", receiver.port), 60)
    head = (
        f"POST /plain/batch HTTP/1.1\r\nHost: x\r\nX-SEKOIAIO-INTAKE-KEY: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    client.sendall(head.encode() + body[:1])
    receiver.wait_for(lambda: receiver.metric("cfdns_in_flight_bytes") > 0)
    receiver.process.send_signal(signal.SIGTERM)
    receiver.wait_for(lambda: receiver.get("/readyz") == (503, "ending\n"))
    return client


def test_open_requests_finish_before_the_end(tmp_path: Path) -> None:
    body = batch(0, 10)
    with ReceiverProcess(tmp_path, file_sink(tmp_path)) as receiver:
        with open_request(receiver, body) as client:
            client.sendall(body[1:])
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert receiver.process.wait(60) == 0
    assert "last batch 1" in receiver.messages()[-1]


def test_watchdog_is_fed_until_the_end(tmp_path: Path) -> None:
    """The end can take longer than the manager waits for a sign of life."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        with (
            ReceiverProcess(tmp_path, file_sink(tmp_path), environment=environment) as receiver,
            open_request(receiver, batch(0, 10)),
        ):
            while manager.recv(1000) != b"STOPPING=1":
                pass
            assert manager.recv(1000) == b"WATCHDOG=1"


def test_second_signal_ends_at_once(tmp_path: Path) -> None:
    with ReceiverProcess(tmp_path, file_sink(tmp_path)) as receiver, open_request(receiver, batch(0, 10)):
        time.sleep(0.6)  # a signal before that is the first one, sent twice
        receiver.process.send_signal(signal.SIGTERM)
        assert receiver.process.wait(60) == 128 + signal.SIGTERM


def test_hang_up_reads_the_keys_again(tmp_path: Path) -> None:
    with ReceiverProcess(tmp_path, file_sink(tmp_path)) as receiver:
        (tmp_path / "keys").write_text(f"tests = {KEY}\nsecond = another-key-of-the-tests\n")
        receiver.process.send_signal(signal.SIGHUP)
        receiver.wait_for(lambda: any("read again" in message for message in receiver.messages()))
        code, _ = receiver.post(batch(0, 1), headers={"X-SEKOIAIO-INTAKE-KEY": "another-key-of-the-tests"})
        assert code == 200
        (tmp_path / "keys").write_text("no key\n")
        receiver.process.send_signal(signal.SIGHUP)
        receiver.wait_for(lambda: receiver.messages()[-1] == "read again: nothing")
        assert "stay valid" in receiver.messages()[-2]
        assert receiver.post(batch(1, 1))[0] == 200
        assert receiver.stop() == 0


def test_receiver_ends_if_the_spool_stays_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """One look without progress follows a stop of the receiver itself."""
    looks = iter([True, False, True, False, False])

    class Stopped(Receiver):
        def __init__(self) -> None:
            self._notifier = Notifier()
            self._writer = SimpleNamespace(status=lambda: SimpleNamespace(is_alive=next(looks)))  # type: ignore[assignment]
            self._end = asyncio.Event()
            self._is_ending = self._has_failed = False

    monkeypatch.setattr(app_module, "_TICK_S", 0.001)

    async def test() -> None:
        receiver = Stopped()
        await receiver._tick()
        assert receiver._has_failed and receiver._end.is_set()

    asyncio.run(test())
    assert list(looks) == []


def test_look_goes_on_after_an_error(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The log has one line a minute, and the receiver counts as unhealthy until a look succeeds."""
    states: list[bool] = []

    class Faulty(Receiver):
        def __init__(self) -> None:
            self._notifier = Notifier()
            self._writer = SimpleNamespace(status=self.status)  # type: ignore[assignment]
            self._end = asyncio.Event()
            self._is_ending = self._has_failed = self._is_look_faulty = False

        def status(self) -> SimpleNamespace:
            states.append(self._is_look_faulty)
            if len(states) < 4:
                raise ValueError("an unexpected one")
            return SimpleNamespace(is_alive=len(states) < 6)

    monkeypatch.setattr(app_module, "_TICK_S", 0.001)

    async def test() -> None:
        receiver = Faulty()
        await receiver._tick()
        assert receiver._has_failed and receiver._fault() == "the spool has stopped"
        receiver._is_look_faulty = True
        assert receiver._fault() == "an unexpected error; the log names it"

    asyncio.run(test())
    assert states == [False, True, True, True, False, False, False, False]
    assert [each.exc_info is not None for each in caplog.records] == [True, False]


@pytest.mark.slow
def test_sink_that_is_gone_is_named(tmp_path: Path) -> None:
    port = free_port()
    with ReceiverProcess(tmp_path, sink("old", f"http://127.0.0.1:{port}/x") + file_sink(tmp_path)) as receiver:
        assert receiver.post(batch(0, 10))[0] == 200
        assert receiver.stop() == 0
    with ReceiverProcess(tmp_path, file_sink(tmp_path)) as receiver:
        assert any("sink old is not configured and holds 1 batches" in each for each in receiver.messages())
        assert receiver.stop() == 0


def test_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        receiver = ReceiverProcess(tmp_path, file_sink(tmp_path), "--listen", f"127.0.0.1:{port}")
        code = receiver.process.wait(60)
        receiver.__exit__()
    assert code == 1  # the unit of systemd tries again, other than after 2
    assert [message for message in receiver.messages() if "is taken" in message]
    assert not any("Traceback" in message or "drained" in message for message in receiver.messages())


def test_signal_that_is_sent_twice_is_one(tmp_path: Path) -> None:
    with ReceiverProcess(tmp_path, file_sink(tmp_path)) as receiver:
        for _ in range(3):
            receiver.process.send_signal(signal.SIGTERM)
            time.sleep(0.02)
        assert receiver.process.wait(60) == 0
    assert receiver.messages()[-1].startswith("drained in")


def test_standard_output_gets_the_events(tmp_path: Path) -> None:
    with ReceiverProcess(tmp_path, sink("out", "-")) as receiver:
        assert receiver.post(batch(0, 10))[0] == 200
        assert receiver.process.stdout is not None
        lines = [receiver.process.stdout.readline() for _ in range(10)]
        assert numbers_of(lines) == list(range(10))
        # The reader ends, and so does the receiver at the next write.
        receiver.process.stdout.close()
        assert receiver.post(batch(10, 10))[0] == 200
        assert receiver.process.wait(60) == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_memory_of_a_sink_is_bounded(tmp_path: Path) -> None:
    """Batches of 100,000 records, and one record that is too long for memory."""
    line = b'{"QueryName":"%b.example.com","Timestamp":1767225600}\n'
    large = gzip.compress(b"".join(line % os.urandom(30).hex().encode() for _ in range(100_000)), 1)
    long = gzip.compress(b'{"QueryName":"' + os.urandom(1 << 16).hex().encode() * 80, 1)
    with ReceiverProcess(tmp_path, file_sink(tmp_path)) as receiver:
        for number in range(3):
            assert receiver.post(large + gzip.compress(b"%d" % number))[0] == 200
        assert receiver.post(long)[0] == 200
        receiver.wait_for(lambda: receiver.metric("cfdns_spool_batches") == 0)
        receiver.wait_for(lambda: receiver.metric('cfdns_sink_rejects_total{code="record.too_large",sink="out"}') == 1)
        process = next(int(text.split()[-1]) for text in receiver.messages() if "runs as process" in text)
        status = Path(f"/proc/{process}/status").read_text().splitlines()
        peak_kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        assert receiver.stop() == 0
    assert peak_kib < 100 << 10


def spool_command(folder: Path, name: str, *arguments: str) -> None:
    command = [sys.executable, "-m", "cfdns_fast", "spool", name, "--state", str(folder / "state"), *arguments]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": ROOT}, check=True, timeout=60)


@pytest.mark.slow
def test_replay_delivers_again(tmp_path: Path) -> None:
    configuration = 'keep = "1h"\n' + file_sink(tmp_path)
    with ReceiverProcess(tmp_path, configuration) as receiver:
        for first in (0, 10):
            assert receiver.post(batch(first, 10))[0] == 200
        assert receiver.post(b'{"a":}\n')[0] == 200
        receiver.wait_for(lambda: receiver.metric(events()) == 20)
        spool_command(tmp_path, "replay", "--sink", "out", "--from", "2")
        receiver.wait_for(lambda: receiver.metric(events()) == 30)
        assert receiver.stop() == 0
    assert sorted(delivered(tmp_path / "out")) == sorted([*range(20), *range(10, 20)])


@pytest.mark.slow
def test_dead_letters_are_delivered_again(tmp_path: Path) -> None:
    """The target refuses one name, then accepts it; the request for a replay then empties the folder."""
    target = Target()
    target.refused = b"n7.example.com"
    folder = tmp_path / "state" / "dead" / "far"
    try:
        with ReceiverProcess(tmp_path, sink("far", f"http://127.0.0.1:{target.port}/x?send=ecs")) as receiver:
            assert receiver.post(batch(0, 20))[0] == 200
            receiver.wait_for(lambda: receiver.metric('cfdns_sink_dead_letters_total{code="400",sink="far"}') == 1)
            receiver.wait_for(lambda: receiver.metric(events("far")) == 19)
            (path,) = folder.glob("*.ndjson")
            letter = json.loads(path.read_bytes())
            assert letter["index"] == 7 and letter["event"]["dns"]["question"]["name"] == "n7.example.com"
            target.refused = b""
            spool_command(tmp_path, "replay", "--sink", "far", "--dead-letters")
            receiver.wait_for(lambda: not list(folder.glob("*.ndjson")))
            assert receiver.post(batch(20, 10))[0] == 200
            receiver.wait_for(lambda: receiver.metric('cfdns_sink_lag_batches{sink="far"}') == 0)
            assert receiver.stop() == 0
    finally:
        target.close()
    lines = [line for body in target.bodies for line in gzip.decompress(body).splitlines()]
    assert sorted(numbers_of(lines)) == list(range(30))
