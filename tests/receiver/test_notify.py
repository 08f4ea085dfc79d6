"""States for the service manager, and its sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import ROOT, needs_posix

from cfdns_fast.receiver.notify import Notifier, activation_sockets

pytestmark = needs_posix


def received(manager: socket.socket) -> str:
    manager.settimeout(10)
    return manager.recv(4096).decode()


def test_states_reach_the_manager(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"}
        notifier = Notifier(environment)
        assert environment == {} and notifier.watchdog_s == 1.5
        notifier.ready("listening")
        assert received(manager) == f"READY=1\nSTATUS=listening\nMAINPID={os.getpid()}"
        notifier.reloading()
        assert received(manager).startswith("RELOADING=1\nMONOTONIC_USEC=")
        notifier.watchdog()
        assert received(manager) == "WATCHDOG=1"
        notifier.stopping()
        assert received(manager) == "STOPPING=1"


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_abstract_name_is_known() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("")
        name = manager.getsockname()
        Notifier({"NOTIFY_SOCKET": "@" + name[1:].decode()}).stopping()
        assert received(manager) == "STOPPING=1"


def test_manager_that_is_gone_is_no_fault(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "absent")}).stopping()
    Notifier({}).stopping()


def test_watchdog_of_another_process_is_not_ours() -> None:
    assert Notifier({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_s is None


def test_watchdog_without_an_interval_is_off() -> None:
    assert Notifier({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "0"}).watchdog_s is None


def test_sockets_are_taken_by_name() -> None:
    code = (
        "import os, socket\n"
        "first = socket.create_server(('127.0.0.1', 0)); second = socket.create_server(('127.0.0.1', 0))\n"
        "ports = first.getsockname()[1], second.getsockname()[1]\n"
        "kept = [os.dup(each.detach()) for each in (first, second)]\n"
        "os.dup2(kept[0], 3); os.dup2(kept[1], 4)\n"
        "environment = {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '2', 'LISTEN_FDNAMES': 'batches:metrics'}\n"
        "from cfdns_fast.receiver.notify import activation_sockets\n"
        "found = activation_sockets(environment)\n"
        "assert environment == {}, environment\n"
        "assert [each.getsockname()[1] for name in ('batches', 'metrics') for each in found[name]] == list(ports)\n"
        "assert not os.get_inheritable(3)\n"
    )
    environment = {**os.environ, "PYTHONPATH": ROOT}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)


@pytest.mark.parametrize(
    "opened",
    ["socket.socket()", "socket.socket(type=socket.SOCK_DGRAM)", "open(os.devnull)", "None"],
    ids=["not listening", "datagrams", "file", "closed"],
)
def test_descriptor_that_is_no_listener_is_named(opened: str) -> None:
    code = (
        "import os, socket\n"
        "from cfdns_fast.receiver.notify import activation_sockets\n"
        "from cfdns_fast.receiver.settings import SettingsError\n"
        f"opened = {opened}\n"
        "os.closerange(3, 4) if opened is None else os.dup2(opened.fileno(), 3)\n"
        "try:\n"
        "    activation_sockets({'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'})\n"
        "except SettingsError as error:\n"
        "    assert 'descriptor 3 of the service manager is not a listening' in str(error), error\n"
        "    os._exit(7)\n"
    )
    environment = {**os.environ, "PYTHONPATH": ROOT}
    assert subprocess.run([sys.executable, "-c", code], env=environment, timeout=60).returncode == 7


def test_sockets_of_another_process_are_not_ours() -> None:
    assert activation_sockets({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == {}
