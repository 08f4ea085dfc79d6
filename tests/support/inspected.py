"""Batches of log records, and what an inspection must find in them, counted without the package."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

__all__ = ["Expected", "batches", "expected", "inspected", "rows_of"]

#: Names by the registered domain and the top-level domain that they have.
NAMES = {
    "www.example.com": ("example.com", "com"),
    "WWW.Example.COM": ("example.com", "com"),
    "a.b.example.com": ("example.com", "com"),
    "example.com": ("example.com", "com"),
    "mail.example.co.uk": ("example.co.uk", "co.uk"),
    "x.example.org": ("example.org", "org"),
    "com": (None, "com"),
    "localhost": (None, None),
}
CODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED", 16: "BADVERS"}
TYPES = {1: "A", 28: "AAAA", 65: "HTTPS", 255: "ANY"}
CLIENTS = ("192.0.2.1", "192.0.2.7", "2001:db8::1")
COLOS = ("CDG", "FRA", "IAD")
#: Lines that are no records, and their codes.
REJECTS = {
    b"{bad": "json.syntax",
    b"[1]": "json.not_object",
    b'{"QueryName":"\xff"}': "json.utf8",
}
#: Values that are problems, by key.
PROBLEMS = {"SourceIP": "192.0.2.256", "QueryType": "A", "ResponseCode": [], "ResponseCached": 7}
FIRST_S = 1_767_225_600


@dataclass
class Expected:
    """What an inspection must find.

    Attributes
    ----------
    tops : dict of str to Counter
        By the key of a list.
    rate : Counter of (int, str)
        By second and response code.
    nxdomain : dict of str to Counter
        By domain, the number of queries of each name.
    """

    events: int = 0
    blank: int = 0
    tops: dict[str, Counter[str]] = field(default_factory=dict)
    rate: Counter[tuple[int, str]] = field(default_factory=Counter)
    cached: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    edns: Counter[str] = field(default_factory=Counter)
    nxdomain: dict[str, Counter[str]] = field(default_factory=dict)
    problems: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)


@st.composite
def _lines(draw: Any, *, damaged: bool) -> bytes:
    kind = draw(st.integers(0, 9)) if damaged else 9
    if kind == 0:
        return draw(st.sampled_from(sorted(REJECTS)))  # type: ignore[no-any-return]
    if kind == 1:
        return b" "
    record: dict[str, Any] = {"Timestamp": (FIRST_S + draw(st.integers(0, 200))) * 10**9}
    choices: dict[str, Iterable[Any]] = {
        "QueryName": sorted(NAMES),
        "QueryType": sorted(TYPES),
        "ResponseCode": sorted(CODES),
        "SourceIP": CLIENTS,
        "ColoCode": COLOS,
        "EDNSSubnet": ("192.0.2.0",),
        "ResponseCached": (True, False),
    }
    for key, values in choices.items():
        if draw(st.integers(0, 5)):
            record[key] = draw(st.sampled_from(list(values)))
    if kind == 2:
        key = draw(st.sampled_from(sorted(PROBLEMS)))
        record[key] = PROBLEMS[key]
    if kind == 3:
        record["ColoCode"] = "CDG"
        del record["Timestamp"]
    return json.dumps(record).encode()


def batches(*, damaged: bool = True, max_size: int = 25) -> st.SearchStrategy[list[bytes]]:
    """Return a strategy for lists of lines, some of which are damaged, blank or have problems."""
    return st.lists(_lines(damaged=damaged), max_size=max_size)


def expected(lines: Sequence[bytes]) -> Expected:
    """Count lines of `batches` with json and Counter alone."""
    found = Expected()
    tops: dict[str, Counter[str]] = {key: Counter() for key in KEYS}
    for line in lines:
        if not line.strip():
            found.blank += 1
        elif line in REJECTS:
            found.rejects[REJECTS[line]] += 1
        else:
            _count(json.loads(line), found, tops)
    found.tops = tops
    return found


KEYS = (
    "response_codes",
    "query_types",
    "registered_domains",
    "names",
    "top_level_domains",
    "data_centres",
    "clients",
)


def _count(record: dict[str, Any], found: Expected, tops: dict[str, Counter[str]]) -> None:
    found.events += 1
    for key, value in PROBLEMS.items():
        if key in record and record[key] == value and type(record[key]) is type(value):
            found.problems[f"field.type:{key}"] += 1
            del record[key]
    if "Timestamp" not in record:
        found.problems["field.missing:Timestamp"] += 1
    name = record.get("QueryName")
    domain, suffix = NAMES[name] if name else (None, None)
    code = CODES.get(record.get("ResponseCode", -1))
    values = (code, TYPES.get(record.get("QueryType", -1)), domain, name and name.lower(), suffix)
    for key, value in zip(KEYS, (*values, record.get("ColoCode"), record.get("SourceIP")), strict=True):
        if value is not None:
            tops[key][value] += 1
    if "Timestamp" in record:
        found.rate[record["Timestamp"] // 10**9, code or "(none)"] += 1
    cached = record.get("ResponseCached")
    found.cached["unknown" if cached is None else "yes" if cached else "no"] += 1
    client = record.get("SourceIP")
    found.families["none" if client is None else "IPv6" if ":" in client else "IPv4"] += 1
    found.edns["yes" if "EDNSSubnet" in record else "no"] += 1
    if code == "NXDOMAIN":
        found.nxdomain.setdefault(domain or "(none)", Counter())[(name or "").lower()] += 1


def rows_of(counts: Counter[str], limit: int) -> tuple[tuple[str, int], ...]:
    """Return the greatest counts, equal ones by value."""
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit])


def inspected(*inputs: bytes, top: int = 1000, block_bytes: int = 0, **options: Any) -> Any:
    """Return the summary of inputs, which are plain bytes, cut into blocks; without a size into two each."""
    from cfdns_fast import Normalizer
    from cfdns_fast.inspect import InputFile, Inspection

    normalizer = options.pop("normalizer", None) or Normalizer(keep_message=False, input_format="auto")
    with Inspection(normalizer, **options) as inspection:
        for number, data in enumerate(inputs):
            size = block_bytes or len(data) // 2 + 1
            blocks = (data[start : start + size] for start in range(0, len(data), size))
            inspection.read(InputFile(f"input {number}"), blocks)
        return inspection.summary(top=top)
