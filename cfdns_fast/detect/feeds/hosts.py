"""Hosts files: an address, and the names that it stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .collector import Collector
from .lines import LineBlock, numbered_lines
from .values import SELF

__all__ = ["HOSTS_LINE", "read_hosts"]

HOSTS_LINE = re.compile(r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:%\S+)?)\s+\S")

_LINE = re.compile(rb"(?:0\.0\.0\.0|127\.0\.0\.1|::1?)[ \t]+([A-Za-z0-9_-][A-Za-z0-9_.-]*)[ \t]*(?:#.*)?")
#: Names of hosts files that are about the host itself.
_OWN_NAMES = frozenset(
    [
        "localhost",
        "localhost.localdomain",
        "local",
        "broadcasthost",
        "ip6-localhost",
        "ip6-loopback",
        "ip6-localnet",
        "ip6-mcastprefix",
        "ip6-allnodes",
        "ip6-allrouters",
        "ip6-allhosts",
        "0.0.0.0",
        "127.0.0.1",
    ]
)
_OWN_BYTES = frozenset(name.encode("ascii") for name in _OWN_NAMES)


def read_hosts(blocks: Iterator[LineBlock], collector: Collector) -> None:
    """Read a hosts file. A name matches itself only, as in a hosts file. The addresses are not indicators."""
    for block in blocks:
        clean, numbers = [], []
        for number, line in numbered_lines(block):
            found = _LINE.fullmatch(line)
            if found is not None:
                if (name := found[1].lower()) not in _OWN_BYTES:
                    clean.append(name)
                    numbers.append(number)
                continue
            text = line.decode("utf-8", "replace").partition("#")[0].strip()
            if not text:
                continue
            if HOSTS_LINE.match(text) is None:
                collector.skip("line.unknown", number, text)
                continue
            for name_text in text.split()[1:]:
                if name_text.lower() not in _OWN_NAMES:
                    collector.add_name(name_text, number, SELF)
        if clean:
            collector.add_clean_lines(b"\n".join(clean), SELF, numbers)
