"""What somebody would use instead: one module a peer, all doing the same job on the same bytes.

A peer module has

    NAME, LIBRARY, VERSION     how it is called in tables, the distribution behind it, that one's version
    VARIANTS                   the corpus variants it can read (peers raise at the first spoilt line)
    to_ndjson(data)            NDJSON in, ECS NDJSON out, both bytes

row peers (one Python step a record), where a dict is what they naturally build, also

    event(line)                one record -> dict
    iter_dicts(data)           the same dicts, built one at a time
    to_dicts(data)             the same dicts in a list

those that keep names they have split, also

    NAME_CACHE                 the function that does, an lru_cache

and engines that work from file to file (SQL)

    prepare(data)              put the input where the engine reads it (a file in memory), return the path; not timed
    convert(path)              run the statement, output to the null device; this is what is timed
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from types import ModuleType

ROW_PEERS = ("stdlib_json", "orjson_dict", "orjson_tuned", "msgspec_struct", "msgspec_tuned", "pysimdjson_orjson")
ENGINES = ("clickhouse_chdb", "duckdb_sql", "polars_lazy")
PEERS = ROW_PEERS + ENGINES


def load(names: Iterable[str] = PEERS) -> tuple[dict[str, ModuleType], dict[str, str]]:
    """Import peers; return those that can run here, and for each of the others the reason why it cannot."""
    found: dict[str, ModuleType] = {}
    absent: dict[str, str] = {}
    for name in names:
        try:
            found[name] = importlib.import_module(f"{__name__}.{name}")
        except ImportError as error:
            absent[name] = f"{error.name or error} cannot be imported"
    return found, absent
