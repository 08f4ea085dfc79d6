"""Convert a folder or bucket on a cluster: the plan on the driver, its tasks on the executors."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import Normalizer
from ..files import FilesError, Report, Task
from ..files.backfill import planned_run
from ..files.totals import Totals
from .task_results import add_result, run_text

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from ..files import StoreOptions
    from ..files.opened_run import OpenedRun

__all__ = ["convert"]

#: Maximum size of the tasks of a job, in characters. Spark sends them in one message, which the setting
#: spark.rpc.message.maxSize limits to 128 MiB by default; the tasks of a million objects are larger.
_MAX_JOB_SIZE = 32 << 20


def convert(
    spark: SparkSession,
    src: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    dst: str | os.PathLike[str],
    *,
    normalizer: Normalizer | None = None,
    rejects: str | os.PathLike[str] | None = None,
    store_options: StoreOptions | None = None,
    output_store_options: StoreOptions | None = None,
    **options: Any,
) -> Report:
    """Convert every object below the inputs that is not converted yet, on the executors of a session.

    The result is that of `cfdns_fast.files.convert`, and the two can be used in turn on one output. Each task of the
    plan is one task of Spark, and writes its files by itself. Retries, speculation and several drivers at the same time
    are harmless, because the names of outputs are those of the plan.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
        The executors must be able to import this package, and to reach the inputs and the output by the same names.
    src, dst, normalizer, rejects, store_options, output_store_options
        As for `cfdns_fast.files.convert`. Credentials are those that obstore finds on the driver and every executor.
    **options
        All options of `cfdns_fast.files.plan`.

    Returns
    -------
    Report

    Raises
    ------
    FilesError
        As `cfdns_fast.files.plan`; or with the code ``spark.task`` if a store failed for a task, or its process ended,
        as often as Spark allows (``spark.task.maxFailures``). Finished tasks stay done, and the next call continues.
        Failures that concern one task alone are in the report.
    ImportError
        pyspark or pyarrow is not installed.
    """
    started_s = time.monotonic()
    if rejects is not None and "://" not in os.fspath(rejects):
        rejects = os.path.abspath(rejects)  # workers have other working directories
    settings: dict[str, Any] = {
        "normalizer": normalizer,
        "rejects": rejects,
        "store_options": store_options,
        "output_store_options": output_store_options,
    }
    planned = planned_run(src, dst, **settings, **options)
    totals = Totals()
    faulty: set[str] = set()
    try:
        for texts in _jobs_of(json.dumps(task.as_dict()) for task in _tasks_of(planned)):
            for result in _run_on(spark, texts, lambda text: run_text(text, settings)):
                add_result(result, totals, faulty)
    except _job_errors() as error:
        raise FilesError("spark.task", _reason_of(str(error))) from error
    planned.add_known_faults(totals, faulty)
    for fault in planned.changed():
        totals.add_fault(fault)
    report = totals.report(planned.planner.totals, planned.inputs.skipped)
    # Tasks end in any order.
    return replace(
        report,
        tasks_left=totals.failure_count,
        faults=tuple(sorted(report.faults)),
        failures=tuple(sorted(report.failures)),
        seconds=round(time.monotonic() - started_s, 3),
    )


def _tasks_of(planned: OpenedRun) -> Iterator[Task]:
    return map(planned.task_of, planned.open_tasks())


def _jobs_of(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield consecutive tasks in lists, each of which Spark can send to an executor at once."""
    job: list[str] = []
    size = 0
    for text in texts:
        if job and size + len(text) > _MAX_JOB_SIZE:
            yield job
            job, size = [], 0
        job.append(text)
        size += len(text)
    if job:
        yield job


def _run_on(spark: SparkSession, texts: list[str], run: Callable[[str], str]) -> list[str]:
    """Return the results of a function for texts, each of which is one task of Spark."""
    # The client of Spark Connect has no context.
    context = getattr(spark, "sparkContext", None)
    if context is not None:
        # Planning a query on a frame and compiling its code takes longer than many conversions.
        return list(context.parallelize(texts, len(texts)).map(run).collect())
    from pyspark.sql.functions import udf

    # A plain function, because those on batches need pandas. Spark may call one that it takes for deterministic twice.
    function = udf(run, "string", useArrow=False).asNondeterministic()
    rows = spark.createDataFrame([(text,) for text in texts], "task string")
    # One partition first: tasks in several would be divided unevenly.
    return [row[0] for row in rows.coalesce(1).repartition(len(texts)).select(function("task")).collect()]


def _job_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions for a job that failed."""
    from pyspark.errors import PySparkException

    try:
        from py4j.protocol import Py4JJavaError
    except ImportError:  # the client of Spark Connect
        return (PySparkException,)
    # pyspark has exceptions of its own for those of Python in a worker, but not for a worker that ended.
    return PySparkException, Py4JJavaError


def _reason_of(text: str) -> str:
    """Return one sentence on an exception of Spark, whose text may have the traceback of a worker."""
    found = re.findall(r"^\S+\.StoreError: (.+)$", text, re.MULTILINE)
    cause = f" ({found[-1].strip()})" if found else ""
    return f"a task failed as often as Spark allows{cause}; finished tasks stay done, and the next call continues"
