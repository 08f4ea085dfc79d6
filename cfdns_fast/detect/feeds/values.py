"""Read one indicator as it is written in feeds: a name, an address, a network, or a URL without a path."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

__all__ = ["ALLOW", "ANSWER", "BELOW", "BOTH", "SELF", "SOURCE", "Address", "Name", "read_name", "read_value"]

#: Bits of a row: it matches the name itself, the names below it; it is a row of an allow list.
SELF, BELOW, ALLOW = 1, 2, 4
BOTH = SELF | BELOW

#: Roles of an address: the client or resolver that asked, an address in an answer.
SOURCE, ANSWER = 1, 2

#: Maximum number of characters of a written indicator; a longer one is no name, and a URL of this size has a path.
_MAX_CHARACTERS = 4_096

#: Maximum number of characters of a name (RFC 1035 allows 253 without the last dot).
_MAX_NAME_CHARACTERS = 253

#: A name in lower case, as the table of names has it.
_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+[a-z0-9_-]{1,63}")
_LABEL = re.compile(r"[a-z0-9_-]+")
_LONG_LABEL = re.compile(r"[^.]{64}")
_URL = re.compile(r"([a-z][a-z0-9+.-]*):/{2,}([^/?#\\]*)(.*)", re.IGNORECASE | re.DOTALL)
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:@\[\]]*)(?::([0-9]{0,5}))?")
_HASH = re.compile(r"(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})")
_PORT = re.compile(r"[^:]+:[0-9]{1,5}")

#: Dots that IDNA treats as one (RFC 3490 section 3.1).
_IDEOGRAPHIC_DOTS = str.maketrans("。．｡", "...")

#: Ways to make a name in a report unclickable, and what they stand for.
_DEFANGED = (
    (re.compile(r"[\[({]\s*(?:\.|dot)\s*[\])}]", re.IGNORECASE), "."),
    (re.compile(r"^h(?:xx|\*\*|XX)p", re.IGNORECASE), "http"),
    (re.compile(r"\[:(?://)?\]", re.IGNORECASE), ":"),
    (re.compile(r"\\\."), "."),
)
_MAY_BE_DEFANGED = re.compile(r"[\[({\\]|^h(?:xx|\*\*)p", re.IGNORECASE)


class Name(NamedTuple):
    """A name in lower case, as A-labels, without a last dot; `flags` are SELF and BELOW bits, 0 if not stated."""

    text: str
    flags: int = 0


class Address(NamedTuple):
    """An address or a network, whose host bits are cleared, and what it is an indicator for: SOURCE and ANSWER bits."""

    network: IPv4Network | IPv6Network
    roles: int = SOURCE | ANSWER


def read_value(written: str, wildcard_flags: int = BELOW) -> Name | Address | str:
    """Read an indicator.

    Parameters
    ----------
    written : str
        ``evil.example``, ``*.evil.example``, ``hxxp://evil[.]example/``, ``192.0.2.1``, ``2001:db8::/32``.
    wildcard_flags : int
        The flags of ``*.name`` and ``.name``.

    Returns
    -------
    Name, Address or str
        The str is the reason why it cannot be used (`SKIP_REASONS`).
    """
    text = written.strip().strip("'\"")
    if not text:
        return "value.empty"
    if len(text) > _MAX_CHARACTERS:
        return "name.too_long"
    if _MAY_BE_DEFANGED.search(text):
        for pattern, meaning in _DEFANGED:
            text = pattern.sub(meaning, text)
    if "://" in text:
        return _read_url(text)
    if "/" in text:
        return _read_with_slash(text)
    if text[-1].isdigit() or ":" in text:
        address = _address(text)
        if address is not None:
            return address
        if ":" in text:
            return "value.port" if _PORT.fullmatch(text) else "name.syntax"
    flags = 0
    if text.startswith(("*.", ".")):
        text = text.removeprefix("*").removeprefix(".")
        flags = wildcard_flags
    if _HASH.fullmatch(text):
        return "value.hash"
    found = read_name(text)
    return found if isinstance(found, str) else found._replace(flags=flags)


def read_name(text: str) -> Name | str:
    """Read a name without a wildcard; the str is the reason why it cannot be used."""
    if not text.isascii():
        text = text.translate(_IDEOGRAPHIC_DOTS)
        converted = _a_labels(text)
        if converted is None:
            return "name.idn"
        text = converted
    text = text.removesuffix(".").lower()
    if _NAME.fullmatch(text) and len(text) <= _MAX_NAME_CHARACTERS:
        return Name(text)
    if len(text) > _MAX_NAME_CHARACTERS or _LONG_LABEL.search(text):
        return "name.too_long"
    if "*" in text:
        return "name.wildcard"
    if _LABEL.fullmatch(text):
        return "name.single_label"
    return "name.syntax"


def _read_url(text: str) -> Name | Address | str:
    found = _URL.fullmatch(text)
    if found is None:
        return "name.syntax"
    if found[3] not in ("", "/"):
        return "url.path"
    host_port = _HOST_PORT.fullmatch(found[2])
    if host_port is None:
        return "url.userinfo"
    host = host_port[1]
    address = _address(host.strip("[]"))
    if address is not None:
        return address
    name = read_name(host)
    # The URL is about this host, and says nothing about names below it.
    return name if isinstance(name, str) else name._replace(flags=SELF)


def _read_with_slash(text: str) -> Name | Address | str:
    address = _address(text)
    if address is not None:
        return address
    host, _, path = text.partition("/")
    if path:
        return "url.path"
    found = read_value(host)
    return found._replace(flags=SELF) if isinstance(found, Name) else found


def _address(text: str) -> Address | None:
    # ip_network accepts netmasks (192.0.2.0/255.255.255.0) and zone ids; only the former are used in feeds.
    if "%" in text:
        return None
    try:
        return Address(ip_network(text, strict=False))
    except ValueError:
        return None


def _a_labels(text: str) -> str | None:
    """Return a name with its U-labels as A-labels (IDNA 2008, UTS 46); None if one is invalid.

    Labels of ASCII stay as they are, because idna refuses underscores, which feeds have. The codec "idna" of the
    standard library is IDNA 2003: it makes "strasse" of "straße", which is another domain.
    """
    import idna

    labels = []
    for label in text.split("."):
        if label.isascii():
            labels.append(label)
            continue
        # idna's time is quadratic in long labels; 63 octets hold less than 63 characters.
        if len(label) > 63:
            return None
        try:
            labels.append(idna.encode(label, uts46=True).decode("ascii"))
        except (UnicodeError, IndexError):
            return None
    return ".".join(labels)
