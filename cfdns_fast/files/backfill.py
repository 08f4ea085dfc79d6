"""The directory mode: every object below the inputs, once, to files below the output."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from .. import Normalizer
from .attempts import Attempt
from .engine import Engine
from .errors import FilesError, StoreError
from .head import check_head, check_version, head_of, layout_of, normalizer_of
from .inputs_ahead import Fetcher
from .layout import Layout
from .locations import redacted
from .open_tasks import count_tasks
from .opened_run import OpenedRun
from .reports import Preview, Progress, Report, Status
from .run_options import DEFAULT_GROUP_BYTES, FORMATS, RunOptions, default_jobs, state_url
from .state import State
from .state_summary import status_of
from .store import StoreOptions
from .stores import open_store
from .task_run import Settings
from .tasks import Task, TaskReport

if TYPE_CHECKING:
    import pyarrow.dataset

    from .delta import DeltaCommitter

__all__ = ["FORMATS", "convert", "dataset", "plan", "planned_run", "preview", "run_task", "status"]

_Path: TypeAlias = str | os.PathLike[str]


def convert(
    src: _Path | Sequence[_Path],
    dst: _Path,
    *,
    normalizer: Normalizer | None = None,
    format: str = "parquet",
    layout: Layout | None = None,
    since: str | None = None,
    until: str | None = None,
    group_bytes: int = DEFAULT_GROUP_BYTES,
    shard: tuple[int, int] = (0, 1),
    jobs: int | None = None,
    state: _Path | None = None,
    rejects: _Path | None = None,
    duplicates: str = "report",
    changed: str = "fail",
    retry_faults: bool = False,
    single_writer: bool = False,
    table: str | None = None,
    store_options: StoreOptions | None = None,
    output_store_options: StoreOptions | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Convert every object below the inputs that is not converted yet.

    It may be killed at any moment and called again, also several times at once, on one machine or on many: each record
    is in the outputs once. Readers see complete files only.

    Parameters
    ----------
    src : str, os.PathLike or a sequence of these
        Files, folders, patterns, and URLs of objects and prefixes.
    dst : str or os.PathLike
        A folder or the URL of a prefix. It is empty at the first call, and no program but this package writes to it.
    normalizer : Normalizer, optional
        The default is ``Normalizer()``. It collects rejects and looks for no names.
    format : {"parquet", "ndjson", "ndjson.gz", "ndjson.zst"}
        Files of NDJSON have the names of the inputs.
    layout : Layout, optional
        For Parquet.
    since, until : str, optional
        Only objects with an hour in their name from `since` on and before `until`: ``2026-08-25`` or ``2026-08-25T12``.
    group_bytes : int
        Stored bytes of a task. A task has inputs of one folder and one hour.
    shard : (int, int)
        The index of this call and the number of all: it runs its share of the tasks.
    jobs : int, optional
        The number of threads; default the number of cores, at most 16.
    state : str or os.PathLike, optional
        A folder or the URL of a prefix; default ``_cfdns/`` in the output.
    rejects : str or os.PathLike, optional
        A folder or the URL of a prefix for a file of rejects for each task that has some. Otherwise they are counted.
    duplicates : {"report", "skip"}
        Objects with the size and the ETag of an earlier one of their folder and day.
    changed : {"fail", "reconvert"}
        Objects that have another ETag than the planned one: report them, or convert their tasks again. No other call
        may run on the output while tasks are converted again.
    retry_faults : bool
        Whether to run tasks again whose inputs were damaged, missing or poisonous.
    single_writer : bool
        For stores that ignore conditions of writes: no other call runs on this output at the same time.
    table : {"delta"}, optional
        Also commit the files to a Delta table in the output.
    store_options : StoreOptions, optional
        For inputs, and for outputs too without `output_store_options`.
    on_progress : callable, optional
        Called on this thread with a `Progress`, some times a second.
    stop : threading.Event, optional
        Setting it ends the run: tasks in progress are given up, and nothing of them can be seen.

    Returns
    -------
    Report
        Faults of inputs and failures of tasks are in the report, and raise nothing.

    Raises
    ------
    StoreError
        The inputs cannot be listed, or the state cannot be read or written.
    FilesError
        The run cannot begin: ``files.options`` (begun with others, or impossible), ``files.inside``, ``files.foreign``,
        ``files.single_writer``, ``files.version``, ``files.state``, ``files.time``.
    MappingError, ValueError, ImportError
        An option cannot be used, or a library is missing.
    """
    started_s = time.monotonic()
    options = _options(
        src=src,
        dst=dst,
        normalizer=normalizer,
        format=format,
        layout=layout,
        since=since,
        until=until,
        group_bytes=group_bytes,
        shard=shard,
        state=state,
        rejects=rejects,
        duplicates=duplicates,
        changed=changed,
        retry_faults=retry_faults,
        single_writer=single_writer,
        table=table,
        store_options=store_options,
        output_store_options=output_store_options,
    )
    threads = default_jobs() if jobs is None else jobs
    if not 1 <= threads <= 1024:
        raise ValueError(f"jobs must be a whole number from 1 to 1024, not {jobs!r}")
    opened = OpenedRun(options)
    output = opened.settings.output
    if table is None and next(output.list("_delta_log/"), None) is not None:
        # A task that runs again may change files that the table has.
        raise FilesError("files.options", f"{output.url}: is a Delta table, so every run needs --table delta")
    opened.plan(stop)
    committer = _committer(opened, options)
    engine = Engine(opened, threads, options.store_options, on_progress, stop, committer.add)
    try:
        engine.run()
    finally:
        committer.close()
    if not (engine.is_stopped or engine.is_interrupted):
        engine.add_known_faults()
    for fault in opened.changed():
        engine.totals.add_fault(fault)
    return replace(
        engine.totals.report(opened.planner.totals, opened.inputs.skipped),
        tasks_left=engine.tasks_left,
        is_interrupted=engine.is_interrupted,
        is_stopped=engine.is_stopped,
        seconds=round(time.monotonic() - started_s, 3),
    )


def plan(
    src: _Path | Sequence[_Path],
    dst: _Path,
    *,
    normalizer: Normalizer | None = None,
    format: str = "parquet",
    layout: Layout | None = None,
    since: str | None = None,
    until: str | None = None,
    group_bytes: int = DEFAULT_GROUP_BYTES,
    shard: tuple[int, int] = (0, 1),
    state: _Path | None = None,
    duplicates: str = "report",
    changed: str = "fail",
    retry_faults: bool = False,
    single_writer: bool = False,
    store_options: StoreOptions | None = None,
    output_store_options: StoreOptions | None = None,
) -> list[Task]:
    """Plan what is new, and return the tasks of these inputs that are not done, for `run_task`.

    Parameters and exceptions are those of `convert`.
    """
    opened = planned_run(
        src,
        dst,
        normalizer=normalizer,
        format=format,
        layout=layout,
        since=since,
        until=until,
        group_bytes=group_bytes,
        shard=shard,
        state=state,
        duplicates=duplicates,
        changed=changed,
        retry_faults=retry_faults,
        single_writer=single_writer,
        store_options=store_options,
        output_store_options=output_store_options,
    )
    return [opened.task_of(each) for each in opened.open_tasks()]


def planned_run(src: _Path | Sequence[_Path], dst: _Path, *, writes: bool = True, **options: Any) -> OpenedRun:
    """Plan what is new, and return the run, which has its open tasks and what the planning saw. For engines.

    Parameters and exceptions are those of `convert`, without those for threads and tables; without `writes` the plan
    is not stored.
    """
    opened = OpenedRun(_options(src=src, dst=dst, table=None, **options), writes=writes)
    opened.plan()
    return opened


def preview(
    src: _Path | Sequence[_Path],
    dst: _Path,
    *,
    normalizer: Normalizer | None = None,
    format: str = "parquet",
    layout: Layout | None = None,
    since: str | None = None,
    until: str | None = None,
    group_bytes: int = DEFAULT_GROUP_BYTES,
    shard: tuple[int, int] = (0, 1),
    state: _Path | None = None,
    duplicates: str = "report",
    changed: str = "fail",
    retry_faults: bool = False,
    single_writer: bool = False,
    store_options: StoreOptions | None = None,
    output_store_options: StoreOptions | None = None,
) -> Preview:
    """Return what `convert` with these options would do, and write nothing.

    Parameters and exceptions are those of `convert`.
    """
    opened = planned_run(
        src,
        dst,
        writes=False,
        normalizer=normalizer,
        format=format,
        layout=layout,
        since=since,
        until=until,
        group_bytes=group_bytes,
        shard=shard,
        state=state,
        duplicates=duplicates,
        changed=changed,
        retry_faults=retry_faults,
        single_writer=single_writer,
        store_options=store_options,
        output_store_options=output_store_options,
    )
    totals = opened.planner.totals
    planned = count_tasks(opened.state, opened.inputs.selects(), shard)[0] if opened.is_begun else 0
    tasks = [(len(each.task.inputs), each.task.size_bytes) for each in opened.open_tasks()] + totals.new_tasks
    return Preview(
        objects=totals.objects,
        size_bytes=totals.size_bytes,
        tasks=planned + len(totals.new_tasks),
        objects_left=sum(objects for objects, _ in tasks),
        size_bytes_left=sum(size_bytes for _, size_bytes in tasks),
        tasks_left=len(tasks),
        skipped=dict(opened.inputs.skipped),
        equal=totals.equal,
        equal_examples=tuple(totals.equal_examples),
        changed=tuple(fault.input for fault in opened.changed()),
    )


def run_task(
    task: Task,
    *,
    normalizer: Normalizer | None = None,
    rejects: _Path | None = None,
    store_options: StoreOptions | None = None,
    output_store_options: StoreOptions | None = None,
    stop: threading.Event | None = None,
) -> TaskReport:
    """Run a task of `plan` in this process, and write its done record. What Spark, Dask and Ray call.

    The options are those of the state. A task may run twice, also at the same time: both runs write the same.

    Parameters
    ----------
    task : Task
    normalizer : Normalizer, optional
        The one that `plan` was called with. Without it, one with the options in the state is made.
    rejects, store_options, output_store_options, stop
        As for `convert`.

    Raises
    ------
    StoreError
        A store failed. The task is not done, and may run again.
    FilesError
        ``task.kept``: the outputs of an earlier run stay, because this run would lose events. ``task.replaced``: the
        task is not needed any more. ``task.killed``: the conversion ends the process. ``files.state``: the state is
        not that of the task.
    """
    options = store_options or StoreOptions()
    settings = _settings(
        task.state,
        task.output,
        normalizer,
        None if rejects is None else os.fspath(rejects),
        output_store_options or options,
        os.getpid(),
    )
    source = open_store(task.source, options)
    state = settings.state
    number = state.attempts(f"{task.id}.").get(task.id, 0) + 1
    had_record = any(state.done(each) is not None for each in (task.id, *task.replaces))
    with Fetcher(0 if source.is_local else min(len(task.inputs), 3)) as fetcher:
        given_up = (lambda: False) if stop is None else stop.is_set
        attempt = Attempt(
            task,
            source,
            settings,
            fetcher,
            number=number,
            marks_first=True,
            had_record=had_record,
            given_up=given_up,
        )
        return attempt.run()


def status(dst: _Path, *, state: _Path | None = None, output_store_options: StoreOptions | None = None) -> Status:
    """Return what an output holds and lacks, by its state alone.

    Raises
    ------
    StoreError, FilesError
        There is no state (``files.state``), or it cannot be read.
    """
    output = os.fspath(dst)
    return status_of(_state_of(output, state, output_store_options or StoreOptions()), output)


def dataset(
    dst: _Path, *, state: _Path | None = None, output_store_options: StoreOptions | None = None
) -> pyarrow.dataset.Dataset:
    """Return the Parquet files of the tasks that are done as a dataset; files of other tasks are left out.

    Raises
    ------
    StoreError, FilesError
        As `status`; also if the output has no Parquet files.
    """
    from .done_dataset import dataset_of

    output = os.fspath(dst)
    options = output_store_options or StoreOptions()
    return dataset_of(_state_of(output, state, options), open_store(output, options))


class _NoTable:
    """What takes reports if there is no table."""

    def add(self, report: TaskReport) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def _committer(opened: OpenedRun, options: RunOptions) -> _NoTable | DeltaCommitter:
    if options.table is None:
        return _NoTable()
    from .delta import DeltaCommitter

    return DeltaCommitter(opened.state, opened.settings, options.output_store_options)


def _state_of(output: str, state: _Path | None, options: StoreOptions) -> State:
    url = state_url(output, None if state is None else os.fspath(state))
    try:
        return State(open_store(url, options))
    except StoreError as error:
        if error.code != "store.missing":
            raise
        raise FilesError("files.state", f"{redacted(output)}: holds no state of cfdns-fast") from None


def _options(
    *,
    src: _Path | Sequence[_Path],
    dst: _Path,
    normalizer: Normalizer | None = None,
    layout: Layout | None = None,
    state: _Path | None = None,
    rejects: _Path | None = None,
    store_options: StoreOptions | None = None,
    output_store_options: StoreOptions | None = None,
    **others: object,
) -> RunOptions:
    names = [src] if isinstance(src, (str, os.PathLike)) else src
    options = store_options or StoreOptions()
    return RunOptions(
        src=[os.fspath(name) for name in names],
        dst=os.fspath(dst),
        normalizer=normalizer or Normalizer(),
        layout=layout or Layout(),
        state=None if state is None else os.fspath(state),
        rejects=None if rejects is None else os.fspath(rejects),
        store_options=options,
        output_store_options=output_store_options or options,
        **others,  # type: ignore[arg-type]
    )


@functools.lru_cache(maxsize=16)
def _settings(
    state_name: str,
    output_name: str,
    normalizer: Normalizer | None,
    rejects: str | None,
    options: StoreOptions,
    process: int,
) -> Settings:
    """Return the settings of a state. A forked process needs new ones, because stores do not survive a fork."""
    state = State(open_store(state_name, options))
    head = state.head()
    if head is None:
        raise FilesError("files.state", f"{state.url}: holds no state of cfdns-fast")
    check_version(head, state.url)
    layout = layout_of(head)
    if normalizer is not None:
        check_head(head, head_of(normalizer, head["format"], layout), state.url)
    made = normalizer or normalizer_of(head)
    metadata = {"mapping_sha256": head["mapping_sha256"]} if head["mapping_sha256"] else {}
    return Settings(
        made,
        head["format"],
        layout,
        open_store(output_name, options),
        state,
        None if rejects is None else open_store(rejects, options, create=True),
        metadata,
    )
