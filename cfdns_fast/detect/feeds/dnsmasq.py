"""Configurations of the resolvers dnsmasq and Unbound that block names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .collector import Collector
from .lines import LineBlock, numbered_lines, text_lines
from .values import ALLOW, BOTH, SELF

__all__ = ["DNSMASQ_LINE", "UNBOUND_LINE", "read_dnsmasq", "read_unbound"]

DNSMASQ_LINE = re.compile(r"(?:address|server|local)=/")
UNBOUND_LINE = re.compile(r"local-(?:zone|data):|server:\s*$")

_DNSMASQ_CLEAN = re.compile(
    rb"(?:address=/([A-Za-z0-9_-][A-Za-z0-9_.-]*)/[^/]*|(?:local|server)=/([A-Za-z0-9_-][A-Za-z0-9_.-]*)/)"
)
_DNSMASQ = re.compile(r"(address|server|local)=/(.*)/([^/]*)")
_UNBOUND_ZONE = re.compile(r'local-zone:\s*"?([^"\s]+)"?\s+"?([a-z_]+)"?')
_UNBOUND_DATA = re.compile(r"""local-data:\s*(?:"([^"\s]+)\s[^"]*"|'([^'\s]+)\s[^']*')""")

#: Types of local zones that answer as usual.
_TRANSPARENT = frozenset(("transparent", "typetransparent", "always_transparent"))
_UNBOUND_TYPES = _TRANSPARENT | {
    "always_deny",
    "always_nodata",
    "always_null",
    "always_nxdomain",
    "always_refuse",
    "block_a",
    "deny",
    "inform_deny",
    "inform_redirect",
    "redirect",
    "refuse",
    "static",
}


def read_dnsmasq(blocks: Iterator[LineBlock], collector: Collector) -> None:
    """Read ``address=/name/…``, ``local=/name/`` and ``server=/name/``; these match names below, too.

    ``server=/name/#`` exempts a name, and ``server=/name/192.0.2.1`` forwards its queries.
    """
    for block in blocks:
        clean, numbers = [], []
        for number, line in numbered_lines(block):
            if (found := _DNSMASQ_CLEAN.fullmatch(line)) is not None:
                clean.append(found[1] or found[2])
                numbers.append(number)
                continue
            text = line.decode("utf-8", "replace").partition("#" if line.startswith(b"#") else " #")[0].strip()
            if not text:
                continue
            rule = _DNSMASQ.fullmatch(text)
            if rule is None:
                collector.skip("line.unknown", number, text)
            elif rule[1] != "address" and rule[3] not in ("", "#"):
                collector.skip("rule.forward", number, text)
            else:
                flags = BOTH | ALLOW if rule[1] != "address" and rule[3] == "#" else BOTH
                for name in rule[2].split("/"):
                    # dnsmasq reads `*.name` and `.name` as `name`.
                    collector.add_name(name.removeprefix("*").removeprefix("."), number, flags)
        if clean:
            collector.add_clean_lines(b"\n".join(clean), BOTH, numbers)


def read_unbound(blocks: Iterator[LineBlock], collector: Collector) -> None:
    """Read ``local-zone``, which matches names below, too, and ``local-data``, which matches the name alone."""
    zone = ""
    for number, line in text_lines(blocks):
        text = line.partition("#")[0].strip()
        if not text or text == "server:":
            continue
        if (found := _UNBOUND_ZONE.fullmatch(text)) is not None and found[2] in _UNBOUND_TYPES:
            zone = found[1].lower()
            collector.add_name(zone, number, BOTH | ALLOW if found[2] in _TRANSPARENT else BOTH)
        elif (data := _UNBOUND_DATA.fullmatch(text)) is not None:
            # The data of a zone follows it, and is no further indicator.
            name = (data[1] or data[2]).lower()
            if name.rstrip(".") != zone.rstrip("."):
                collector.add_name(name, number, SELF)
        else:
            collector.skip("line.unknown", number, text)
