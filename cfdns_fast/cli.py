"""The command line: options in, exit code out."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import NoReturn

import click

from .errors import CfdnsError, InputFormatError, MappingError
from .files import InputFault, blocks_ahead
from .mapping import DEFAULT_DATASET, is_path
from .normalizer import MOST_RECORD_BYTES, USUAL_RECORD_BYTES, Normalizer
from .outputs import Output, OutputFault
from .paths import STANDARD_STREAM, PathError, check_outputs, total_bytes
from .plan import TIMESTAMP_UNITS
from .report import Progress, Tally, reject_line, reject_line_pieces, say
from .results import Result
from .shapes import INPUT_FORMATS, check_options
from .spill_file import SpillFile
from .streams import open_stream

__all__ = ["main"]

_PROGRAM = "cfdns-fast"
_EXIT_DONE = 0
_EXIT_FAILED = 1
_EXIT_USAGE = 2
_EXIT_SIGNAL = 128
#: What Logpush writes beside the data when a destination is checked.
_NO_LOGS = re.compile(r"(?:.*/)?(?:[0-9]{8}/test\.txt\.gz|ownership-challenge-[0-9a-f]{8}\.txt)")
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; ``cfdns-fast convert --help`` lists the exit codes."""
    with _signals_raised():
        try:
            code = _cli.main(arguments, prog_name=_PROGRAM, standalone_mode=False)
        except SystemExit:
            raise
        except BaseException as error:
            _ignore_signals()
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
        case _Signalled():
            say("interrupted" if error.number == signal.SIGINT else f"ended by {signal.Signals(error.number).name}")
            return _EXIT_SIGNAL + error.number
        case KeyboardInterrupt() | click.Abort():
            cause = error if isinstance(error, _Interrupt) else error.__cause__
            return _explain(_Signalled(cause.number if isinstance(cause, _Interrupt) else signal.SIGINT))
        case CfdnsError():
            say(str(error))
        case MemoryError():
            say("out of memory")
        case OSError():
            # --help or --version could not be written. What is left of it would be tried again at exit.
            sys.stdout = None
            say(error.strerror or type(error).__name__)
        case _:
            # The text of an unforeseen error may hold record content.
            say(f"internal error, {type(error).__name__} (CFDNS_DEBUG=1 shows where)")
    return _EXIT_FAILED


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(package_name="cfdns-fast", message="%(prog)s %(version)s")
@click.pass_context
def _cli(context: click.Context) -> None:
    """Turn Cloudflare DNS query logs (Logpush dns_logs) into Elastic Common Schema events."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(_EXIT_USAGE)


@_cli.command("convert")
@click.argument("inputs", metavar="[INPUT]...", nargs=-1, type=click.Path())
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default=STANDARD_STREAM,
    type=click.Path(),
    help="Write events here instead of standard output; compressed if the name ends in .gz.",
)
@click.option(
    "--schema",
    metavar="NAME_OR_PATH",
    default="sekoia",
    show_default=True,
    help="The form of the events: a bundled name, or the path of a mapping file (with a / in it, or ending in .toml).",
)
@click.option(
    "--dataset",
    metavar="NAME",
    default=DEFAULT_DATASET,
    show_default=True,
    help="Logpush's name of the dataset, for a bundled schema: dns_logs, dns_firewall_logs or gateway_dns.",
)
@click.option(
    "--rejects",
    metavar="FILE",
    type=click.Path(),
    help="Write what did not become an event here, one JSON object a reject: input, line, byte_offset, byte_length, "
    "code and all its bytes as raw, or as raw_base64 if they are not UTF-8.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 if there are rejects. The output is written all the same.")
@click.option("--no-message", is_flag=True, help="Leave the original record out of the events.")
@click.option(
    "--private-suffixes",
    is_flag=True,
    help="Split names by the private section of the Public Suffix List too (github.io, for example).",
)
@click.option(
    "--timestamp-unit",
    type=click.Choice(TIMESTAMP_UNITS),
    default="auto",
    show_default=True,
    help="The unit of numeric timestamps; auto tells it by their size.",
)
@click.option(
    "--max-record-bytes",
    metavar="BYTES",
    type=click.IntRange(1, MOST_RECORD_BYTES),
    default=USUAL_RECORD_BYTES,
    show_default=True,
    help="A longer record is a reject, and is not kept in memory.",
)
@click.option(
    "--input-format",
    type=click.Choice(INPUT_FORMATS),
    default="auto",
    show_default=True,
    help="The shape of the inputs; auto tells it, for each input, by how it begins.",
)
@click.option(
    "--columns",
    metavar="NAME,NAME,...",
    help="The names of the cells of CSV or TSV rows, in order, where no header row gives them.",
)
@click.option(
    "--record-delimiter",
    metavar="TEXT",
    help="What stands between JSON records, besides newlines.",
)
@click.option(
    "--threads",
    metavar="N",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Convert newline-delimited JSON with so many threads; reading and decompressing have one of their own.",
)
@click.option("--no-progress", is_flag=True, help="Show no progress, on a terminal neither.")
@click.option("-q", "--quiet", is_flag=True, help="Show neither progress nor the summary; errors are still shown.")
def _convert(
    inputs: tuple[str, ...],
    output: str,
    schema: str,
    dataset: str,
    rejects: str | None,
    strict: bool,
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
    """Convert files of records to events, one a line, in the order of the inputs.

    INPUT is a file, or - for standard input, which is also read if there is none. Gzip is recognised by its content,
    and so is the shape: newline-delimited JSON, a JSON document around the records, CSV or TSV with a header row.
    Each input is read for itself: its last line needs no newline. Files that Logpush writes to check a destination
    (DATE/test.txt.gz, ownership-challenge-….txt) are skipped; standard input never is.

    An output file appears when it is complete, or not at all. A summary on standard error counts lines, events, blank
    lines, problems (fields left out of events) and rejects (bytes that did not become an event), each by its code.

    \b
    Exit codes:
      0    done; also if the reader of the events stops reading (--rejects FILE is then not written)
      1    an input could not be read to its end (what was read before is converted), or its shape is not known,
           there are rejects with --strict, or the output could not be written
      2    wrong usage
      130  interrupted (143 by SIGTERM, 129 by SIGHUP); output files are as they were before
    """
    inputs = inputs or (STANDARD_STREAM,)
    check_outputs(
        inputs, [output] if rejects is None else [output, rejects], mapping=schema if is_path(schema) else None
    )
    names = None if columns is None else columns.split(",")
    try:
        check_options(input_format, names, record_delimiter)
        if is_path(schema) and dataset != DEFAULT_DATASET:
            raise ValueError("--dataset goes with a bundled schema; a mapping file is for one dataset already")
    except ValueError as error:
        raise click.UsageError(str(error)) from error

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
    to_terminal = output == STANDARD_STREAM and _is_terminal(sys.stdout)
    progress = Progress(
        total_bytes(inputs), shown=_is_terminal(sys.stderr) and not (quiet or no_progress or to_terminal)
    )
    conversion = _Conversion(normalizer, Output(output), rejects, progress, threads)
    started_s = time.perf_counter()
    try:
        complete = conversion.run(inputs)
    except _Interrupt as interrupt:
        raise _Signalled(interrupt.number) from None
    if complete and not quiet:
        say(conversion.tally.summary(time.perf_counter() - started_s, positions=rejects is None))
    refused = conversion.tally.rejects.total() if strict else 0
    if refused and complete and quiet:
        say(f"{refused} rejects (--strict allows none)")
    return _EXIT_FAILED if refused or conversion.faults else _EXIT_DONE


class _Conversion:
    """Inputs to outputs, through one normalizer."""

    def __init__(
        self, normalizer: Normalizer, events: Output, rejects: str | None, progress: Progress, threads: int
    ) -> None:
        self._normalizer = normalizer
        self._threads = threads
        self._events = events
        self._rejects = None if rejects is None else Output(rejects)
        self._spill = None if rejects is None else SpillFile(rejects)
        self._progress = progress
        self.tally = Tally()
        self.faults = 0
        self._opened = 0

    def run(self, inputs: Sequence[str]) -> bool:
        """Convert all inputs and publish the outputs; False if the reader of the events has gone before the end."""
        outputs = [self._events] if self._rejects is None else [self._events, self._rejects]
        with ExitStack() as cleanup:
            for output in outputs:
                cleanup.callback(output.discard)
            if self._spill is not None:
                cleanup.callback(self._spill.close)
            cleanup.callback(self._progress.close)
            cleanup.callback(_ignore_signals)
            try:
                for output in outputs:
                    output.open()
                for name in inputs:
                    self._convert(name)
                if not self._opened:
                    # Nothing was read, so what the outputs held before is worth more.
                    return True
                for output in outputs:
                    output.seal()
            except OutputFault:
                if self._events.broken_pipe:
                    return False
                raise
            # From here on all outputs are complete: better both than one.
            _ignore_signals()
            for output in outputs:
                output.publish()
        return True

    def _convert(self, name: str) -> None:
        if _NO_LOGS.fullmatch(name.replace(os.sep, "/")):
            self._opened += 1
            self._progress.say(f"{name}: skipped; Logpush writes such files to check a destination")
            return
        stream = open_stream(self._normalizer, spill=self._spill, threads=self._threads)
        fault: InputFault | InputFormatError | None = None
        try:
            try:
                # Progress is shown by this thread: what was read ahead counts when it is used.
                counted = _Counter()
                with blocks_ahead(name, counted.add) as blocks:
                    for block in blocks:
                        self._take(name, stream.parts(block, final=False))
                        self._progress.update(counted.take())
            except InputFault as error:
                fault = error
            self._take(name, stream.parts(b"", final=True))
        except InputFormatError as error:
            # Nothing of it was converted. If it could not be read either, that is the reason.
            fault = fault or error
        else:
            self._opened += not isinstance(fault, InputFault) or fault.byte_offset is not None
            self.tally.lines += stream.lines
        if fault is not None:
            self.faults += 1
            self._progress.say(f"{'stdin' if name == STANDARD_STREAM else name}: {fault}")

    def _take(self, name: str, parts: Iterator[Result[bytes]]) -> None:
        for part in parts:
            self._events.write(part.output)
            if self._rejects is not None:
                self._write_rejects(name, part, self._rejects)
            self.tally.add(name, part)

    def _write_rejects(self, name: str, part: Result[bytes], output: Output) -> None:
        if not any(reject.byte_length > len(reject.raw) for reject in part.rejects):
            output.write(b"".join(reject_line(name, reject) for reject in part.rejects))
            return
        # Only the last reject of a part can be too long for memory; all of its bytes are in the spill then.
        *short, last = part.rejects
        spill = self._spill
        assert spill is not None and spill.size_bytes == last.byte_length
        output.write(b"".join(reject_line(name, reject) for reject in short))
        for piece in reject_line_pieces(name, last, spill.pieces(), is_text=spill.is_text):
            output.write(piece)
        spill.clear()


class _Counter:
    """Bytes that one thread counts and another one shows."""

    def __init__(self) -> None:
        self._counted = 0
        self._taken = 0

    def add(self, count: int) -> None:
        self._counted += count

    def take(self) -> int:
        """Return what was added since the last time."""
        before, self._taken = self._taken, self._counted
        return self._taken - before


def _is_terminal(stream: object) -> bool:
    return stream is not None and stream.isatty()  # type: ignore[attr-defined]


class _Interrupt(KeyboardInterrupt):
    """A signal that ends the run, as an exception so that what was begun is cleaned up.

    A KeyboardInterrupt, because Python's compiler, which runs at imports, loses whatever else a signal raises.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


class _Signalled(BaseException):
    """The same on its way through click, which would write about a KeyboardInterrupt."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


@contextmanager
def _signals_raised() -> Iterator[None]:
    """Make the signals that would end the process raise `_Interrupt`; those set otherwise (nohup) stay as they are."""
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                previous[number] = signal.signal(number, _raise_interrupt)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _raise_interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    # Later signals raise too, until the clean-up begins: some code may swallow one, and must not make the rest deaf.
    raise _Interrupt(number)


def _ignore_signals() -> None:
    """Let nothing interrupt what follows: a second Ctrl-C would leave a temporary file."""
    for number in _SIGNALS:
        if signal.getsignal(number) is _raise_interrupt:
            signal.signal(number, signal.SIG_IGN)
