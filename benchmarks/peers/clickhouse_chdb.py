"""chdb, ClickHouse in this process: lines as text, one SELECT, JSONEachRow; one thread and one connection for all runs.

The registered domain is that of cutToFirstSignificantSubdomain, which has its own suffix list; the top-level domain is
the registered domain without its first label. `@timestamp` always has six digits.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import chdb

from .common import EPOCH_VARIANTS, QTYPE, RCODE, Workspace

NAME = "chdb (ClickHouse)"
LIBRARY = "chdb"
VERSION = version("chdb")
VARIANTS = EPOCH_VARIANTS

_workspace = Workspace("chdb")
_connection = chdb.connect(":memory:")  # type: ignore[no-untyped-call]
# ClickHouse installs handlers of fatal signals that hang for minutes in a Python process. Restore the default handlers,
# so that a crash ends the process and prints a traceback.
faulthandler.disable()
for _name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"):
    if hasattr(signal, _name):
        signal.signal(getattr(signal, _name), signal.SIG_DFL)
faulthandler.enable(file=2)


def _array(values: Iterable[object]) -> str:
    return "[" + ",".join(repr(value) for value in values) + "]"


_SQL = f"""
SELECT line AS message,
  CAST((['network'], 'dns_logs', 'event', ['info']),
    'Tuple(category Array(String), dataset String, kind String, type Array(String))') AS event,
  concat(formatDateTime(fromUnixTimestamp64Micro(intDiv(r.9, 1000), 'UTC'), '%Y-%m-%dT%H:%i:%S.%f'), 'Z')
    AS `@timestamp`,
  CAST(((name, nullIf(reg, ''), nullIf(if(length(name) > length(reg) + 1 AND reg != '',
      left(name, length(name) - length(reg) - 1), ''), ''),
      nullIf(if(reg != '', substring(reg, position(reg, '.') + 1), ''), ''),
      transform(r.5, {_array(QTYPE)}, {_array(QTYPE.values())}, NULL)),
      transform(r.7, {_array(RCODE)}, {_array(RCODE.values())}, NULL)),
    'Tuple(question Tuple(name String, registered_domain Nullable(String), subdomain Nullable(String),
      top_level_domain Nullable(String), type Nullable(String)), response_code Nullable(String))') AS dns,
  CAST(('dns', 'Cloudflare'), 'Tuple(type String, vendor String)') AS observer,
  CAST(([name], [r.8]), 'Tuple(hosts Array(String), ip Array(String))') AS related,
  CAST((r.1, nullIf(r.2, ''), r.3, r.6),
    'Tuple(ColoCode String, EDNSSubnet Nullable(String), EDNSSubnetLength Int32, ResponseCached Bool)') AS cloudflare,
  CAST((r.8, r.8), 'Tuple(address String, ip String)') AS source
FROM (
  SELECT line, r, trimBoth(r.4, '.') AS name, right(name, length(cutToFirstSignificantSubdomain(lower(name)))) AS reg
  FROM (SELECT line, JSONExtract(line, 'Tuple(ColoCode String, EDNSSubnet String, EDNSSubnetLength Int32,
      QueryName String, QueryType Int32, ResponseCached Bool, ResponseCode Int32, SourceIP String, Timestamp Int64)')
      AS r
    FROM file('INPUT', 'LineAsString')))
INTO OUTFILE 'OUTPUT' TRUNCATE FORMAT JSONEachRow
SETTINGS max_threads = 1, max_parsing_threads = 1, max_insert_threads = 1, output_format_json_quote_64bit_integers = 0,
  output_format_json_skip_null_value_in_named_tuples = 1, output_format_json_escape_forward_slashes = 0,
  output_format_json_named_tuples_as_objects = 1, output_format_parallel_formatting = 0,
  input_format_parallel_parsing = 0
"""


def _run(path: Path, output: str) -> None:
    _connection.query(_SQL.replace("INPUT", str(path)).replace("OUTPUT", output), "CSV")


def prepare(data: bytes) -> Path:
    return _workspace.write_input(data)


def convert(path: Path) -> None:
    _run(path, os.devnull)


def to_ndjson(data: bytes) -> bytes:
    path = prepare(data)
    _run(path, str(_workspace.output))
    path.unlink()
    return _workspace.read_output()
