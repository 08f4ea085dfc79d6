"""pysimdjson to read, with one parser for all records, dicts, and orjson to write."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import orjson
import simdjson

from .common import ALL_GOOD_VARIANTS, lines, split_name, to_ecs

NAME = "pysimdjson + orjson"
LIBRARY = "pysimdjson"
VERSION = version("pysimdjson")
VARIANTS = ALL_GOOD_VARIANTS
NAME_CACHE = split_name

_parse = simdjson.Parser().parse


def event(line: bytes) -> dict[str, Any]:
    document = _parse(line)
    result = to_ecs(document, line.decode())
    del document  # the parser raises for the next record while a view of this one is alive
    return result


def iter_dicts(data: bytes) -> Iterator[dict[str, Any]]:
    return map(event, lines(data))


def to_dicts(data: bytes) -> list[dict[str, Any]]:
    return list(map(event, lines(data)))


def to_ndjson(data: bytes) -> bytes:
    dumps, newline = orjson.dumps, orjson.OPT_APPEND_NEWLINE
    out = io.BytesIO()
    for line in lines(data):
        out.write(dumps(event(line), option=newline))
    return out.getvalue()
