"""One job in a process of its own: ``python -m benchmarks.files.jobs JOB SETTINGS``; prints one JSON object.

Imports are not measured. CPU seconds are those of all threads, and of child processes that have ended.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from . import engines

Settings = dict[str, Any]
Job = tuple[Callable[[], dict[str, Any]], str]


def _ours(settings: Settings) -> Callable[[], dict[str, Any]]:
    import pyarrow.parquet

    from cfdns_fast.files import StoreOptions, convert

    assert pyarrow.parquet
    options = StoreOptions(endpoint_url=settings.get("endpoint_url"))

    def run() -> dict[str, Any]:
        report = convert(settings["source"], settings["output"], jobs=settings["jobs"], store_options=options)
        return {"events": report.events}

    return run


def _plain(path: Path) -> bytes:
    from cfdns_fast.io import read_plain

    return b"".join(read_plain(str(path)))


def _parts(settings: Settings) -> Callable[[], dict[str, Any]]:
    """Return a job that times decompression, conversion and writing apart, with no work between them."""
    import pyarrow
    import pyarrow.parquet

    from cfdns_fast import Normalizer

    normalizer = Normalizer()

    def run() -> dict[str, Any]:
        seconds = dict.fromkeys(("gunzip", "to_arrow", "write"), 0.0)

        def timed(part: str, function: Callable[[], Any]) -> Any:
            begin_s = time.process_time()
            result = function()
            seconds[part] += time.process_time() - begin_s
            return result

        schema = normalizer.to_arrow(b"").output.schema
        events = 0
        with pyarrow.parquet.ParquetWriter(
            settings["output"],
            schema,
            compression="zstd",
            compression_level=1,
            write_page_index=True,
            write_page_checksum=True,
        ) as writer:
            waiting: list[Any] = []
            for path in sorted(Path(settings["source"]).rglob("*.gz")):
                plain = timed("gunzip", partial(_plain, path))
                waiting.append(timed("to_arrow", partial(normalizer.to_arrow, plain)).output)
                if sum(batch.num_rows for batch in waiting) >= engines.ROW_GROUP_ROWS:
                    table = pyarrow.Table.from_batches(waiting)
                    timed("write", partial(writer.write_table, table))
                    events += sum(batch.num_rows for batch in waiting)
                    waiting = []
            timed("write", partial(writer.write_table, pyarrow.Table.from_batches(waiting, schema)))
            events += sum(batch.num_rows for batch in waiting)
            timed("write", writer.close)
        return {"events": events, "parts_s": {part: round(each, 4) for part, each in seconds.items()}}

    return run


def _engine(function: Callable[[Path, Path, int], None], library: str) -> Callable[[Settings], Callable[[], Settings]]:
    def prepare(settings: Settings) -> Callable[[], dict[str, Any]]:
        os.environ["CFDNS_PEER_THREADS"] = str(settings["jobs"])
        if library == "duckdb":
            from ..peers import duckdb_sql as peer
        else:
            from ..peers import polars_lazy as peer  # type: ignore[no-redef]
        assert peer

        def run() -> dict[str, Any]:
            function(Path(settings["source"]), Path(settings["output"]), settings["jobs"])
            return {}

        return run

    return prepare


def _with_imports(_: int) -> None:
    import pyarrow.parquet

    from cfdns_fast.files import run_task

    assert pyarrow.parquet and run_task


def _spark(settings: Settings) -> Callable[[], dict[str, Any]]:
    from pyspark.sql import SparkSession

    from cfdns_fast import spark as ours

    os.environ["PYSPARK_PYTHON"] = sys.executable

    session = (
        SparkSession.builder.master(f"local[{settings['jobs']}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    # The workers stay, and their imports are not measured either.
    session.sparkContext.parallelize(range(8), settings["jobs"]).map(_with_imports).collect()

    def run() -> dict[str, Any]:
        report = ours.convert(session, settings["source"], settings["output"])
        return {"events": report.events}

    return run


JOBS: dict[str, Callable[[Settings], Callable[[], dict[str, Any]]]] = {
    "ours": _ours,
    "parts": _parts,
    "duckdb": _engine(engines.duckdb, "duckdb"),
    "polars": _engine(engines.polars, "polars"),
    "spark": _spark,
}


def _cpu_s() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main(job: str, settings: Settings) -> dict[str, Any]:
    """Run a job once, and return what it took."""
    run = JOBS[job](settings)
    cpu_s, begin_s = _cpu_s(), time.perf_counter()
    said = run()
    wall_s = time.perf_counter() - begin_s
    return {
        "wall_s": round(wall_s, 4),
        "cpu_s": round(_cpu_s() - cpu_s, 4),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1),
        **said,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))))
