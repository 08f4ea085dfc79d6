"""Read the values of options of ``cfdns-fast convert`` that are more than a name or a number."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from .failing import FAILING
from .sections import close_to

__all__ = [
    "PARTITIONS",
    "parse_fail_on",
    "parse_names",
    "parse_partitions",
    "parse_shard",
    "parse_size",
    "parse_time",
]

#: What --partition-by can be.
PARTITIONS = ("date,hour", "date", "eventDay", "none")
_SIZES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


def parse_fail_on(values: Sequence[str]) -> frozenset[str] | None:
    """Return what --fail-on names, empty for none; None without the option."""
    named = {name.strip() for value in values for name in value.split(",")}
    if not values:
        return None
    if named == {"none"}:
        return frozenset()
    if not named.issubset(FAILING):
        raise click.BadParameter(f"must be none, or some of {', '.join(FAILING)}")
    return frozenset(named)


def parse_names(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas; raises ValueError."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise ValueError("is a list of names with commas, none of them empty")
    return names


def parse_size(text: str) -> int:
    """Return the bytes of ``64MiB``, ``1GB`` or ``1000``; raises ValueError."""
    found = re.fullmatch(r"(\d{1,15})\s*([a-z]*)", text.strip(), re.IGNORECASE)
    size_bytes = int(found[1]) * _SIZES.get(found[2].lower(), 0) if found else 0
    if not size_bytes:
        raise ValueError(f"{text!r} is not a size above 0: a number of bytes, or with a unit such as 64MiB or 1GB")
    return size_bytes


def parse_shard(text: str) -> tuple[int, int]:
    """Return I and N of ``I/N``; raises ValueError."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    index, count = (int(found[1]), int(found[2])) if found else (0, 0)
    if index >= count:
        raise ValueError(f"{text!r} is not I/N with a number I from 0 to N - 1: 0/4, 1/4, 2/4 and 3/4 are four shards")
    return index, count


def parse_partitions(text: str) -> str:
    """Return one of the partitions; raises ValueError."""
    name = ",".join(part.strip() for part in text.split(","))
    if name not in PARTITIONS:
        hint = "; did you mean date,hour?" if name == "hour,date" else close_to(name, PARTITIONS)
        raise ValueError(f"{text!r} is not one of {'; '.join(PARTITIONS)}{hint}")
    return name


def parse_time(text: str) -> str:
    """Return an hour as ``YYYYMMDDTHH`` of ``2026-08-25`` or ``2026-08-25T14``; raises ValueError."""
    from datetime import datetime

    for pattern in ("%Y-%m-%d", "%Y-%m-%dT%H", "%Y%m%d", "%Y%m%dT%H"):
        try:
            return datetime.strptime(text.strip().removesuffix("Z"), pattern).strftime("%Y%m%dT%H")
        except ValueError:
            continue
    raise ValueError(f"{text!r} is not a date such as 2026-08-25, or an hour such as 2026-08-25T14, in UTC")
