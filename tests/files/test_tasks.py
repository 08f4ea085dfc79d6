"""Running tasks from other processes, and what is read from outputs: datasets, status, Delta."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from support.backfills import content_hash, fill, messages_of, object_name, object_of, records_of
from support.processes import run_python

from cfdns_fast import Normalizer
from cfdns_fast.files import (
    FilesError,
    Layout,
    TaskReport,
    convert,
    dataset,
    open_store,
    plan,
    run_task,
    status,
)
from cfdns_fast.files.state import State

pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")

EXPECTED = 9 * 20


@pytest.fixture
def source(tmp_path: Path) -> str:
    fill(tmp_path / "in", range(9))
    return str(tmp_path / "in")


def all_records(count: int = 9) -> list[str]:
    return [line.decode() for number in range(count) for line in records_of(number, 20)]


def test_run_task_needs_no_options(tmp_path: Path, source: str) -> None:
    """They are in the state; a scheduler passes the task alone."""
    layout = Layout(names="nested", partition_by=("date",))
    normalizer = Normalizer(private_suffixes=True)
    tasks = plan(source, tmp_path / "out", normalizer=normalizer, layout=layout)
    for task in tasks:
        report = run_task(pickle.loads(pickle.dumps(task)))
        assert report.events == 60 and not report.faults
        assert TaskReport.from_dict(json.loads(json.dumps(report.as_dict()))) == report
    assert content_hash(messages_of(tmp_path / "out", "date=*/*.parquet")) == content_hash(all_records())
    assert plan(source, tmp_path / "out", normalizer=normalizer, layout=layout) == []


def test_run_task_equals_convert(tmp_path: Path, source: str) -> None:
    for task in reversed(plan(source, tmp_path / "one")):
        run_task(task)
    convert(source, tmp_path / "two")

    def files(name: str) -> dict[str, bytes]:
        folder = tmp_path / name
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("date=*/**/*.parquet")}

    assert files("one") == files("two")
    assert len(files("one")) == 6


def test_other_mapping_file_is_not_a_task(tmp_path: Path, source: str) -> None:
    (task, *_) = plan(source, tmp_path / "out")
    (tmp_path / "out" / "_cfdns" / "head.json").unlink()
    with pytest.raises(FilesError, match="holds no state"):
        run_task(task)


@pytest.mark.slow
def test_tasks_run_in_other_processes(tmp_path: Path, source: str) -> None:
    tasks = plan(source, tmp_path / "out")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        reports = list(pool.map(run_task, tasks))
    assert sum(report.events for report in reports) == EXPECTED
    assert content_hash(messages_of(tmp_path / "out")) == content_hash(all_records())


def test_rejects_have_a_file_per_task(tmp_path: Path) -> None:
    import gzip

    fill(tmp_path / "in", range(6))
    path = tmp_path / "in" / object_name(1)
    path.write_bytes(gzip.compress(b"bad\n" + gzip.decompress(object_of(1)) + b"\xff\n" + b"x" * 200_000))
    report = convert(tmp_path / "in", tmp_path / "out", rejects=tmp_path / "rejects")
    assert report.rejects == {"json.syntax": 2, "json.utf8": 1}
    assert (report.events, report.is_complete) == (6 * 20, True)
    (file,) = (tmp_path / "rejects").iterdir()
    assert file.name.endswith(".ndjson.gz")
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert [line["input"] for line in lines] == [str(path)] * 3
    assert [(line["code"], line["line"]) for line in lines] == [
        ("json.syntax", 1),
        ("json.utf8", 22),
        ("json.syntax", 23),
    ]
    assert [line.get("raw", "")[:3] for line in lines] == ["bad", "", "xxx"]
    assert len(lines[2]["raw"]) == 200_000
    # A task that runs again without rejects has no file of them.
    path.write_bytes(object_of(1))
    report = convert(tmp_path / "in", tmp_path / "out", rejects=tmp_path / "rejects", changed="reconvert")
    assert (report.tasks, list((tmp_path / "rejects").iterdir())) == (1, [])


def test_rejects_inside_the_output_are_refused(tmp_path: Path, source: str) -> None:
    for option in ("rejects", "state"):
        folders: dict[str, Any] = {option: tmp_path / "out" / option}
        with pytest.raises(FilesError, match=f"for the {option} is inside the output"):
            convert(source, tmp_path / "out", **folders)
    assert convert(source, tmp_path / "out", rejects=tmp_path / "out" / "_rejects").is_complete


def test_normalizer_of_a_task_must_fit(tmp_path: Path, source: str) -> None:
    (task, *_) = plan(source, tmp_path / "out")
    with pytest.raises(FilesError, match='schema "sekoia", not "ecs"'):
        run_task(task, normalizer=Normalizer("ecs"))


def test_options_of_later_versions_have_defaults(tmp_path: Path, source: str) -> None:
    """A state of an earlier version lacks options that this one has."""
    plan(source, tmp_path / "out")
    path = tmp_path / "out" / "_cfdns" / "head.json"
    head = json.loads(path.read_text())
    del head["normalizer"]["max_record_bytes"], head["layout"]["without"]
    path.write_text(json.dumps(head))
    assert convert(source, tmp_path / "out", layout=Layout(compression_level=3)).is_complete


def test_dataset_has_tasks_that_are_done(tmp_path: Path, source: str) -> None:
    tasks = plan(source, tmp_path / "out")
    run_task(tasks[0])
    run_task(tasks[1])
    # The outputs of a task that is not done, as after a kill.
    run_task(tasks[2])
    (tmp_path / "out" / "_cfdns" / "done" / tasks[2].id.rsplit("-", 2)[0] / f"{tasks[2].id}.json").unlink()
    assert len(messages_of(tmp_path / "out")) == 180
    found = dataset(tmp_path / "out")
    assert sorted(found.to_table(columns=["message"])["message"].to_pylist()) == sorted(all_records(6))
    assert [name for name in found.schema.names if name in ("date", "hour")] == ["date", "hour"]


def test_dataset_has_partitions(tmp_path: Path, source: str) -> None:
    import pyarrow.compute

    convert(source, tmp_path / "out")
    found = dataset(tmp_path / "out")
    chosen = (pyarrow.compute.field("hour") == 23) & (pyarrow.compute.field("date") == "2026-08-25")
    table = found.to_table(filter=chosen)
    assert table.num_rows == 60
    assert len(list(found.get_fragments(filter=chosen))) == 2


def test_dataset_of_other_formats_is_refused(tmp_path: Path, source: str) -> None:
    convert(source, tmp_path / "out", format="ndjson")
    with pytest.raises(FilesError, match="holds ndjson files, not Parquet"):
        dataset(tmp_path / "out")
    with pytest.raises(FilesError, match="holds no state"):
        dataset(source)


def test_status_tells_what_is_left(tmp_path: Path, source: str) -> None:
    tasks = plan(source, tmp_path / "out")
    run_task(tasks[0])
    found = status(tmp_path / "out")
    assert (found.tasks, found.tasks_left, found.objects, found.objects_left) == (3, 2, 9, 6)
    assert (found.events, found.files, found.first_hour, found.last_hour) == (60, 2, "20260825T22", "20260826T00")
    assert found.size_bytes == sum(task.size_bytes for task in tasks)
    assert found.options["format"] == "parquet"
    assert json.loads(json.dumps(found.as_dict()))["tasks_left"] == 2
    with pytest.raises(FilesError, match="holds no state"):
        status(source)


@pytest.mark.parametrize("format", ["ndjson", "ndjson.gz", "ndjson.zst"])
def test_ndjson_has_the_names_of_the_inputs(tmp_path: Path, source: str, format: str) -> None:
    if format == "ndjson.zst":
        pytest.importorskip("backports.zstd", reason="zstd needs a library")
    from cfdns_fast.io import read_plain

    report = convert(source, tmp_path / "out", format=format)
    assert (report.files, report.events) == (9, EXPECTED)
    for number in range(9):
        path = tmp_path / "out" / object_name(number).replace(".log.gz", f".{format}")
        lines = b"".join(read_plain(str(path))).splitlines()
        assert [json.loads(line)["message"].encode() for line in lines] == records_of(number, 20)
    # Patterns of readers also match in hidden folders.
    assert len([*(tmp_path / "out").glob(f"**/*.{format}")]) == 9


@pytest.mark.parametrize(("format", "absent"), [("ndjson", ("pyarrow", "obstore")), ("parquet", ("pandas",))])
def test_folders_need_few_libraries(tmp_path: Path, source: str, format: str, absent: tuple[str, ...]) -> None:
    """NDJSON needs none of the optional ones, and pyarrow must not import pandas, which takes 0.3 s."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent!r})) if {format!r} == 'ndjson' else None\n"
        f"from cfdns_fast.files import convert\n"
        f"report = convert({source!r}, {str(tmp_path / 'out')!r}, format={format!r})\n"
        f"sys.exit(report.events != {EXPECTED} or any(sys.modules.get(name) for name in {absent!r}))"
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr


def test_options_of_a_normalizer_make_it_again() -> None:
    normalizer = Normalizer("ecs", private_suffixes=True, max_record_bytes=1000)
    assert Normalizer(**normalizer.options).options == normalizer.options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "csv"}, "format must be one of"),
        ({"shard": (2, 2)}, "shard must be"),
        ({"jobs": 0}, "jobs must be"),
        ({"group_bytes": 0}, "group_bytes must be"),
        ({"duplicates": "no"}, "duplicates must be one of"),
        ({"changed": "no"}, "changed must be one of"),
        ({"table": "delta", "format": "ndjson"}, "table is for"),
        ({"normalizer": Normalizer(on_reject="raise")}, "on_reject must be 'collect'"),
        ({"since": "soon"}, "is not a date"),
    ],
)
def test_bad_option_is_refused(tmp_path: Path, source: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, FilesError), match=words):
        convert(source, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


# Delta


@pytest.fixture
def delta() -> Any:
    pytest.importorskip("deltalake", reason="Delta tables need deltalake")
    import deltalake

    return deltalake


def delta_messages(delta: Any, output: Path) -> list[str]:
    found: list[str] = delta.DeltaTable(output).to_pyarrow_table(columns=["message"])["message"].to_pylist()
    return found


def test_delta_table_has_every_event(tmp_path: Path, source: str, delta: Any) -> None:
    report = convert(source, tmp_path / "out", table="delta")
    assert report.is_complete
    table = delta.DeltaTable(tmp_path / "out")
    assert sorted(delta_messages(delta, tmp_path / "out")) == sorted(all_records())
    assert table.metadata().partition_columns == ["date", "hour"]
    hours = table.to_pyarrow_table(columns=["hour"])["hour"].to_pylist()
    assert [hours.count(hour) for hour in (21, 22, 23, 0)] == [6, 60, 60, 54]
    version = table.version()
    # Nothing is committed again.
    assert convert(source, tmp_path / "out", table="delta").tasks == 0
    assert delta.DeltaTable(tmp_path / "out").version() == version


@pytest.mark.slow
def test_delta_table_is_read_by_polars(tmp_path: Path, source: str, delta: Any) -> None:
    polars = pytest.importorskip("polars", reason="not installed")
    convert(source, tmp_path / "out", table="delta")
    frame = polars.scan_delta(str(tmp_path / "out")).select("message", "hour").collect()
    assert sorted(frame["message"].to_list()) == sorted(all_records())
    assert set(frame["hour"].to_list()) == {21, 22, 23, 0}


@pytest.mark.slow
def test_tasks_of_others_are_committed_later(tmp_path: Path, source: str, delta: Any) -> None:
    """After a kill between a done record and the commit, or after tasks on a cluster."""
    for task in plan(source, tmp_path / "out"):
        run_task(task)
    assert convert(source, tmp_path / "out", table="delta").tasks == 0
    assert sorted(delta_messages(delta, tmp_path / "out")) == sorted(all_records())


@pytest.mark.slow
def test_table_that_begins_later_has_every_event(tmp_path: Path, source: str, delta: Any) -> None:
    """Also those of a task that another one has replaced."""
    convert(source, tmp_path / "out")
    path = tmp_path / "in" / object_name(1)
    path.write_bytes(object_of(1, 30))
    convert(source, tmp_path / "out", changed="reconvert")
    assert convert(source, tmp_path / "out", table="delta").tasks == 0
    assert delta_messages(delta, tmp_path / "out") != []
    expected = content_hash(messages_of(tmp_path / "out"))
    assert content_hash(delta_messages(delta, tmp_path / "out")) == expected


def test_table_of_delta_needs_the_option(tmp_path: Path, source: str, delta: Any) -> None:
    convert(source, tmp_path / "out", table="delta")
    with pytest.raises(FilesError, match="is a Delta table, so every run needs --table delta"):
        convert(source, tmp_path / "out")
    # Tasks may still run on a cluster; the next call commits them.
    fill(tmp_path / "in", range(12, 13))
    for task in plan(source, tmp_path / "out"):
        run_task(task)
    assert convert(source, tmp_path / "out", table="delta").tasks == 0
    assert len(delta_messages(delta, tmp_path / "out")) == 200


@pytest.mark.slow
def test_task_that_ran_again_is_committed_again(tmp_path: Path, source: str, delta: Any) -> None:
    """A file with more events has another size in the log."""
    path = Path(source) / object_name(1)
    hidden = tmp_path / "hidden"
    plan(source, tmp_path / "out")
    path.rename(hidden)
    assert convert(source, tmp_path / "out", table="delta").fault_count == 1
    assert len(delta_messages(delta, tmp_path / "out")) == 160
    hidden.rename(path)
    assert convert(source, tmp_path / "out", table="delta", retry_faults=True).is_complete
    assert sorted(delta_messages(delta, tmp_path / "out")) == sorted(all_records())
    assert not State(open_store(f"{tmp_path}/out/_cfdns")).uncommitted()


@pytest.mark.slow
def test_compacted_table_gets_no_event_again(tmp_path: Path, source: str, delta: Any) -> None:
    convert(source, tmp_path / "out", table="delta")
    delta.DeltaTable(tmp_path / "out").optimize.compact()
    convert(source, tmp_path / "out", table="delta")
    assert sorted(delta_messages(delta, tmp_path / "out")) == sorted(all_records())


@pytest.mark.slow
def test_commit_that_another_run_refuses_is_repeated(
    tmp_path: Path, source: str, delta: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run commits the same tasks between the reading of the table and the commit."""
    from cfdns_fast.files.delta import DeltaCommitter

    for task in plan(source, tmp_path / "out"):
        run_task(task)
    real = DeltaCommitter._actions
    calls = 0

    def actions(self: DeltaCommitter, reports: list[TaskReport], again: set[str]) -> Any:
        nonlocal calls
        made = real(self, reports, again)
        calls += 1
        if calls == 1:
            convert(source, tmp_path / "out", table="delta")
        return made

    monkeypatch.setattr(DeltaCommitter, "_actions", actions)
    assert convert(source, tmp_path / "out", table="delta").is_complete
    assert calls >= 3
    assert sorted(delta_messages(delta, tmp_path / "out")) == sorted(all_records())
