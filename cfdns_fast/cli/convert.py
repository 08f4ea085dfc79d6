"""The command ``cfdns-fast convert``: options in, exit code out."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from .. import Normalizer
from ..io.outputs import Output, OutputFault
from ..io.paths import STANDARD_STREAM, descriptor_of
from ..io.spill_file import SpillFile
from .conversion import Conversion
from .convert_options import SECTIONS, convert_options
from .convert_values import ConvertOptions
from .detection import AlertsOutput
from .failing import disallowed
from .library_options import normalizer_of
from .memory import keep_freed_memory
from .report import Progress, by_code, is_terminal, say
from .run_inputs import check_names, detectors_for, given_options, sources_of
from .schema import Schema
from .sections import SectionedCommand
from .signals import EXIT_SIGNAL, INTERRUPTS, signal_text
from .sources import Sources
from .summary import summary_line
from .targets import is_directory_output, is_listed, is_parquet

if TYPE_CHECKING:
    from .parquet_file import ParquetFile

__all__ = ["command"]

_EXIT_DONE = 0
_EXIT_FAILED = 1

# The text of the help is no docstring, because `python -OO` leaves those out.
_HELP = """\
Convert files of records to events, one a line, in the order of the inputs.

INPUT is a file, or - for standard input, which is also read if there is none; a directory or a pattern such as
'logs/2026*/*.gz', with everything below it in the order of the names; or s3://BUCKET/PREFIX/, gs://, az://, or the
URL of an R2 bucket. Gzip and zstd are recognised by their content, and so is the format: newline-delimited JSON, a
JSON document around the records, CSV or TSV with a header row. Gzip and zstd within each other are read, up to four
layers; other compression and UTF-16 are recognised and named. Each input is read separately: its last line needs no
newline. Files that Logpush writes to check a destination are skipped and counted. They are recognised by their
content, and by name (test.txt.gz, ownership-challenge-….txt) if they hold one short line that is not a record.

An output file changes only when everything is complete: alerts, rejects, and then events. It is replaced by
renaming. Where that is impossible (a file mounted into a container, another user's file in a sticky folder, a folder
that cannot be written) but the file can be written, its content is replaced in place at the end, which is not atomic.
An output that can be neither replaced nor written is reported first. Temporary files that killed runs left in the
folder of an output are removed.

A directory or prefix as output (-o DIR/, -o s3://BUCKET/PREFIX/) can be ended at any time and run again: each input is
converted once, and what is new is added. `cfdns-fast status` shows what is done.

A summary on standard error counts lines, events, blank lines, problems (fields left out of events) and rejects
(bytes that did not become an event), each by its code. It names skipped inputs, and columns of CSV and TSV that are
not used.

Events for standard output, a FIFO or a device are written as soon as no more input waits. An interrupt then ends the
reading: what was read and is complete is converted and written, and the rejects and the summary too. A second one
ends the command at once.

\b
Exit codes:
  0    done; also if the reader of the events stops reading (files are then not written)
  1    an input is missing, unreadable or could not be read to its end (what was read before is converted), or its
       format is not known or not read; none of its records has a key that the mapping reads; there is what
       --strict or --fail-on names; or an output could not be written. For a directory as output all else is done,
       and faults of inputs that earlier runs found count too, until the inputs are read without a fault
  2    wrong usage; or the output holds the conversion with another mapping or other options
  130  interrupted (143 by SIGTERM, 129 by SIGHUP); output files are as they were before, unless all inputs were
       already converted, or the events are written to standard output, a FIFO or a device; what a directory as
       output holds is complete, and the same command continues
"""


@click.command("convert", cls=SectionedCommand, sections=SECTIONS, help=_HELP)
@convert_options
@click.pass_context
def command(context: click.Context, /, **values: Any) -> int:
    options = ConvertOptions(**values)
    options.inputs = options.inputs or (STANDARD_STREAM,)
    to_directory = is_directory_output(options.output)
    listed = any(map(is_listed, options.inputs))
    options.check_together(given_options(context), to_directory=to_directory, is_listed=listed)
    if to_directory:
        # Imported here, because it needs libraries that the conversion of files does not need.
        from .directory_mode import convert_to_directory

        return convert_to_directory(options, normalizer_of(options, ()))
    return _convert_to_file(options, sources_of(options, is_listed=listed))


def _convert_to_file(options: ConvertOptions, sources: Sources) -> int:
    output, rejects, alerts, summary_json = options.output, options.rejects, options.alerts, options.summary_json
    outputs = [name for name in (output, rejects, alerts, summary_json) if name is not None]
    if summary_json is not None and _is_standard_output(summary_json) and any(map(_is_standard_output, outputs[:-1])):
        raise click.UsageError(
            "events and the JSON summary cannot both go to standard output; give -o or --summary-json a FILE"
        )
    check_names(options, sources, outputs)
    detectors, notes = detectors_for(options)
    normalizer = normalizer_of(options, detectors)
    to_terminal = output == STANDARD_STREAM and is_terminal(sys.stdout)
    shown = is_terminal(sys.stderr) and not (options.quiet or options.no_progress or to_terminal)
    progress = Progress(sources.total_bytes() if shown else None, shown=shown)
    events_output = Output(output)
    rejects_output = None if rejects is None else Output(rejects)
    conversion = Conversion(
        normalizer,
        Schema(options.schema, options.dataset, options.input_format),
        events_output,
        rejects_output,
        None if rejects_output is None else SpillFile(rejects_output),
        progress,
        options.threads,
        None if alerts is None else AlertsOutput(detectors, Output(alerts)),
        _parquet_file(options, normalizer, events_output) if is_parquet(output) else None,
    )
    for note in [] if options.quiet else notes:
        say(note)
    keep_freed_memory()
    return _run(conversion, sources, options)


def _parquet_file(options: ConvertOptions, normalizer: Normalizer, output: Output) -> ParquetFile:
    from .parquet_file import ParquetFile
    from .parquet_layout import layout_of

    return ParquetFile(output, normalizer, layout_of(options, normalizer, ()))


def _run(conversion: Conversion, sources: Sources, options: ConvertOptions) -> int:
    """Run the conversion, report it, and return the exit code."""
    fail_on, quiet, tally = options.fail_on, options.quiet, conversion.tally
    with ExitStack() as cleanup:
        summary = None if options.summary_json is None else Output(options.summary_json)
        if summary is not None:
            cleanup.callback(summary.discard)
            INTERRUPTS.add_clean_up(summary.discard)
            summary.open()
        started_s = time.perf_counter()
        failure: OutputFault | None = None
        try:
            end = "complete" if conversion.run(sources) else "closed"
        except OutputFault as error:
            end, failure = "failed", error
        seconds = time.perf_counter() - started_s
        interrupt = INTERRUPTS.number
        if interrupt:
            unfinished = tally.unfinished_bytes
            rest = f" ({unfinished} bytes that are not complete are left out)" if unfinished else ""
            say(f"{signal_text(interrupt)}{rest}")
            end = "interrupted" if end == "complete" else end
        if end in ("complete", "interrupted") and not quiet:
            found = "" if conversion.alerts is None else f", alerts {conversion.alerts.counts()['documents']}"
            say(f"{tally.summary(seconds, positions=options.rejects is None)}{_not_read_text(sources)}{found}")
        not_allowed = disallowed(
            tally.rejects.total(), tally.unknown, tally.problems.total(), fail_on=fail_on, strict=options.strict
        )
        if not_allowed and end == "complete" and quiet:
            say(not_allowed)
        code = _EXIT_DONE
        if not_allowed or failure or conversion.faults or (conversion.unknown and fail_on != frozenset()):
            code = _EXIT_FAILED
        if interrupt:
            code = EXIT_SIGNAL + interrupt
        if summary is not None:
            name = signal.Signals(interrupt).name if interrupt else None
            summary.write(
                summary_line(
                    conversion,
                    inputs=sources.count,
                    not_read=sources.not_read,
                    seconds=seconds,
                    end=end,
                    signal=name,
                    failure=None if failure is None else str(failure),
                    code=code,
                )
            )
            summary.seal()
            summary.publish()
    if failure is not None:
        if not interrupt:
            raise failure
        say(str(failure))
    return code


def _not_read_text(sources: Sources) -> str:
    return f", not read {by_code(sources.not_read, {})}" if sources.not_read else ""


def _is_standard_output(name: str) -> bool:
    return name == STANDARD_STREAM or descriptor_of(name) == 1
