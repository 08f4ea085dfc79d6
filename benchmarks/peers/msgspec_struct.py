"""msgspec with typed Structs to read and write, and tldextract with an lru_cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType, field

from .common import ALL_GOOD_VARIANTS, EVENT, OBSERVER, QTYPE, RCODE, lines, split_name, stamp, to_ecs

NAME = "msgspec"
LIBRARY = "msgspec"
VERSION = msgspec.__version__
VARIANTS = ALL_GOOD_VARIANTS
NAME_CACHE = split_name


class Record(msgspec.Struct, gc=False):
    QueryName: str = ""
    QueryType: int = -1
    ResponseCode: int = -1
    Timestamp: int | str = 0
    ColoCode: str = ""
    EDNSSubnet: str = ""
    EDNSSubnetLength: int | UnsetType = UNSET
    ResponseCached: bool | UnsetType = UNSET
    SourceIP: str = ""


class Question(msgspec.Struct, gc=False, omit_defaults=True):
    name: str
    registered_domain: str = ""
    subdomain: str = ""
    top_level_domain: str = ""
    type: str | None = None


class Dns(msgspec.Struct, gc=False, omit_defaults=True):
    question: Question
    response_code: str | None = None


class Cloudflare(msgspec.Struct, gc=False, omit_defaults=True):
    ColoCode: str = ""
    EDNSSubnet: str = ""
    EDNSSubnetLength: int | UnsetType = UNSET
    ResponseCached: bool | UnsetType = UNSET


class Related(msgspec.Struct, gc=False):
    hosts: list[str]
    ip: list[str] | UnsetType = UNSET


class Source(msgspec.Struct, gc=False):
    address: str
    ip: str


class Event(msgspec.Struct, gc=False):
    message: str
    event: msgspec.Raw
    timestamp: str = field(name="@timestamp")
    dns: Dns
    observer: msgspec.Raw
    related: Related
    cloudflare: Cloudflare | UnsetType = UNSET
    source: Source | UnsetType = UNSET


RAW_EVENT = msgspec.Raw(msgspec.json.encode(EVENT))
RAW_OBSERVER = msgspec.Raw(msgspec.json.encode(OBSERVER))
decode_record = msgspec.json.Decoder(Record).decode
_decode_any = msgspec.json.Decoder().decode
encode_lines = msgspec.json.Encoder().encode_lines


def build(record: Record, line: bytes, name: str, registered: str, subdomain: str, suffix: str) -> Event:
    """Return the event as a Struct."""
    address = record.SourceIP
    some_cloudflare = (
        record.ColoCode
        or record.EDNSSubnet
        or record.EDNSSubnetLength is not UNSET
        or record.ResponseCached is not UNSET
    )
    return Event(
        line.decode(),
        RAW_EVENT,
        stamp(record.Timestamp),
        Dns(
            Question(name, registered, subdomain, suffix, QTYPE.get(record.QueryType)),
            RCODE.get(record.ResponseCode),
        ),
        RAW_OBSERVER,
        Related([name], [address] if address else UNSET),
        Cloudflare(record.ColoCode, record.EDNSSubnet, record.EDNSSubnetLength, record.ResponseCached)
        if some_cloudflare
        else UNSET,
        Source(address, address) if address else UNSET,
    )


def event(line: bytes) -> dict[str, Any]:
    # Structs are not dicts, so msgspec decodes without a type for tasks with dicts.
    return to_ecs(_decode_any(line), line.decode())


def iter_dicts(data: bytes) -> Iterator[dict[str, Any]]:
    decode = _decode_any
    for line in lines(data):
        yield to_ecs(decode(line), line.decode())


def to_dicts(data: bytes) -> list[dict[str, Any]]:
    decode = _decode_any
    return [to_ecs(decode(line), line.decode()) for line in lines(data)]


def _events(data: bytes) -> Iterator[Event]:
    for line in lines(data):
        record = decode_record(line)
        yield build(record, line, *split_name(record.QueryName))


def to_ndjson(data: bytes) -> bytes:
    return encode_lines(_events(data))
