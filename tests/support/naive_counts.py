"""What a folder of logs holds, counted with json and Counter alone, to compare inspections with."""

from __future__ import annotations

import calendar
import functools
import gzip
import ipaddress
import json
import re
import time
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import tldextract

__all__ = ["FileCount", "NaiveCounts", "naive_counts"]

_CODES = tomllib.loads((resources.files("cfdns_fast") / "data" / "dns_codes.toml").read_text(encoding="utf-8"))
_SPELLINGS = {"BADVERS OR BADSIG": "BADVERS", "*": "ANY"}
_KEYS = {
    "query_types": "type",
    "response_codes": "code",
    "registered_domains": "domain",
    "top_level_domains": "suffix",
    "data_centres": "colo",
    "clients": "client",
    "names": "name",
}


@dataclass
class FileCount:
    """The counts of one file."""

    size_bytes: int
    events: int = 0
    rejects: int = 0
    problems: int = 0
    late: int = 0
    lateness_ns: int = 0
    times: list[int] = field(default_factory=list)


@dataclass
class NaiveCounts:
    """The counts of a folder."""

    lines: int = 0
    events: int = 0
    rejects: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    times: list[tuple[int, str]] = field(default_factory=list)
    tops: dict[str, Counter[str]] = field(default_factory=lambda: {key: Counter() for key in _KEYS})
    cached: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    edns: Counter[str] = field(default_factory=Counter)
    nxdomain: Counter[str] = field(default_factory=Counter)
    nxdomain_names: dict[str, set[str]] = field(default_factory=dict)
    files: dict[str, FileCount] = field(default_factory=dict)

    def most_common(self, key: str, number: int) -> list[tuple[str, int]]:
        """Return the most frequent values of a list, equal counts by value."""
        return sorted(self.tops[key].items(), key=lambda row: (-row[1], row[0]))[:number]


def naive_counts(folder: Path) -> NaiveCounts:
    """Return the counts of all files of a folder, whose records have the types that Logpush gives them.

    A line that is no JSON is a reject. A query type that is text and no number is a problem.
    """
    counts = NaiveCounts()
    for path in sorted(folder.iterdir()):
        file = counts.files[path.name] = FileCount(path.stat().st_size)
        found = re.match(r"(\d{8}T\d{6}Z)_", path.name)
        assert found is not None
        start_ns = calendar.timegm(time.strptime(found[1], "%Y%m%dT%H%M%SZ")) * 10**9
        for line in gzip.decompress(path.read_bytes()).splitlines():
            counts.lines += 1
            try:
                record = json.loads(line)
            except ValueError:
                counts.rejects += 1
                file.rejects += 1
                continue
            _count(counts, file, record, start_ns)
    return counts


def _count(counts: NaiveCounts, file: FileCount, record: dict[str, Any], start_ns: int) -> None:
    values = _values(record)
    time_ns = record["Timestamp"]
    counts.events += 1
    file.events += 1
    if isinstance(record["QueryType"], str):
        counts.problems["field.type:QueryType"] += 1
        file.problems += 1
    file.times.append(time_ns)
    file.late += time_ns < start_ns
    file.lateness_ns = max(file.lateness_ns, start_ns - time_ns)
    counts.times.append((time_ns, values["code"] or "(none)"))
    for key, value in _KEYS.items():
        if values[value] is not None:
            counts.tops[key][values[value]] += 1
    counts.cached["yes" if record["ResponseCached"] else "no"] += 1
    counts.families[f"IPv{ipaddress.ip_address(record['SourceIP']).version}"] += 1
    counts.edns["yes" if record["EDNSSubnet"] else "no"] += 1
    if values["code"] == "NXDOMAIN":
        domain = values["domain"] or "(none)"
        counts.nxdomain[domain] += 1
        counts.nxdomain_names.setdefault(domain, set()).add(values["name"])


def _values(record: dict[str, Any]) -> dict[str, Any]:
    name = re.sub("[A-Z]", lambda letter: letter[0].lower(), record["QueryName"].strip(".")) or None
    suffix, domain = _split(name or "")
    return {
        "name": name,
        "domain": domain,
        "suffix": suffix,
        "type": _mnemonic("rr_type", record["QueryType"]),
        "code": _mnemonic("rcode", record["ResponseCode"]),
        "colo": record["ColoCode"],
        "client": record["SourceIP"],
    }


@functools.cache
def _extract() -> tldextract.TLDExtract:
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


@functools.cache
def _split(name: str) -> tuple[str | None, str | None]:
    """Return the suffix and the registered domain, None without one."""
    # tldextract would read some other characters as parts of a URL.
    found = _extract()(re.sub(r"[^\w.-]", "x", name))
    if not found.suffix:
        return None, None
    labels = name.split(".")
    count = found.suffix.count(".") + 1
    return ".".join(labels[-count:]), ".".join(labels[-count - 1 :]) if found.domain else None


def _mnemonic(table: str, number: Any) -> str | None:
    text = _CODES[table]["iana"].get(str(number))
    return None if text is None else _SPELLINGS.get(text.upper(), text.upper())
