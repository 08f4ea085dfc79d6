"""Queries of Spark on the data source, and on the files that this package writes."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if find_spec("pyspark") is None:
    pytest.skip("pyspark is not installed", allow_module_level=True)

from support.clusters import records_of, write_object

from cfdns_fast import Normalizer, files
from cfdns_fast.spark import register, schema

pytestmark = pytest.mark.slow

NAMES = ("underscore", "nested", "dotted")


def logs_of(folder: Path) -> Path:
    """Return a folder with objects of three hours, among them records with problems, rejects and without a time."""
    logs = folder / "logs"
    write_object(logs, 9, 0, records_of(9, 0, 200))
    write_object(logs, 10, 59, records_of(10, 59, 700, 10**8 + 1))  # the last events are of the next hour
    write_object(logs, 12, 0, b"oops\n" + records_of(12, 0, 30) + b'{"QueryName":"no.time.","QueryType":-1}\n[]\n')
    return logs


def sorted_rows(table: Any) -> list[Any]:
    """Return the rows of a table, without the columns of its folders, in an order that does not depend on files."""
    columns = [name for name in table.column_names if name not in ("date", "hour")]
    return sorted(table.select(columns).to_pylist(), key=lambda row: row["message"])


@pytest.mark.parametrize("names", NAMES)
def test_spark_has_the_rows_of_one_machine(spark: Any, work: Path, names: str) -> None:
    logs = logs_of(work)
    layout = files.Layout(names=names)
    files.convert(logs, work / "events", layout=layout)
    expected = sorted_rows(files.dataset(work / "events").to_table())
    assert len(expected) == 931
    register(spark)
    source = spark.read.format("cloudflare_dns").option("names", names).option("group_bytes", "1").load(str(logs))
    assert sorted_rows(source.toArrow()) == expected
    stored = spark.read.parquet(str(work / "events"))
    assert sorted_rows(stored.toArrow()) == expected
    assert stored.schema.fields[:-2] == source.schema.fields == schema(Normalizer(), layout).fields


def test_folders_of_files_are_columns(spark: Any, work: Path) -> None:
    files.convert(logs_of(work), work / "events")
    frame = spark.read.schema(schema(Normalizer())).parquet(str(work / "events"))
    assert {
        (str(row.date), row.hour, row.count_) for row in frame.groupBy("date", "hour").agg(counted()).collect()
    } == {
        ("2026-08-25", 9, 200),
        ("2026-08-25", 10, 600),
        ("2026-08-25", 11, 100),
        ("2026-08-25", 12, 30),
        ("None", None, 1),
    }


def counted() -> Any:
    from pyspark.sql.functions import count

    return count("*").alias("count_")


def test_source_filters_and_columns(spark: Any, work: Path) -> None:
    logs = logs_of(work)
    register(spark)
    frame = spark.read.format("cloudflare_dns").option("message", "false").load([str(logs), str(logs / "20260825")])
    assert frame.where("timestamp >= '2026-08-25T11:00:00Z' AND dns_response_code = 'NXDomain'").count() == 2 * 26
    chosen = spark.read.format("cloudflare_dns").schema("dns_question_name string").load(str(logs))
    assert chosen.where("dns_question_name = 'no.time'").collect() == [("no.time",)]
    objects = spark.read.format("cloudflare_dns").option("rows", "objects").load(str(logs))
    assert objects.selectExpr("sum(events)", "sum(rejects)", "max(problems['field.range:QueryType'])").first() == (
        931,
        2,
        1,
    )
    rejects = spark.read.format("cloudflare_dns").option("rows", "rejects").load(str(logs))
    assert sorted((row.code, bytes(row.raw)) for row in rejects.collect()) == [
        ("json.not_object", b"[]"),
        ("json.syntax", b"oops"),
    ]


def test_source_errors_reach_the_caller(spark: Any, work: Path) -> None:
    from pyspark.errors import PySparkException

    register(spark)
    with pytest.raises(PySparkException, match="cloudflare_dns has no option mesage"):
        spark.read.format("cloudflare_dns").option("mesage", "false").load(str(logs_of(work)))
    with pytest.raises(PySparkException, match="there is no such"):
        spark.read.format("cloudflare_dns").load(str(work / "absent")).count()


def test_time_of_spark_is_that_of_the_record(spark: Any, work: Path) -> None:
    write_object(work / "logs", 9, 0, records_of(9, 0, 2))
    register(spark)
    table = spark.read.format("cloudflare_dns").load(str(work / "logs")).toArrow()
    # The second record is 1,000,001 ns later, and Spark has microseconds.
    start = datetime(2026, 8, 25, 9, tzinfo=UTC)
    assert table.column("timestamp").to_pylist() == [start, start.replace(microsecond=1000)]
