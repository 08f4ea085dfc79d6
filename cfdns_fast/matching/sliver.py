"""Sliver's DNS channel: which message a query name carries."""

from __future__ import annotations

from typing import NamedTuple

from .. import _core
from .._core import SliverNames

__all__ = ["SLIVER_MESSAGES", "SliverName", "SliverNames", "decode_sliver"]

#: The messages of an implant, in the order of `Detection.rule`. The names with ``L_`` are those of v1.4 and earlier.
SLIVER_MESSAGES = (
    "NOP",
    "TOTP",
    "INIT",
    "POLL",
    "DATA_TO_IMPLANT",
    "DATA_FROM_IMPLANT",
    "CLEAR",
    "TOTP0",
    "L_POLL",
    "L_DATA",
    "L_END",
    "L_DOMAINKEY",
    "L_BLOCK",
    "L_CLEAR",
)


class SliverName(NamedTuple):
    """What a query name of Sliver carries.

    Attributes
    ----------
    message : str
        One of `SLIVER_MESSAGES`. ``TOTP0`` is one constant label of four ordinary characters, so alone it proves
        nothing.
    encoder : {"base32", "base58", "legacy"}
        The encoding of the message; ``legacy`` for the several labels of v1.4 and earlier.
    id : int or None
        The id of the message: the lowest 24 bits are the session, the others a counter. For TOTP it is a code. None for
        TOTP0 and for legacy messages.
    parent : str
        The domain below which the message stands, as the name has it.
    """

    message: str
    encoder: str
    id: int | None
    parent: str


#: The encoders, in the order of the core.
_ENCODERS = ("base32", "base58", "legacy")


def decode_sliver(name: str | bytes) -> SliverName | None:
    """Decode the message of Sliver in a query name.

    Parameters
    ----------
    name : str or bytes
        A query name as sent; dots at its ends are ignored. Bytes are UTF-8.

    Returns
    -------
    SliverName or None
        None if the name carries no message. The test is strict: of random labels of the worst size, fewer than one in a
        million pass.

    Raises
    ------
    TypeError
        `name` is neither str nor bytes.

    Notes
    -----
    May be called from any thread. Left out on purpose are names that chance makes more often than an implant: TOTP
    codes below 16384, base32 messages with an id below 128, NOPs with an id below 16384, and base58 without letters of
    both cases in its first label. They are less than 1 % of TOTP and NOP messages, and fewer of the others.
    """
    text = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    found = _core.decode_sliver(text)
    if found is None:
        return None
    message, encoder, number, start = found
    parent = text.strip(b".")[start:].decode("utf-8", "surrogateescape")
    return SliverName(SLIVER_MESSAGES[message], _ENCODERS[encoder], number or None, parent)
