"""Read inputs, recognise what they are, and count them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import Any, BinaryIO

from .. import CfdnsError, InputFormatError, Normalizer, Result, __version__
from ..io import InputFault
from .batch_counts import BatchCounts, count_batch, count_batches
from .columns import NAME, PROBLEMS, TIME, column_names, columns_of, problems_in
from .detections import Alerts, DetectionCounts
from .event_lines import EventLines, read_lines
from .event_times import Times, times_of
from .examples import Examples, ProblemSearch, example_text, raw_lines
from .file_counts import FileCounts, InputFile
from .input_blocks import Head, LongLine, RecentLines, joined, whole_lines
from .ordered_work import OrderedWork
from .parquet_events import batches_of, is_parquet, spooled
from .summary import Summary
from .totals import Totals
from .value_counts import MAX_DISTINCT

__all__ = ["Inspection"]

#: The problem of a record without a key that the mapping reads.
UNKNOWN = "record.unknown"

#: Bytes of logs that are converted together, and rows that are counted together: each batch has costs of its own.
_FEED_BYTES = 1 << 21
_BATCH_ROWS = 1 << 16
#: Batches that are counted together at most. One of a single row takes 26 KB.
_MAX_BATCHES = 1 << 8
#: The length of the longest event in relation to that of its record, whose texts it holds several times.
_EVENT_LENGTH = 8


class Inspection:
    """Counts what inputs hold. Use it on one thread at a time; `close` it, or use it as a context manager.

    Parameters
    ----------
    normalizer : Normalizer
        Reads logs; it collects rejects. Events need no original record (``keep_message=False``), which saves time.
    threads : int
        The maximum number of threads that count, besides the one that calls.
    examples : bool
        Whether problems, rejects and detections have examples, which are parts of records.
    alerts : Alerts, optional
        Takes what detectors of the normalizer found; see `cfdns_fast.detect.Alerts`, with ``at_once=False``.
    max_distinct : int
        The number of different values of a field above which the rarest are dropped.

    Raises
    ------
    ImportError
        pyarrow is not installed.
    ValueError
        The mapping of the normalizer has none of the fields that are counted.
    """

    def __init__(
        self,
        normalizer: Normalizer,
        *,
        threads: int = 1,
        examples: bool = True,
        alerts: Alerts | None = None,
        max_distinct: int = MAX_DISTINCT,
    ) -> None:
        if not column_names(normalizer.to_arrow(b"").output.schema):
            raise ValueError(
                f"the schema {normalizer.options['schema']} has none of the fields that are counted, such as {NAME}"
            )
        self._normalizer = normalizer
        self._private_suffixes = bool(normalizer.options["private_suffixes"])
        self._threads = threads
        #: The other threads count at the same time.
        self._stream_threads = max(1, threads // 2)
        self._started_s = time.perf_counter()
        self._totals = Totals(max_distinct)
        self._files = FileCounts()
        self._problems = Examples(keeps=examples)
        self._rejects = Examples(keeps=examples)
        self._detections = None if alerts is None else DetectionCounts(alerts, keeps_examples=examples)
        self._work = OrderedWork(threads)
        self._waiting: list[tuple[InputFile, Any]] = []
        self._waiting_rows = 0
        self._lines: int | None = None
        self._blank = 0
        self._times = Times()

    def __enter__(self) -> Inspection:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End all threads."""
        self._work.close()

    def read(self, file: InputFile, blocks: Iterable[bytes]) -> InputFault | InputFormatError | None:
        """Count an input, and return its fault if it has one; what was read before is counted.

        Parameters
        ----------
        file : InputFile
            What is known of the input; it gets the counts.
        blocks : iterable of bytes
            The plain bytes of the input, cut anywhere. It may raise InputFault, and any other exception is raised as it
            is.
        """
        head = Head(iter(blocks))
        fault: InputFault | InputFormatError | None = None
        try:
            if head.is_parquet:
                self._read_parquet(file, head.blocks())
            elif head.is_event:
                self._read_events(file, head.blocks())
            else:
                self._read_logs(file, head)
        except (InputFault, InputFormatError) as error:
            fault = error
        if fault is None or not head.is_empty:
            self._files.add(file)
        if fault is not None:
            self._files.add_fault(file.name, fault.reason if isinstance(fault, InputFault) else str(fault))
        return fault

    def add_fault(self, name: str, reason: str) -> None:
        """Note an input that could not be opened."""
        self._files.add_fault(name, reason)

    def summary(self, *, top: int = 10, skipped: Counter[str] | None = None) -> Summary:
        """Return what was counted so far.

        Parameters
        ----------
        top : int
            The number of values in each list.
        skipped : Counter of str, optional
            The number of inputs that were not read, by reason.
        """
        self._count_waiting()
        self._work.finish()
        totals, options = self._totals, self._normalizer.options
        files = self._files.files(skipped or Counter())
        detections = self._detections
        found = [] if detections is None else detections.rows()
        return Summary(
            version=__version__,
            schema=str(options["schema"]),
            dataset=str(options["dataset"]),
            seconds=round(time.perf_counter() - self._started_s, 3),
            lines=self._lines,
            events=totals.events,
            blank=self._blank,
            rejects=self._rejects.counts.total(),
            problems=self._problems.counts.total(),
            first_ns=self._times.first_ns,
            last_ns=self._times.last_ns,
            without_time=totals.without_time,
            rate=totals.rate.rate(),
            tops=totals.tops(top),
            cached=dict(totals.cached),
            families=dict(totals.families),
            edns=dict(totals.edns),
            nxdomain=totals.nxdomain.top(top),
            nxdomain_total=totals.nxdomain.total,
            nxdomain_domains=totals.nxdomain.domains(),
            nxdomain_is_exact=totals.nxdomain.is_exact,
            nxdomain_max_error=totals.nxdomain.max_error,
            problem_examples=self._problems.rows(),
            reject_examples=self._rejects.rows(),
            detections=tuple(found),
            detection_count=None if detections is None else sum(each.count for each in found),
            detections_not_kept=0 if detections is None else detections.not_kept,
            files=files,
        )

    def _read_logs(self, file: InputFile, head: Head) -> None:
        # The record of a problem is found in the input if that has lines, and else in the events.
        normalizer = self._normalizer if head.has_lines or not self._problems.keeps else self._with_message
        if head.has_lines and self._is_unknown(head.first_object):
            # Objects in arrays of an unknown line are no records.
            normalizer = self._of_lines
        lines = RecentLines()

        def take(parts: Iterator[Result[Any]]) -> None:
            for part in parts:
                self._take(file, part, partial(self._example, part, lines, head))

        with normalizer.stream(threads=self._stream_threads, output="arrow") as stream:
            try:
                fault = None
                try:
                    for data in joined(head.blocks(), _FEED_BYTES):
                        lines.feed(data)
                        take(stream.parts(data))
                except InputFault as error:
                    fault = error
                take(stream.parts(b"", final=True))
                if fault is not None:
                    raise fault
            finally:
                self._lines = (self._lines or 0) + stream.lines

    def _is_unknown(self, line: bytes) -> bool:
        """Return whether a line of a detected format holds records, and none has a key that the mapping reads."""
        if self._normalizer.options["input_format"] != "auto":
            return False
        try:
            result = self._of_start.to_ndjson(line)
        except CfdnsError:
            return False
        return 0 < result.events == result.problems.get(UNKNOWN)

    @cached_property
    def _of_start(self) -> Normalizer:
        return Normalizer(**{**self._normalizer.options, "detect": (), "on_detection": "collect"})

    @cached_property
    def _of_lines(self) -> Normalizer:
        return Normalizer(**{**self._normalizer.options, "input_format": "ndjson"})

    @cached_property
    def _search(self) -> ProblemSearch:
        return ProblemSearch(self._normalizer)

    @cached_property
    def _with_message(self) -> Normalizer:
        return Normalizer(**{**self._normalizer.options, "keep_message": True})

    @cached_property
    def _raw_columns(self) -> list[str]:
        """The columns of the original record: those that events without it do not have."""
        without = Normalizer(**{**self._normalizer.options, "keep_message": False}).to_arrow(b"").output.schema.names
        return [name for name in self._with_message.to_arrow(b"").output.schema.names if name not in without]

    def _example(self, part: Result[Any], lines: RecentLines, head: Head, problem: str) -> str | None:
        if not head.has_lines:
            return self._search.find(problem, raw_lines(part.output, self._raw_columns), head.first_line)
        found = self._search.find(problem, lines.lines())
        if found is None:
            # A document on one line may wrap records.
            found = self._search.find(problem, self._records(lines.lines()))
        return found

    def _records(self, data: bytes) -> bytes:
        try:
            return raw_lines(self._with_message.to_arrow(data).output, self._raw_columns)
        except CfdnsError:
            return b""

    def _take(self, file: InputFile, part: Result[Any], example: Callable[[str], str | None]) -> None:
        batch = part.output
        self._blank += part.blank
        if part.problems:
            self._take_problems(file, part, example)
        if part.rejects:
            counts = part.rejects.count_by_code()
            self._rejects.add(counts)
            file.rejects += sum(counts.values())
            for code in filter(self._rejects.is_wanted, counts):
                first = next(reject for reject in part.rejects if reject.code == code)
                self._rejects.set(code, file.name, example_text(first.raw))
        if self._detections is not None and part.detections:
            self._detections.take(part)
        if batch.num_rows:
            file.events += batch.num_rows
            self._waiting.append((file, batch))
            self._waiting_rows += batch.num_rows
            if self._waiting_rows >= _BATCH_ROWS or len(self._waiting) >= _MAX_BATCHES:
                self._count_waiting()

    def _take_problems(self, file: InputFile, part: Result[Any], example: Callable[[str], str | None]) -> None:
        self._problems.add(part.problems)
        file.problems += sum(part.problems.values())
        file.unknown += part.problems.get(UNKNOWN, 0)
        for problem in filter(self._problems.is_wanted, part.problems):
            self._problems.set(problem, file.name, example(problem))

    def _add_times(self, file: InputFile, times: Times) -> None:
        file.add_times(times)
        self._times = self._times.joined(times)

    def _count_waiting(self) -> None:
        """Let a thread count the batches of logs that wait: files may be small, and each count has costs of its own."""
        waiting, self._waiting, self._waiting_rows = self._waiting, [], 0
        if waiting:
            batches = [(batch, file.named_from_ns) for file, batch in waiting]
            call = partial(_counted_logs, batches, self._totals.rate.interval_s, self._private_suffixes)
            self._work.run(call, partial(self._take_logs, [file for file, _ in waiting]))

    def _take_logs(self, files: list[InputFile], counted: tuple[BatchCounts, list[Times]]) -> None:
        counts, times = counted
        for file, each in zip(files, times, strict=True):
            self._add_times(file, each)
        self._totals.add(counts)

    def _read_events(self, file: InputFile, blocks: Iterator[bytes]) -> None:
        file.kind = "events"
        max_bytes = int(self._normalizer.options["max_record_bytes"]) * _EVENT_LENGTH
        self._lines = self._lines or 0
        for lines in whole_lines(joined(blocks, _FEED_BYTES), max_bytes):
            if isinstance(lines, LongLine):
                self._lines += 1
                self._take_long_line(file, lines.beginning)
                continue
            self._lines += lines.count(b"\n") + (not lines.endswith(b"\n"))
            call = partial(
                _counted_lines, lines, file.named_from_ns, self._totals.rate.interval_s, self._private_suffixes
            )
            self._work.run(call, partial(self._take_lines, file))

    def _take_long_line(self, file: InputFile, beginning: bytes) -> None:
        code = "record.too_large"
        file.rejects += 1
        self._rejects.add({code: 1})
        if self._rejects.is_wanted(code):
            self._rejects.set(code, file.name, example_text(beginning))

    def _take_lines(self, file: InputFile, counted: tuple[EventLines, BatchCounts, Times]) -> None:
        lines, counts, times = counted
        self._blank += lines.blank
        file.rejects += lines.rejects.total()
        self._rejects.add(lines.rejects)
        for code in filter(self._rejects.is_wanted, lines.examples):
            self._rejects.set(code, file.name, example_text(lines.examples[code]))
        file.events += lines.rows
        self._add_times(file, times)
        self._take_counts(file, counts)

    def _read_parquet(self, file: InputFile, blocks: Iterator[bytes]) -> None:
        file.kind = "parquet"
        if file.path is not None and is_parquet(file.path):
            self._read_batches(file, file.path)
            return
        with spooled(blocks) as opened:
            self._read_batches(file, opened)

    def _read_batches(self, file: InputFile, opened: str | BinaryIO) -> None:
        for batch in batches_of(opened, _BATCH_ROWS, use_threads=self._threads > 1):
            columns = columns_of(batch)
            file.events += batch.num_rows
            self._add_times(file, times_of(columns.get(TIME), file.named_from_ns))
            call = partial(count_batch, batch.num_rows, columns, self._totals.rate.interval_s)
            self._work.run(partial(call, private_suffixes=self._private_suffixes), partial(self._take_counts, file))

    def _take_counts(self, file: InputFile, counts: BatchCounts) -> None:
        """Take the counts of converted events, which say themselves what problems their records had."""
        self._totals.add(counts)
        for text, number in counts.problems:
            problems = dict.fromkeys(problems_in(text), number)
            self._problems.add(problems)
            file.problems += sum(problems.values())
            file.unknown += problems.get(UNKNOWN, 0)


def _counted_logs(
    batches: list[tuple[Any, int | None]], interval_s: int, private_suffixes: bool
) -> tuple[BatchCounts, list[Times]]:
    """Count batches of converted logs, each with the beginning of the time in the name of its file."""
    columns, times = [], []
    for batch, named_from_ns in batches:
        found = columns_of(batch)
        # Problems were counted already.
        found.pop(PROBLEMS, None)
        times.append(times_of(found.get(TIME), named_from_ns))
        columns.append(found)
    rows = sum(batch.num_rows for batch, _ in batches)
    return count_batches(rows, columns, interval_s, private_suffixes=private_suffixes), times


def _counted_lines(
    lines: bytes, named_from_ns: int | None, interval_s: int, private_suffixes: bool
) -> tuple[EventLines, BatchCounts, Times]:
    """Read and count lines of events."""
    found = read_lines(lines)
    columns = found.columns
    counts = count_batch(found.rows, columns, interval_s, private_suffixes=private_suffixes)
    return found, counts, times_of(columns.get(TIME), named_from_ns)
