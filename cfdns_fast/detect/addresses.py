"""Networks that hold an address, the longest prefix first: what is known of an address that the conversion found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

__all__ = ["AddressTable"]


class AddressTable:
    """An immutable set of networks, each with a number.

    Parameters
    ----------
    networks : mapping of network to int
        The networks; an address is a network of one address.
    """

    def __init__(self, networks: Mapping[IPv4Network | IPv6Network, int]) -> None:
        # version -> prefix length -> leading bits -> number
        self._tables: dict[int, dict[int, dict[int, int]]] = {4: {}, 6: {}}
        for network, number in networks.items():
            address = int(network.network_address)
            if network.version == 6 and network.prefixlen >= 96 and address >> 32 == 0xFFFF:
                # A network of IPv4-mapped addresses is the IPv4 network.
                network = IPv4Network((address & 0xFFFFFFFF, network.prefixlen - 96))
            shift = network.max_prefixlen - network.prefixlen
            by_prefix = self._tables[network.version].setdefault(network.prefixlen, {})
            by_prefix.setdefault(int(network.network_address) >> shift, number)
        for version, tables in self._tables.items():
            self._tables[version] = dict(sorted(tables.items(), reverse=True))
        self._count = len(networks)

    def __len__(self) -> int:
        return self._count

    def lookup(self, text: str) -> Iterator[tuple[IPv4Network | IPv6Network, int]]:
        """Yield each network that holds an address and its number, the longest prefix first.

        An IPv4-mapped IPv6 address (``::ffff:192.0.2.1``) is the IPv4 address. Text that is no address yields nothing.
        """
        try:
            address = ip_address(text)
        except ValueError:
            return
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        bits = int(address)
        for length, table in self._tables[address.version].items():
            shift = address.max_prefixlen - length
            number = table.get(bits >> shift)
            if number is not None:
                yield ip_network((bits >> shift << shift, length)), number
