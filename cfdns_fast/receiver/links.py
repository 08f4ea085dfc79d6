"""The open connections and their deadlines. Everything here runs in the event loop's thread."""

from __future__ import annotations

import resource
import socket
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import islice
from typing import Any, Protocol

from tornado.iostream import IOStream

__all__ = ["Link", "Links", "Request", "is_allowed", "max_connections"]

#: Files that the receiver opens for other purposes than connections.
RESERVED_FILES = 256
#: At most so many requests are ended between two turns of the event loop.
MAX_EXPIRED = 32


class Request(Protocol):
    """The current request of a connection."""

    @property
    def is_waiting(self) -> bool:
        """Whether no headers have been read."""

    def expire(self) -> None:
        """End the request, because its deadline is over."""


class Link:
    """One connection.

    Attributes
    ----------
    stream : IOStream
        The stream of the connection.
    deadline_s : float
        The time of the loop at which `Request.expire` ends what the connection waits for.
    request : Request or None
        The current request.
    is_allowed : bool
        Whether the address of the client may send.
    is_known : bool
        Whether the connection showed a valid key.
    """

    __slots__ = ("deadline_s", "is_allowed", "is_known", "request", "stream")

    def __init__(self, stream: IOStream, is_allowed: bool, deadline_s: float) -> None:
        self.stream = stream
        self.deadline_s = deadline_s
        self.request: Request | None = None
        self.is_allowed = is_allowed
        self.is_known = False

    @property
    def is_waiting(self) -> bool:
        """Whether the connection has no request whose headers were read."""
        return self.request is None or self.request.is_waiting


class Links:
    """All connections, in the order of their start."""

    def __init__(self) -> None:
        self._links: dict[IOStream, Link] = {}

    def __len__(self) -> int:
        return len(self._links)

    def get(self, stream: IOStream) -> Link | None:
        """Return the link of a stream."""
        return self._links.get(stream)

    def add(self, link: Link) -> None:
        """Add a link."""
        self._links[link.stream] = link

    def remove(self, stream: IOStream) -> None:
        """Remove the link of a stream that is closed, and break its circles of references.

        Without circles, memory does not wait for the garbage collector.
        """
        link = self._links.pop(stream, None)
        if link is not None:
            link.request = None
        vars(stream).pop("write", None)

    def sweep(self, now_s: float) -> bool:
        """End what takes too long, in steps; return whether there may be more of it."""
        expired = list(islice((link for link in self._links.values() if link.deadline_s <= now_s), MAX_EXPIRED))
        for link in expired:
            if link.request is not None:
                link.request.expire()
        return len(expired) == MAX_EXPIRED

    def close_oldest_waiting(self) -> bool:
        """Close the oldest connection that has not sent the headers of a request; return whether there is one."""
        for link in self._links.values():
            if link.is_waiting and not link.is_known:
                self.remove(link.stream)
                link.stream.close()
                return True
        return False

    def close_waiting(self) -> None:
        """Close all connections without a request."""
        for link in list(self._links.values()):
            if link.is_waiting:
                link.stream.close()

    def open_requests(self) -> int:
        """Return how many requests are being received, stored or answered."""
        return sum(1 for link in self._links.values() if not link.is_waiting)


def is_allowed(
    address: Any, family: socket.AddressFamily | None, networks: tuple[IPv4Network | IPv6Network, ...]
) -> bool:
    """Return whether an address may send. Clients of Unix sockets may: the permissions of the file guard it."""
    if not networks or family not in (socket.AF_INET, socket.AF_INET6):
        return True
    client = ip_address(address[0])
    if isinstance(client, IPv6Address) and client.ipv4_mapped:
        client = client.ipv4_mapped
    return any(client in network for network in networks)


def max_connections(setting: int) -> int:
    """Return the limit for connections: the setting, but no more than the limit for open files allows."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return setting or 1_000_000
    allowed = max(files - RESERVED_FILES, files // 2)
    return min(setting, allowed) if setting else allowed
