"""Decode the query names of Sliver's DNS channel. Part of the specification.

The format was read from BishopFox/sliver (`protobuf/dnspb/dns.proto`, `implant/sliver/encoders/base32.go` and
`base58.go`, `implant/sliver/transports/dnsclient/dnsclient.go`) at v1.5 to v1.7.3, and from
`implant/sliver/transports/udp-dns.go` at v1.4.22.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..matching.sliver import SliverName

__all__ = ["decode"]

_BASE32 = "ab1c2d3e4f5g6h7j8k9m0npqrtuvwxyz"
_BASE58 = "213465789aBcDeFgHjKLMNPQRSTUVWXYZAbCdEfGhiJkmnopqrstuvwxyz"
#: Maximum size of a query name with its dots, which also limits the encoded text.
_MAX_NAME_BYTES = 254
_MAX_LABEL_BYTES = 63
_MIN_BASE58_CHARACTERS = 18
#: Sizes of unpadded base32 text, modulo 8, that whole bytes can have.
_BASE32_REMAINDERS = (0, 2, 4, 5, 7)

#: How base32 text of each message begins, apart from NOP: the tags and types of the first two fields, and the
#: continuation bit of the first byte of the id. Ids below 128, one session in 131,072, are left out.
_BASE32_STARTS = ("baakb", "babbb", "babkb", "backb", "ba2bb", "ba2kb")
#: How the label of a NOP continues, by its size: the position and the text of the tag of the data field.
_NOP_TAGS = {23: (7, "9b"), 24: (8, "342"), 26: (10, "ta")}
#: The message with only a type. It has one name, four ordinary characters.
_TOTP0_LABEL = "baa8"

# The fields of a message, by number (dns.proto).
_TYPE, _ID, _START, _STOP, _SIZE, _DATA = range(1, 7)
_MAX_UINT32 = 2**32 - 1
_SESSION_BITS = 0xFFFFFF
#: A smaller id of a NOP or a code of a TOTP is more likely chance: 21 hexadecimal characters, or a word.
_MIN_LONG_VARINT = 2**14
_MAX_TOTP = 99_999_999
_READ_BYTES = 192
_NONCE_BYTES = 8
_MIN_INIT_BYTES, _MAX_INIT_BYTES = 33, 16384

_B = "[a-hjkmnp-rt-z0-9]"
_PARENT = r"(?P<parent>(?:[^.]+\.)+[^.]+)"
_LEGACY = {
    "L_POLL": r"_[a-z0-9_-]{6}\._[a-z0-9_-]{12}\.sp",
    "L_DATA": rf"(?:{_B}{{63}}\.){{0,2}}{_B}{{1,63}}\.{_B}{{7}}\.[a-z0-9_-]{{10}}\._(?:[a-z0-9_-]{{12}})?\.s[ie]",
    "L_END": r"[a-z0-9_-]{10}\._(?:[a-z0-9_-]{12})?\._s[ie]",
    "L_DOMAINKEY": r"_[a-z0-9_-]{6}\.[a-z0-9_-]+\._domainkey",
    "L_BLOCK": r"_[a-z0-9_-]{6}\.[0-9]{1,7}\.[0-9]{1,7}\.[a-z0-9_-]{6}\.b",
    "L_CLEAR": r"[a-z0-9_-]{6}\.[a-z0-9_-]{6}\._cb",
}
_LEGACY_SHAPES = {
    message: re.compile(rf"{shape}\.{_PARENT}", re.IGNORECASE | re.ASCII | re.DOTALL)
    for message, shape in _LEGACY.items()
}


def decode(name: str) -> SliverName | None:
    """Return what `matching.decode_sliver` returns."""
    name = name.strip(".")
    if len(name.encode("utf-8", "surrogateescape")) > _MAX_NAME_BYTES:
        return None
    labels = name.split(".")
    for count in _label_counts(labels):
        parent = labels[count:]
        if len(parent) < 2 or "" in parent:
            continue
        text = "".join(labels[:count])
        for encoder, message in _messages(text):
            found = _accepted(message, encoder)
            if found is not None:
                return SliverName(found[0], encoder, found[1], ".".join(parent))
    for message_name, shape in _LEGACY_SHAPES.items():
        match = shape.fullmatch(name)
        if match is not None:
            return SliverName(message_name, "legacy", None, match["parent"])
    return None


def _label_counts(labels: list[str]) -> Iterator[int]:
    """Yield the numbers of leading labels that may hold a message: it is cut into labels of 63 bytes and a rest."""
    full = 0
    while full < len(labels) and len(labels[full].encode("utf-8", "surrogateescape")) == _MAX_LABEL_BYTES:
        full += 1
    if full:
        yield full
    yield full + 1


def _messages(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield the encoder and the bytes for each encoding in which text can be a message."""
    lower = text.lower()
    tag = _NOP_TAGS.get(len(text)) if lower[:2] in ("11", "1c") else None
    is_nop = tag is not None and lower.startswith(tag[1], tag[0])
    if (is_nop or lower.startswith(_BASE32_STARTS) or lower == _TOTP0_LABEL) and text.isascii():
        decoded = _from_base32(lower)
        if decoded is not None:
            yield "base32", decoded
    first = text[:_MAX_LABEL_BYTES]
    is_mixed = any("a" <= c <= "z" for c in first) and any("A" <= c <= "Z" for c in first)
    if len(text) >= _MIN_BASE58_CHARACTERS and is_mixed:
        decoded = _from_base58(text)
        if decoded is not None:
            yield "base58", decoded


def _from_base32(text: str) -> bytes | None:
    if len(text) % 8 not in _BASE32_REMAINDERS or not set(text) <= set(_BASE32):
        return None
    number = 0
    for character in text:
        number = number * 32 + _BASE32.index(character)
    size_bytes, unused_bits = divmod(5 * len(text), 8)
    if number & ((1 << unused_bits) - 1):
        return None
    return (number >> unused_bits).to_bytes(size_bytes, "big")


def _from_base58(text: str) -> bytes | None:
    if not set(text) <= set(_BASE58):
        return None
    number = 0
    for character in text:
        number = number * 58 + _BASE58.index(character)
    # A message begins with the tag of its type or of its id, so no leading zero byte is lost.
    decoded = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return decoded if text[0] != _BASE58[0] and decoded[0] in (0x08, 0x10) else None


def _varint(data: bytes, at: int) -> tuple[int, int] | None:
    """Return the minimal varint at a position, from 1 to 2**32 - 1, and the position after it."""
    value = shift = 0
    while at < len(data) and shift < 35:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value, at) if byte and value <= _MAX_UINT32 else None
    return None


def _fields(data: bytes) -> dict[int, int] | None:
    """Return the fields of a message strictly in their canonical form; for the data field its size in bytes."""
    fields: dict[int, int] = {}
    at = last = 0
    while at < len(data):
        number, wire_type = divmod(data[at], 8)
        if not last < number <= _DATA or wire_type != (2 if number == _DATA else 0):
            return None
        read = _varint(data, at + 1)
        if read is None:
            return None
        fields[number], at = read
        if number == _DATA:
            return fields if at + fields[_DATA] == len(data) else None
        last = number
    return fields


def _accepted(data: bytes, encoder: str) -> tuple[str, int | None] | None:
    """Return message and id, if an implant sends such a message."""
    fields = _fields(data)
    if fields is None:
        return None
    present = set(fields)
    type_, number = fields.get(_TYPE, 0), fields.get(_ID, 0)
    size, start, stop, data_bytes = (fields.get(field, 0) for field in (_SIZE, _START, _STOP, _DATA))
    if type_ == 1:
        if present == {_TYPE}:
            return "TOTP0", None
        is_code = present == {_TYPE, _ID} and _MIN_LONG_VARINT <= number <= _MAX_TOTP
        return ("TOTP", number) if is_code else None
    if number & _SESSION_BITS == 0:
        return None
    has_nonce = data_bytes == _NONCE_BYTES
    if type_ == 0:
        return ("NOP", number) if present == {_ID, _DATA} and has_nonce and number >= _MIN_LONG_VARINT else None
    if type_ in (3, 9):
        is_valid = present == {_TYPE, _ID, _DATA} and has_nonce and (type_ == 9 or number <= _SESSION_BITS)
        return ("POLL" if type_ == 3 else "CLEAR", number) if is_valid else None
    if type_ == 7:
        is_valid = present | {_START} == {_TYPE, _ID, _START, _STOP} and start < stop <= start + _READ_BYTES
        return ("DATA_TO_IMPLANT", number) if is_valid else None
    if type_ in (2, 8):
        is_valid = present | {_START} == {_TYPE, _ID, _START, _SIZE, _DATA} and start + data_bytes <= size
        if type_ == 2:
            is_valid = is_valid and _MIN_INIT_BYTES <= size <= _MAX_INIT_BYTES
        return ("INIT" if type_ == 2 else "DATA_FROM_IMPLANT", number) if is_valid else None
    return None
