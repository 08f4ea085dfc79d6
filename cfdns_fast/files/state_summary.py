"""The status of an output, by its state."""

from __future__ import annotations

from .errors import FilesError
from .head import check_version
from .locations import redacted
from .open_tasks import PlanSums, current_tasks
from .reports import Status
from .state import State, root_of
from .totals import Totals

__all__ = ["status_of"]


def status_of(state: State, output: str) -> Status:
    """Return the status; raises FilesError if there is no state, and StoreError."""
    head = state.head()
    if head is None:
        raise FilesError("files.state", f"{state.url}: holds no state of cfdns-fast")
    check_version(head, redacted(output))
    roots = state.roots()
    totals = Totals()
    sums = PlanSums()
    tasks = objects = size_bytes = tasks_left = objects_left = size_bytes_left = 0
    hours: set[str] = set()
    for each in current_tasks(state, sums):
        task = each.task
        tasks += 1
        objects += len(task.inputs)
        size_bytes += task.size_bytes
        if not each.is_done:
            tasks_left += 1
            objects_left += len(task.inputs)
            size_bytes_left += task.size_bytes
        if task.hour:
            hours = {min(hours | {task.hour}), max(hours | {task.hour})}
        if each.report is not None:
            totals.add(each.report, root_of(roots, each.root).url, task.size_bytes)
    return Status(
        output=redacted(output),
        options=head,
        tasks=tasks,
        objects=objects,
        size_bytes=size_bytes,
        tasks_left=tasks_left,
        objects_left=objects_left,
        size_bytes_left=size_bytes_left,
        equal=sums.equal,
        equal_examples=tuple(sums.equal_examples),
        first_hour=min(hours, default=""),
        last_hour=max(hours, default=""),
        **totals.counts(),
    )
