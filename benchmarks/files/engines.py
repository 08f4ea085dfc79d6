"""The same job by SQL engines: nine fields to ECS columns, split names, and Parquet files by date and hour.

The columns are those of the flat layout of cfdns_fast, and the compression is the same. The engines name the files, and
a second run does not continue a first one.
"""

from __future__ import annotations

import os
from pathlib import Path

#: Columns of the flat layout, and where the engines have them.
COLUMNS = {
    "timestamp": '"@timestamp"',
    "cloudflare_colocode": 'cloudflare."ColoCode"',
    "cloudflare_ednssubnet": 'cloudflare."EDNSSubnet"',
    "cloudflare_ednssubnetlength": 'cloudflare."EDNSSubnetLength"',
    "cloudflare_responsecached": 'cloudflare."ResponseCached"',
    "dns_question_name": "dns.question.name",
    "dns_question_registered_domain": "dns.question.registered_domain",
    "dns_question_subdomain": "dns.question.subdomain",
    "dns_question_top_level_domain": "dns.question.top_level_domain",
    "dns_question_type": "dns.question.type",
    "dns_response_code": "dns.response_code",
    "event_category": "event.category",
    "event_dataset": "event.dataset",
    "event_kind": "event.kind",
    "event_type": "event.type",
    "message": "message",
    "observer_type": "observer.type",
    "observer_vendor": "observer.vendor",
    "related_hosts": "related.hosts",
    "related_ip": "related.ip",
    "source_address": "source.address",
    "source_ip": "source.ip",
}
ROW_GROUP_ROWS = 131_072


def duckdb(source: Path, output: Path, threads: int) -> None:
    """Convert a folder by one COPY statement of DuckDB."""
    from ..peers import duckdb_sql

    connection = duckdb_sql.connect(threads)
    connection.execute("SET preserve_insertion_order = false")
    events = duckdb_sql.EVENTS_SQL.replace("INPUT", f"{source}/**/*.log.gz").replace("TIME", duckdb_sql.TIME_SQL)
    columns = ", ".join(f"{path} AS {name}" for name, path in COLUMNS.items())
    parts = """strftime("@timestamp", '%Y-%m-%d') AS date, strftime("@timestamp", '%H') AS hour"""
    connection.execute(
        f"COPY (SELECT {columns}, {parts} FROM ({events})) TO '{output}' (FORMAT parquet, COMPRESSION zstd, "
        f"COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {ROW_GROUP_ROWS}, PARTITION_BY (date, hour))"
    ).fetchall()


def polars(source: Path, output: Path, threads: int) -> None:
    """Convert a folder by one streaming query of Polars."""
    os.environ["CFDNS_PEER_THREADS"] = str(threads)
    from ..peers import polars_lazy

    pl = polars_lazy.pl
    frame = polars_lazy.events(sorted(source.rglob("*.log.gz"))).with_columns(
        pl.col("@timestamp").dt.strftime("%Y-%m-%d").alias("date"), pl.col("@timestamp").dt.strftime("%H").alias("hour")
    )
    columns = [_field(path).alias(name) for name, path in COLUMNS.items()]
    frame.select(*columns, "date", "hour").sink_parquet(
        pl.PartitionBy(output, key=["date", "hour"], include_key=False),
        compression="zstd",
        compression_level=1,
        row_group_size=ROW_GROUP_ROWS,
        mkdir=True,
    )


def _field(path: str) -> object:
    from ..peers import polars_lazy

    first, *rest = path.replace('"', "").split(".")
    field = polars_lazy.pl.col(first)
    for name in rest:
        field = field.struct.field(name)
    return field
