"""Listening sockets: bind an address of the settings, with one clear sentence if that fails."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from ipaddress import ip_address

from .settings import SettingsError, parse_listen

__all__ = ["BACKLOG", "AddressInUse", "bind", "exposure", "remove_unix_socket", "url_of"]

#: With tornado's default of 128, 5,000 connections at once took 34 s (measured).
BACKLOG = 4096

#: Owner and group may connect to a Unix socket, such as a proxy in the group of the service.
UNIX_SOCKET_MODE = 0o660

_REASONS = {
    errno.EADDRINUSE: "the port is taken by another process",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "ports below 1024 need a privilege, such as socket activation or CAP_NET_BIND_SERVICE",
}


class AddressInUse(SettingsError):
    """Another process listens on the address; it may do so for a moment only."""


def bind(listen: str, name: str = "listen") -> list[socket.socket]:
    """Return sockets that listen on ``HOST:PORT``, ``[IPv6]:PORT`` or ``unix:PATH``.

    Port 0 takes one free port. ``[::]`` takes IPv4 as well. A stale Unix socket is replaced. Raises SettingsError;
    its kind AddressInUse if another process listens there.
    """
    address = parse_listen(listen, name)
    try:
        return [_bind_unix(address.path, name)] if address.path else _bind_tcp(address.host, address.port)
    except (socket.gaierror, UnicodeError):  # the second for names that cannot be encoded
        raise SettingsError(f"{name}: the host of {listen} has no address") from None
    except OSError as error:
        code = error.errno or 0  # without a number if the path of a Unix socket is too long
        reason = (None if address.path else _REASONS.get(code)) or (os.strerror(code) if code else str(error))
        kind = AddressInUse if code == errno.EADDRINUSE else SettingsError
        raise kind(f"{name}: cannot listen on {listen}: {reason}") from None


def _bind_tcp(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address of the host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    with ExitStack() as opened:
        for family, address in dict.fromkeys((info[0], info[4]) for info in found):
            try:
                host, port = str(address[0]), int(address[1]) or port
                is_dual = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
                bound = socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=is_dual)
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                failure = error  # localhost can have an address of IPv6 where the system has no IPv6
                continue
            port = bound.getsockname()[1]
            sockets.append(opened.enter_context(bound))
        if not sockets and failure is not None:
            raise failure
        opened.pop_all()
    return sockets


def _bind_unix(path: str, name: str) -> socket.socket:
    _check_unix_path(path, name)
    with suppress(FileNotFoundError):
        os.unlink(path)
    with ExitStack() as opened:
        bound = opened.enter_context(socket.socket(socket.AF_UNIX))
        bound.bind(path)
        os.chmod(path, UNIX_SOCKET_MODE)
        bound.listen(BACKLOG)
        opened.pop_all()
    return bound


def _check_unix_path(path: str, name: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SettingsError(f"{name}: {path} exists and is not a socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return  # no process listens: the socket is stale, and is replaced
        except OSError:
            pass
    raise AddressInUse(f"{name}: another process listens on unix:{path}")


def remove_unix_socket(listen: str) -> None:
    """Remove the file of a Unix socket that `bind` made."""
    path = parse_listen(listen).path
    if path:
        with suppress(OSError):
            os.unlink(path)


def url_of(listener: socket.socket, scheme: str, path: str) -> str:
    """Return the URL of a listening socket, such as ``http://[::1]:8443/plain/batch``, or ``unix:PATH``."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(listener.getsockname())}"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}{path}" if ":" in host else f"{scheme}://{host}:{port}{path}"


def exposure(hosts: Iterable[str]) -> str:
    """Return a warning if one of the hosts of a plain HTTP listener is not of this machine; empty otherwise."""
    exposed = [host for host in hosts if not _is_loopback(host)]
    if not exposed:
        return ""
    return (
        f"listen: keys and records cross the network to {exposed[0]} without TLS; use tls_cert and tls_key, or listen "
        "on 127.0.0.1 for a proxy that has TLS"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
