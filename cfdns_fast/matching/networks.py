"""Sets of addresses and networks, which matchers find in the addresses of an event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from .._core import CompiledNetworks

__all__ = ["ANSWER", "SOURCE", "NetworkTable"]

#: Roles of a network, which can be combined: it matches the address that asked (``source.ip``); it matches addresses of
#: the answer (``dns.resolved_ip``).
SOURCE: Final = 1
ANSWER: Final = 2

_MAPPED = 0xFFFF << 32
_MAX_NUMBER = 2**32 - 1


class NetworkTable(CompiledNetworks):
    """Networks; an address is a network of one address. Immutable.

    It finds the longest network that holds an address and has the role. An IPv4-mapped IPv6 address
    (``::ffff:192.0.2.1``) is the IPv4 address, also in a network of at least 96 bits.

    Parameters
    ----------
    networks : iterable of (IPv4Network or IPv6Network, int, int)
        A network, its roles (`SOURCE`, `ANSWER` or both), and a number that detections give back. Of equal networks the
        first one counts.

    Raises
    ------
    ValueError
        The roles or the number are not allowed.
    """

    __slots__ = ()

    def __new__(cls, networks: Iterable[tuple[IPv4Network | IPv6Network, int, int]]) -> NetworkTable:
        return super().__new__(cls, [_compiled(*each) for each in networks])

    def __reduce__(self) -> tuple[Any, ...]:
        return NetworkTable, ([each[1:] for each in self.rows()],)

    def rows(self) -> Iterator[tuple[int, IPv4Network | IPv6Network, int, int]]:
        """Yield the row, which is `Detection.rule`, the network, its roles and its number, in the order of the rows."""
        for row in range(len(self)):
            address, bits, roles, number = self._row(row)
            if address >> 32 == 0xFFFF and bits >= 96:
                yield row, IPv4Network((address & 0xFFFFFFFF, bits - 96)), roles, number
            else:
                yield row, IPv6Network((address, bits)), roles, number


def _compiled(network: IPv4Network | IPv6Network, roles: int, number: int) -> tuple[bytes, int, int, int]:
    if not 0 < roles <= SOURCE | ANSWER:
        raise ValueError(f"roles must be SOURCE, ANSWER or both, not {roles!r}")
    if not 0 <= number <= _MAX_NUMBER:
        raise ValueError(f"a number must be from 0 to {_MAX_NUMBER}, not {number!r}")
    address, bits = int(network.network_address), network.prefixlen
    if network.version == 4:
        address, bits = address | _MAPPED, bits + 96
    return address.to_bytes(16, "big"), bits, roles, number
