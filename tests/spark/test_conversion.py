"""`convert` on Spark writes what it writes on one machine, also when tasks die, run twice, and the driver is killed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if find_spec("pyspark") is None:
    pytest.skip("pyspark is not installed", allow_module_level=True)

from support.clusters import records_of, write_object
from support.faulty_normalizer import DENIED, FaultyNormalizer, KillingNormalizer, RefusedNormalizer
from support.object_servers import Bucket, bucket_environment

from cfdns_fast import Normalizer, files
from cfdns_fast.spark import conversion, convert, register

pytestmark = pytest.mark.slow


def logs_of(folder: Path, hours: int = 6) -> Path:
    logs = folder / "logs"
    for hour in range(hours):
        write_object(logs, hour, 0, b"oops\n" * hour + records_of(hour, 0, 100))
        write_object(logs, hour, 1, records_of(hour, 1, 100))
    return logs


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of an output, without its state."""
    paths = [path for path in folder.rglob("*") if path.is_file() and "_cfdns" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def counted(report: files.Report) -> dict[str, Any]:
    return {name: value for name, value in report.as_dict().items() if name != "seconds"}


def test_spark_writes_the_files_of_one_machine(spark: Any, work: Path) -> None:
    logs = logs_of(work)
    normalizer = Normalizer(keep_message=False)
    expected = files.convert(logs, work / "one", normalizer=normalizer, rejects=work / "one_rejects")
    report = convert(spark, logs, work / "two", normalizer=normalizer, rejects=work / "two_rejects")
    assert counted(report) == counted(expected)
    assert report.events == 1200 and report.rejects == {"json.syntax": 15}
    assert contents(work / "two") == contents(work / "one")
    assert contents(work / "two_rejects") == contents(work / "one_rejects")
    assert convert(spark, logs, work / "two", normalizer=normalizer).tasks == 0


def test_spark_reports_what_the_planning_saw(spark: Any, work: Path) -> None:
    """Objects that have changed make the report incomplete, also if no task is left."""
    logs = logs_of(work, hours=1)
    convert(spark, logs, work / "two")
    files.convert(logs, work / "one")
    path = write_object(logs, 0, 0, records_of(0, 0, 7))
    write_object(logs, 0, 2, b"").write_bytes(b"")
    (logs / "test.txt.gz").write_bytes(path.read_bytes())
    report = convert(spark, logs, work / "two")
    assert counted(report) == counted(files.convert(logs, work / "one"))
    assert (report.tasks, report.fault_count, sum(report.skipped.values())) == (0, 1, 2)


def test_frame_gives_the_same_as_a_context(spark: Any, work: Path) -> None:
    """The client of Spark Connect has frames only. Each task is one partition."""
    logs = logs_of(work)

    class Client:
        createDataFrame = spark.createDataFrame

    files.convert(logs, work / "one")
    report = convert(Client(), logs, work / "two")  # type: ignore[arg-type]
    assert (report.tasks, report.events) == (6, 1200)
    assert contents(work / "two") == contents(work / "one")


def test_spark_refuses_what_one_machine_refuses(spark: Any, work: Path) -> None:
    logs = logs_of(work, hours=1)
    with pytest.raises(files.FilesError) as caught:
        convert(spark, logs, work / "events", rejects=work / "events" / "rejects")
    assert caught.value.code == "files.inside"
    with pytest.raises(TypeError, match="table"):
        convert(spark, logs, work / "events", table="delta")


def test_spark_continues_what_one_machine_began(spark: Any, work: Path) -> None:
    logs = logs_of(work, hours=2)
    files.convert(logs, work / "events")
    logs_of(work, hours=4)
    report = convert(spark, logs, str(work / "events"))
    assert (report.tasks, report.events) == (2, 400)
    assert files.status(work / "events").tasks_left == 0
    assert files.dataset(work / "events").count_rows() == 800


def test_spark_reports_faults(spark: Any, work: Path) -> None:
    logs = logs_of(work, hours=2)
    path = next(logs.rglob("*.gz"))
    path.write_bytes(path.read_bytes()[:-20])
    expected = files.convert(logs, work / "one")
    report = convert(spark, logs, work / "two")
    assert counted(report) == counted(expected)
    assert [(fault.input, fault.fault) for fault in report.faults] == [(str(path), "truncated")]
    assert not report.is_complete
    # A run that was killed has not reported them, so each later one does.
    assert counted(convert(spark, logs, work / "two")) == counted(files.convert(logs, work / "one"))
    again = convert(spark, logs, work / "two", retry_faults=True)
    assert (again.tasks, again.fault_count, again.known_fault_count) == (1, 1, 0)


def test_task_that_dies_is_repeated(spark: Any, work: Path) -> None:
    logs = logs_of(work)
    expected = files.convert(logs, work / "one")
    faults = work / "faults"
    faults.mkdir()
    (faults / "kill").touch()
    report = convert(spark, logs, work / "two", normalizer=FaultyNormalizer(faults))
    assert [path.name.partition(".")[0] for path in faults.iterdir()] == ["kill"]
    assert not (faults / "kill").exists()
    assert counted(report) == counted(expected)
    assert contents(work / "two") == contents(work / "one")


def test_task_that_runs_twice_at_once_is_harmless(spark: Any, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spark speculates on other hosts only, so here the plan has each task twice."""
    logs = logs_of(work)
    files.convert(logs, work / "one", rejects=work / "one_rejects")
    tasks_of = conversion._tasks_of
    monkeypatch.setattr(conversion, "_tasks_of", lambda planned: doubled(tasks_of(planned)))
    report = convert(spark, logs, work / "two", rejects=work / "two_rejects")
    assert report.events == 2400
    assert contents(work / "two") == contents(work / "one")
    assert contents(work / "two_rejects") == contents(work / "one_rejects")
    assert files.dataset(work / "two").count_rows() == 1200


def test_spark_reads_and_writes_buckets(
    spark: Any, work: Path, moto_store: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bucket_environment(moto_store.endpoint).items():
        monkeypatch.setenv(name, value)
    files.convert(logs_of(work, hours=2), work / "one")
    options = files.StoreOptions(endpoint_url=moto_store.endpoint, region="us-east-1")
    store = files.open_store(f"{moto_store.url}/spark/logs", options)
    for path in (work / "logs").rglob("*.gz"):
        store.put(path.relative_to(work / "logs").as_posix(), path.read_bytes())
    source, output = f"{moto_store.url}/spark/logs/", f"{moto_store.url}/spark/events/"
    report = convert(spark, source, output, store_options=options, output_store_options=options)
    assert report.events == 400
    written = files.open_store(output, options)
    names = [entry.key for entry in written.list() if not entry.key.startswith("_cfdns/")]
    assert {name: written.read(name) for name in names} == contents(work / "one")
    register(spark)
    reader = spark.read.format("cloudflare_dns").option("endpoint_url", moto_store.endpoint)
    assert reader.option("region", "us-east-1").load(source).count() == 400


def doubled(tasks: Iterable[files.Task]) -> list[files.Task]:
    """Return each task twice, one after the other, so that two workers take them at the same time."""
    return [task for task in tasks for _ in range(2)]


def test_task_that_fails_always_is_a_failure(spark: Any, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tasks go on. Here the state of the first one is lost."""
    tasks_of = conversion._tasks_of

    def with_lost_state(planned: Any) -> list[files.Task]:
        first, *others = tasks_of(planned)
        return [replace(first, state=f"{work}/absent/"), *others]

    monkeypatch.setattr(conversion, "_tasks_of", with_lost_state)
    (work / "absent").mkdir()
    report = convert(spark, logs_of(work, hours=2), work / "events")
    assert [failure.code for failure in report.failures] == ["files.state"]
    assert (report.events, report.tasks, report.tasks_left, report.is_complete) == (200, 1, 1, False)


@pytest.mark.parametrize(("normalizer", "reason"), [(KillingNormalizer(), ""), (RefusedNormalizer(), DENIED)])
def test_task_that_never_ends_well_is_an_error(spark: Any, work: Path, normalizer: Normalizer, reason: str) -> None:
    with pytest.raises(files.FilesError, match=f"{reason}.*next call continues") as caught:
        convert(spark, logs_of(work, hours=1), work / "events", normalizer=normalizer)
    assert caught.value.code == "spark.task"
