"""What an executor sends back of a task, and what the driver adds up: JSON, and small, because tasks may be many."""

from __future__ import annotations

import json
from typing import Any

from ..files import FaultyInput, FilesError, Task, TaskFailure, TaskReport, run_task
from ..files.totals import MAX_NAMED, Totals

__all__ = ["add_result", "run_text"]

#: Errors for which Spark repeats a task, later or on another machine.
_PASSING = {"store.denied", "store.full", "store.unavailable"}
_SUMMED = ("objects", "size_bytes", "events", "blank", "files", "output_bytes")


def run_text(text: str, settings: dict[str, Any]) -> str:
    """Run a task, on an executor, and return its result; `settings` are options of `run_task`.

    Raises
    ------
    StoreError
        Spark repeats the task.
    """
    task = Task.from_dict(json.loads(text))
    try:
        report = run_task(task, **settings)
    except FilesError as error:
        if error.code in _PASSING:
            raise
        # Spark would repeat the task in vain, and then end all others.
        return json.dumps({"failure": TaskFailure(task.id, error.code, error.reason)})
    return json.dumps(_counts_of(task, report))


def _counts_of(task: Task, report: TaskReport) -> dict[str, Any]:
    """Return what the driver needs of a report, which has a row for each of up to thousands of objects."""
    faults = [FaultyInput(f"{task.source}{each.key}", each.fault, each.reason) for each in report.faults]
    return {
        "task": task.id,
        "objects": len(task.inputs),
        "size_bytes": task.size_bytes,
        "events": report.events,
        "blank": sum(each.blank for each in report.inputs),
        "rejects": report.rejects,
        "problems": report.problems,
        "files": len(report.outputs),
        "output_bytes": sum(each.size_bytes for each in report.outputs),
        "faults": faults[:MAX_NAMED],
        "fault_count": len(faults),
    }


def add_result(text: str, totals: Totals, faulty: set[str]) -> None:
    """Add the result of a task to the totals of a run, and its id to the tasks with faults if it has some."""
    result = json.loads(text)
    if "failure" in result:
        failure = TaskFailure(*result["failure"])
        # A task that was replaced since it was planned is not needed any more.
        if failure.code != "task.replaced":
            totals.add_failure(failure.task, FilesError(failure.code, failure.reason))
        return
    totals.tasks += 1
    for name in _SUMMED:
        setattr(totals, name, getattr(totals, name) + result[name])
    totals.rejects.update(result["rejects"])
    totals.problems.update(result["problems"])
    for fault in result["faults"]:
        totals.add_fault(FaultyInput(*fault))
    totals.fault_count += result["fault_count"] - len(result["faults"])
    if result["fault_count"]:
        faulty.add(result["task"])
