"""Events of OCSF in the folders of Amazon Security Lake, read back as its consumers read them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="Parquet files are written by pyarrow")

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from support.parquet_rows import present, row_of

from cfdns_fast import Normalizer
from cfdns_fast.files import Layout, convert, dataset

SOURCE = "ext/cloudflare-dns"
LAYOUT = Layout(names="nested", partition_by=("eventDay",))
DAY_S = 86_400
START_S = 1_787_616_000  # 2026-08-25T00:00:00Z
#: Around the end of a day, before 1970, and without a time.
TIMES = [START_S, START_S + DAY_S - 1, START_S + DAY_S, START_S + DAY_S + 3600, -1, None]
FOLDERS = {
    "20260825": TIMES[:2],
    "20260826": TIMES[2:4],
    "19691231": TIMES[4:5],
    "__HIVE_DEFAULT_PARTITION__": TIMES[5:],
}


def line(number: int, time: int | None) -> bytes:
    record: dict[str, Any] = {
        "QueryName": f"n{number}.example.com.",
        "QueryType": 1,
        "RCode": number % 4,
        "ResolvedIPs": ["192.0.2.1", "2001:db8::1"][: number % 3],
        "SrcIP": "198.51.100.7",
        "QueryCategoryIDs": [number],
    }
    if time is not None:
        record["Datetime"] = time * 10**9 + number
    return json.dumps(record).encode() + b"\n"


LINES = [line(number, time) for number, time in enumerate(TIMES * 3)]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    (folder / "logs").mkdir()
    for number in range(2):
        (folder / "logs" / f"{number}.log.gz").write_bytes(gzip.compress(b"".join(LINES[number::2])))
    output = folder / "lake" / SOURCE / "region=eu-west-1" / "accountId=123456789012"
    report = convert(
        folder / "logs",
        output,
        normalizer=Normalizer("ocsf", dataset="gateway_dns", timestamp_unit="ns"),
        layout=LAYOUT,
        state=folder / "state",
        jobs=1,
    )
    assert (report.events, report.is_complete) == (len(LINES), True)
    return folder


def wanted(lines: list[bytes]) -> list[dict[str, Any]]:
    """Return the rows of records, sorted by name."""
    events = Normalizer("ocsf", dataset="gateway_dns", timestamp_unit="ns").to_dicts(b"".join(lines)).output
    return sorted((row_of(event, "nested") for event in events), key=lambda row: row["query"]["hostname"])


def test_folders_are_those_of_security_lake(lake: Path) -> None:
    parts = [path.relative_to(lake / "lake") for path in (lake / "lake").rglob("*") if path.is_file()]
    assert {path.parent.as_posix() for path in parts} == {
        f"{SOURCE}/region=eu-west-1/accountId=123456789012/eventDay={day}" for day in FOLDERS
    }
    assert {path.suffix for path in parts} == {".parquet"}


def test_rows_of_a_day_are_its_events(lake: Path) -> None:
    partitions = pa.schema([("region", pa.string()), ("accountId", pa.string()), ("eventDay", pa.string())])
    table = ds.dataset(lake / "lake" / SOURCE, partitioning=ds.partitioning(partitions, flavor="hive"))
    for day, times in FOLDERS.items():
        column = ds.field("eventDay")
        rows = table.to_table(filter=column.is_null() if day.startswith("__") else column == day).to_pylist()
        assert {(row.pop("region"), row.pop("accountId")) for row in rows} == {("eu-west-1", "123456789012")}
        for row in rows:
            row.pop("eventDay")
        found = sorted(map(present, rows), key=lambda row: row["query"]["hostname"])
        assert found == wanted([each for each, time in zip(LINES, TIMES * 3, strict=True) if time in times])


def test_duckdb_reads_the_lake(lake: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        found = connection.sql(
            "SELECT query.hostname, time, rcode_id, observables[1].value, unmapped.QueryCategoryIDs, accountId "
            f"FROM '{lake}/lake/**/*.parquet' WHERE eventDay = '20260826' ORDER BY 1"
        ).fetchall()
    days = [(number, time) for number, time in enumerate(TIMES * 3) if time in FOLDERS["20260826"]]
    assert found == sorted(
        (f"n{number}.example.com", time * 1000, number % 4, f"n{number}.example.com", [number], 123456789012)
        for number, time in days
    )


def test_files_are_as_security_lake_asks(lake: Path) -> None:
    for path in (lake / "lake").rglob("*.parquet"):
        file = pq.ParquetFile(path)
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            columns = [group.column(index) for index in range(group.num_columns)]
            assert {each.compression for each in columns} == {"ZSTD"}
        schema = file.schema_arrow
        assert (schema.field("time").type, schema.field("time_dt").type) == (pa.int64(), pa.timestamp("us", tz="UTC"))
        assert schema.field("observables").type.value_type.field("type_id").type == pa.int64()
        assert file.read(columns=["class_uid"])["class_uid"].unique().to_pylist() == [4003]


def test_dataset_knows_the_days(lake: Path) -> None:
    output = lake / "lake" / SOURCE / "region=eu-west-1" / "accountId=123456789012"
    found = dataset(output, state=lake / "state")
    assert found.count_rows() == len(LINES)
    assert found.count_rows(filter=ds.field("eventDay") == 20260825) == 6
