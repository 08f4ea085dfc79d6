"""Runs of a task that leave a mark, so that an input that ends the process is found.

A mark is written before an attempt and removed after it, whatever its result, unless the process ends. From the third
attempt on, the task runs in child processes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from .errors import FilesError
from .inputs_ahead import Fetcher
from .isolation import Isolated, memory_limit_bytes, run_isolated
from .store import Store
from .task_run import Settings, TaskRun
from .tasks import Task, TaskReport

__all__ = ["ISOLATED_ATTEMPT", "Attempt"]

#: The number of the first attempt in child processes.
ISOLATED_ATTEMPT = 3


class Attempt:
    """One attempt at a task. Inputs are fetched from the construction on; `run` may be on another thread.

    Parameters
    ----------
    task, source, settings, fetcher, had_record, given_up, on_read
        As for `TaskRun`.
    number : int
        From 1. The first one has no mark, because the task was planned in the same run; with `marks_first` it has.
    """

    def __init__(
        self,
        task: Task,
        source: Store,
        settings: Settings,
        fetcher: Fetcher,
        *,
        number: int,
        marks_first: bool = False,
        had_record: bool = False,
        given_up: Callable[[], bool] = lambda: False,
        on_read: Callable[[int], object] = lambda size_bytes: None,
    ) -> None:
        self._state = settings.state
        self._task_id = task.id
        self._number = number
        self._is_marked = marks_first or number > 1
        self._given_up = given_up
        self._isolated: Isolated | None = None
        self._run: TaskRun | None = None
        if number >= ISOLATED_ATTEMPT:
            limit = memory_limit_bytes()
            self._isolated = Isolated(task, source, settings, had_record=had_record, memory_bytes=limit)
        else:
            self._run = TaskRun(
                task, source, settings, fetcher, given_up=given_up, on_read=on_read, had_record=had_record
            )

    def run(self) -> TaskReport:
        """Run the task; raises what `TaskRun.run` and `run_isolated` raise."""
        if self._is_marked:
            self._state.put_attempt(self._task_id, self._number)
        try:
            if self._isolated is not None:
                report = run_isolated(self._isolated, self._given_up)
            else:
                assert self._run is not None
                report = self._run.run()
        except MemoryError:
            # The mark stays: what needs this much memory may end the process next time.
            raise
        except BaseException:
            self._unmark(self._number)
            raise
        self._unmark(1)
        return report

    def close(self) -> None:
        """Close what was fetched, if the task does not run."""
        if self._run is not None:
            self._run.close()

    def _unmark(self, first: int) -> None:
        """Remove the marks from a number on."""
        if not self._is_marked:
            return
        # A mark that stays only costs time later.
        with suppress(FilesError):
            for number in range(first, self._number + 1):
                self._state.delete_attempt(self._task_id, number)
