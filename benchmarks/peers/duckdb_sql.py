"""DuckDB: one COPY statement from NDJSON to NDJSON; one thread, and one connection with lookup tables for all runs.

The public suffix is the longest match of the last one to four labels in a table of rules without wildcards and
exceptions. Absent members are null. `@timestamp` always has six digits.
"""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from .common import EPOCH_VARIANTS, QTYPE, RCODE, Workspace, plain_suffix_rules

NAME = "DuckDB"
LIBRARY = "duckdb"
VERSION = duckdb.__version__
VARIANTS = EPOCH_VARIANTS

_workspace = Workspace("duckdb")

#: The events of a file as columns. INPUT is a path or pattern, and TIME the expression of their time.
EVENTS_SQL = """
  WITH raw AS (
    SELECT json::VARCHAR AS line, from_json(json, '{"ColoCode":"VARCHAR","EDNSSubnet":"VARCHAR",
      "EDNSSubnetLength":"INTEGER","QueryName":"VARCHAR","QueryType":"INTEGER","ResponseCached":"BOOLEAN",
      "ResponseCode":"INTEGER","SourceIP":"VARCHAR","Timestamp":"BIGINT"}') AS r
    FROM read_ndjson_objects('INPUT')),
  split AS (
    SELECT *, trim(r.QueryName, '.') AS name, string_split(trim(r.QueryName, '.'), '.') AS lab FROM raw),
  cand AS (
    SELECT *, len(lab) AS n, lower(lab[-1]) AS l1, lower(array_to_string(lab[-2:], '.')) AS l2,
      lower(array_to_string(lab[-3:], '.')) AS l3, lower(array_to_string(lab[-4:], '.')) AS l4 FROM split),
  found AS (
    SELECT cand.*, q.v AS qtype, c.v AS rcode,
      CASE WHEN s4.n = 4 THEN 4 WHEN s3.n = 3 THEN 3 WHEN s2.n = 2 THEN 2 WHEN s1.n = 1 THEN 1 ELSE 0 END AS d
    FROM cand LEFT JOIN psl s1 ON s1.s = l1 LEFT JOIN psl s2 ON s2.s = l2 LEFT JOIN psl s3 ON s3.s = l3
      LEFT JOIN psl s4 ON s4.s = l4 LEFT JOIN qtypes q ON q.k = r.QueryType LEFT JOIN rcodes c ON c.k = r.ResponseCode)
  SELECT line AS message,
    {'category': ['network'], 'dataset': 'dns_logs', 'kind': 'event', 'type': ['info']} AS event,
    TIME AS "@timestamp",
    {'question': {'name': name,
        'registered_domain': CASE WHEN d > 0 AND n > d THEN array_to_string(lab[-(d + 1):], '.') END,
        'subdomain': CASE WHEN n > d + 1 THEN array_to_string(lab[:-(d + 2)], '.') END,
        'top_level_domain': CASE WHEN d > 0 THEN array_to_string(lab[-d:], '.') END,
        'type': qtype}, 'response_code': rcode} AS dns,
    {'type': 'dns', 'vendor': 'Cloudflare'} AS observer,
    {'hosts': [name], 'ip': [r.SourceIP]} AS related,
    {'ColoCode': r.ColoCode, 'EDNSSubnet': nullif(r.EDNSSubnet, ''), 'EDNSSubnetLength': r.EDNSSubnetLength,
      'ResponseCached': r.ResponseCached} AS cloudflare,
    {'address': r.SourceIP, 'ip': r.SourceIP} AS source
  FROM found
"""
TIME_SQL = "make_timestamp(r.Timestamp // 1000)"
_TEXT_SQL = f"strftime({TIME_SQL}, '%Y-%m-%dT%H:%M:%S.%fZ')"


def connect(threads: int = 1) -> duckdb.DuckDBPyConnection:
    """Return a connection with the tables that `EVENTS_SQL` needs."""
    connection = duckdb.connect(config={"threads": threads})
    # The reader has no row count, so these optimizers would hash the large side of joins, which is slower and
    # unordered.
    connection.execute("SET disabled_optimizers = 'build_side_probe_side,join_order'")
    connection.execute("CREATE TABLE psl(s VARCHAR, n INTEGER)")
    suffixes, labels = zip(*plain_suffix_rules(), strict=True)
    connection.execute("INSERT INTO psl SELECT unnest($1::VARCHAR[]), unnest($2::INTEGER[])", [suffixes, labels])
    for table, names in (("qtypes", QTYPE), ("rcodes", RCODE)):
        connection.execute(
            f"CREATE TABLE {table} AS SELECT unnest($1::INTEGER[]) AS k, unnest($2::VARCHAR[]) AS v",
            [list(names), list(names.values())],
        )
    return connection


_connection = connect()


def _run(path: Path, output: str) -> None:
    events = EVENTS_SQL.replace("INPUT", str(path)).replace("TIME", _TEXT_SQL)
    _connection.execute(f"COPY ({events}) TO '{output}' (FORMAT json, USE_TMP_FILE false)").fetchall()


def prepare(data: bytes) -> Path:
    return _workspace.write_input(data)


def convert(path: Path) -> None:
    _run(path, os.devnull)


def to_ndjson(data: bytes) -> bytes:
    path = prepare(data)
    _run(path, str(_workspace.output))
    path.unlink()
    return _workspace.read_output()
