"""The registered domains of events that have none, because their schema has no attribute for them."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from .. import Normalizer, split_domain
from .arrow_library import compute, pyarrow
from .columns import DOMAIN, HOSTNAME, SUFFIX, short_texts

__all__ = ["with_domains"]


def with_domains(columns: dict[str, Any], *, private_suffixes: bool) -> dict[str, Any]:
    """Return the columns with the domains of the names in `HOSTNAME`; the domains of other rows are kept."""
    names = columns.get(HOSTNAME)
    if names is None or names.null_count == len(names):
        return columns
    names = names.combine_chunks() if isinstance(names, pyarrow.ChunkedArray) else names
    if not pyarrow.types.is_dictionary(names.type):
        names = names.dictionary_encode()
    # Each different name is split once.
    parts = _parts_of(names.dictionary, private_suffixes)
    found = dict(columns)
    for field, values in parts.items():
        split = short_texts(field, values).take(names.indices)
        found[field] = compute.coalesce(columns[field].cast(split.type), split) if field in columns else split
    return found


def _parts_of(names: Any, private_suffixes: bool) -> dict[str, Any]:
    texts = names.to_pylist()
    # The compiled core splits a hundred times faster than `split_domain`.
    lines = "".join(f'{{"QueryName":{json.dumps(text)}}}\n' for text in texts)
    batch = _normalizer(private_suffixes).to_arrow(lines.encode()).output
    if batch.num_rows == len(texts):
        return {field: batch.column(field).cast(pyarrow.string()) for field in (DOMAIN, SUFFIX)}
    parts = [split_domain(text or "", private_suffixes=private_suffixes) for text in texts]
    return {
        DOMAIN: pyarrow.array([each.registered_domain for each in parts], pyarrow.string()),
        SUFFIX: pyarrow.array([each.top_level_domain for each in parts], pyarrow.string()),
    }


@lru_cache(maxsize=2)
def _normalizer(private_suffixes: bool) -> Normalizer:
    return Normalizer("ecs", keep_message=False, private_suffixes=private_suffixes)
