"""The totals of a run, added up task by task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from .backfill_plan import PlanTotals
from .errors import FilesError
from .reports import FaultyInput, Report, TaskFailure
from .tasks import TaskReport

__all__ = ["MAX_NAMED", "Totals"]

#: Maximum numbers of faults and of failures that a report names.
MAX_NAMED = 1000


class Totals:
    """Counts of task reports, in bounded memory. One thread at a time."""

    def __init__(self) -> None:
        self.tasks = 0
        self.objects = 0
        self.size_bytes = 0
        self.events = 0
        self.blank = 0
        self.files = 0
        self.output_bytes = 0
        self.fault_count = 0
        self.known_fault_count = 0
        self.failure_count = 0
        self.rejects: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()
        self.faults: list[FaultyInput] = []
        self.failures: list[TaskFailure] = []
        self._changed: set[str] = set()

    def add(self, report: TaskReport, source: str, size_bytes: int) -> None:
        """Count a task that is done. `source` is the URL of the root of its inputs."""
        self.tasks += 1
        self.objects += len(report.inputs)
        self.size_bytes += size_bytes
        self.events += report.events
        self.blank += sum(each.blank for each in report.inputs)
        self.rejects.update(report.rejects)
        self.problems.update(report.problems)
        self.files += len(report.outputs)
        self.output_bytes += sum(each.size_bytes for each in report.outputs)
        for each in report.faults:
            self.add_fault(FaultyInput(f"{source}{each.key}", each.fault, each.reason))

    def add_fault(self, fault: FaultyInput) -> None:
        """Count an input that was not read. One that has changed counts once."""
        if fault.fault == "changed":
            if fault.input in self._changed:
                return
            if len(self._changed) < MAX_NAMED:
                self._changed.add(fault.input)
        self.fault_count += 1
        if len(self.faults) < MAX_NAMED:
            self.faults.append(fault)

    def add_known_fault(self, fault: FaultyInput) -> None:
        """Count an input with a fault that an earlier run has found."""
        before = self.fault_count
        self.add_fault(fault)
        self.known_fault_count += self.fault_count - before

    def add_failure(self, task_id: str, error: BaseException) -> None:
        """Count a task that failed."""
        self.failure_count += 1
        if len(self.failures) < MAX_NAMED:
            code = error.code if isinstance(error, FilesError) else "task.error"
            # Other exceptions may hold content of records.
            reason = error.reason if isinstance(error, FilesError) else f"{type(error).__name__} in the conversion"
            self.failures.append(TaskFailure(task_id, code, reason))

    def report(self, planned: PlanTotals, skipped: Mapping[str, int]) -> Report:
        """Return the report of a run, with what its planning saw."""
        return Report(
            tasks=self.tasks,
            objects=self.objects,
            size_bytes=self.size_bytes,
            failures=tuple(self.failures),
            failure_count=self.failure_count,
            skipped=dict(skipped),
            equal=planned.equal,
            equal_examples=tuple(planned.equal_examples),
            known_fault_count=self.known_fault_count,
            **self.counts(),
        )

    def counts(self) -> dict[str, Any]:
        """Return the members that `Report` and `Status` have in common."""
        return {
            "events": self.events,
            "blank": self.blank,
            "rejects": dict(self.rejects),
            "problems": dict(self.problems),
            "files": self.files,
            "output_bytes": self.output_bytes,
            "faults": tuple(self.faults),
            "fault_count": self.fault_count,
        }
