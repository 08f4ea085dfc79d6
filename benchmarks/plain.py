"""cfdns_fast.reference with the interface of a peer module. It is written for reading, not for speed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cfdns_fast
from cfdns_fast import reference

NAME = "cfdns_fast.reference"
LIBRARY = "cfdns_fast"
VERSION = cfdns_fast.__version__
VARIANTS = ("typical", "distinct", "rfc3339", "bad1")

event = reference.parse


def to_dicts(data: bytes) -> list[dict[str, Any]]:
    return reference.to_dicts(data).output


def iter_dicts(data: bytes) -> Iterator[dict[str, Any]]:
    return iter(to_dicts(data))


def to_ndjson(data: bytes) -> bytes:
    return reference.to_ndjson(data).output


def rejects(data: bytes) -> int:
    """Return the number of rejects."""
    return len(reference.to_dicts(data).rejects)
