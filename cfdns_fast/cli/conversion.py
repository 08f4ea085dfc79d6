"""One run of the command: inputs to outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from .. import InputFormatError, Normalizer, Result, Stream
from ..io.inputs import InputFault, blocks_ahead
from ..io.outputs import Output, OutputFault, publish_all
from ..io.read_ahead import Stop
from ..io.reject_lines import reject_line_pieces, reject_lines
from ..io.spill_file import SpillFile
from ..io.temporaries import remove_dead
from .check_files import CheckFile, log_blocks
from .detection import AlertsOutput
from .report import UNKNOWN, Progress, Tally, shown_name
from .schema import Schema
from .signals import INTERRUPTS
from .sources import Source, SourceFault, Sources
from .unknown_records import FirstRecord

if TYPE_CHECKING:
    from .parquet_file import ParquetFile
    from .unknown_input import UnknownInput

__all__ = ["Conversion"]


class Conversion:
    """The conversion of all inputs with one normalizer.

    Attributes
    ----------
    tally : Tally
    faults : list of (str, InputFault or InputFormatError)
        Inputs that were not read to their end or have no known format, and the reasons.
    unknown : list of UnknownInput
        Inputs with records, of which none has a key that the mapping reads.
    alerts : AlertsOutput or None
    """

    def __init__(
        self,
        normalizer: Normalizer,
        schema: Schema,
        events: Output,
        rejects: Output | None,
        spill: SpillFile | None,
        progress: Progress,
        threads: int,
        alerts: AlertsOutput | None = None,
        parquet: ParquetFile | None = None,
    ) -> None:
        self._normalizer = normalizer
        self._schema = schema
        self._threads = threads
        self._events = events
        self._rejects = rejects
        self._spill = spill
        self._progress = progress
        self._parquet = parquet
        self.alerts = alerts
        self._stop: Stop | None = None
        self._opened = 0
        self.tally = Tally()
        self.faults: list[tuple[str, InputFault | InputFormatError]] = []
        self.unknown: list[UnknownInput] = []

    def run(self, sources: Sources) -> bool:
        """Convert all inputs and publish the outputs; False if the reader of the events has gone before the end.

        If the events are written directly, the first signal ends the reading only: what was read is converted, and the
        outputs are published, so that every reject of it is kept.
        """
        outputs = [self._events] if self._rejects is None else [self._events, self._rejects]
        if self.alerts is not None:
            outputs.append(self.alerts.output)
        with ExitStack() as cleanup:
            for output in outputs:
                cleanup.callback(output.discard)
                INTERRUPTS.add_clean_up(output.discard)
            if self._spill is not None:
                cleanup.callback(self._spill.close)
                INTERRUPTS.add_clean_up(self._spill.close)
            cleanup.callback(self._progress.close)
            INTERRUPTS.add_clean_up(self._progress.close)
            try:
                for output in outputs:
                    output.open()
                if self._parquet is not None:
                    self._parquet.start()
                    cleanup.callback(self._parquet.discard)
                if self.alerts is not None:
                    self.alerts.start()
                self._remove_dead(outputs)
                if self._events.is_direct:
                    self._stop = Stop()
                    INTERRUPTS.defer(self._stop)
                    cleanup.callback(self._stop.close)
                    # Called before the one above: a request of a closed Stop would write to some other descriptor.
                    cleanup.callback(INTERRUPTS.defer, None)
                self._convert_all(sources)
                if not self._opened:
                    # No input was read, so the files keep what they held before.
                    return True
                if self._parquet is not None:
                    self._parquet.finish()
                if self.alerts is not None:
                    self.alerts.finish()
                for output in outputs:
                    output.seal()
            except OutputFault:
                if self._events.broken_pipe:
                    return False
                raise
            # All outputs are complete: no signal may separate them. Events come last, as the sign that a run is done.
            with INTERRUPTS.ignored():
                publish_all(outputs[::-1])
        return True

    def _remove_dead(self, outputs: Sequence[Output]) -> None:
        for folder in dict.fromkeys(output.temporary_folder for output in outputs):
            for path in [] if folder is None else remove_dead(folder):
                self._progress.say(f"{path}: removed; a run that was killed left it")

    def _convert_all(self, sources: Sources) -> None:
        for source in sources:
            if self._stop is not None and self._stop.requested:
                return
            if isinstance(source, SourceFault):
                self._report_fault(source.name, source.fault)
            else:
                self._convert_input(source)

    def _convert_input(self, source: Source) -> None:
        whole_rejects = False if self._spill is None else self._spill
        output = "ndjson" if self._parquet is None else "arrow"
        with self._normalizer.stream(threads=self._threads, output=output, whole_rejects=whole_rejects) as stream:
            self._convert_stream(source, stream)

    def _convert_stream(self, source: Source, stream: Stream[Any]) -> None:
        name = source.name
        fault: InputFault | InputFormatError | None = None
        first = FirstRecord()
        is_cut = False
        try:
            try:
                # This thread shows the progress: bytes that were read ahead count when they are used.
                counted = _Counter()
                with source.opened() as opened, blocks_ahead(opened, counted.add, self._stop) as blocks:
                    for block in log_blocks(name, blocks, self._normalizer, self._schema):
                        first.feed(block)
                        if block:
                            self._take(name, stream.parts(block), first)
                        else:
                            # No more input waits at present, so complete records must not wait either.
                            self._take(name, stream.parts(b"", at_once=True), first)
                            self._flush()
                        self._progress.update(counted.take())
            except InputFault as error:
                fault = error
            is_cut = self._stop is not None and self._stop.is_early
            self._take(name, stream.cut_parts() if is_cut else stream.parts(b"", final=True), first)
        except CheckFile:
            self._opened += 1
            self.tally.skipped.append(name)
        except InputFormatError as error:
            # Nothing of it was converted. A fault while it was read is the likely reason.
            fault = fault or error
        else:
            if self._stop is None or self._stop.is_open:
                self._opened += not isinstance(fault, InputFault) or fault.byte_offset is not None
            self.tally.lines += stream.lines
            self.tally.add_unused(stream.unused_columns)
        if is_cut:
            self.tally.unfinished_bytes += stream.unfinished_bytes
        if fault is not None:
            self._report_fault(name, fault)
        unknown = first.explain(name, self._schema)
        if unknown is not None:
            self.unknown.append(unknown)
            self._progress.say(str(unknown))

    def _report_fault(self, name: str, fault: InputFault | InputFormatError) -> None:
        self.faults.append((name, fault))
        self._progress.say(f"{shown_name(name)}: {fault}")

    def _take(self, name: str, parts: Iterator[Result[Any]], first: FirstRecord) -> None:
        for part in parts:
            if self._parquet is None:
                self._events.write(part.output)
            else:
                self._parquet.write(part.output)
            if self.alerts is not None:
                self.alerts.take(part)
            if self._rejects is not None and part.rejects:
                self._write_rejects(name, part, self._rejects)
            self.tally.add(name, part)
            first.add(part.events, part.problems.get(UNKNOWN, 0))

    def _write_rejects(self, name: str, part: Result[Any], output: Output) -> None:
        last = part.rejects[-1]
        # Only the last reject of a part can be too long for memory; the spill then holds all of its bytes.
        is_spilled = last.byte_length > len(last.raw)
        for piece in reject_lines(name, part.rejects[:-1] if is_spilled else part.rejects):
            output.write(piece)
        if not is_spilled:
            return
        spill = self._spill
        assert spill is not None and spill.size_bytes == last.byte_length
        for piece in reject_line_pieces(name, last, spill.pieces(), is_text=spill.is_text):
            output.write(piece)
        spill.clear()

    def _flush(self) -> None:
        self._events.flush()
        if self._rejects is not None:
            self._rejects.flush()
        if self.alerts is not None:
            self.alerts.output.flush()


class _Counter:
    """Bytes that one thread counts and another thread shows."""

    def __init__(self) -> None:
        self._counted = 0
        self._taken = 0

    def add(self, count: int) -> None:
        self._counted += count

    def take(self) -> int:
        """Return the number of bytes since the last call."""
        before, self._taken = self._taken, self._counted
        return self._taken - before
