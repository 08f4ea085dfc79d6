"""Polars: scan lines, decode, expressions, streaming NDJSON sink; one thread, and rule tables for all runs.

The public suffix is the longest match of the last one to four labels in a table of rules without wildcards and
exceptions. Absent members are null. `@timestamp` always has six digits.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if "polars" not in sys.modules:
    # Polars reads it at its import. One thread, unless a process of its own asks for more.
    os.environ["POLARS_MAX_THREADS"] = os.environ.get("CFDNS_PEER_THREADS", "1")
import polars as pl

from .common import EPOCH_VARIANTS, QTYPE, RCODE, Workspace, plain_suffix_rules

NAME = "Polars"
LIBRARY = "polars"
VERSION = pl.__version__
VARIANTS = EPOCH_VARIANTS

_THREADS = int(os.environ.get("CFDNS_PEER_THREADS", "1"))
if pl.thread_pool_size() != _THREADS:
    raise ImportError(
        "Polars was imported earlier and has another number of threads", name=f"polars with {_THREADS} threads"
    )

_workspace = Workspace("polars")
_rules = {
    labels: pl.Series([rule for rule, count in plain_suffix_rules() if count == labels], dtype=pl.String).implode()
    for labels in (1, 2, 3, 4)
}
_record = pl.Struct(
    {
        "ColoCode": pl.String,
        "EDNSSubnet": pl.String,
        "EDNSSubnetLength": pl.Int64,
        "QueryName": pl.String,
        "QueryType": pl.Int64,
        "ResponseCached": pl.Boolean,
        "ResponseCode": pl.Int64,
        "SourceIP": pl.String,
        "Timestamp": pl.Int64,
    }
)


def events(path: Path | list[Path]) -> pl.LazyFrame:
    """Return the events of files as columns."""
    col, lit = pl.col, pl.lit
    labels, lower, depth, count = col("labels"), col("lower"), col("depth"), col("count")
    frame = pl.scan_lines(path, name="line")
    frame = frame.with_columns(col("line").str.json_decode(_record).alias("r")).unnest("r")
    frame = frame.with_columns(col("QueryName").str.strip_chars(".").alias("name"))
    frame = frame.with_columns(
        col("name").str.split(".").alias("labels"), col("name").str.to_lowercase().str.split(".").alias("lower")
    )
    found = pl.lit(0)
    for k in (1, 2, 3, 4):
        hit = lower.list.len().ge(k) & lower.list.tail(k).list.join(".").is_in(_rules[k])
        found = pl.when(hit).then(k).otherwise(found)
    frame = frame.with_columns(found.cast(pl.Int64).alias("depth"), labels.list.len().cast(pl.Int64).alias("count"))
    known = depth > 0
    question = pl.struct(
        col("name"),
        pl.when(known & (count > depth)).then(labels.list.tail(depth + 1).list.join(".")).alias("registered_domain"),
        pl.when(count > depth + 1).then(labels.list.head(count - depth - 1).list.join(".")).alias("subdomain"),
        pl.when(known).then(labels.list.tail(depth).list.join(".")).alias("top_level_domain"),
        col("QueryType").replace_strict(QTYPE, default=None, return_dtype=pl.String).alias("type"),
    )
    response_code = col("ResponseCode").replace_strict(RCODE, default=None, return_dtype=pl.String)
    address = col("SourceIP")
    return frame.select(
        col("line").alias("message"),
        pl.struct(
            lit(pl.Series([["network"]])).first().alias("category"),
            lit("dns_logs").alias("dataset"),
            lit("event").alias("kind"),
            lit(pl.Series([["info"]])).first().alias("type"),
        ).alias("event"),
        pl.from_epoch(col("Timestamp") // 1000, "us").alias("@timestamp"),
        pl.struct(question.alias("question"), response_code.alias("response_code")).alias("dns"),
        pl.struct(lit("dns").alias("type"), lit("Cloudflare").alias("vendor")).alias("observer"),
        pl.struct(pl.concat_list("name").alias("hosts"), pl.concat_list("SourceIP").alias("ip")).alias("related"),
        pl.struct(
            col("ColoCode"),
            pl.when(col("EDNSSubnet") != "").then(col("EDNSSubnet")).alias("EDNSSubnet"),
            col("EDNSSubnetLength"),
            col("ResponseCached"),
        ).alias("cloudflare"),
        pl.struct(address.alias("address"), address.alias("ip")).alias("source"),
    )


def _plan(path: Path) -> pl.LazyFrame:
    return events(path).with_columns(pl.col("@timestamp").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))


def prepare(data: bytes) -> Path:
    return _workspace.write_input(data)


def convert(path: Path) -> None:
    _plan(path).sink_ndjson(os.devnull)


def to_ndjson(data: bytes) -> bytes:
    path = prepare(data)
    _plan(path).sink_ndjson(_workspace.output)
    path.unlink()
    return _workspace.read_output()
