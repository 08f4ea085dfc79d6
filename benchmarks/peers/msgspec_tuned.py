"""msgspec with a public-suffix walk written for this job: the strongest pure-Python form known to us.

As msgspec_struct, but names are split by offsets into the lower-cased name against a flat table of rules, which gives
tldextract's answers without its cost, so there is no cache that a flood of new names could defeat.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from .common import ALL_GOOD_VARIANTS, EVENT, OBSERVER, QTYPE, RCODE, lines, stamp, suffix_rules
from .msgspec_struct import UNSET, Cloudflare, Dns, Event, Question, Related, Source, decode_record, encode_lines

NAME = "msgspec, tuned"
LIBRARY = "msgspec"
VERSION = msgspec.__version__
VARIANTS = ALL_GOOD_VARIANTS

SUFFIX, DEEPER, WILD, EXCEPT = 1, 2, 4, 8
RAW_EVENT = msgspec.Raw(msgspec.json.encode(EVENT))
RAW_OBSERVER = msgspec.Raw(msgspec.json.encode(OBSERVER))


def _table() -> dict[str, int]:
    """Return for each rule, and for each domain above one, what the walk has to know there."""
    table: dict[str, int] = {}
    for rule in suffix_rules():
        flag = SUFFIX
        if rule.startswith("*."):
            rule, flag = rule[2:], WILD | DEEPER
        elif rule.startswith("!"):
            rule, flag = rule[1:], EXCEPT
        if not rule.isascii():
            rule = rule.encode("idna").decode()
        table[rule] = table.get(rule, 0) | flag
        while "." in rule:
            rule = rule.partition(".")[2]
            table[rule] = table.get(rule, 0) | DEEPER
    return table


RULES = _table()


def suffix_start(name: str) -> int:
    """Return the offset of the public suffix in a lower-case name; -1 if there is none."""
    best, at, wild, parent, rules = -1, len(name), 0, -1, RULES.get
    while at > 0:
        at = name.rfind(".", 0, at)
        flags = rules(name[at + 1 :], 0)
        if flags & EXCEPT:
            return parent
        if wild or flags & SUFFIX:
            best = at + 1
        if not flags & DEEPER:
            break
        wild, parent = flags & WILD, at + 1
    return best


def _events(data: bytes) -> Iterator[Event]:
    decode, query_type, response_code = decode_record, QTYPE.get, RCODE.get
    for line in lines(data):
        record = decode(line)
        name = record.QueryName.strip(".")
        registered = subdomain = suffix = ""
        start = suffix_start(name.lower())
        if start >= 0:
            suffix = name[start:]
            if start > 0:
                before = name.rfind(".", 0, start - 1)
                registered = name[before + 1 :]
                if before > 0:
                    subdomain = name[:before]
        else:
            subdomain = name.rpartition(".")[0]
        address = record.SourceIP
        # Written out here, not shared with msgspec_struct: a call a record is worth a few per cent.
        yield Event(
            line.decode(),
            RAW_EVENT,
            stamp(record.Timestamp),
            Dns(
                Question(name, registered, subdomain, suffix, query_type(record.QueryType)),
                response_code(record.ResponseCode),
            ),
            RAW_OBSERVER,
            Related([name], [address] if address else UNSET),
            Cloudflare(record.ColoCode, record.EDNSSubnet, record.EDNSSubnetLength, record.ResponseCached)
            if record.ColoCode
            or record.EDNSSubnet
            or record.EDNSSubnetLength is not UNSET
            or record.ResponseCached is not UNSET
            else UNSET,
            Source(address, address) if address else UNSET,
        )


def to_ndjson(data: bytes) -> bytes:
    return encode_lines(_events(data))
