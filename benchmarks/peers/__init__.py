"""The peers: alternatives to cfdns_fast, one module each. All do the same job on the same bytes.

Every peer module has

    NAME, LIBRARY, VERSION     the name in tables, the distribution, and its version
    VARIANTS                   the corpus variants that it can read (peers raise at the first invalid line)
    to_ndjson(data)            NDJSON to ECS NDJSON, both bytes

Row peers, which run Python code for each record and build dicts, also have

    event(line)                one record -> dict
    iter_dicts(data)           the same dicts, built one by one
    to_dicts(data)             the same dicts in a list

Peers with a cache of names also have

    NAME_CACHE                 the function that splits a name, an lru_cache

Engines that convert a file to a file (SQL) also have

    prepare(data)              write the input to a file in memory and return its path; not timed
    convert(path)              run the statement with output to the null device; timed
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from types import ModuleType

ROW_PEERS = ("stdlib_json", "orjson_dict", "orjson_tuned", "msgspec_struct", "msgspec_tuned", "pysimdjson_orjson")
ENGINES = ("clickhouse_chdb", "duckdb_sql", "polars_lazy")
PEERS = ROW_PEERS + ENGINES


def load(names: Iterable[str] = PEERS) -> tuple[dict[str, ModuleType], dict[str, str]]:
    """Import peers. Returns the modules that can be imported, and the reasons for the others, by name."""
    found: dict[str, ModuleType] = {}
    absent: dict[str, str] = {}
    for name in names:
        try:
            found[name] = importlib.import_module(f"{__name__}.{name}")
        except ImportError as error:
            absent[name] = f"{error.name or error} cannot be imported"
    return found, absent
