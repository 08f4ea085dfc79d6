"""orjson to read and write, with dicts and a suffix walk with a cache: the fastest known form with orjson."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson

from .common import ALL_GOOD_VARIANTS, NAME_CACHE_SIZE, lines, to_ecs
from .suffix_walk import split

NAME = "orjson, tuned"
LIBRARY = "orjson"
VERSION = orjson.__version__
VARIANTS = ALL_GOOD_VARIANTS
NAME_CACHE = lru_cache(maxsize=NAME_CACHE_SIZE)(split)


def event(line: bytes) -> dict[str, Any]:
    return to_ecs(orjson.loads(line), line.decode(), NAME_CACHE)


def iter_dicts(data: bytes) -> Iterator[dict[str, Any]]:
    loads, kept = orjson.loads, NAME_CACHE
    for line in lines(data):
        yield to_ecs(loads(line), line.decode(), kept)


def to_dicts(data: bytes) -> list[dict[str, Any]]:
    loads, kept = orjson.loads, NAME_CACHE
    return [to_ecs(loads(line), line.decode(), kept) for line in lines(data)]


def to_ndjson(data: bytes) -> bytes:
    loads, dumps, newline, kept = orjson.loads, orjson.dumps, orjson.OPT_APPEND_NEWLINE, NAME_CACHE
    out = io.BytesIO()
    for line in lines(data):
        out.write(dumps(to_ecs(loads(line), line.decode(), kept), option=newline))
    return out.getvalue()
