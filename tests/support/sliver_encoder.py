"""Query names as an implant of Sliver makes them, written from the description of the format with google.protobuf.

It shares no code with the decoders. `vectors` and `legacy_vectors` yield random names with what they carry, and
`beacon` yields the names of one implant with their times.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["MESSAGE", "Vector", "base32", "beacon", "legacy_vectors", "name_of", "vectors"]

BASE32 = "ab1c2d3e4f5g6h7j8k9m0npqrtuvwxyz"
BASE58 = "213465789aBcDeFgHjKLMNPQRSTUVWXYZAbCdEfGhiJkmnopqrstuvwxyz"
LABELS = ("www", "ns1", "1", "c2", "cdn-3", "a" * 20, "mail", "x")
SUFFIXES = ("com", "co.uk", "example", "xyz", "github.io")


class Vector(NamedTuple):
    """A query name, and what it carries."""

    name: str
    message: str
    encoder: str
    id: int
    parent: str


def _message_class() -> Any:
    """Return the class of DNSMessage: Type, ID, Start, Stop, Size and Data, as fields 1 to 6 (proto3)."""
    file = descriptor_pb2.FileDescriptorProto(name="dns.proto", package="dnspb", syntax="proto3")
    message = file.message_type.add(name="DNSMessage")
    kind = descriptor_pb2.FieldDescriptorProto
    for number, name in enumerate(("Type", "ID", "Start", "Stop", "Size", "Data"), start=1):
        type_ = kind.TYPE_BYTES if name == "Data" else kind.TYPE_UINT32
        message.field.add(name=name, number=number, type=type_, label=kind.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("dnspb.DNSMessage"))


MESSAGE = _message_class()


def base32(data: bytes) -> str:
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return "".join(BASE32[int(bits[at : at + 5], 2)] for at in range(0, len(bits), 5))


def base58(data: bytes) -> str:
    number = int.from_bytes(data, "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return BASE58[0] * (len(data) - len(data.lstrip(b"\0"))) + text


def name_of(text: str, parent: str) -> str:
    """Return the text, cut after every 63 characters, before the parent."""
    return ".".join([*(text[at : at + 63] for at in range(0, len(text), 63)), parent])


def room(parent: str) -> int:
    """Return how many characters of text a name has room for."""
    dotted = len(parent) + 2
    return 254 - dotted - (1 + (254 - dotted) // 64)


def vectors(count: int, seed: int) -> Iterator[Vector]:
    """Yield random names of every message that v1.5 to v1.7 sends."""
    rng = random.Random(seed)
    for _ in range(count):
        parent = ".".join([*rng.choices(LABELS, k=rng.randint(0, 5)), rng.choice(("evil", "example", "c2")), ""])
        parent += rng.choice(SUFFIXES)
        session = rng.randint(1, 0xFFFFFF)
        number = rng.randint(0, 254) << 24 | session
        kind = rng.choice(("NOP", "TOTP", "INIT", "POLL", "DATA_TO_IMPLANT", "DATA_FROM_IMPLANT", "CLEAR"))
        encoder = "base32"
        if kind not in ("DATA_TO_IMPLANT", "TOTP", "CLEAR") and rng.random() < 0.3:
            encoder = "base58"
        encode = base58 if encoder == "base58" else base32
        nonce = rng.randbytes(8)
        if kind == "NOP":
            message = MESSAGE(ID=number, Data=nonce)
        elif kind == "TOTP":
            number = rng.randint(0, 99_999_999)
            message = MESSAGE(Type=1, ID=number)
        elif kind == "POLL":
            number = session
            message = MESSAGE(Type=3, ID=number, Data=nonce)
        elif kind == "CLEAR":
            message = MESSAGE(Type=9, ID=number, Data=nonce)
        elif kind == "DATA_TO_IMPLANT":
            start = rng.choice((0, 1)) * rng.randint(0, 3_000_000)
            message = MESSAGE(Type=7, ID=number, Start=start, Stop=start + rng.randint(1, 192))
        else:
            size = rng.choice((104, 264)) if kind == "INIT" else rng.randint(1, 70_000)
            start = rng.randint(0, size - 1) * rng.choice((0, 1))
            type_ = 2 if kind == "INIT" else 8
            data = rng.randbytes(min(size - start, 250))
            message = MESSAGE(Type=type_, ID=number, Start=start, Size=size, Data=data)
            while (excess := len(encode(message.SerializeToString())) - room(parent)) > 0:
                data = data[: -((excess + 1) // 2)]
                message = MESSAGE(Type=type_, ID=number, Start=start, Size=size, Data=data)
        text = encode(message.SerializeToString())
        if encoder == "base32" and rng.random() < 0.3:
            text = "".join(rng.choice((c.upper(), c.lower())) for c in text)
        yield Vector(name_of(text, parent), kind, encoder, number, parent)


def legacy_vectors(count: int, seed: int) -> Iterator[Vector]:
    """Yield random names of every shape that v1.4 and earlier send; their id is 0."""
    rng = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789_-"

    def text(size: int, alphabet: str = letters) -> str:
        return "".join(rng.choices(alphabet, k=size))

    for _ in range(count):
        kind = rng.choice(("L_POLL", "L_DATA", "L_END", "L_DOMAINKEY", "L_BLOCK", "L_CLEAR"))
        session = rng.choice(("_", "_" + text(12)))
        if kind == "L_POLL":
            head = f"_{text(6)}._{text(12)}.sp"
        elif kind == "L_DATA":
            data = [text(63, BASE32) for _ in range(rng.randint(0, 2))] + [text(rng.randint(1, 63), BASE32)]
            head = ".".join([*data, text(7, BASE32), text(10), session, rng.choice(("si", "se"))])
        elif kind == "L_END":
            head = f"{text(10)}.{session}.{rng.choice(('_si', '_se'))}"
        elif kind == "L_DOMAINKEY":
            head = f"_{text(6)}.{text(rng.randint(3, 20), letters[:26].upper() + '_')}._domainkey"
        elif kind == "L_BLOCK":
            start = rng.randint(0, 9_999_000)
            head = f"_{text(6)}.{start}.{start + rng.randint(1, 900)}.{text(6)}.b"
        else:
            head = f"{text(6)}.{text(6)}._cb"
        parent = f"{rng.choice(LABELS[:4])}.{rng.choice(('evil', 'c2'))}.{rng.choice(SUFFIXES)}"
        yield Vector(f"{head}.{parent}", kind, "legacy", 0, parent)


def beacon(parent: str, seed: int, check_ins: int = 10) -> Iterator[tuple[float, str]]:
    """Yield the seconds and the names of a beacon of v1.7: INIT, and then POLL and data every 60 to 90 seconds."""
    rng = random.Random(seed)
    session = rng.randint(128, 0xFFFFFF)
    second = 0.0

    def name(**fields: Any) -> str:
        return name_of(base32(MESSAGE(**fields).SerializeToString()), parent)

    for at, size in ((0, 100), (100, 100), (200, 64)):
        number = rng.randint(0, 254) << 24 | session
        yield second, name(Type=2, ID=number, Start=at, Size=264, Data=rng.randbytes(size))
        second += 0.1
    for count in range(check_ins):
        second += 60 + 30 * rng.random()
        number = (count % 255) << 24 | session
        yield second, name(Type=8, ID=number, Size=60, Data=rng.randbytes(60))
        yield second + 0.2, name(Type=3, ID=session, Data=rng.randbytes(8))
