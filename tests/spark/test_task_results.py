"""What an executor does with the outcome of a task, and what the driver makes of it; without Spark."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any

import pytest

if find_spec("pyarrow") is None:
    pytest.skip("pyarrow is not installed", allow_module_level=True)

from cfdns_fast.files import (
    FaultyInput,
    FilesError,
    InputReport,
    OutputFile,
    StoreError,
    Task,
    TaskFailure,
    TaskReport,
)
from cfdns_fast.files.totals import Totals
from cfdns_fast.spark import conversion, task_results

TASK = Task("20260825-1-1", "n", "s3://logs/", "s3://events/", "s3://events/_cfdns/", "", (), ())


def run(monkeypatch: pytest.MonkeyPatch, error: Exception) -> str:
    def run_task(task: Task, **settings: Any) -> None:
        assert task == TASK
        raise error

    monkeypatch.setattr(task_results, "run_task", run_task)
    return task_results.run_text(json.dumps(TASK.as_dict()), {})


def added(*results: str) -> Totals:
    totals = Totals()
    for result in results:
        task_results.add_result(result, totals, set())
    return totals


@pytest.mark.parametrize("code", ["store.denied", "store.full", "store.unavailable"])
def test_passing_error_is_left_to_spark(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    with pytest.raises(StoreError):
        run(monkeypatch, StoreError(code, "no"))


@pytest.mark.parametrize("code", ["task.kept", "task.killed", "files.state", "store.unsupported", "store.settings"])
def test_lasting_error_is_a_failure(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Spark would end all other tasks with it, in every run."""
    made = StoreError if code.startswith("store.") else FilesError
    totals = added(run(monkeypatch, made(code, "it is so")))
    assert totals.failures == [TaskFailure(TASK.id, code, "it is so")]
    assert (totals.tasks, totals.failure_count) == (0, 1)


def test_replaced_task_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert added(run(monkeypatch, FilesError("task.replaced", "it is so"))).failure_count == 0


def test_faults_that_are_not_named_count(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = tuple(InputReport(str(number), fault="missing", reason="it is gone") for number in range(1002))
    report = TaskReport(TASK.id, "n", inputs, (OutputFile("a", 3, 7),), problems={"field.type:X": 2})
    monkeypatch.setattr(task_results, "run_task", lambda task, **settings: report)
    totals, faulty = Totals(), set[str]()
    for _ in range(2):
        task_results.add_result(task_results.run_text(json.dumps(TASK.as_dict()), {}), totals, faulty)
    assert (totals.tasks, totals.files, totals.output_bytes, totals.problems) == (2, 2, 14, {"field.type:X": 4})
    assert (totals.fault_count, len(totals.faults), faulty) == (2004, 1000, {TASK.id})
    assert totals.faults[0] == FaultyInput("s3://logs/0", "missing", "it is gone")


def test_reason_is_that_of_the_store() -> None:
    text = "Job aborted\nTraceback:\n  File x\ncfdns_fast.files.errors.StoreError: s3://b: no\n\n\tat x"
    assert conversion._reason_of(text).startswith("a task failed as often as Spark allows (s3://b: no); finished")
    assert "content" not in conversion._reason_of("ValueError: content")


def test_tasks_go_to_spark_in_limited_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "_MAX_JOB_SIZE", 4)
    assert list(conversion._jobs_of(["aa", "bb", "c", "ddddd", "e"])) == [["aa", "bb"], ["c"], ["ddddd"], ["e"]]
    assert list(conversion._jobs_of([])) == []
