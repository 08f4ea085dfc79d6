"""Put the cache of a peer in the state that a long stream of batches gives it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from . import corpus

#: Number of records after which a cache of 65,536 names is full and its hit rate, 86 %, is constant (RESULTS.md,
#: Notes).
RECORDS_BEFORE = 400_000


@lru_cache(maxsize=1)
def _names_before() -> list[str]:
    """Return the names of a stream, each once, in the order of their last use."""
    order: dict[str, None] = {}
    for query_name in corpus.names_before(RECORDS_BEFORE):
        order.pop(query_name, None)
        order[query_name] = None
    return list(order)


def fill(cache: Any) -> None:
    """Fill a peer's NAME_CACHE as a long stream does.

    Without this, the cache would have every name of the corpus from the second call on, and no name would be split.
    """
    cache.cache_clear()
    for query_name in _names_before()[-cache.cache_info().maxsize :]:
        cache(query_name)
