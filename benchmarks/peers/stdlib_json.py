"""json of the standard library, with dicts and tldextract with an lru_cache: a collector without tuning."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Iterator
from typing import Any

from .common import ALL_GOOD_VARIANTS, lines, split_name, to_ecs

NAME = "stdlib json"
LIBRARY = "json"
VERSION = platform.python_version()
VARIANTS = ALL_GOOD_VARIANTS
NAME_CACHE = split_name

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


def event(line: bytes) -> dict[str, Any]:
    text = line.decode()
    return to_ecs(json.loads(text), text)


def iter_dicts(data: bytes) -> Iterator[dict[str, Any]]:
    loads = json.loads
    for line in lines(data):
        text = line.decode()
        yield to_ecs(loads(text), text)


def to_dicts(data: bytes) -> list[dict[str, Any]]:
    return list(iter_dicts(data))


def to_ndjson(data: bytes) -> bytes:
    out = io.BytesIO()
    for event in iter_dicts(data):
        out.write((_encode(event) + "\n").encode())
    return out.getvalue()
