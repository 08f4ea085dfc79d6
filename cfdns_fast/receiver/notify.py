"""systemd: tell the state of the service, and take the sockets that it opened."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping

from .settings import SettingsError

__all__ = ["Notifier", "activation_sockets"]

#: The first descriptor that systemd passes (sd_listen_fds(3)).
_FIRST_DESCRIPTOR = 3


class Notifier:
    """Sends states to the service manager (sd_notify(3)); does nothing if there is none.

    Parameters
    ----------
    environment : mapping
        NOTIFY_SOCKET and WATCHDOG_USEC are taken out of it, so that processes that are started do not send states.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        # A name in the abstract namespace begins with a NUL byte, which systemd writes as @.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        interval_us = environment.pop("WATCHDOG_USEC", "")
        process = environment.pop("WATCHDOG_PID", "")
        is_for_us = not process or process == str(os.getpid())
        #: How often `watchdog` must be called, in seconds; None if it need not.
        self.watchdog_s: float | None = None
        if interval_us.isdigit() and int(interval_us) and self._address and is_for_us:
            self.watchdog_s = int(interval_us) / 2e6

    def ready(self, status: str) -> None:
        """The service accepts requests, or has read its settings again."""
        self._send(f"READY=1\nSTATUS={status}\nMAINPID={os.getpid()}")

    def reloading(self) -> None:
        """The service reads its settings again."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The service ends."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """The service works."""
        self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(1)
                sender.sendto(state.encode("utf-8"), self._address)
        except OSError:
            # The manager has ended or is busy; the service goes on without it.
            return


def activation_sockets(environment: MutableMapping[str, str] = os.environ) -> dict[str, list[socket.socket]]:
    """Return the listening sockets that systemd opened (sd_listen_fds(3)), by their names in the socket unit.

    A socket without a name has the name ``"unknown"``. The variables are removed from the environment. Raises
    SettingsError if a descriptor is not a listening stream socket.
    """
    process = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    if process != str(os.getpid()) or not count.isdigit():
        return found
    for number in range(int(count)):
        descriptor = _FIRST_DESCRIPTOR + number
        try:
            os.set_inheritable(descriptor, False)
            listener = socket.socket(fileno=descriptor)
            is_listening = listener.type == socket.SOCK_STREAM and _is_listening(listener)
        except OSError:
            is_listening = False
        if not is_listening:
            raise SettingsError(
                f"listen: descriptor {descriptor} of the service manager is not a listening stream socket; the unit of "
                "the socket needs ListenStream= and no Accept="
            )
        listener.setblocking(False)
        name = names[number] if number < len(names) and names[number] else "unknown"
        found.setdefault(name, []).append(listener)
    return found


def _is_listening(listener: socket.socket) -> bool:
    option = getattr(socket, "SO_ACCEPTCONN", None)
    return option is None or bool(listener.getsockopt(socket.SOL_SOCKET, option))
