"""The conversion to a directory or a prefix: options in, exit code out."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack
from typing import Any

import click

from .. import Normalizer
from ..files import Layout, Progress, Report, convert, preview
from ..files.locations import redacted
from ..files.stores import StoreOptions
from ..io.outputs import Output
from ..io.paths import STANDARD_STREAM, check_outputs, descriptor_of
from .convert_values import ConvertOptions
from .directory_progress import DirectoryProgress
from .directory_report import faults_of, preview_text, summary_of
from .failing import disallowed
from .json_line import json_line
from .report import UNKNOWN, say
from .signals import EXIT_SIGNAL, INTERRUPTS, signal_text
from .targets import is_url

__all__ = ["convert_to_directory"]

_EXIT_DONE = 0
_EXIT_FAILED = 1
#: Incremented when a member is renamed, removed or changes its meaning, and not when one is added.
_FORMAT = 1


def convert_to_directory(options: ConvertOptions, normalizer: Normalizer) -> int:
    """Convert what is new to the directory or prefix, report it, and return the exit code."""
    if options.rejects is not None and (
        options.rejects == STANDARD_STREAM or descriptor_of(options.rejects) is not None
    ):
        raise click.UsageError("--rejects is a directory or a prefix if the output is one")
    for name in options.inputs:
        if not is_url(name) and os.path.exists(name) and not (os.path.isfile(name) or os.path.isdir(name)):
            raise click.UsageError(f"{name}: is neither a file nor a directory, and cannot be read a second time")
    arguments = _arguments(options, normalizer)
    with ExitStack() as cleanup:
        summary = _opened_summary(options, cleanup)
        if options.dry_run:
            found = preview(list(options.inputs), options.output, **arguments)
            for line in preview_text(found) if summary is None else ():
                click.echo(line)
            _publish(summary, {**_head(options), **found.as_dict()})
            return _EXIT_DONE
        progress = DirectoryProgress(shown=not (options.quiet or options.no_progress))
        cleanup.callback(progress.close)
        INTERRUPTS.add_clean_up(progress.close)
        stop = _StopRequest()
        cleanup.callback(INTERRUPTS.defer, None)
        report = convert(
            list(options.inputs),
            options.output,
            **arguments,
            rejects=options.rejects,
            jobs=options.jobs,
            table=options.table,
            on_progress=lambda each: _on_progress(each, progress, stop),
            stop=stop.event,
        )
        INTERRUPTS.defer(None)
        progress.close()
        code = _report(report, options)
        _publish(summary, {**_head(options), **_end_of(report), "exit_code": code, **report.as_dict()})
    return code


def _opened_summary(options: ConvertOptions, cleanup: ExitStack) -> Output | None:
    """Return the output of --json or --summary-json, which is opened first; None without these options."""
    name = STANDARD_STREAM if options.as_json else options.summary_json
    if name is None:
        return None
    check_outputs([], [name])
    summary = Output(name)
    cleanup.callback(summary.discard)
    INTERRUPTS.add_clean_up(summary.discard)
    summary.open()
    return summary


def _publish(summary: Output | None, members: dict[str, Any]) -> None:
    if summary is not None:
        summary.write(json_line(members))
        summary.seal()
        summary.publish()


def _arguments(options: ConvertOptions, normalizer: Normalizer) -> dict[str, Any]:
    """Return the arguments that `convert` and `preview` have in common."""
    stores = StoreOptions(options.endpoint_url, options.region, options.profile, options.anonymous)
    return {
        "normalizer": normalizer,
        "format": options.format,
        "layout": _layout_of(options, normalizer),
        "since": options.since,
        "until": options.until,
        "group_bytes": options.group_bytes,
        "shard": options.shard,
        "state": options.state,
        "duplicates": options.duplicates,
        "changed": options.changed,
        "retry_faults": options.retry_faults,
        "single_writer": options.single_writer,
        "store_options": stores,
        "output_store_options": stores,
    }


def _layout_of(options: ConvertOptions, normalizer: Normalizer) -> Layout | None:
    if options.format != "parquet":
        return None
    # Imported here, because it needs pyarrow, and NDJSON does not.
    from .parquet_layout import layout_of

    partition_by = () if options.partition_by == "none" else tuple(options.partition_by.split(","))
    return layout_of(options, normalizer, partition_by)


class _StopRequest:
    """Sets an event for a signal handler."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def request(self) -> None:
        """Set the event, on another thread: the handler may interrupt this thread while it holds the event's lock."""
        threading.Thread(target=self.event.set, name="cfdns-stop", daemon=True).start()


def _on_progress(progress: Progress, shown: DirectoryProgress, stop: _StopRequest) -> None:
    """Show the progress. From the first time on, the first signal ends the tasks; before, it ends the process."""
    # A list of millions of objects takes minutes, and the engine does not end it early.
    INTERRUPTS.defer(stop)
    shown(progress)


def _report(report: Report, options: ConvertOptions) -> int:
    """Say what was done, and return the exit code."""
    for line in faults_of(report):
        say(line)
    interrupt = INTERRUPTS.number
    if interrupt:
        left = f"; tasks left {report.tasks_left}, the same command continues" if report.tasks_left else ""
        say(f"{signal_text(interrupt)}{left}")
    elif report.is_stopped:
        say("three tasks failed at the store one after the other, so the run ended; the same command continues")
    if not options.quiet:
        say(summary_of(report))
    is_unknown = options.fail_on != frozenset() and _is_unknown(report)
    if is_unknown:
        say(f"none of {report.events} records has a key that the mapping reads (see --dataset)")
    rejects, problems = sum(report.rejects.values()), sum(report.problems.values())
    unknown = report.problems.get(UNKNOWN, 0)
    not_allowed = disallowed(rejects, unknown, problems, fail_on=options.fail_on, strict=options.strict)
    if not_allowed and options.quiet and not interrupt:
        say(not_allowed)
    if interrupt:
        return EXIT_SIGNAL + interrupt
    return _EXIT_FAILED if not_allowed or is_unknown or not report.is_complete else _EXIT_DONE


def _is_unknown(report: Report) -> bool:
    return 0 < report.events == report.problems.get(UNKNOWN, 0)


def _end_of(report: Report) -> dict[str, str | None]:
    number = INTERRUPTS.number
    if number:
        return {"end": "interrupted", "signal": signal.Signals(number).name}
    return {"end": "stopped" if report.is_stopped else "complete", "signal": None}


def _head(options: ConvertOptions) -> dict[str, Any]:
    return {"format": _FORMAT, "output": redacted(options.output)}
