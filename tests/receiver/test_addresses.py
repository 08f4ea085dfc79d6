"""Listening sockets: ports, Unix sockets, sockets of a service manager, and sentences about what cannot be bound."""

from __future__ import annotations

import os
import socket
import stat
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest

pytest.importorskip("tornado", reason="needs the extra receiver")
pytest.importorskip("xxhash", reason="needs the extra receiver")
pytest.importorskip("resource", reason="the receiver needs POSIX")

from support.receiving import DEADLINE_S, connect, post, read_reply, request, running

from cfdns_fast.receiver.addresses import bind, exposure
from cfdns_fast.receiver.links import is_allowed, max_connections
from cfdns_fast.receiver.settings import SettingsError


def test_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SettingsError) as caught:
            bind(listen)
        assert str(caught.value) == f"listen: cannot listen on {listen}: the port is taken by another process"
        with pytest.raises(SettingsError, match="the port is taken"), running(listen=listen):
            pass


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        ("192.0.2.1:0", "metrics_listen: cannot listen on 192.0.2.1:0: this machine has no such address"),
        ("no-such-host.invalid:0", "metrics_listen: the host of no-such-host.invalid:0 has no address"),
        (
            "unix:/nonexistent/socket",
            "metrics_listen: cannot listen on unix:/nonexistent/socket: No such file or directory",
        ),
        (
            f"unix:/{'x' * 120}",
            f"metrics_listen: cannot listen on unix:/{'x' * 120}: AF_UNIX path too long",
        ),
    ],
)
def test_address_that_cannot_be_bound_is_named(listen: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*arguments: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    if "invalid" in listen:
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(SettingsError) as caught:
        bind(listen, "metrics_listen")
    assert str(caught.value) == message


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6_address_is_bound() -> None:
    with (
        running(listen="[::1]:0", allow_from=(ip_network("::1"),)) as run,
        socket.create_connection(("::1", run.port), timeout=DEADLINE_S) as connection,
    ):
        connection.sendall(request(b"test"))
        assert read_reply(connection).code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have only one address of loopback")
@pytest.mark.skipif(not has_ipv6() or not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_all_addresses_of_ipv6_take_ipv4() -> None:
    with running(listen="[::]:0", allow_from=(ip_network("127.0.0.0/8"),)) as run:
        assert post(run.port, b"{}\n").code == 200


def test_name_with_two_addresses_has_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.1", "192.0.2.1", "127.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: found * 2)
    with running(listen="localhost:0") as run:
        assert len(run.server.ports) == 2
        assert len(set(run.server.ports)) == 1


def send_to(path: Path) -> int:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE_S)
        connection.connect(str(path))
        connection.sendall(request(b"test"))
        return read_reply(connection).code


def test_unix_socket_is_bound_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with running(listen=f"unix:{path}", allow_from=(ip_network("192.0.2.0/24"),)) as run:
        assert run.server.ports == []
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        assert send_to(path) == 200
    assert not path.exists()


def test_urls_name_each_listener(tmp_path: Path) -> None:
    with running(paths=("/plain/batch", "/other"), listen="127.0.0.1:0") as run:
        start = f"http://127.0.0.1:{run.port}"
        assert run.server.urls == [f"{start}/plain/batch", f"{start}/other"]
    with running(listen=f"unix:{tmp_path / 'socket'}", paths=("/a", "/b")) as run:
        assert run.server.urls == [f"unix:{tmp_path / 'socket'}"]


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_url_of_ipv6_has_brackets() -> None:
    with running(listen="[::1]:0") as run:
        assert run.server.urls == [f"http://[::1]:{run.port}/plain/batch"]


@pytest.mark.parametrize(
    ("hosts", "is_exposed"),
    [
        (["127.0.0.1", "::1", "localhost"], False),
        (["127.0.0.1", "0.0.0.0"], True),
        (["::"], True),
        (["192.0.2.1"], True),
        (["receiver.example"], True),
        ([], False),
    ],
)
def test_plain_http_in_a_network_is_warned_of(hosts: list[str], is_exposed: bool) -> None:
    assert bool(exposure(hosts)) == is_exposed


def test_server_warns_of_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfdns_fast.receiver.addresses._is_loopback", lambda host: False)
    with running() as run:
        assert "127.0.0.1 without TLS" in run.server.warning
    with running(allow_no_key=True, keys_environment=None) as run:
        assert run.server.warning == ""


def test_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    assert path.exists()
    with running(listen=f"unix:{path}"):
        assert send_to(path) == 200


def test_unix_socket_in_use_is_named(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with running(listen=f"unix:{path}"):
        with pytest.raises(SettingsError, match=f"another process listens on unix:{path}"):
            bind(f"unix:{path}")
        assert send_to(path) == 200


def test_file_is_not_replaced_by_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("content")
    with pytest.raises(SettingsError, match="exists and is not a socket"):
        bind(f"unix:{path}")
    assert path.read_text() == "content"


def test_sockets_of_a_service_manager_are_used() -> None:
    """The manager keeps its own copy, so that connections wait there while the service restarts."""
    with socket.create_server(("127.0.0.1", 0)) as kept:
        port = kept.getsockname()[1]
        for _ in range(2):
            with running(sockets=[socket.socket(fileno=os.dup(kept.fileno()))], listen="127.0.0.1:1") as run:
                assert run.port == port
                assert post(port, b"{}\n").code == 200
        with connect(port) as waiting:
            waiting.sendall(request(b"{}\n"))
            with running(sockets=[socket.socket(fileno=os.dup(kept.fileno()))]):
                assert read_reply(waiting).code == 200


@pytest.mark.parametrize(
    ("address", "family", "expected"),
    [
        (("192.0.2.7", 1), socket.AF_INET, True),
        (("192.0.3.7", 1), socket.AF_INET, False),
        (("::ffff:192.0.2.7", 1, 0, 0), socket.AF_INET6, True),
        (("2001:db8::1", 1, 0, 0), socket.AF_INET6, True),
        (("fe80::1%eth0", 1, 0, 2), socket.AF_INET6, False),
        ("", socket.AF_UNIX, True),
        (None, None, True),
    ],
)
def test_ranges_are_checked(address: object, family: socket.AddressFamily | None, expected: bool) -> None:
    networks = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
    assert is_allowed(address, family, networks) is expected
    assert is_allowed(address, family, ())


def test_connections_are_limited_by_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    assert max_connections(0) == 768
    assert max_connections(100) == 100
    assert max_connections(5000) == 768
    monkeypatch.setattr(resource, "getrlimit", lambda which: (100, 100))
    assert max_connections(0) == 50
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert max_connections(300) == 300
