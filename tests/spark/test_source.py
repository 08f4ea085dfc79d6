"""The readers of the data source, called as Spark calls them, without Spark's Java process."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if find_spec("pyspark") is None:
    pytest.skip("pyspark is not installed", allow_module_level=True)

from pyspark.sql import datasource
from pyspark.sql.types import LongType, StringType, StructField, StructType
from support.clusters import object_name, records_of, write_object

from cfdns_fast import Normalizer
from cfdns_fast.files import FilesError
from cfdns_fast.spark.source import CloudflareDns


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder with three objects of different hours, one of which has rejects, and the file that Logpush makes."""
    folder = tmp_path / "logs"
    write_object(folder, 9, 0, records_of(9, 0, 20))
    write_object(folder, 10, 0, b"oops\n" + records_of(10, 0, 30) + b'\n{"QueryType":-1,"Timestamp":1}\n[1]\n')
    write_object(folder, 12, 0, records_of(12, 0, 10))
    (folder / "test.txt.gz").write_bytes(gzip.compress(b"test"))
    return folder


def source_of(path: Path | str, **options: str) -> CloudflareDns:
    return CloudflareDns({"path": str(path), **options})


def rows(source: CloudflareDns, schema: StructType | None = None, filters: list[Any] | None = None) -> list[Any]:
    """Return the rows of a query, read as executors read them: the reader and its partitions are pickled."""
    reader = source.reader(schema or source.schema())
    if filters is not None:
        assert list(reader.pushFilters(filters)) == filters
    partitions = reader.partitions()
    assert isinstance(partitions, list)
    sent = pickle.loads(pickle.dumps((reader, partitions)))
    return [row for each in sent[1] for batch in sent[0].read(each) for row in batch.to_pylist()]


def messages(found: list[Any]) -> list[str]:
    return [row["message"] for row in found]


def lines(*objects: tuple[int, int]) -> list[str]:
    return [line for hour, count in objects for line in records_of(hour, 0, count).decode().splitlines()]


def test_batch_has_every_event_in_order(logs: Path) -> None:
    expected = [*lines((9, 20), (10, 30)), '{"QueryType":-1,"Timestamp":1}', *lines((12, 10))]
    assert messages(rows(source_of(logs))) == expected


@pytest.mark.parametrize("names", ["underscore", "nested", "dotted"])
def test_batch_has_the_schema_of_spark(logs: Path, names: str) -> None:
    from pyspark.sql.pandas.types import to_arrow_schema

    source = source_of(logs, names=names)
    reader = source.reader(source.schema())
    batch = next(reader.read(reader.partitions()[0]))
    # Spark refuses a first batch whose schema is not equal to this.
    assert to_arrow_schema(source.schema(), timezone="UTC").equals(batch.schema)


def test_batch_has_the_wanted_columns(logs: Path) -> None:
    (first, *_) = rows(source_of(logs, columns="dns.question.name,dns.response_code", names="nested"))
    assert first == {"dns": {"question": {"name": "n0.h9.m0.example.com"}, "response_code": "NoError"}}
    assert "message" not in rows(source_of(logs, message="false"))[0]


def test_schema_of_the_caller_selects_columns(logs: Path) -> None:
    wanted = StructType(
        [StructField("dns_response_code", StringType()), StructField("dns_question_name", StringType())]
    )
    (first, *_) = rows(source_of(logs), wanted)
    assert list(first.items()) == [("dns_response_code", "NoError"), ("dns_question_name", "n0.h9.m0.example.com")]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (StructField("absent", StringType()), "no column absent"),
        (StructField("dns_question_name", LongType()), "dns_question_name of cloudflare_dns is string, not bigint"),
    ],
)
def test_wrong_schema_is_named(logs: Path, field: StructField, message: str) -> None:
    with pytest.raises(FilesError, match=message):
        source_of(logs).reader(StructType([field]))


def test_rejects_are_rows_of_their_own(logs: Path) -> None:
    found = rows(source_of(logs, rows="rejects"))
    name = f"{logs}/{object_name(10)}"
    assert [(row["input"], row["line"], row["code"], row["raw"]) for row in found] == [
        (name, 1, "json.syntax", b"oops"),
        (name, 34, "json.not_object", b"[1]"),
    ]


def test_objects_count_records(logs: Path) -> None:
    found = rows(source_of(logs, rows="objects"))
    assert [row["input"] for row in found] == [f"{logs}/{object_name(hour)}" for hour in (9, 10, 12)]
    assert [(row["events"], row["rejects"], row["blank"], row["fault"]) for row in found] == [
        (20, 0, 0, None),
        (31, 2, 1, None),
        (10, 0, 0, None),
    ]
    assert found[1]["problems"] == [("field.range:QueryType", 1)]
    assert all(row["size_bytes"] and row["etag"] for row in found)


def test_group_bytes_divides_the_objects(logs: Path) -> None:
    source = source_of(logs, group_bytes="1")
    assert len(source.reader(source.schema()).partitions()) == 3
    assert len(rows(source)) == 61


def at(hour: int) -> datetime:
    return datetime(2026, 8, 25, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "taken"),
    [({}, [9, 10]), ({"slack_s": "0"}, [9]), ({"slack_s": "7201"}, [9, 10, 12]), ({"names": "dotted"}, [9, 10])],
)
def test_filter_on_time_leaves_out_objects(logs: Path, options: dict[str, str], taken: list[int]) -> None:
    column = "@timestamp" if "names" in options else "timestamp"
    filters = [datasource.LessThan((column,), at(10) - timedelta(seconds=1))]
    found = rows(source_of(logs, **options), filters=filters)
    counts = {9: 20, 10: 31, 12: 10}
    assert len(found) == sum(counts[hour] for hour in taken)


def test_rows_of_rejects_ignore_filters(logs: Path) -> None:
    filters = [datasource.LessThan(("timestamp",), at(3))]
    assert len(rows(source_of(logs, rows="objects"), filters=filters)) == 3


def test_reader_without_pushdown_takes_no_filters(logs: Path) -> None:
    reader = source_of(logs, pushdown="false").reader(source_of(logs).schema())
    # Spark compares the method, to know whether the setting for filters must be on.
    assert reader.pushFilters.__func__ is datasource.DataSourceReader.pushFilters  # type: ignore[attr-defined]


def test_filters_that_leave_nothing_give_no_rows(logs: Path) -> None:
    assert rows(source_of(logs), filters=[datasource.LessThan(("timestamp",), at(3))]) == []


@pytest.fixture
def cut(logs: Path) -> Path:
    """The folder with one object cut in the middle."""
    path = logs / object_name(10)
    path.write_bytes(path.read_bytes()[:-30])
    return logs


def test_truncated_object_fails_the_query(cut: Path) -> None:
    with pytest.raises(FilesError, match=r"0a0000\.log\.gz: truncated gzip") as caught:
        rows(source_of(cut))
    assert caught.value.code == "spark.fault"


def test_truncated_object_gives_its_complete_records(cut: Path) -> None:
    found = messages(rows(source_of(cut, faults="keep")))
    assert len(found) > 30
    assert found == [*lines((9, 20)), *lines((10, 30))[: len(found) - 30], *lines((12, 10))]


def test_faults_are_counted_by_object(cut: Path) -> None:
    found = rows(source_of(cut, rows="objects"))
    assert [row["fault"] is not None for row in found] == [False, True, False]
    assert "truncated gzip" in found[1]["fault"]


@pytest.mark.parametrize("change", ["changed", "removed"])
def test_object_changed_after_planning_fails(logs: Path, change: str) -> None:
    source = source_of(logs)
    reader = source.reader(source.schema())
    (partition,) = reader.partitions()
    path = logs / object_name(12)
    path.unlink()
    if change == "changed":
        write_object(logs, 12, 0, records_of(12, 1, 10))
    with pytest.raises(FilesError) as caught:
        list(reader.read(partition))
    assert caught.value.code == "spark.fault"


def test_missing_path_is_an_error(tmp_path: Path) -> None:
    source = source_of(tmp_path / "absent")
    with pytest.raises(FilesError):
        source.reader(source.schema()).partitions()


# Streams


def stream_of(logs: Path, state: Path, **options: str) -> Any:
    source = source_of(logs, state=str(state), **options)
    return source.streamReader(source.schema())


def offset(reader: Any, step: int) -> dict[str, Any]:
    """Return what Spark has in its checkpoint for a step that exists."""
    return {"step": step, "mark": reader._extended().mark(step)}


def offsets(reader: Any, start: int) -> Iterator[int]:
    """Yield the steps that Spark gets, one for each micro-batch, until nothing is new."""
    limit = reader.getDefaultReadLimit()
    before = offset(reader, start)
    while (end := reader.latestOffset(before, limit)) != before:
        yield end["step"]
        before = end


def read_step(reader: Any, start: int, end: int) -> list[str]:
    partitions = reader.partitions(offset(reader, start), offset(reader, end))
    return messages([row for each in partitions for batch in reader.read(each) for row in batch.to_pylist()])


def test_stream_gives_each_object_once(logs: Path, tmp_path: Path) -> None:
    reader = stream_of(logs, tmp_path / "journal")
    assert reader.initialOffset() == offset(reader, 0)
    assert list(offsets(reader, 0)) == [1]
    assert len(read_step(reader, 0, 1)) == 61
    write_object(logs, 3, 0, records_of(3, 0, 5))  # a late one
    assert list(offsets(reader, 1)) == [2]
    assert read_step(reader, 1, 2) == lines((3, 5))
    assert list(offsets(reader, 2)) == []


def test_stream_repeats_a_step_after_a_restart(logs: Path, tmp_path: Path) -> None:
    before = stream_of(logs, tmp_path / "journal", max_bytes="1")
    assert list(offsets(before, 0)) == [1, 2, 3]
    write_object(logs, 3, 0, records_of(3, 0, 5))
    after = stream_of(logs, tmp_path / "journal", max_bytes="1000000")
    for step in range(3):
        assert read_step(after, step, step + 1) == read_step(before, step, step + 1)
    assert list(offsets(after, 3)) == [4]


def test_stream_without_a_limit_takes_all(logs: Path, tmp_path: Path) -> None:
    from pyspark.sql.streaming.datasource import ReadAllAvailable

    reader = stream_of(logs, tmp_path / "journal", max_bytes="1")
    assert reader.latestOffset(reader.initialOffset(), ReadAllAvailable())["step"] == 3


def test_available_now_ends_at_what_exists(logs: Path, tmp_path: Path) -> None:
    reader = stream_of(logs, tmp_path / "journal", max_bytes="1")
    reader.prepareForTriggerAvailableNow()
    write_object(logs, 3, 0, records_of(3, 0, 5))
    assert list(offsets(reader, 0)) == [1, 2, 3]


def test_stream_of_older_spark_takes_all(logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfdns_fast.spark.stream.ReadMaxBytes", object)
    reader = stream_of(logs, tmp_path / "journal", max_bytes="1")
    assert reader.latestOffset()["step"] == 3
    assert len(read_step(reader, 0, 3)) == 61


@pytest.mark.parametrize("lost", ["all", "first", "last"])
def test_stream_refuses_another_journal(logs: Path, tmp_path: Path, lost: str) -> None:
    """The objects of its steps would be other ones, and new objects in steps that were read before would be lost."""
    state = tmp_path / "journal"
    reader = stream_of(logs, state, max_bytes="1")
    assert list(offsets(reader, 0)) == [1, 2, 3]
    start, end = offset(reader, 2), offset(reader, 3)
    steps = sorted(state.glob("*.gz"))
    for path in {"all": steps, "first": steps[:1], "last": steps[1:]}[lost]:
        path.unlink()
    write_object(logs, 3, 0, records_of(3, 0, 5))
    after = stream_of(logs, state, max_bytes="1")
    for call in (
        lambda: after.partitions(start, end),
        lambda: after.latestOffset(end, after.getDefaultReadLimit()),
    ):
        with pytest.raises(FilesError, match="not the journal of the checkpoint") as caught:
            call()
        assert caught.value.code == "spark.state"


def test_stream_goes_on_without_any_object(logs: Path, tmp_path: Path) -> None:
    """Objects may be deleted once they were read; a stream that begins with nothing has a wrong path."""
    reader = stream_of(logs, tmp_path / "journal")
    assert list(offsets(reader, 0)) == [1]
    for path in logs.rglob("*.gz"):
        path.unlink()
    assert list(offsets(reader, 1)) == []
    with pytest.raises(FilesError, match="has no files"):
        stream_of(logs, tmp_path / "new")._extended()


def test_stream_names_a_source_that_is_gone(logs: Path, tmp_path: Path) -> None:
    before = stream_of(logs, tmp_path / "journal")
    assert list(offsets(before, 0)) == [1]
    write_object(tmp_path / "other", 3, 0, records_of(3, 0, 1))
    after = stream_of(tmp_path / "other", tmp_path / "journal")
    with pytest.raises(FilesError, match=f"has objects of {logs}, which is not read now") as caught:
        after.partitions(after.initialOffset(), offset(after, 1))
    assert caught.value.code == "spark.state"


def test_stream_needs_a_journal(logs: Path) -> None:
    source = source_of(logs)
    with pytest.raises(FilesError, match="needs the option state"):
        source.streamReader(source.schema())


def test_converter_is_that_of_the_package(logs: Path) -> None:
    (first, *_) = rows(source_of(logs, names="dotted"))
    expected = Normalizer().to_arrow(records_of(9, 0, 20)).output.slice(0, 1).to_pylist()[0]
    assert {name: value for name, value in first.items() if name != "@timestamp"} == {
        name: value for name, value in expected.items() if name != "@timestamp"
    }
