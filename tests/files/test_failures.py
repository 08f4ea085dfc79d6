"""Every row of the table of failures in docs/files.md, except kills and lost races, which have modules of their own."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.backfills import fill, object_name, object_of
from support.mappings import field, write_mapping
from support.poison import HungryNormalizer, PoisonedNormalizer
from support.processes import run_python

from cfdns_fast import MappingError, Normalizer
from cfdns_fast.files import FilesError, Layout, Report, StoreError, convert, open_store, plan, run_task, status
from cfdns_fast.files import isolation as isolation_module
from cfdns_fast.files import task_run as task_run_module
from cfdns_fast.files.local_store import LocalStore
from cfdns_fast.files.state import State
from cfdns_fast.io import ZstdMissing, unzstd

FORMAT: dict[str, Any] = {"format": "ndjson"}


def names_of(output: Path) -> list[str]:
    """Return the query names in all outputs, sorted."""
    lines = [line for path in output.rglob("*.ndjson") for line in path.read_bytes().splitlines()]
    return sorted(json.loads(line)["dns"]["question"]["name"] for line in lines)


def expected_names(*numbers: int, records: int = 20) -> list[str]:
    return sorted(f"n{number}-{index}.example.com" for number in numbers for index in range(records))


def faults_of(report: Report) -> list[tuple[str, str]]:
    return [(each.input.rpartition("/")[2], each.fault) for each in report.faults]


def file_name(number: int) -> str:
    return object_name(number).rpartition("/")[2]


def leftovers(output: Path) -> list[str]:
    """Return what is in an output beside outputs and state: temporary files, also hidden ones."""
    return [path.name for path in output.rglob("*") if path.name.endswith(".tmp")]


# A task that runs twice


def test_task_that_runs_twice_writes_the_same(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(3))
    (task,) = plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    first = run_task(task)
    before = {path: path.read_bytes() for path in (tmp_path / "out" / "20260825").iterdir()}
    second = run_task(task)
    assert first.outputs == second.outputs and first.inputs == second.inputs
    assert {path: path.read_bytes() for path in (tmp_path / "out" / "20260825").iterdir()} == before
    assert status(tmp_path / "out").events == 60


def test_tasks_that_run_at_once_write_the_same(tmp_path: Path) -> None:
    """What an engine does that speculates."""
    fill(tmp_path / "in", range(3))
    (task,) = plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    threads = [threading.Thread(target=run_task, args=[task]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names_of(tmp_path / "out") == expected_names(0, 1, 2)
    assert not list((tmp_path / "out" / "_cfdns").rglob("attempts/*"))


def test_tasks_of_another_run_are_not_left(tmp_path: Path) -> None:
    """They are done between the count of a run's tasks and their turn."""
    fill(tmp_path / "in", range(9))
    tasks = plan(tmp_path / "in", tmp_path / "out", **FORMAT)

    def on_progress(progress: object) -> None:
        if tasks:
            run_task(tasks.pop())
            tasks.clear()

    report = convert(tmp_path / "in", tmp_path / "out", jobs=1, on_progress=on_progress, **FORMAT)
    assert (report.tasks, report.tasks_left, report.is_complete) == (2, 0, True)


# Inputs that change, vanish, or are damaged


def test_changed_object_is_a_fault(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(3))
    plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    (tmp_path / "in" / object_name(1)).write_bytes(object_of(7))
    report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert faults_of(report) == [(file_name(1), "changed")]
    assert not report.is_complete and report.tasks_left == 0
    assert names_of(tmp_path / "out") == expected_names(0, 2)
    # It is a fault of every run, until it is converted.
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).fault_count == 1


def test_object_that_changed_back_is_read_on_request(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(3))
    plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    planned = tmp_path / "in" / object_name(1)
    planned.rename(tmp_path / "planned")
    planned.write_bytes(object_of(7))
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).fault_count == 1
    (tmp_path / "planned").replace(planned)
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).known_fault_count == 1
    assert convert(tmp_path / "in", tmp_path / "out", retry_faults=True, **FORMAT).is_complete
    assert names_of(tmp_path / "out") == expected_names(0, 1, 2)


@pytest.mark.parametrize("was_converted", [True, False])
def test_changed_object_is_converted_on_request(tmp_path: Path, was_converted: bool) -> None:
    fill(tmp_path / "in", range(3))
    if was_converted:
        convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    else:
        plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    (tmp_path / "in" / object_name(1)).write_bytes(object_of(7))
    report = convert(tmp_path / "in", tmp_path / "out", changed="reconvert", **FORMAT)
    assert report.is_complete and report.tasks == 1
    assert names_of(tmp_path / "out") == expected_names(0, 2, 7)
    state = status(tmp_path / "out")
    assert (state.tasks, state.tasks_left, state.objects, state.events) == (1, 0, 3, 60)
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).is_complete


def test_reconverted_task_deletes_files_of_other_hours(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    fill(tmp_path / "in", range(1))
    convert(tmp_path / "in", tmp_path / "out")
    before = sorted(path.parent.name for path in (tmp_path / "out").glob("date=*/*/*.parquet"))
    (tmp_path / "in" / object_name(0)).write_bytes(object_of(7))
    convert(tmp_path / "in", tmp_path / "out", changed="reconvert")
    after = sorted(path.parent.name for path in (tmp_path / "out").glob("date=*/*/*.parquet"))
    assert (before, after) == (["hour=21", "hour=22"], ["hour=00", "hour=23"])


def test_reconversion_never_loses_events(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    fill(tmp_path / "in", range(3))
    convert(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / object_name(1)).write_bytes(object_of(7))
    (tmp_path / "in" / object_name(2)).unlink()
    report = convert(tmp_path / "in", tmp_path / "out", changed="reconvert")
    assert [each.code for each in report.failures] == ["task.kept"]
    assert status(tmp_path / "out").events == 60


def test_vanished_object_is_a_fault_of_each_run(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(3))
    plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    (tmp_path / "in" / object_name(1)).unlink()
    report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert faults_of(report) == [(file_name(1), "missing")]
    assert report.tasks_left == 0
    again = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert (again.tasks, again.faults, again.known_fault_count) == (0, report.faults, 1)
    assert not again.is_complete
    # A run on other inputs has nothing to do with it.
    assert convert(tmp_path / "in", tmp_path / "out", since="2026-08-26", **FORMAT).is_complete
    assert [each.fault for each in status(tmp_path / "out").faults] == ["missing"]


def test_vanished_object_is_read_again_on_request(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(3))
    plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    hidden = tmp_path / "hidden"
    (tmp_path / "in" / object_name(1)).rename(hidden)
    convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    hidden.rename(tmp_path / "in" / object_name(1))
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).fault_count == 1
    report = convert(tmp_path / "in", tmp_path / "out", retry_faults=True, **FORMAT)
    assert report.is_complete and report.tasks == 1
    assert names_of(tmp_path / "out") == expected_names(0, 1, 2)
    assert convert(tmp_path / "in", tmp_path / "out", retry_faults=True, **FORMAT).tasks == 0


def test_retry_that_was_killed_is_completed(tmp_path: Path) -> None:
    """The outputs of the second run are there in part, and its record is not: the next run completes it, unasked."""
    fill(tmp_path / "in", range(3))
    plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    hidden = tmp_path / "hidden"
    (tmp_path / "in" / object_name(1)).rename(hidden)
    convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    hidden.rename(tmp_path / "in" / object_name(1))
    with pytest.MonkeyPatch.context() as patch:
        failing(patch, "put", lambda key: key.startswith("done/"), StoreError("store.full", "full"))
        assert convert(tmp_path / "in", tmp_path / "out", retry_faults=True, **FORMAT).tasks_left == 1
    assert status(tmp_path / "out").tasks_left == 1
    report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert report.is_complete and report.tasks == 1
    assert names_of(tmp_path / "out") == expected_names(0, 1, 2)
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).tasks == 0


@pytest.mark.parametrize("damage", ["truncated", "damaged"])
def test_records_before_a_fault_are_kept(tmp_path: Path, damage: str) -> None:
    fill(tmp_path / "in", [0])
    whole = object_of(1, 5000)
    path = tmp_path / "in" / object_name(1)
    # The second has another checksum.
    path.write_bytes(whole[: len(whole) // 2] if damage == "truncated" else whole[:-8] + bytes(4) + whole[-4:])
    report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert faults_of(report) == [(file_name(1), damage)]
    assert "(at byte" in report.faults[0].reason
    assert 20 + 500 < report.events <= 20 + 5000
    assert len(names_of(tmp_path / "out")) == report.events
    # Events and rejects are all of what could be read: the line at the fault is cut.
    assert sum(report.rejects.values()) <= 1
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).tasks == 0


def test_object_read_while_written_is_converted_later(tmp_path: Path) -> None:
    fill(tmp_path / "in", [0])
    path = tmp_path / "in" / object_name(1)
    path.write_bytes(object_of(1)[:-20])
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).fault_count == 1
    path.write_bytes(object_of(1))
    report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert report.is_complete and report.tasks == 1
    assert names_of(tmp_path / "out") == expected_names(0, 1)


# Inputs that end the process


@pytest.mark.slow
def test_poisonous_object_is_found(tmp_path: Path) -> None:
    """The first two attempts end their processes; the third one finds the object, and converts the others."""
    fill(tmp_path / "in", range(3))
    code = (
        "import sys\nfrom cfdns_fast.files import convert\nfrom support.poison import PoisonedNormalizer\n"
        "convert(sys.argv[1], sys.argv[2], format='ndjson', normalizer=PoisonedNormalizer())"
    )
    for _ in range(2):
        assert run_python(code, str(tmp_path / "in"), str(tmp_path / "out")).returncode == -9
        assert status(tmp_path / "out").tasks_left == 1
    report = convert(tmp_path / "in", tmp_path / "out", normalizer=PoisonedNormalizer(), **FORMAT)
    assert faults_of(report) == [(file_name(1), "poison")]
    assert report.tasks_left == 0
    assert names_of(tmp_path / "out") == expected_names(0, 2)
    assert not list((tmp_path / "out" / "_cfdns").rglob("attempts/*"))
    # With a version that can read it, it is read when asked.
    assert convert(tmp_path / "in", tmp_path / "out", retry_faults=True, **FORMAT).is_complete
    assert names_of(tmp_path / "out") == expected_names(0, 1, 2)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits this memory")
def test_object_that_takes_all_memory_is_poison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfdns_fast.files.attempts.memory_limit_bytes", lambda: 600 << 20)
    fill(tmp_path / "in", range(2))
    (task,) = plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    State(open_store(f"{tmp_path}/out/_cfdns")).put_attempt(task.id, 2)
    report = run_task(task, normalizer=HungryNormalizer())
    assert [each.fault for each in report.inputs] == ["", "poison"]
    assert names_of(tmp_path / "out") == expected_names(0)


@pytest.mark.slow
def test_killed_runs_alone_make_no_poison(tmp_path: Path) -> None:
    """A task that was killed often by others is done by a child process, without a fault."""
    fill(tmp_path / "in", range(2))
    (task,) = plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    State(open_store(f"{tmp_path}/out/_cfdns")).put_attempt(task.id, 5)
    report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert report.is_complete and report.events == 40


def test_memory_limit_is_positive() -> None:
    assert isolation_module.memory_limit_bytes() >= 512 << 20


# Inputs that are no logs


def test_other_inputs_are_rejects_or_faults(tmp_path: Path) -> None:
    fill(tmp_path / "in", [0])
    folder = tmp_path / "in" / "20260825"
    (folder / "a.log").write_bytes(b"neither JSON\nnor a log\n")
    (folder / "b.log").write_bytes("no UTF-8".encode("utf-16"))
    report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert report.rejects == {"json.syntax": 2}
    assert faults_of(report) == [("b.log", "format.utf16")]
    assert report.events == 20 and report.tasks_left == 0


def test_empty_and_check_files_are_skipped(tmp_path: Path) -> None:
    fill(tmp_path / "in", [0])
    for name in ("test.txt.gz", "ownership-challenge-1a.txt", "empty.log.gz"):
        (tmp_path / "in" / name).write_bytes(b"" if name.startswith("empty") else b"text")
    report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert report.is_complete and report.objects == 1
    assert report.skipped == {"check file": 1, "ownership challenge": 1, "empty": 1}


# Stores that fail


def failing(monkeypatch: pytest.MonkeyPatch, method: str, fails: Callable[[str], bool], error: StoreError) -> list[str]:
    """Let a method of stores fail for some keys; return the list of these, which grows."""
    real = getattr(LocalStore, method)
    failed: list[str] = []

    def call(self: LocalStore, key: str, *arguments: Any) -> Any:
        if fails(key):
            failed.append(key)
            raise error
        return real(self, key, *arguments)

    monkeypatch.setattr(LocalStore, method, call)
    return failed


def test_full_disk_fails_a_task(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(6))
    with pytest.MonkeyPatch.context() as patch:
        failing(patch, "put_file", lambda key: "/20260825T23" in key, StoreError("store.full", "the disk is full"))
        report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert [(each.code, each.reason) for each in report.failures] == [("store.full", "the disk is full")]
    assert (report.tasks, report.tasks_left, report.is_complete) == (1, 1, False)
    assert leftovers(tmp_path / "out") == []
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).is_complete
    assert names_of(tmp_path / "out") == expected_names(*range(6))


def test_full_disk_of_temporary_files_fails_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "in", range(1))

    def write(self: object, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cfdns_fast.files.ndjson_files.CompressedFile.write", write)
    report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert [each.code for each in report.failures] == ["store.full"]
    assert leftovers(tmp_path / "out") == []


def test_store_that_does_not_answer_fails_a_task(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(6))
    error = StoreError("store.unavailable", "no answer")
    with pytest.MonkeyPatch.context() as patch:
        failing(patch, "open", lambda key: key == object_name(4), error)
        report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert [each.code for each in report.failures] == ["store.unavailable"]
    # Nothing of the task can be seen, and no fault of the object is noted.
    assert status(tmp_path / "out").fault_count == 0
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).is_complete
    assert names_of(tmp_path / "out") == expected_names(*range(6))


def test_run_stops_after_three_failures_of_a_store(tmp_path: Path) -> None:
    """Credentials that have expired, for example."""
    fill(tmp_path / "in", range(24))
    with pytest.MonkeyPatch.context() as patch:
        failed = failing(
            patch,
            "open",
            lambda key: key.startswith("2026") and "/20260825T22" not in key,
            StoreError("store.denied", "denied"),
        )
        report = convert(tmp_path / "in", tmp_path / "out", jobs=1, **FORMAT)
    assert report.is_stopped and not report.is_complete
    assert 3 <= len(failed) <= 5 and report.tasks == 1
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).is_complete
    assert names_of(tmp_path / "out") == expected_names(*range(24))


def test_state_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(3))
    with pytest.MonkeyPatch.context() as patch:
        failing(patch, "create", lambda key: key.startswith("plan/"), StoreError("store.denied", "denied"))
        with pytest.raises(StoreError, match="denied"):
            convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).is_complete


def test_fault_of_the_conversion_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "in", range(1))

    def read_plain(*arguments: object) -> Any:
        raise RuntimeError("secret content")

    monkeypatch.setattr(task_run_module, "read_plain", read_plain)
    report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert [each.code for each in report.failures] == ["task.error"]
    assert "secret" not in str(report)


# Options and other programs


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"format": "ndjson.gz"}, 'format "ndjson", not "ndjson.gz"'),
        ({"normalizer": Normalizer("ecs")}, 'schema "sekoia", not "ecs"'),
        ({"normalizer": Normalizer(keep_message=False)}, "keep_message true, not false"),
    ],
)
def test_other_options_are_refused(tmp_path: Path, other: dict[str, Any], words: str) -> None:
    fill(tmp_path / "in", range(1))
    convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    with pytest.raises(FilesError) as caught:
        convert(tmp_path / "in", tmp_path / "out", **{**FORMAT, **other})
    assert words in str(caught.value)
    assert caught.value.code == "files.options"


def test_other_layout_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    fill(tmp_path / "in", range(1))
    plan(tmp_path / "in", tmp_path / "out")
    with pytest.raises(FilesError, match='names "underscore", not "nested"'):
        plan(tmp_path / "in", tmp_path / "out", layout=Layout(names="nested"))


def test_layout_is_checked_before_the_output(tmp_path: Path) -> None:
    """A mistake in an option must not begin an output that all later runs are compared with."""
    fill(tmp_path / "in", range(1))
    entries = field(to="date", kind="text", **{"from": "QueryName"})
    entries += field(to="@timestamp", kind="timestamp", **{"from": "Timestamp"})
    mapping = write_mapping(tmp_path, f'schema = "mine"\n{entries}')
    with pytest.raises(ValueError, match="nonsense"):
        convert(tmp_path / "in", tmp_path / "out", layout=Layout(without=("nonsense",)))
    with pytest.raises(MappingError, match="that of a partition"):
        convert(tmp_path / "in", tmp_path / "out", normalizer=Normalizer(mapping))
    assert not (tmp_path / "out").exists()


def test_empty_input_begins_no_output(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="has no files"):
        convert(tmp_path / "empty", tmp_path / "out", format="ndjson")
    fill(tmp_path / "in", range(1))
    assert convert(tmp_path / "in", tmp_path / "out", format="ndjson.gz").is_complete


def test_other_mapping_file_is_refused(tmp_path: Path) -> None:
    import cfdns_fast

    fill(tmp_path / "in", range(2))
    mapping = tmp_path / "own.toml"
    bundled = Path(cfdns_fast.__file__).parent / "data" / "dns_logs.ecs.toml"
    shutil.copy(bundled, mapping)
    (task,) = plan(tmp_path / "in", tmp_path / "out", normalizer=Normalizer(mapping), **FORMAT)
    # The same mapping may have another path.
    moved = tmp_path / "moved.toml"
    shutil.copy(mapping, moved)
    assert plan(tmp_path / "in", tmp_path / "out", normalizer=Normalizer(moved), **FORMAT) == [task]
    mapping.write_text(f"{bundled.read_text()}\n# Another mapping.\n")
    with pytest.raises(FilesError, match="a mapping file with the SHA-256"):
        plan(tmp_path / "in", tmp_path / "out", normalizer=Normalizer(mapping), **FORMAT)
    with pytest.raises(FilesError, match=r"the mapping .*own\.toml is another"):
        run_task(task)


def test_newer_version_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "in", range(1))
    convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    monkeypatch.setattr(task_run_module, "versions", lambda: {"cfdns_fast": "99.0"})
    fill(tmp_path / "in", range(3, 4))
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).is_complete
    state = State(open_store(f"{tmp_path}/out/_cfdns"))
    found = [report.versions["cfdns_fast"] for unit in state.units() for report in state.reports(unit)]
    assert len(found) == 2 and found[1] == "99.0" != found[0]


def test_later_format_of_the_state_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(1))
    (task,) = plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    head = tmp_path / "out" / "_cfdns" / "head.json"
    head.write_text(head.read_text().replace('"format_version":1', '"format_version":2'))
    calls: list[Callable[[], object]] = [
        lambda: plan(tmp_path / "in", tmp_path / "out", **FORMAT),
        lambda: status(tmp_path / "out"),
        lambda: run_task(task),
    ]
    for call in calls:
        with pytest.raises(FilesError, match="another version of cfdns-fast"):
            call()


def test_state_without_a_root_is_damaged(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        fill(tmp_path / folder, range(1))
        plan(tmp_path / folder, tmp_path / "out", **FORMAT)
    (tmp_path / "out/_cfdns/roots/000001.json").unlink()
    with pytest.raises(FilesError, match="the root 1, which the state lacks"):
        convert(tmp_path / "one", tmp_path / "out", **FORMAT)


def test_foreign_files_in_the_output_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(1))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "theirs.parquet").write_bytes(b"PAR1")
    with pytest.raises(FilesError, match=r"files of other programs \(theirs\.parquet\)") as caught:
        convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert caught.value.code == "files.foreign"
    # Consoles make an empty object for a new folder.
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "other").touch()
    # Also with a state elsewhere, which would not know what an earlier state has written.
    convert(tmp_path / "in", tmp_path / "other", **FORMAT)
    with pytest.raises(FilesError, match="files of other programs"):
        convert(tmp_path / "in", tmp_path / "other", state=tmp_path / "state", **FORMAT)


def test_state_can_be_elsewhere(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(3))
    convert(tmp_path / "in", tmp_path / "out", state=tmp_path / "state", **FORMAT)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["20260825"]
    assert status(tmp_path / "out", state=tmp_path / "state").events == 60
    assert convert(tmp_path / "in", tmp_path / "out", state=tmp_path / "state", **FORMAT).tasks == 0


def test_state_of_another_output_is_refused(tmp_path: Path) -> None:
    """Otherwise the run would find everything done, and write nothing."""
    fill(tmp_path / "in", range(1))
    convert(tmp_path / "in", tmp_path / "one", state=tmp_path / "state", **FORMAT)
    convert(tmp_path / "in", tmp_path / "two", **FORMAT)
    for state in (tmp_path / "state", tmp_path / "two/_cfdns"):
        with pytest.raises(FilesError, match="the state of another output"):
            convert(tmp_path / "in", tmp_path / "three", state=state, **FORMAT)
    convert(tmp_path / "in", tmp_path / "two", state=tmp_path / "two/_cfdns", **FORMAT)


@pytest.mark.parametrize(("source", "output"), [("out/in", "out"), ("in", "in/out"), ("in", "in")])
def test_input_inside_the_output_is_refused(tmp_path: Path, source: str, output: str) -> None:
    fill(tmp_path / source, range(1))
    with pytest.raises(FilesError) as caught:
        convert(tmp_path / source, tmp_path / output, **FORMAT)
    assert caught.value.code == "files.inside"
    assert not list(tmp_path.rglob("_cfdns"))


def test_missing_input_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        convert(tmp_path / "nothing", tmp_path / "out", **FORMAT)
    assert caught.value.code == "store.missing"
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="has no files"):
        convert(tmp_path / "empty", tmp_path / "out", **FORMAT)


def test_store_without_conditions_needs_a_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalStore, "has_conditional_writes", lambda self: False)
    fill(tmp_path / "in", range(3))
    with pytest.raises(FilesError, match="--single-writer") as caught:
        convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert caught.value.code == "files.single_writer"
    with pytest.raises(FilesError, match="shards cannot share it"):
        convert(tmp_path / "in", tmp_path / "out", single_writer=True, shard=(0, 2), **FORMAT)
    assert convert(tmp_path / "in", tmp_path / "out", single_writer=True, **FORMAT).is_complete
    assert names_of(tmp_path / "out") == expected_names(0, 1, 2)


def test_times_of_files_do_not_matter(tmp_path: Path) -> None:
    """A late object whose time is before that of all others, as of a clock that is an hour wrong."""
    fill(tmp_path / "in", range(3))
    for number in range(3):
        os.utime(tmp_path / "in" / object_name(number), (2e9, 2e9))
    convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    fill(tmp_path / "in", range(3, 5))
    for number in range(3, 5):
        os.utime(tmp_path / "in" / object_name(number), (1e9, 1e9))
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).objects == 2
    assert names_of(tmp_path / "out") == expected_names(*range(5))


def test_strange_names_are_converted(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "a b%20+ü=é" / "dt=2026-08-25"
    folder.mkdir(parents=True)
    names = [
        "x y.log.gz",
        "100%.log",
        "1+1=2.json",
        "ü.gz",
        "n" * 240 + ".log.gz",
        "new\nline.log",
        "a.log",
        "a.log.gz",
    ]
    for index, name in enumerate(names):
        (folder / name).write_bytes(object_of(index) if name.endswith("gz") else gzip.decompress(object_of(index)))
    with open(os.fsencode(folder) + b"/\xff.log.gz", "wb") as file:
        file.write(object_of(len(names)))
    report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert report.is_complete and report.objects == len(names) + 1
    assert names_of(tmp_path / "out") == expected_names(*range(len(names) + 1))
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).tasks == 0


def test_missing_zstd_library_leaves_tasks_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zstd = pytest.importorskip("backports.zstd", reason="zstd needs a library")
    fill(tmp_path / "in", range(1))
    (tmp_path / "in" / object_name(0)).write_bytes(zstd.compress(gzip.decompress(object_of(0))))

    def missing() -> None:
        raise ZstdMissing

    with monkeypatch.context() as patch:
        patch.setattr(unzstd, "zstd_library", missing)
        report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert (report.fault_count, report.failure_count) == (0, 1)
    assert "pip install 'cfdns-fast[zstd]'" in str(report.failures[0])
    report = convert(tmp_path / "in", tmp_path / "out", **FORMAT)
    assert report.is_complete and report.events == 20


# Interruptions


def test_event_ends_a_run(tmp_path: Path) -> None:
    fill(tmp_path / "in", range(24))
    stop = threading.Event()
    report = convert(
        tmp_path / "in", tmp_path / "out", jobs=1, stop=stop, on_progress=lambda progress: stop.set(), **FORMAT
    )
    assert report.is_interrupted and not report.is_complete
    assert report.tasks_left >= 6
    assert leftovers(tmp_path / "out") == []
    # A run that was ended is no attempt that ended the process.
    assert not list((tmp_path / "out" / "_cfdns").rglob("attempts/*"))
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).is_complete
    assert names_of(tmp_path / "out") == expected_names(*range(24))


def test_event_ends_a_task_within_padding(tmp_path: Path) -> None:
    class Later(threading.Event):
        def is_set(self) -> bool:
            self.calls = getattr(self, "calls", 0) + 1
            return self.calls > 20

    fill(tmp_path / "in", range(1))
    with open(tmp_path / "in" / object_name(0), "ab") as file:
        file.truncate(4 << 20)
    (task,) = plan(tmp_path / "in", tmp_path / "out", **FORMAT)
    with pytest.raises(task_run_module.GivenUp):
        run_task(task, stop=Later())
    assert run_task(task).events == 20


def test_exception_of_a_callback_ends_a_run(tmp_path: Path) -> None:
    """As KeyboardInterrupt does."""
    fill(tmp_path / "in", range(24))

    def interrupt(progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(tmp_path / "in", tmp_path / "out", jobs=2, on_progress=interrupt, **FORMAT)
    assert leftovers(tmp_path / "out") == []
    assert not any(thread.name.startswith("cfdns-task") for thread in threading.enumerate())
    assert convert(tmp_path / "in", tmp_path / "out", **FORMAT).is_complete
