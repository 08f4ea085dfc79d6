"""An indicator that matched, with what its feed says of it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Indicator"]


@dataclass(frozen=True, slots=True)
class Indicator:
    """An indicator that matched. Times are nanoseconds since 1970; None means that the feed does not say.

    Attributes
    ----------
    value : str
        The name in lower case, or the address or network.
    type : {"domain-name", "ipv4-addr", "ipv6-addr"}
        As in ``threat.indicator.type`` of ECS.
    is_exact : bool
        Whether the value itself was seen; False if it is a parent domain, or a network.
    source : str
        The name of the feed.
    version : str
        The version of the indicators (`Indicators.version`).
    id, provider, tlp, reference, description : str or None
        The id that the publisher gave it, the publisher, the TLP in upper case, a URL, and a text.
    confidence : int or None
        0 to 100.
    kill_chain : tuple of str
        Phases of a kill chain, for example ``command-and-control``.
    valid_from_ns, valid_until_ns : int or None
        When it is valid: from the first, and before the second.
    first_seen_ns, last_seen_ns, modified_ns : int or None
        When it was seen, and when it was changed.
    """

    value: str
    type: str
    is_exact: bool
    source: str
    version: str
    id: str | None
    provider: str | None
    confidence: int | None
    tlp: str | None
    reference: str | None
    description: str | None
    kill_chain: tuple[str, ...]
    valid_from_ns: int | None
    valid_until_ns: int | None
    first_seen_ns: int | None
    last_seen_ns: int | None
    modified_ns: int | None
