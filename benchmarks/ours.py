"""cfdns_fast as the benchmarks call it: the names a peer module has (see peers/__init__.py), and what only it can do.

Importing this fails with ImportError where the compiled core is not built.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cfdns_fast

NAME = "cfdns_fast"
LIBRARY = "cfdns_fast"
VERSION = cfdns_fast.__version__
VARIANTS = ("typical", "distinct", "rfc3339", "bad1")

_normalizer = cfdns_fast.Normalizer()
_without_message = cfdns_fast.Normalizer(keep_message=False)

event = cfdns_fast.parse


def iter_dicts(data: bytes) -> Iterator[dict[str, Any]]:
    return _normalizer.iter_dicts(data)


def to_dicts(data: bytes) -> list[dict[str, Any]]:
    return _normalizer.to_dicts(data).output


def to_ndjson(data: bytes) -> bytes:
    return _normalizer.to_ndjson(data).output


def to_ndjson_without_message(data: bytes) -> bytes:
    return _without_message.to_ndjson(data).output


def to_arrow(data: bytes) -> Any:
    """Return a pyarrow.RecordBatch; ImportError where there is no pyarrow."""
    return _normalizer.to_arrow(data).output


def detecting(detectors: Sequence[Any]) -> cfdns_fast.Normalizer:
    """Return what converts and looks for something."""
    return cfdns_fast.Normalizer(detect=detectors)


def rejects(data: bytes) -> int:
    """Return how many pieces of the data did not become an event."""
    return len(_normalizer.to_ndjson(data).rejects)
