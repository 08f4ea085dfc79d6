"""The command ``cfdns-fast inspect``: options in, exit code out."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from ..io.inputs import InputFault, blocks_ahead
from ..io.outputs import Output, OutputFault
from ..io.paths import STANDARD_STREAM
from .check_files import CheckFile, log_blocks
from .convert_values import ConvertOptions
from .inspect_options import SECTIONS, inspect_options
from .json_line import json_line
from .library_options import normalizer_of
from .memory import keep_freed_memory
from .report import Progress, is_terminal, say, shown_name
from .run_inputs import check_names, detectors_for, given_options, sources_of
from .schema import Schema
from .sections import SectionedCommand
from .signals import INTERRUPTS
from .sources import Source, SourceFault, Sources
from .targets import is_listed
from .unknown_records import FirstRecord

if TYPE_CHECKING:
    from .. import Normalizer
    from ..inspect import Inspection, Summary

__all__ = ["command"]

_EXIT_DONE = 0
_EXIT_FAILED = 1
_CHECK_REASON = "check file"
#: More than the pieces that are read, because an inspection would join smaller blocks again.
_BLOCK_BYTES = 1 << 21

# The text of the help is no docstring, because `python -OO` leaves those out.
_HELP = """\
Show what a batch holds: events over time by response code, the most frequent domains, names, types, data centres and
clients, NXDOMAIN by domain, gaps and late events by file, problems and rejects with an example each.

INPUT is what `convert` reads: files, - for standard input, which is also read if there is none, directories, patterns
and prefixes of buckets; and also what `convert` writes in a bundled schema: events as NDJSON, and Parquet files. Each
input is recognised by its content.

On a terminal there are tables with bars; else the same is plain text, without colour. Names of domains are counted
without regard to upper and lower case. Memory is bounded: of more than a million different values the rarest are
dropped, and what that means for the counts is said beside them.

\b
Exit codes:
  0    done; also if the reader of the output stops reading
  1    an input is missing, unreadable or could not be read to its end, or its format is not known, or none of its
       records has a key that the mapping reads (all else is shown); or the page could not be written
  2    wrong usage
  130  interrupted (143 by SIGTERM, 129 by SIGHUP); nothing is shown
"""


@click.command("inspect", cls=SectionedCommand, sections=SECTIONS, help=_HELP)
@inspect_options
@click.pass_context
def command(
    context: click.Context,
    /,
    top: int,
    as_json: bool,
    html: str | None,
    no_examples: bool,
    threads: int | None,
    no_progress: bool,
    **values: Any,
) -> int:
    options = ConvertOptions(**values, no_message=True, annotate=False)
    options.inputs = options.inputs or (STANDARD_STREAM,)
    listed = any(map(is_listed, options.inputs))
    options.check_inputs(given_options(context), is_listed=listed)
    if as_json and html == STANDARD_STREAM:
        raise click.UsageError("the page and --json cannot both go to standard output; give --html a FILE")
    sources = sources_of(options, is_listed=listed)
    check_names(options, sources, () if html is None else (html,))
    detectors, notes = detectors_for(options)
    normalizer = normalizer_of(options, detectors)
    for note in notes:
        say(note)
    with ExitStack() as cleanup:
        page = None if html is None else Output(html)
        if page is not None:
            # Imported before anything is read, because a missing library should not cost minutes.
            from ..inspect import render_page

            cleanup.callback(page.discard)
            INTERRUPTS.add_clean_up(page.discard)
            page.open()
        # Imported before anything is read as well.
        show = _printer(as_json=as_json) if as_json or page is None else None
        summary = _inspected(options, sources, normalizer, detectors, top, no_examples, threads, no_progress)
        if page is not None:
            _write(page, render_page(summary).encode("utf-8"))
        if show is not None:
            show(summary)
    return _EXIT_FAILED if summary.files.fault_count else _EXIT_DONE


def _inspected(
    options: ConvertOptions,
    sources: Sources,
    normalizer: Normalizer,
    detectors: tuple[Any, ...],
    top: int,
    no_examples: bool,
    threads: int | None,
    no_progress: bool,
) -> Summary:
    """Read all inputs and return what they hold."""
    from ..files.run_options import default_jobs
    from ..inspect import Inspection

    alerts = None
    if detectors:
        from ..detect import Alerts

        alerts = Alerts(detectors, at_once=False)
    shown = is_terminal(sys.stderr) and not no_progress
    progress = Progress(sources.total_bytes() if shown else None, shown=shown)
    INTERRUPTS.add_clean_up(progress.close)
    keep_freed_memory()
    skipped: Counter[str] = Counter()
    try:
        inspection = Inspection(normalizer, threads=threads or default_jobs(), examples=not no_examples, alerts=alerts)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with inspection:
        reader = _Reader(
            inspection, normalizer, Schema(options.schema, options.dataset, options.input_format), progress
        )
        try:
            for source in sources:
                if isinstance(source, SourceFault):
                    reader.fault(source.name, source.fault)
                elif not reader.read(source):
                    skipped[_CHECK_REASON] += 1
            skipped.update(sources.not_read or {})
            return inspection.summary(top=top, skipped=skipped)
        finally:
            progress.close()


class _Reader:
    """Reads inputs, and reports their faults."""

    def __init__(self, inspection: Inspection, normalizer: Normalizer, schema: Schema, progress: Progress) -> None:
        self._inspection = inspection
        self._normalizer = normalizer
        self._schema = schema
        self._progress = progress

    def read(self, source: Source) -> bool:
        """Count an input; False if Logpush wrote it to check a destination, so that it holds no logs."""
        from ..inspect import InputFile

        file = InputFile(shown_name(source.name), path=source.path, identity=source.identity)
        first = FirstRecord()

        def count(size_bytes: int) -> None:
            file.size_bytes += size_bytes

        try:
            with source.opened() as opened, blocks_ahead(opened, count, max_bytes=_BLOCK_BYTES) as blocks:
                logs = log_blocks(source.name, blocks, self._normalizer, self._schema)
                shown_bytes = 0

                def read_blocks() -> Any:
                    nonlocal shown_bytes
                    for block in logs:
                        first.feed(block)
                        yield block
                        self._progress.update(file.size_bytes - shown_bytes)
                        shown_bytes = file.size_bytes

                fault = self._inspection.read(file, read_blocks())
        except CheckFile:
            return False
        except InputFault as error:
            self.fault(file.name, error)
            return True
        if fault is not None:
            self._progress.say(f"{file.name}: {fault}")
        if file.kind == "logs":
            first.add(file.events, file.unknown)
            unknown = first.explain(source.name, self._schema)
            if unknown is not None:
                self._progress.say(str(unknown))
                self._inspection.add_fault(file.name, "none of its records has a key that the mapping reads")
        return True

    def fault(self, name: str, fault: InputFault) -> None:
        """Report an input that could not be opened."""
        self._progress.say(f"{shown_name(name)}: {fault}")
        self._inspection.add_fault(shown_name(name), fault.reason)


def _printer(*, as_json: bool) -> Callable[[Summary], None]:
    """Return what prints a summary: as JSON, as tables on a terminal, or as plain text."""
    if as_json:
        return lambda summary: _print(json_line(summary.as_dict()))
    if is_terminal(sys.stdout):
        from ..inspect.terminal import print_summary

        return lambda summary: print_summary(summary, sys.stdout)
    from ..inspect import plain_lines

    return lambda summary: _print("".join(f"{line}\n" for line in plain_lines(summary)).encode("utf-8"))


def _print(data: bytes) -> None:
    output = Output(STANDARD_STREAM)
    output.open()
    _write(output, data)


def _write(output: Output, data: bytes) -> None:
    """Write all of an output; a reader that stops reading is no fault."""
    try:
        output.write(data)
        output.seal()
        output.publish()
    except OutputFault:
        if not output.broken_pipe:
            raise
