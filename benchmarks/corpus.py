"""Generate Cloudflare Logpush `dns_logs` NDJSON from a seed. Equal seeds give equal bytes on every system.

    python -m benchmarks.corpus typical OUT.ndjson -n 100000
    python -m benchmarks.corpus sample  OUT.ndjson.gz

typical   Zipf-distributed names below 5,000 registered domains (with suffixes such as co.uk and ck), SRV and PTR names,
          random letter case ("0x20") in a tenth of the queries, IPv6 for a third of the clients
distinct  a random-subdomain flood: every QueryName is new, and four fifths of them are below 20 domains
rfc3339   typical, with RFC 3339 timestamps
bad1      typical, with one line in a hundred damaged (`DAMAGES`)
sample    the batch that the package contains: typical, plus `SPECIAL_LINES`

Every record has all nine fields, and a line has about 213 bytes. A shorter corpus is a prefix of a longer one.
Only `random.Random.random()` is used, because Python keeps the sequence of no other method between versions.
"""

from __future__ import annotations

import argparse
import gzip
import io
import sys
import time
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from random import Random

DEFAULT_SEED = 20240607
SAMPLE_RECORDS = 1000
VARIANTS = ("typical", "distinct", "rfc3339", "bad1")
#: Numbers combined with the seed, so that each corpus has its own sequence.
_TYPICAL, _DISTINCT, _DAMAGED, _BEFORE = 0x7717, 0xD157, 0xBAD1, 0xBEF0
FIRST_TIMESTAMP_NS = 1_657_233_726_004_000_000

SUFFIXES: tuple[tuple[str, float], ...] = (
    ("com", 44), ("net", 8), ("org", 7), ("co.uk", 5), ("de", 4), ("io", 3), ("fr", 3), ("com.au", 3), ("co.jp", 2.5),
    ("com.br", 2.5), ("nl", 2), ("ru", 2), ("in", 1.5), ("co.in", 1.5), ("dev", 1.5), ("app", 1.5), ("info", 1.5),
    ("cn", 1), ("com.cn", 1), ("org.uk", 1), ("ac.uk", 0.7), ("co.nz", 0.7), ("co.za", 0.7), ("xyz", 1), ("shop", 1),
    ("gov.uk", 0.3), ("com.tr", 0.6), ("tokyo.jp", 0.1), ("k12.ca.us", 0.1), ("xn--p1ai", 0.2), ("kobe.jp", 0.05),
    ("ck", 0.05),
)  # fmt: skip
HOSTS = (
    "www", "api", "mail", "cdn", "static", "img", "login", "auth", "app", "m", "blog", "shop", "dev", "staging", "vpn",
    "ns1", "ns2", "mx1", "mx2", "smtp", "imap", "autodiscover", "assets", "media", "edge", "ws", "sso", "portal",
    "status", "docs", "git", "ci", "grafana", "_dmarc", "selector1._domainkey", "db", "k8s", "eu-west-1",
)  # fmt: skip
SYLLABLES = (
    "ba", "co", "da", "fi", "go", "hu", "ja", "ki", "lo", "ma", "ne", "or", "pa", "qui", "ra", "so", "ta", "ul", "ver",
    "win", "xen", "yo", "zen", "tech", "data", "net", "cloud", "shop", "news", "lab", "soft", "bank", "ly",
)  # fmt: skip
COLOS = (
    "CDG", "FRA", "AMS", "LHR", "IAD", "SJC", "ORD", "DFW", "SIN", "NRT", "HKG", "SYD", "GRU", "MAD", "MRS", "WAW",
    "ARN", "VIE", "MXP", "BOM", "JNB", "DME", "EWR", "LAX", "SEA", "ATL", "MIA", "YYZ", "ICN", "KIX",
)  # fmt: skip
#: Number and weight. 65353, 4711 and the response code 24 are unassigned.
QUERY_TYPES: tuple[tuple[int, float], ...] = (
    (1, 60), (28, 22), (65, 8), (15, 2), (2, 1.5), (16, 2.5), (33, 1), (12, 1), (6, 1), (5, 0.5), (43, 0.2), (48, 0.1),
    (257, 0.1), (65353, 0.05), (4711, 0.05),
)  # fmt: skip
RESPONSE_CODES: tuple[tuple[int, float], ...] = (
    (0, 88), (3, 9), (2, 1.2), (5, 1.5), (1, 0.1), (4, 0.1), (16, 0.05), (24, 0.05)
)  # fmt: skip
QTYPE_PTR, QTYPE_SRV = 12, 33


class Dice:
    """Random draws that use only `Random.random()`."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed).random

    def below(self, limit: int) -> int:
        """Return an integer in 0 .. limit-1."""
        return int(self.random() * limit)

    def between(self, low: int, high: int) -> int:
        """Return an integer in low .. high-1."""
        return low + int(self.random() * (high - low))

    def chooser(self, weights: Iterable[float]) -> Callable[[], int]:
        """Return a function that draws an index, index i with probability weights[i] / sum(weights)."""
        sums = list(accumulate(weights))
        total, last, random = sums[-1], len(sums) - 1, self.random
        return lambda: bisect(sums, random() * total, 0, last)

    def zipf(self, size: int) -> Callable[[], int]:
        """Return a function that draws an index below size, index i in proportion to 1 / (i + 1)."""
        return self.chooser(1.0 / rank for rank in range(1, size + 1))

    def shuffle(self, items: list[str]) -> None:
        """Shuffle in place (Fisher-Yates)."""
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]


class World:
    """The names, clients and subnets of a seed, from which records are drawn."""

    def __init__(self, seed: int, *, domains: int = 5000, names: int = 50_000, clients: int = 20_000) -> None:
        dice = Dice(seed)
        self.domains = _domains(dice, domains)
        self.names = _names(dice, self.domains, names)
        rank = dice.zipf(max(1, domains // 10))
        busy = list(dict.fromkeys(self.domains[rank()] for _ in range(2000)))
        services = ("_sip._tcp", "_xmpp-client._tcp", "_sip._udp")
        self.srv = [f"{service}.{domain}" for domain in busy[:700] for service in services]
        self.ptr = [f"{_octets(dice, 4)}.in-addr.arpa" for _ in range(1500)]
        self.ptr += [".".join(f"{dice.below(16):x}" for _ in range(32)) + ".ip6.arpa" for _ in range(500)]
        self.clients = [_client(dice) for _ in range(clients)]
        self.subnets = [_subnet(dice, number) for number in range(4000)]


def _domains(dice: Dice, count: int) -> list[str]:
    suffix = dice.chooser(weight for _, weight in SUFFIXES)
    found: dict[str, None] = {}
    while len(found) < count:
        label = "".join(SYLLABLES[dice.below(len(SYLLABLES))] for _ in range(dice.between(2, 5)))
        if dice.random() < 0.12:
            label += "-" + SYLLABLES[dice.below(len(SYLLABLES))]
        found[f"{label}.{SUFFIXES[suffix()][0]}"] = None
    return list(found)


def _names(dice: Dice, domains: Sequence[str], count: int) -> list[str]:
    rank = dice.zipf(len(domains))
    found = dict.fromkeys(domains)
    while len(found) < count:
        host, kind = HOSTS[dice.below(len(HOSTS))], dice.random()
        # Most names have a number, so that a domain that `rank` draws often has enough names.
        if kind < 0.35:
            front = host
        elif kind < 0.55:
            front = f"{host}{dice.between(1, 400)}"
        elif kind < 0.75:
            front = f"{SYLLABLES[dice.below(len(SYLLABLES))]}-{dice.between(1, 99)}"
        elif kind < 0.92:
            front = f"{host}.{SYLLABLES[dice.below(len(SYLLABLES))]}{dice.between(1, 50)}"
        else:
            front = f"{dice.below(1 << 40):010x}.{host}.{COLOS[dice.below(len(COLOS))].lower()}{dice.between(1, 9)}"
        found[f"{front}.{domains[rank()]}"] = None
    names = list(found)
    dice.shuffle(names)
    return names


def _octets(dice: Dice, count: int) -> str:
    return ".".join(str(dice.between(1, 255)) for _ in range(count))


def _group(dice: Dice) -> int:
    return dice.between(1, 65535)


def _client(dice: Dice) -> str:
    if dice.random() < 0.35:
        return f"2a{_group(dice) & 0xFF:02x}:{_group(dice):x}:{_group(dice):x}::{_group(dice):x}"
    return _octets(dice, 4)


def _subnet(dice: Dice, number: int) -> tuple[str, int]:
    if number % 4:
        return f"{_octets(dice, 3)}.0", 24
    return f"2a{_group(dice) & 0xFF:02x}:{_group(dice):x}:{_group(dice):x}::", 56 if number % 8 else 48


@lru_cache(maxsize=2)
def _world(seed: int) -> World:
    return World(seed)


def _mixed_case(name: str, random: Callable[[], float]) -> str:
    bits = int(random() * (1 << 53)) | int(random() * (1 << 53)) << 53
    return "".join(c.upper() if bits >> i % 106 & 1 else c for i, c in enumerate(name))


def _rfc3339(ns: int) -> str:
    return time.strftime('"%Y-%m-%dT%H:%M:%SZ"', time.gmtime(ns // 1_000_000_000))


def _lines(world: World, dice: Dice, records: int, *, distinct: bool = False, rfc3339: bool = False) -> Iterator[str]:
    random = dice.random
    query_type, response_code = (dice.chooser(w for _, w in table) for table in (QUERY_TYPES, RESPONSE_CODES))
    name_rank, client_rank, colo_rank = (dice.zipf(len(x)) for x in (world.names, world.clients, COLOS))
    victim_rank = dice.zipf(20)
    for i in range(records):
        qtype = QUERY_TYPES[query_type()][0]
        rcode = RESPONSE_CODES[response_code()][0]
        if distinct:
            qtype = 1 if random() < 0.9 else qtype
            rcode = 3 if random() < 0.95 else rcode
            victim = victim_rank() if random() < 0.8 else dice.below(len(world.domains))
            word = f"{dice.below(1 << 52):013x}"[: dice.between(7, 14)]
            # The serial number times an odd constant makes every name new and looks random.
            name = f"{word}{i * 2654435761 % (1 << 32):08x}.{world.domains[victim]}"
        elif qtype == QTYPE_SRV:
            name = world.srv[dice.below(len(world.srv))]
        elif qtype == QTYPE_PTR:
            name = world.ptr[dice.below(len(world.ptr))]
        else:
            name = world.names[name_rank()]
            if random() < 0.10:
                name = _mixed_case(name, random)
        subnet, length = world.subnets[dice.below(len(world.subnets))] if random() < 0.45 else ("", 0)
        cached = "true" if random() < 0.7 else "false"
        ns = FIRST_TIMESTAMP_NS + i * 1_000_000 + dice.below(3_000_000)  # about 1,000 per second, not quite in order
        yield (
            f'{{"ColoCode":"{COLOS[colo_rank()]}","EDNSSubnet":"{subnet}","EDNSSubnetLength":{length},'
            f'"QueryName":"{name}.","QueryType":{qtype},"ResponseCached":{cached},"ResponseCode":{rcode},'
            f'"SourceIP":"{world.clients[client_rank()]}","Timestamp":{_rfc3339(ns) if rfc3339 else ns}}}'
        )


def _truncated(line: bytes, share: float) -> bytes:
    return line[: 1 + int(share * (len(line) - 2))]


def _invalid_utf8(line: bytes, share: float) -> bytes:
    return line.replace(b'"QueryName":"', b'"QueryName":"\xff\xc0', 1)


def _unclosed_string(line: bytes, share: float) -> bytes:
    return line.replace(b'","Timestamp"', b',"Timestamp"', 1)


def _not_an_object(line: bytes, share: float) -> bytes:
    return b"[" + line + b"]"


def _trailing_garbage(line: bytes, share: float) -> bytes:
    return line + b" <- end"


#: Ways to damage a line. With the last one, the record is still an event and the bytes after it are a reject.
DAMAGES: tuple[Callable[[bytes, float], bytes], ...] = (
    _truncated, _invalid_utf8, _unclosed_string, _not_an_object, _trailing_garbage
)  # fmt: skip


def _damaged(lines: Iterable[str], seed: int) -> Iterator[bytes]:
    # Separate dice, so that the valid lines are those of `typical`.
    dice = Dice(seed ^ _DAMAGED)
    for text in lines:
        line = text.encode("ascii")
        if dice.random() < 0.01:
            line = DAMAGES[dice.below(len(DAMAGES))](line, dice.random())
        yield line


def make(variant: str, records: int, seed: int = DEFAULT_SEED) -> bytes:
    """Return `records` lines of a variant as NDJSON. Every line ends with 0x0A.

    Raises
    ------
    ValueError
        The variant is unknown, or `records` is below 0.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, not {variant!r}")
    if records < 0:
        raise ValueError(f"records must not be below 0, not {records}")
    distinct = variant == "distinct"
    dice = Dice(seed ^ (_DISTINCT if distinct else _TYPICAL))
    lines = _lines(_world(seed), dice, records, distinct=distinct, rfc3339=variant == "rfc3339")
    if variant == "bad1":
        return b"".join(line + b"\n" for line in _damaged(lines, seed))
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def names_before(records: int, seed: int = DEFAULT_SEED) -> Iterator[str]:
    """Yield the QueryName of `records` records of `typical` that precede the corpus in a longer stream."""
    for line in _lines(_world(seed), Dice(seed ^ _BEFORE), records):
        yield line.partition('"QueryName":"')[2].partition('"')[0]


def _special(name: str, **other: object) -> bytes:
    record: dict[str, object] = {
        "ColoCode": '"CDG"', "EDNSSubnet": '""', "EDNSSubnetLength": 0, "QueryName": f'"{name}"', "QueryType": 1,
        "ResponseCached": "false", "ResponseCode": 0, "SourceIP": '"192.0.2.53"', "Timestamp": 1657233726504127000,
    }  # fmt: skip
    record.update(other)
    return ("{" + ",".join(f'"{key}":{value}' for key, value in record.items()) + "}").encode()


#: Lines of the sample besides ordinary traffic. One line is a reject, and one field is a problem.
SPECIAL_LINES: tuple[bytes, ...] = (
    _special("co.uk."),  # only a public suffix
    _special("www.ck."),  # an exception rule: www.ck is registered
    _special("shop.example.ck."),  # a wildcard rule: example.ck is the suffix
    _special("www.city.kawasaki.jp."),  # an exception below a wildcard
    _special("cdn.example.github.io."),  # a suffix of the private section, which applies only with private_suffixes
    _special("xn--e1afmkfd.xn--p1ai."),  # punycode, xn--p1ai is a suffix
    _special("пример.рф."),  # the same name in Unicode
    _special("WwW.ExAmPlE.CoM."),  # the case is kept
    _special("printer.lan."),  # no known suffix
    _special("localhost."),
    _special("192.0.2.1."),  # an address instead of a name
    _special("."),  # the root
    _special(
        "www.example.com.", SourceIP='"2001:db8::53"', EDNSSubnet='"2001:db8:12::"', EDNSSubnetLength=56, QueryType=28
    ),
    _special("www.example.org.", Timestamp='"2022-07-07T22:42:06.5Z"'),
    _special("www.example.org.", Timestamp='"2022-07-08T00:42:06+02:00"'),
    _special("www.example.net.", Timestamp=1657233726),
    _special("version.bind.", QueryType=255, ResponseCode=16),
    _special("www.example.net.", QueryType=65353, ResponseCode=24),  # unassigned numbers
    _special("www.example.net.", SourceIP='"192.0.2.256"'),  # the problem: no address
    _special("www.example.net.")[:120],  # the reject: a truncated line
)


def sample() -> bytes:
    """Return the sample that the package contains, not compressed."""
    world = World(DEFAULT_SEED, domains=250, names=1200, clients=400)
    # The package is public, so the clients are in the ranges for documentation (RFC 5737, RFC 3849).
    v4, v6 = ("192.0.2", "198.51.100", "203.0.113"), "2001:db8"
    world.clients = [
        f"{v6}:{i:x}::{i % 7 + 1}" if i % 3 == 0 else f"{v4[i % 2 + i % 5 // 4]}.{i % 254 + 1}" for i in range(400)
    ]
    world.subnets = [(f"{v4[i % 3]}.0", 24) if i % 4 else (f"{v6}:{i:x}::", 48) for i in range(100)]
    count = SAMPLE_RECORDS - len(SPECIAL_LINES)
    lines = [line.encode("ascii") for line in _lines(world, Dice(DEFAULT_SEED ^ _TYPICAL), count)]
    step = len(lines) // len(SPECIAL_LINES)
    for number, line in enumerate(SPECIAL_LINES, 1):
        lines.insert(number * step, line)
    return b"".join(line + b"\n" for line in lines)


def sample_gz() -> bytes:
    """Return the sample as gzip without time and name in its header.

    The compressed bytes depend on the build of zlib, the content does not.
    """
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as file:
        file.write(sample())
    return out.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description="Write a seeded corpus to a file.")
    parser.add_argument("variant", choices=(*VARIANTS, "sample"))
    parser.add_argument("out", help="file to write ('sample' is written as gzip)")
    parser.add_argument("-n", "--records", type=int, default=100_000, help="lines (not for 'sample'; default 100000)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="not for 'sample' (default %(default)s)")
    options = parser.parse_args(arguments)
    if options.records < 0:
        parser.error("--records must not be below 0")
    content = sample_gz() if options.variant == "sample" else make(options.variant, options.records, options.seed)
    with open(options.out, "wb") as file:
        file.write(content)
    print(f"{options.out}: {len(content)} bytes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
