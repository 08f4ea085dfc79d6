"""The command line: options in, exit code out."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NoReturn

import click

from .. import CfdnsError, MappingError, Normalizer
from ..io.outputs import Output, OutputFault
from ..io.paths import STANDARD_STREAM, PathError, check_outputs, descriptor_of, total_bytes
from ..io.spill_file import SpillFile
from ..mapping import is_path
from ..options import DEFAULT_DATASET, THREADS, Option, option
from .conversion import Conversion
from .memory import keep_freed_memory
from .report import Progress, Tally, say
from .signals import EXIT_SIGNAL, INTERRUPTS, is_out_of_memory, signal_text
from .summary import summary_line
from .unknown_records import Schema

__all__ = ["main"]

_PROGRAM = "cfdns-fast"
_EXIT_DONE = 0
_EXIT_FAILED = 1
_EXIT_USAGE = 2
#: Unlike click's default, this does not test whether an existing file can be read.
_PATH = click.Path(readable=False)
#: What --fail-on can name.
_FAILING = ("rejects", "unknown", "problems")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; ``cfdns-fast convert --help`` lists the exit codes."""
    try:
        code = _cli.main(arguments, prog_name=_PROGRAM, standalone_mode=False)
    except SystemExit:
        raise
    except BaseException as error:
        if os.environ.get("CFDNS_DEBUG") == "1":
            traceback.print_exc()
        code = _explain(error)
    sys.exit(code)


def _explain(error: BaseException) -> int:
    """Say in one line what ended the run, and return the exit code."""
    match error:
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else _PROGRAM
            say(f"{error.format_message().rstrip('.')} (see {command} --help)")
            return _EXIT_USAGE
        case MappingError() | PathError():
            say(str(error))
            return _EXIT_USAGE
        case KeyboardInterrupt() | click.Abort():
            # Signals of the command raise nothing: this is from a program that calls `main`.
            say(signal_text(signal.SIGINT))
            return EXIT_SIGNAL + signal.SIGINT
        case CfdnsError():
            say(str(error))
        case _ if is_out_of_memory(error):
            say("out of memory")
        case OSError():
            # --help or --version could not be written. The interpreter would write the rest of it again at exit.
            sys.stdout = None
            say(error.strerror or type(error).__name__)
        case _:
            # The text of an unexpected error may hold record content.
            say(f"internal error, {type(error).__name__} (CFDNS_DEBUG=1 shows where)")
    return _EXIT_FAILED


# The texts of the help are no docstrings, because `python -OO` leaves those out.
_HELP = "Turn Cloudflare DNS query logs (Logpush dns_logs) into Elastic Common Schema events."

_CONVERT_HELP = """\
Convert files of records to events, one a line, in the order of the inputs.

INPUT is a file, or - for standard input, which is also read if there is none. Gzip is recognised by its content,
and so is the format: newline-delimited JSON, a JSON document around the records, CSV or TSV with a header row.
Gzip within gzip is read, up to four layers; other compression and UTF-16 are recognised and named. Each input is
read separately: its last line needs no newline. Files that Logpush writes to check a destination are skipped and
counted. They are recognised by their content, and by name (test.txt.gz, ownership-challenge-….txt) if they hold
one short line that is not a record.

An output file changes only when everything is complete, rejects before events. It is replaced by renaming. Where
that is impossible (a file mounted into a container, another user's file in a sticky folder, a folder that cannot be
written) but the file can be written, its content is replaced in place at the end, which is not atomic. An output
that can be neither replaced nor written is reported first. Temporary files that killed runs left in the folder of an
output are removed.

A summary on standard error counts lines, events, blank lines, problems (fields left out of events) and rejects
(bytes that did not become an event), each by its code. It names skipped inputs, and columns of CSV and TSV that are
not used.

Events for standard output, a FIFO or a device are written as soon as no more input waits. An interrupt then ends the
reading: what was read and is complete is converted and written, and the rejects and the summary too. A second one
ends the command at once.

\b
Exit codes:
  0    done; also if the reader of the events stops reading (--rejects FILE is then not written)
  1    an input is missing, unreadable or could not be read to its end (what was read before is converted), or its
       format is not known or not read; none of its records has a key that the mapping reads; there is what
       --strict or --fail-on names; or an output could not be written
  2    wrong usage
  130  interrupted (143 by SIGTERM, 129 by SIGHUP); output files are as they were before, unless all inputs were
       already converted, or the events are written to standard output, a FIFO or a device
"""


def _value(
    name: str, taken: Option, metavar: str | None = None, *, default: object = None
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Return click's option for an option of the library; `default` if the command has another one."""
    kind: Any = None
    if taken.choices:
        kind = click.Choice(taken.choices)
    elif taken.limits is not None:
        kind = click.IntRange(*taken.limits)
    default = taken.default if default is None else default
    return click.option(name, metavar=metavar, type=kind, default=default, show_default=True, help=taken.help)


@click.group(help=_HELP, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(package_name="cfdns-fast", message="%(prog)s %(version)s")
@click.pass_context
def _cli(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(_EXIT_USAGE)


@_cli.command("convert", help=_CONVERT_HELP)
@click.argument("inputs", metavar="[INPUT]...", nargs=-1, type=_PATH)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default=STANDARD_STREAM,
    type=_PATH,
    help="Write events here instead of standard output; compressed if the name ends in .gz.",
)
@_value("--schema", option("schema"), "NAME_OR_PATH")
@_value("--dataset", option("dataset"), "NAME")
@click.option(
    "--rejects",
    metavar="FILE",
    type=_PATH,
    help="Write the rejects here, one JSON object a line: input, line, byte_offset, byte_length, "
    "code and all its bytes as raw, or as raw_base64 if they are not UTF-8.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Exit with 1 if there are rejects, or records without a key that the mapping reads; the same as "
    "--fail-on rejects,unknown. The output is written all the same.",
)
@click.option(
    "--fail-on",
    metavar="WHAT,...",
    multiple=True,
    callback=lambda context, option, values: _parse_fail_on(values),
    help="Exit with 1 if there is any of these: rejects, unknown (records without a key that the mapping reads), "
    "problems (these included). With none, not even an input in which no record has such a key is a failure.",
)
@click.option(
    "--summary-json",
    metavar="FILE",
    type=_PATH,
    help="Write the summary here too, as one JSON object; - is standard output.",
)
@click.option("--no-message", is_flag=True, help="Leave the original record out of the events.")
@click.option("--private-suffixes", is_flag=True, help=option("private_suffixes").help)
@_value("--timestamp-unit", option("timestamp_unit"))
@_value("--max-record-bytes", option("max_record_bytes"), "BYTES")
@_value("--input-format", option("input_format"), default="auto")
@_value("--columns", option("columns"), "NAME,NAME,...")
@_value("--record-delimiter", option("record_delimiter"), "TEXT")
@_value("--threads", THREADS, "N")
@click.option("--no-progress", is_flag=True, help="Show no progress, even on a terminal.")
@click.option("-q", "--quiet", is_flag=True, help="Show neither progress nor the summary; errors are still shown.")
def _convert(
    inputs: tuple[str, ...],
    output: str,
    schema: str,
    dataset: str,
    rejects: str | None,
    strict: bool,
    fail_on: frozenset[str] | None,
    summary_json: str | None,
    no_message: bool,
    private_suffixes: bool,
    timestamp_unit: str,
    max_record_bytes: int,
    input_format: str,
    columns: str | None,
    record_delimiter: str | None,
    threads: int,
    no_progress: bool,
    quiet: bool,
) -> int:
    inputs = inputs or (STANDARD_STREAM,)
    if strict and fail_on == frozenset():
        raise click.UsageError("--strict and --fail-on none exclude each other")
    outputs = [name for name in (output, rejects, summary_json) if name is not None]
    if summary_json is not None and _is_standard_output(summary_json) and any(map(_is_standard_output, outputs[:-1])):
        raise click.UsageError(
            "events and the JSON summary cannot both go to standard output; give -o or --summary-json a FILE"
        )
    check_outputs(inputs, outputs, mapping=schema if is_path(schema) else None)
    names = None if columns is None else columns.split(",")
    if is_path(schema) and dataset != DEFAULT_DATASET:
        raise click.UsageError("--dataset goes with a bundled schema; a mapping file is for one dataset already")
    try:
        normalizer = Normalizer(
            schema,
            dataset=dataset,
            keep_message=not no_message,
            private_suffixes=private_suffixes,
            timestamp_unit=timestamp_unit,
            max_record_bytes=max_record_bytes,
            input_format=input_format,
            columns=names,
            record_delimiter=record_delimiter,
        )
    except MappingError:
        raise
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    to_terminal = output == STANDARD_STREAM and _is_terminal(sys.stdout)
    progress = Progress(
        total_bytes(inputs), shown=_is_terminal(sys.stderr) and not (quiet or no_progress or to_terminal)
    )
    rejects_output = None if rejects is None else Output(rejects)
    conversion = Conversion(
        normalizer,
        Schema(schema, dataset, input_format),
        Output(output),
        rejects_output,
        None if rejects_output is None else SpillFile(rejects_output),
        progress,
        threads,
    )
    keep_freed_memory()
    with ExitStack() as cleanup:
        summary = None if summary_json is None else Output(summary_json)
        if summary is not None:
            cleanup.callback(summary.discard)
            INTERRUPTS.add_clean_up(summary.discard)
            summary.open()
        started_s = time.perf_counter()
        failure: OutputFault | None = None
        try:
            end = "complete" if conversion.run(inputs) else "closed"
        except OutputFault as error:
            end, failure = "failed", error
        seconds = time.perf_counter() - started_s
        interrupt = INTERRUPTS.number
        if interrupt:
            unfinished = conversion.tally.unfinished_bytes
            rest = f" ({unfinished} bytes that are not complete are left out)" if unfinished else ""
            say(f"{signal_text(interrupt)}{rest}")
            end = "interrupted" if end == "complete" else end
        if end in ("complete", "interrupted") and not quiet:
            say(conversion.tally.summary(seconds, positions=rejects is None))
        disallowed = _disallowed(conversion.tally, fail_on, strict)
        if disallowed and end == "complete" and quiet:
            say(disallowed)
        code = _EXIT_DONE
        if disallowed or failure or conversion.faults or (conversion.unknown and fail_on != frozenset()):
            code = _EXIT_FAILED
        if interrupt:
            code = EXIT_SIGNAL + interrupt
        if summary is not None:
            name = signal.Signals(interrupt).name if interrupt else None
            summary.write(
                summary_line(
                    conversion,
                    inputs=len(inputs),
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


def _parse_fail_on(values: Sequence[str]) -> frozenset[str] | None:
    """Return what --fail-on names, empty for none; None without the option."""
    named = {name.strip() for value in values for name in value.split(",")}
    if not values:
        return None
    if named == {"none"}:
        return frozenset()
    if not named.issubset(_FAILING):
        raise click.BadParameter(f"must be none, or some of {', '.join(_FAILING)}")
    return frozenset(named)


def _disallowed(tally: Tally, fail_on: frozenset[str] | None, strict: bool) -> str:
    """Return a sentence with the counts that --strict or --fail-on does not allow; empty if there are none."""
    named = (fail_on or frozenset()) | ({"rejects", "unknown"} if strict else frozenset())
    counts = {
        "rejects": (tally.rejects.total(), "rejects"),
        "unknown": (tally.unknown, "unknown records"),
        "problems": (tally.problems.total(), "problems"),
    }
    found = [f"{counts[name][0]} {counts[name][1]}" for name in _FAILING if name in named and counts[name][0]]
    return f"{', '.join(found)} ({'--fail-on' if fail_on else '--strict'} allows none)" if found else ""


def _is_standard_output(name: str) -> bool:
    return name == STANDARD_STREAM or descriptor_of(name) == 1


def _is_terminal(stream: object) -> bool:
    return stream is not None and stream.isatty()  # type: ignore[attr-defined]
