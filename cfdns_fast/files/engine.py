"""The engine of the directory mode on one machine: threads run the tasks that are not done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from .attempts import Attempt
from .errors import FilesError, StoreError
from .inputs_ahead import Fetcher
from .open_tasks import OpenTask
from .opened_run import OpenedRun
from .reports import Progress
from .store import Store, StoreOptions
from .stores import open_store
from .task_run import GivenUp
from .tasks import TaskReport
from .totals import Totals
from .workers import Workers

__all__ = ["Engine"]

#: Task failures in a row, all of stores, after which a run ends: the next ones would fail too.
_MAX_FAILURES = 3
#: The time between two calls of the progress callback, and the longest wait for the caller's event.
_POLL_S = 0.2
#: Threads that fetch objects, for each job.
_FETCHERS = 3
#: Errors of single objects, which say nothing of the store.
_OF_OBJECTS = {"store.changed", "store.missing", "store.unsupported"}


class _Work:
    """A task on its way through the threads."""

    def __init__(self, each: OpenTask, attempt: Attempt, source_url: str) -> None:
        self.each = each
        self.attempt = attempt
        self.source_url = source_url


class Engine:
    """Runs the open tasks of a run. Its methods are for the main thread.

    Parameters
    ----------
    opened : OpenedRun
    jobs : int
        The number of threads.
    store_options : StoreOptions
        For the stores of inputs.
    on_progress : callable or None
    stop : threading.Event or None
        Ends the run when it is set.
    on_done : callable
        Called with the report of each task that is done.

    Attributes
    ----------
    totals : Totals
    tasks_left : int
        Tasks that are not done at the end.
    is_stopped, is_interrupted : bool
        Why the run ended early.
    """

    def __init__(
        self,
        opened: OpenedRun,
        jobs: int,
        store_options: StoreOptions,
        on_progress: Callable[[Progress], object] | None,
        stop: threading.Event | None,
        on_done: Callable[[TaskReport], object],
    ) -> None:
        self._opened = opened
        self._jobs = jobs
        self._store_options = store_options
        self._on_progress = on_progress
        self._stop = stop
        self._on_done = on_done
        self._sources: dict[int, Store] = {}
        self._read_bytes = 0
        self._lock = threading.Lock()
        self._failures_in_a_row = 0
        #: Tasks of this run whose faults are in the totals.
        self._faulty: set[str] = set()
        self.totals = Totals()
        self.tasks_left = 0
        self.is_stopped = False
        self.is_interrupted = False

    def run(self) -> None:
        """Run all open tasks. Raises StoreError and FilesError if the state cannot be read."""
        self._total_tasks, self._total_objects, self._total_bytes = self._survey()
        self.tasks_left = self._total_tasks
        if not self.tasks_left:
            # The plan may be cut.
            self.is_interrupted = self._stop is not None and self._stop.is_set()
            return
        self._started_s = time.monotonic()
        self._marks = self._opened.state.attempts()
        threads = min(self._jobs, self._total_tasks)
        is_local = all(self._source(number).is_local for number in self._roots)
        with (
            Fetcher(0 if is_local else threads * _FETCHERS) as fetcher,
            Workers[_Work, TaskReport](threads, lambda work: work.attempt.run()) as workers,
        ):
            tasks = self._opened.open_tasks()
            try:
                self._run(tasks, fetcher, workers, threads)
            finally:
                for work, result in workers.give_up():
                    self._take(work, result)
            self._report_progress()

    def add_known_faults(self) -> None:
        """Add the faults of tasks that earlier runs have done to the totals. Raises StoreError and FilesError."""
        self._opened.add_known_faults(self.totals, self._faulty)

    def _survey(self) -> tuple[int, int, int]:
        """Return the numbers of open tasks, inputs and stored bytes; note the roots of the inputs."""
        tasks = objects = size_bytes = 0
        self._roots: set[int] = set()
        for each in self._opened.open_tasks():
            tasks += 1
            objects += len(each.task.inputs)
            size_bytes += each.task.size_bytes
            self._roots.add(each.root)
        return tasks, objects, size_bytes

    def _run(
        self, tasks: Iterator[OpenTask], fetcher: Fetcher, workers: Workers[_Work, TaskReport], threads: int
    ) -> None:
        next_report_s = 0.0
        has_more = True
        given = 0
        while has_more or workers.pending:
            # A task waits for each thread, so that its inputs are fetched meanwhile.
            while has_more and workers.pending < 2 * threads:
                each = next(tasks, None)
                if each is None:
                    has_more = False
                    # Other runs have done tasks, or planned new ones, since these were counted.
                    self.tasks_left += given - self._total_tasks
                    break
                given += 1
                workers.put(self._work(each, fetcher, workers))
            for work, result in workers.results(_POLL_S):
                self._take(work, result)
            if self._failures_in_a_row >= _MAX_FAILURES:
                self.is_stopped = True
                return
            if self._stop is not None and self._stop.is_set():
                self.is_interrupted = True
                return
            if time.monotonic() >= next_report_s:
                self._report_progress()
                next_report_s = time.monotonic() + _POLL_S

    def _work(self, each: OpenTask, fetcher: Fetcher, workers: Workers[_Work, TaskReport]) -> _Work:
        task = self._opened.task_of(each)
        # An earlier run may have started a task that this run has not planned.
        number = 1 if each.is_fresh else max(self._marks.get(task.id, 0) + 1, 2)
        attempt = Attempt(
            task,
            self._source(each.root),
            self._opened.settings,
            fetcher,
            number=number,
            had_record=each.had_record,
            given_up=lambda: workers.is_giving_up or (self._stop is not None and self._stop.is_set()),
            on_read=self._count_read,
        )
        return _Work(each, attempt, task.source)

    def _take(self, work: _Work, result: TaskReport | BaseException) -> None:
        task = work.each.task
        if isinstance(result, TaskReport):
            self._failures_in_a_row = 0
            self.tasks_left -= 1
            if result.faults:
                self._faulty.add(task.id)
            self.totals.add(result, work.source_url, task.size_bytes)
            self._on_done(result)
            return
        work.attempt.close()
        if isinstance(result, GivenUp):
            return
        if isinstance(result, FilesError) and result.code == "task.replaced":
            self.tasks_left -= 1
            return
        self.totals.add_failure(task.id, result)
        is_of_store = isinstance(result, StoreError) and result.code not in _OF_OBJECTS
        self._failures_in_a_row = self._failures_in_a_row + 1 if is_of_store else 0

    def _source(self, root: int) -> Store:
        if root not in self._sources:
            self._sources[root] = open_store(self._opened.inputs.roots[root].url, self._store_options)
        return self._sources[root]

    def _count_read(self, size_bytes: int) -> None:
        with self._lock:
            self._read_bytes += size_bytes

    def _report_progress(self) -> None:
        if self._on_progress is None:
            return
        totals = self.totals
        self._on_progress(
            Progress(
                totals.tasks,
                self._total_tasks,
                totals.objects,
                self._total_objects,
                min(self._read_bytes, self._total_bytes),
                self._total_bytes,
                totals.events,
                totals.rejects.total(),
                totals.fault_count,
                totals.failure_count,
                time.monotonic() - self._started_s,
            )
        )
