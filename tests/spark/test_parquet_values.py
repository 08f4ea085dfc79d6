"""Spark finds the values of the NDJSON in Parquet files and in their folders, with each form of names."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="Parquet files are written by pyarrow")
pytest.importorskip("pyspark", reason="pyspark is not installed")

from support.parquet_rows import present, rows_of
from support.records import FULL_RECORD, LISTS, MIXED

from cfdns_fast import Normalizer
from cfdns_fast.files.layout import NAMES, Layout
from cfdns_fast.files.partitions import PartitionedOutput

pytestmark = pytest.mark.slow

DATA = b"\n".join(
    [
        MIXED,
        LISTS,
        FULL_RECORD,
        b'{"QueryName":"a.example","Timestamp":"2026-08-25T12:59:59.9999999Z"}',
        b'{"QueryName":"b.example","Timestamp":"2026-08-25T13:00:00Z"}',
        b'{"QueryName":"c.example","Timestamp":"1969-12-31T23:59:59.9999999Z"}',
        b"",
    ]
)


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize(("schema", "dataset"), [("sekoia", "dns_logs"), ("ecs", "gateway_dns")])
def test_spark_finds_the_values_of_ndjson(spark: Any, names: str, schema: str, dataset: str, tmp_path: Path) -> None:
    normalizer = Normalizer(schema, dataset=dataset)
    numbers = itertools.count()
    output = PartitionedOutput(
        normalizer, Layout(names=names), None, lambda partition: str(tmp_path / f"{next(numbers)}.tmp")
    )
    output.write(normalizer.to_arrow(DATA).output)
    for part in output.finish():
        target = tmp_path / "out" / part.partition / "part-1.parquet"
        target.parent.mkdir(parents=True)
        Path(part.path).rename(target)
    rows = [row.asDict(recursive=True) for row in spark.read.parquet(str(tmp_path / "out")).collect()]
    wanted = rows_of(normalizer.to_ndjson(DATA).output, names)
    time = "timestamp" if names == "underscore" else "@timestamp"
    for row in rows:
        date, hour = row.pop("date"), row.pop("hour")
        moment = row[time] and row[time].astimezone(UTC)
        assert (str(date), hour) == ((str(moment.date()), moment.hour) if moment else ("None", None))
    assert sorted(map(ordered, (present(row) for row in rows))) == sorted(map(ordered, wanted))


def ordered(row: dict[str, Any]) -> str:
    """Return a row as text by which rows can be sorted."""
    return json.dumps(row, sort_keys=True, default=datetime.isoformat)
