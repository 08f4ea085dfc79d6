"""The systemd units of the documentation: systemd accepts them, and the receiver does what they rely on."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.logpush_sender import KEY_HEADER, Job, compress, destination_conf, records, render
from support.receivers import KEY, PATH, environment, free_port, wait_for, write_keys

pytest.importorskip("tornado", reason="the extra receiver")

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "docs" / "receiver" / "cfdns-fast-receive.service"
SOCKET = SERVICE.with_suffix(".socket")
ANALYZE = shutil.which("systemd-analyze")

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="POSIX only"),
    pytest.mark.skipif(not SERVICE.exists(), reason="no documentation around the tests"),
]


def unit(path: Path) -> configparser.ConfigParser:
    """Return a unit, whose repeated settings this parser would refuse."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(path, encoding="utf-8")
    return parser


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("change", [None, ("KillMode=mixed", "KillMode=mixt"), ("WatchdogSec", "WatchDogSeconds")])
def test_systemd_verifies_the_units(tmp_path: Path, change: tuple[str, str] | None) -> None:
    program = tmp_path / "cfdns-fast"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = SERVICE.read_text(encoding="utf-8").replace("/opt/cfdns-fast/bin/cfdns-fast", str(program))
    service = tmp_path / SERVICE.name
    service.write_text(text.replace(*change) if change else text)
    shutil.copy(SOCKET, tmp_path)
    assert ANALYZE is not None
    command = [ANALYZE, "verify", str(service), str(tmp_path / SOCKET.name)]
    checked = subprocess.run(command, capture_output=True, text=True)
    # Unknown settings are messages and no failure. Messages about other units of the machine do not count.
    faults = [line for line in (checked.stdout + checked.stderr).splitlines() if "cfdns-fast-receive" in line]
    assert bool(faults) == (change is not None), checked.stderr


class Service:
    """Starts the command of the unit as systemd does: credentials, a notification socket, and open sockets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.credentials = folder / "credentials"
        self.credentials.mkdir()
        write_keys(self.credentials / "keys")
        (folder / "events").mkdir()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(str(folder / "notify"))
        self.notified.settimeout(60)
        self.metrics_port = free_port()
        config = folder / "receive.toml"
        config.write_text(
            f'metrics_listen = "127.0.0.1:{self.metrics_port}"\n'
            f'[[sink]]\nname = "files"\nurl = "file://{folder}/events/?rotate=1s"\n'
        )
        command = unit(SERVICE)["Service"]["ExecStart"]
        for old, new in (
            ("/etc/cfdns-fast/receive.toml", str(config)),
            ("%S/cfdns-fast", str(folder / "state")),
            ("%d", str(self.credentials)),
        ):
            assert old in command
            command = command.replace(old, new)
        self.arguments = command.split()[1:]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process with the socket as descriptor 3, and wait until it says that it is ready."""
        program = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
            "os.execv(sys.executable, [sys.executable, '-P', '-m', 'cfdns_fast', *sys.argv[2:]])"
        )
        number = self.listener.fileno()
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", program, str(number), *self.arguments],
                env=environment(
                    NOTIFY_SOCKET=str(self.folder / "notify"),
                    WATCHDOG_USEC="200000",
                    LISTEN_FDS="1",
                    CREDENTIALS_DIRECTORY=str(self.credentials),
                ),
                pass_fds=(number,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_for("READY=1")

    def wait_for(self, state: str) -> None:
        """Wait for a line of a notification."""
        try:
            while state not in self.notified.recv(4096).decode().splitlines():
                pass
        except TimeoutError:
            raise AssertionError((self.folder / "log").read_text()) from None

    def stop(self) -> int:
        """Stop the process as KillMode=mixed does, and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.wait_for("STOPPING=1")
        return self.process.wait(60)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(60)
        self.listener.close()
        self.notified.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.slow
def test_service_reports_its_states(service: Service) -> None:
    service.start()
    service.wait_for("WATCHDOG=1")
    assert service.process is not None
    service.process.send_signal(signal.SIGHUP)
    service.wait_for("WATCHDOG=1")
    assert service.stop() == 0


@pytest.mark.slow
def test_restart_refuses_no_connection(service: Service) -> None:
    service.start()
    url = f"http://127.0.0.1:{service.listener.getsockname()[1]}{PATH}"
    with Job(destination_conf(url, {KEY_HEADER: KEY})) as job:
        job.validate()
    assert service.stop() == 0
    # Nothing accepts now, and the connection waits in the queue of the socket.
    with Job(destination_conf(url, {KEY_HEADER: KEY}), give_up_s=0, timeout_s=60) as job:
        connection = job._connection()
        connection.connect()
        service.start()
        assert job.push(0, compress(render(records(5))), 5), job.error_message
        assert job.acknowledged[0].attempts == 1
    wait_for(lambda: list((service.folder / "events").glob("*.ndjson.gz")), "a file")
    assert service.stop() == 0


def test_unit_has_the_documented_settings() -> None:
    settings = unit(SERVICE)["Service"]
    expected = {
        "Type": "notify",
        "DynamicUser": "yes",
        "StateDirectory": "cfdns-fast",
        "LimitNOFILE": "65536",
        "TimeoutStopSec": "90",
        "KillMode": "mixed",
        "LoadCredential": "keys:/etc/cfdns-fast/keys",
    }
    assert {name: settings[name] for name in expected} == expected
    assert int(settings["WatchdogSec"]) > 0


@pytest.mark.slow
def test_documented_check_accepts_the_example(tmp_path: Path) -> None:
    pytest.importorskip("opensearchpy", reason="a sink of the example")
    write_keys(tmp_path / "keys")
    text = (SERVICE.parent / "receive.toml").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "receiver.md").read_text(encoding="utf-8")
    found = re.search(r"`CREDENTIALS_DIRECTORY=(\S+) cfdns-fast (receive [^`]+ --check)`", page)
    assert found is not None and found[1] == "/etc/cfdns-fast"
    # Each credential that the example names has a line in the unit, which may be a comment.
    for name in ["keys", *re.findall(r"credential:([\w-]+)", text)]:
        assert f"LoadCredential={name}:/etc/cfdns-fast/{name}\n" in SERVICE.read_text(encoding="utf-8")
        (tmp_path / name).touch()
    (tmp_path / "search-password").write_text("password-of-the-tests")

    def here(documented: str) -> str:
        for folder in ("/etc/cfdns-fast", "/var/lib/cfdns-fast"):
            documented = documented.replace(folder, str(tmp_path))
        return documented

    (tmp_path / "receive.toml").write_text(here(text))
    command = [sys.executable, "-P", "-m", "cfdns_fast", *here(found[2]).split()]
    variables = environment(CREDENTIALS_DIRECTORY=here(found[1]))
    checked = subprocess.run(command, capture_output=True, text=True, env=variables)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "sink archive: ok" in checked.stdout and "sink search: ok" in checked.stdout, checked.stdout
