"""The code that peers share: code tables, name split, timestamps, and the dict builder of the row peers.

It is written for speed: names and seconds are cached, and constant objects are shared by all events, which cfdns_fast
does not do. Client addresses are not checked, because the corpora for peers have no invalid address.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
import time
import tomllib
import weakref
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import tldextract

EPOCH_VARIANTS = ("typical", "distinct")
ALL_GOOD_VARIANTS = (*EPOCH_VARIANTS, "rfc3339")

EVENT: dict[str, Any] = {"category": ["network"], "dataset": "dns_logs", "kind": "event", "type": ["info"]}
OBSERVER = {"type": "dns", "vendor": "Cloudflare"}
#: Maximum number of cached names: enough for the frequent names of a zone, and bounded against a flood.
NAME_CACHE_SIZE = 65536


def _code_names(table: str, naming: str) -> dict[int, str]:
    # Located and not imported, because the peers also run without the compiled core.
    package = importlib.util.find_spec("cfdns_fast")
    if package is None or not package.submodule_search_locations:
        raise ImportError("cfdns_fast not found: its data files hold the code tables", name="cfdns_fast")
    path = Path(package.submodule_search_locations[0]) / "data" / "dns_codes.toml"
    codes = tomllib.loads(path.read_text(encoding="utf-8"))[table]
    return {int(number): name for number, name in {**codes["iana"], **codes[naming]}.items()}


QTYPE = _code_names("rr_type", "iana")
RCODE = _code_names("rcode", "sekoia")

extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
extract("the.first.call.loads.the.rules.com")


@lru_cache(maxsize=NAME_CACHE_SIZE)
def split_name(query_name: str) -> tuple[str, str, str, str]:
    """Return name, registered domain, subdomain and top-level domain; "" for a missing part."""
    name = query_name.strip(".")
    parts = extract(name)
    return name, parts.top_domain_under_public_suffix, parts.subdomain, parts.suffix


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def stamp(timestamp: int | str) -> str:
    """Return @timestamp for epoch nanoseconds. RFC 3339 text in UTC to the second is returned as it is."""
    if isinstance(timestamp, str):
        return timestamp
    seconds, ns = divmod(timestamp, 1_000_000_000)
    us = ns // 1000
    return f"{_second(seconds)}.{us:06d}Z" if us else f"{_second(seconds)}Z"


def to_ecs(record: Any, message: str, split: Callable[[str], tuple[str, str, str, str]] = split_name) -> dict[str, Any]:
    """Return the ECS event of a record, an object with the method `get`."""
    get = record.get
    name, registered, subdomain, suffix = split(get("QueryName", ""))
    question = {"name": name}
    if registered:
        question["registered_domain"] = registered
    if subdomain:
        question["subdomain"] = subdomain
    if suffix:
        question["top_level_domain"] = suffix
    query_type = QTYPE.get(get("QueryType"))
    if query_type:
        question["type"] = query_type
    dns: dict[str, Any] = {"question": question}
    response_code = RCODE.get(get("ResponseCode"))
    if response_code:
        dns["response_code"] = response_code
    related = {"hosts": [name]}
    event = {
        "message": message,
        "event": EVENT,
        "@timestamp": stamp(get("Timestamp")),
        "dns": dns,
        "observer": OBSERVER,
        "related": related,
    }
    cloudflare = {}
    value = get("ColoCode")
    if value:
        cloudflare["ColoCode"] = value
    value = get("EDNSSubnet")
    if value:
        cloudflare["EDNSSubnet"] = value
    value = get("EDNSSubnetLength")
    if value is not None:
        cloudflare["EDNSSubnetLength"] = value
    value = get("ResponseCached")
    if value is not None:
        cloudflare["ResponseCached"] = value
    if cloudflare:
        event["cloudflare"] = cloudflare
    address = get("SourceIP")
    if address:
        related["ip"] = [address]
        event["source"] = {"address": address, "ip": address}
    return event


def lines(data: bytes) -> list[bytes]:
    """Return the lines without their ends."""
    pieces = data.split(b"\n")
    if not pieces[-1]:
        pieces.pop()
    return pieces


@lru_cache(maxsize=1)
def suffix_rules() -> list[str]:
    """Return the ICANN rules of tldextract's bundled list, with wildcards and exceptions."""
    from tldextract import suffix_list

    public, _ = suffix_list.get_suffix_lists(
        cache=extract._cache, urls=(), cache_fetch_timeout=None, fallback_to_snapshot=True, session=None
    )
    return public


@lru_cache(maxsize=1)
def plain_suffix_rules() -> list[tuple[str, int]]:
    """Return the rules without wildcards and exceptions and their numbers of labels, for tables of engines."""
    return [
        (rule if rule.isascii() else rule.encode("idna").decode(), rule.count(".") + 1)
        for rule in suffix_rules()
        if rule[0] not in "*!"
    ]


class Workspace:
    """A folder for the files of one engine, in memory if the system supports it. It is removed at the end."""

    def __init__(self, engine: str) -> None:
        shared_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.path = Path(tempfile.mkdtemp(prefix=f"cfdns_bench_{engine}_", dir=shared_memory))
        self.output = self.path / "out.ndjson"
        self._count = 0
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def write_input(self, data: bytes) -> Path:
        """Write an input file and return its path."""
        self._count += 1
        path = self.path / f"in{self._count}.ndjson"
        path.write_bytes(data)
        return path

    def read_output(self) -> bytes:
        """Return the content of the output file and remove the file."""
        content = self.output.read_bytes()
        self.output.unlink()
        return content
