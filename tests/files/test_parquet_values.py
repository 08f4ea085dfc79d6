"""Parquet files hold the values of the NDJSON of the same input, for every reader, schema and form of names."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="Parquet files are written by pyarrow")

import pyarrow.parquet as pq
from golden import ALL_GOLDEN
from support.detectors import Found
from support.mappings import field, write_mapping
from support.parquet_rows import READERS, every_reader, read_with, rows_of
from support.records import FULL_RECORD, LISTS, MIXED

from cfdns_fast import Normalizer
from cfdns_fast.files.layout import NAMES, Layout
from cfdns_fast.files.parquet import ParquetOutput
from cfdns_fast.files.schema import schema_of
from cfdns_fast.mapping import bundled
from cfdns_fast.matching import NameTableBuilder

BUNDLED = [(schema, dataset) for dataset, schemas in bundled().items() for schema in schemas]
QUICK = [
    ("pyarrow", "underscore", "sekoia", "dns_logs"),
    ("duckdb", "nested", "ecs", "gateway_dns"),
    ("polars", "underscore", "ecs", "dns_firewall_logs"),
]
CASES = [(reader, names, *bundle) for reader in READERS for names in NAMES for bundle in BUNDLED]
#: Times before 1970 with and without digits after microseconds, and around the ends of what 64 bits hold.
TIMES = b"".join(
    b'{"QueryName":"t.example","Timestamp":%s,"Datetime":%s}\n' % (time, time)
    for time in (
        b'"1969-12-31T23:59:59.9999999Z"',
        b'"1900-01-01T00:00:00.000001Z"',
        b'"1677-09-21T00:12:43.145225Z"',
        b'"1677-09-21T00:12:43.145224Z"',
        b'"2262-04-11T23:47:16.854774999Z"',
        b'"2262-04-11T23:47:17Z"',
        b'"9999-12-31T23:59:59Z"',
        b"0",
        b"-1",
    )
)
#: Without the time at which the nanoseconds in 64 bits end: its text in NDJSON has no nanoseconds.
GOLDEN = b"\n".join(
    line for line in ALL_GOLDEN.split(b"\n") if b"922337203685477580" not in line and b"23:47:16.854775" not in line
)
SMALL = b"\n".join([MIXED, LISTS, TIMES, FULL_RECORD, b""])

every_names = pytest.mark.parametrize("names", NAMES)


def write(path: Path, normalizer: Normalizer, layout: Layout, data: bytes, pieces: int = 3) -> int:
    """Write the events of lines, which are converted in pieces."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    size = -(-len(lines) // pieces)
    with open(path, "wb") as file:
        output = ParquetOutput(file, normalizer, layout)
        for start in range(0, len(lines), size):
            output.write(normalizer.to_arrow(b"".join(lines[start : start + size])).output)
        return output.close()


@pytest.mark.parametrize(
    ("reader", "names", "schema", "dataset"),
    [pytest.param(*case, marks=[] if case in QUICK else pytest.mark.slow) for case in CASES],
)
def test_file_holds_the_values_of_ndjson(reader: str, names: str, schema: str, dataset: str, tmp_path: Path) -> None:
    normalizer = Normalizer(schema, dataset=dataset)
    data = GOLDEN + b"\n" + SMALL
    wanted = rows_of(normalizer.to_ndjson(data).output, names)
    assert len(wanted) > 100 and any(row.keys() & {"@timestamp", "timestamp", "time_dt"} for row in wanted)
    count = write(tmp_path / "a.parquet", normalizer, Layout(names=names), data)
    assert count == len(wanted)
    assert read_with(reader, tmp_path / "a.parquet") == wanted


@every_names
@every_reader
def test_file_without_fields_holds_the_others(names: str, reader: str, tmp_path: Path) -> None:
    normalizer = Normalizer("ecs")
    left_out = ("related.hosts", "related.ip", "source.address", "event.original", "@timestamp")
    write(tmp_path / "a.parquet", normalizer, Layout(names=names, without=left_out), SMALL)
    wanted = rows_of(normalizer.to_ndjson(SMALL).output, names, left_out)
    assert read_with(reader, tmp_path / "a.parquet") == wanted


@every_names
@every_reader
def test_file_without_rows_has_all_columns(names: str, reader: str, tmp_path: Path) -> None:
    normalizer = Normalizer()
    assert write(tmp_path / "a.parquet", normalizer, Layout(names=names), b"") == 0
    assert read_with(reader, tmp_path / "a.parquet") == []
    write(tmp_path / "b.parquet", normalizer, Layout(names=names), SMALL)
    schemas = [pq.read_schema(tmp_path / name) for name in ("a.parquet", "b.parquet")]
    wanted = schema_of(normalizer, Layout(names=names))
    for schema in schemas:
        # Not with the metadata of all depths: Parquet has another name for the items of a list.
        assert schema.equals(wanted) and [each.metadata for each in schema] == [each.metadata for each in wanted]


@every_names
@every_reader
def test_file_holds_detections(names: str, reader: str, tmp_path: Path) -> None:
    names_to_find = NameTableBuilder()
    names_to_find.add("example.com", metadata=7)
    normalizer = Normalizer(detect=[Found(names_to_find.build())])
    data = MIXED + b"\n" + FULL_RECORD
    found = normalizer.to_arrow(data).detections
    assert found
    write(tmp_path / "a.parquet", normalizer, Layout(names=names), data, pieces=1)
    rows = read_with(reader, tmp_path / "a.parquet")
    key = {"underscore": "cfdns_detection", "dotted": "cfdns.detection", "nested": "cfdns"}[names]
    lists = [row[key]["detection"] if names == "nested" else row[key] for row in rows]
    wanted: list[list[dict[str, int]]] = [[] for _ in rows]
    for each in found:
        numbers = {"matcher": each.matcher, "rule": each.rule, "detail": each.detail, "start": each.start}
        wanted[each.event].append(numbers | {"field": ("name", "source", "answer").index(each.field)})
    assert lists == wanted


@every_names
@every_reader
def test_file_of_any_mapping_holds_its_values(names: str, reader: str, tmp_path: Path) -> None:
    text = field(to="@timestamp", kind="timestamp", **{"from": "Timestamp"})
    text += field(to="a.b.c", kind="constant", value=[1, 2.5])
    text += field(to="a.b.d", kind="constant", value=True)
    text += field(to="a.Number", kind="integer", array=True, **{"from": "QueryType"})
    text += field(to="é-x y", kind="text", **{"from": "QueryName"})
    mapping = write_mapping(tmp_path, f'schema = "mine"\n{text}')
    normalizer = Normalizer(mapping)
    wanted = rows_of(normalizer.to_ndjson(SMALL).output, names)
    if names == "underscore":
        wanted = [{name.replace("é-x y", "__x_y"): value for name, value in row.items()} for row in wanted]
    write(tmp_path / "a.parquet", normalizer, Layout(names=names), SMALL)
    assert read_with(reader, tmp_path / "a.parquet") == wanted
