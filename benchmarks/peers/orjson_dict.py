"""orjson to read and write, with dicts and tldextract with an lru_cache. Ratios refer to this peer."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import orjson

from .common import ALL_GOOD_VARIANTS, lines, split_name, to_ecs

NAME = "orjson"
LIBRARY = "orjson"
VERSION = orjson.__version__
VARIANTS = ALL_GOOD_VARIANTS
NAME_CACHE = split_name


def event(line: bytes) -> dict[str, Any]:
    return to_ecs(orjson.loads(line), line.decode())


def iter_dicts(data: bytes) -> Iterator[dict[str, Any]]:
    loads = orjson.loads
    for line in lines(data):
        yield to_ecs(loads(line), line.decode())


def to_dicts(data: bytes) -> list[dict[str, Any]]:
    loads = orjson.loads
    return [to_ecs(loads(line), line.decode()) for line in lines(data)]


def to_ndjson(data: bytes) -> bytes:
    loads, dumps, newline = orjson.loads, orjson.dumps, orjson.OPT_APPEND_NEWLINE
    out = io.BytesIO()  # faster than joining a list, which keeps every line alive
    for line in lines(data):
        out.write(dumps(to_ecs(loads(line), line.decode()), option=newline))
    return out.getvalue()
