"""One run of a task: read its inputs, write its outputs, and then its done record."""

from __future__ import annotations

import errno
import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from .. import InputFormatError, Normalizer, Result
from ..io.inputs import READ_BYTES, InputFault, read_plain
from ..io.outputs import OutputFault
from ..io.zstd_library import ZstdMissing
from .errors import FilesError, StoreError
from .inputs_ahead import Fetcher, InputsAhead
from .layout import Layout
from .reject_file import REJECT_SUFFIX, RejectFile
from .state import State
from .stores import Store
from .task_outputs import MirroredOutputs, ParquetOutputs, TaskOutputs
from .tasks import InputReport, OutputFile, Task, TaskInput, TaskReport

__all__ = ["GivenUp", "Settings", "TaskRun", "versions"]

#: The codes of stores that are faults of one input. Any other error of a store fails the task.
_INPUT_FAULTS = {"store.missing": "missing", "store.changed": "changed"}


class GivenUp(Exception):
    """The caller ended the run. Nothing of the task that is not complete can be seen."""


@dataclass(frozen=True)
class Settings:
    """What all tasks of a state have in common, and where they write.

    Attributes
    ----------
    normalizer : Normalizer
    format : str
    layout : Layout
    output : Store
    state : State
    rejects : Store or None
        Without it, rejects are counted only.
    metadata : dict of str to str
        For Parquet files.
    """

    normalizer: Normalizer
    format: str
    layout: Layout
    output: Store
    state: State
    rejects: Store | None = None
    metadata: dict[str, str] = field(default_factory=dict)


class TaskRun:
    """A run of a task on the calling thread.

    Parameters
    ----------
    task : Task
    source : Store
        The root of the inputs.
    settings : Settings
    fetcher : Fetcher
    given_up : callable
        Called often; when it returns True, the run ends with GivenUp.
    on_read : callable
        Called with numbers of stored bytes.
    poison : set of str
        Keys that are not read, because they end the process.
    had_record : bool
        Whether the task, or one that it replaces, is done: its outputs stay if this run would lose events.
    """

    def __init__(
        self,
        task: Task,
        source: Store,
        settings: Settings,
        fetcher: Fetcher,
        *,
        given_up: Callable[[], bool] = lambda: False,
        on_read: Callable[[int], object] = lambda size_bytes: None,
        poison: frozenset[str] = frozenset(),
        had_record: bool = False,
    ) -> None:
        self._task = task
        self._source = source
        self._settings = settings
        self._given_up = given_up
        self._on_read = on_read
        self._poison = poison
        self._had_record = had_record
        self._problems: Counter[str] = Counter()
        readable = tuple(each for each in task.inputs if each.key not in poison)
        self._inputs = InputsAhead(source, readable, fetcher)

    def run(self) -> TaskReport:
        """Run the task, write its done record and return it.

        Raises
        ------
        StoreError
            A store failed. The task is not done.
        FilesError
            ``task.kept``: the outputs of an earlier run stay, because this run would lose events.
        GivenUp
            The caller ended the run.
        """
        settings = self._settings
        started_s = time.monotonic()
        outputs = self._outputs()
        rejects = None if settings.rejects is None else RejectFile(settings.rejects)
        try:
            reports = self._converted(outputs, rejects)
            if any(each.fault == "changed" for each in reports) and settings.state.is_replaced(self._task.id):
                # Its outputs are those of the other task now.
                raise FilesError("task.replaced", f"task {self._task.id}: another run has replaced it meanwhile")
            previous = self._previous() if self._had_record or any(each.fault for each in reports) else []
            self._check_loss(reports, previous)
            if self._had_record:
                # A run that ends before the record is replaced must go on, and a table may have other sizes.
                settings.state.put_rewriting(self._task.id)
            files = outputs.finish()
            reject_file = None if rejects is None else rejects.finish(f"{self._task.name}.{REJECT_SUFFIX}")
            if self._had_record:
                self._delete_old(files, previous)
                if reject_file is None:
                    self._delete_rejects(previous)
        except (OSError, OutputFault) as error:
            raise _store_error(error, settings.output) from None
        finally:
            self._inputs.close()
            outputs.discard()
            if rejects is not None:
                rejects.discard()
        seconds = round(time.monotonic() - started_s, 3)
        task = self._task
        problems = dict(self._problems)
        report = TaskReport(
            task.id, task.name, tuple(reports), tuple(files), reject_file, problems, dict(versions()), seconds
        )
        if report.faults:
            # A later run finds faults without reading all records.
            settings.state.put_faulty(task.id)
        settings.state.put_done(report)
        if self._had_record:
            settings.state.delete_rewriting(task.id)
            if not report.faults:
                settings.state.delete_faulty(task.id)
        return report

    def try_reading(self) -> TaskReport:
        """Do what `run` does, but write no output and no record."""
        outputs = self._outputs()
        try:
            reports = self._converted(outputs, None, is_trial=True)
        except (OSError, OutputFault) as error:
            raise _store_error(error, self._settings.output) from None
        finally:
            self._inputs.close()
            outputs.discard()
        return TaskReport(self._task.id, self._task.name, tuple(reports), ())

    def close(self) -> None:
        """Close what was opened ahead, if the task does not run."""
        self._inputs.close()

    def _outputs(self) -> TaskOutputs:
        settings = self._settings
        if settings.format == "parquet":
            metadata = {**settings.metadata, "task": self._task.name}
            return ParquetOutputs(settings.output, self._task.name, settings.normalizer, settings.layout, metadata)
        return MirroredOutputs(settings.output, settings.format)

    def _converted(
        self, outputs: TaskOutputs, rejects: RejectFile | None, *, is_trial: bool = False
    ) -> list[InputReport]:
        reports = {key: InputReport(key, fault="poison", reason="reading it ended the process") for key in self._poison}
        for each, reader in self._inputs:
            if isinstance(reader, StoreError):
                if reader.code not in _INPUT_FAULTS:
                    raise reader
                reports[each.key] = InputReport(each.key, fault=_INPUT_FAULTS[reader.code], reason=reader.reason)
                continue
            try:
                self._check_given_up()
                report = reports[each.key] = self._convert(each, reader, outputs, rejects)
            finally:
                reader.close()
            keeps_old = is_trial or (bool(report.fault) and self._had_more(report))
            outputs.end_input(each, report.events, keeps_old=keeps_old)
        return [reports[each.key] for each in self._task.inputs]

    def _convert(
        self, each: TaskInput, reader: BinaryIO, outputs: TaskOutputs, rejects: RejectFile | None
    ) -> InputReport:
        count = _Counts()
        name = f"{self._source.url}/{each.key}"

        def take(part: Result[Any]) -> None:
            outputs.write(part.output)
            if rejects is not None:
                rejects.add(name, part)
            count.add(part)

        fault, reason = "", ""
        whole_rejects = False if rejects is None else rejects.spill
        stream = self._settings.normalizer.stream(output=outputs.stream_output, whole_rejects=whole_rejects)
        with stream:
            try:
                last = b""
                try:
                    for block in _blocks(read_plain(reader, self._count_read)):
                        self._check_given_up()
                        if last:
                            for part in stream.parts(last):
                                take(part)
                        last = block
                except InputFault as error:
                    if isinstance(error.__cause__, ZstdMissing):
                        # The object is not at fault: a run with the library must read it.
                        raise StoreError("store.settings", f"cannot read {name}: {error.reason}") from error
                    fault, reason = "truncated" if error.reason.startswith("truncated") else "damaged", str(error)
                # The last block and the end together: a small object is one batch.
                for part in stream.parts(last, final=True):
                    take(part)
            except InputFormatError as error:
                # Nothing of it was converted. A fault while it was read is the likely reason.
                fault, reason = fault or error.code, reason or str(error)
        self._problems.update(count.problems)
        return InputReport(each.key, count.events, count.blank, dict(count.rejects), fault, reason)

    def _had_more(self, report: InputReport) -> bool:
        """Return whether an earlier run read more of an input."""
        earlier = (each for previous in self._previous() for each in previous.inputs)
        return any(each.key == report.key and each.events > report.events for each in earlier)

    def _previous(self) -> list[TaskReport]:
        """Return the done records of the task and of those that it replaces, from the last to the first."""
        found = (self._settings.state.done(task_id) for task_id in (self._task.id, *reversed(self._task.replaces)))
        return [report for report in found if report is not None]

    def _check_loss(self, reports: list[InputReport], previous: list[TaskReport]) -> None:
        """Raise FilesError if an input that an earlier run could read has a fault now."""
        if not previous:
            return
        before = {each.key: each.events for each in previous[0].inputs}
        lost = [each for each in reports if each.fault and each.events < before.get(each.key, 0)]
        if lost:
            raise FilesError(
                "task.kept",
                f"the outputs of an earlier run stay, because {lost[0].key} has a fault now ({lost[0].reason})",
            )

    def _delete_old(self, files: list[OutputFile], previous: list[TaskReport]) -> None:
        """Remove outputs of earlier runs that this run has not written again."""
        output = self._settings.output
        old = {each.name for report in previous for each in report.outputs}
        if len(previous) <= len(self._task.replaces):
            # A task that was replaced is not done, and may have written outputs.
            old |= self._written_before()
        for name in sorted(old - {each.name for each in files}):
            output.delete(name)

    def _delete_rejects(self, previous: list[TaskReport]) -> None:
        """Remove the rejects of earlier runs, of which this run had none."""
        if self._settings.rejects is not None:
            for name in {each.reject_file.name for each in previous if each.reject_file is not None}:
                self._settings.rejects.delete(name)

    def _written_before(self) -> set[str]:
        settings = self._settings
        if settings.format != "parquet":
            return {f"{each.output}.{settings.format}" for each in self._task.inputs}
        start = f"part-{self._task.name}"
        names = (entry.key for entry in settings.output.list())
        return {name for name in names if name.rpartition("/")[2].startswith((f"{start}.", f"{start}-"))}

    def _count_read(self, size_bytes: int) -> None:
        self._on_read(size_bytes)
        # Padding, empty gzip members, and a second reading after a fault give no block for a long time.
        self._check_given_up()

    def _check_given_up(self) -> None:
        if self._given_up():
            raise GivenUp


def _blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield plain bytes in blocks of at least half of `READ_BYTES`, because each batch has costs of its own."""
    held: list[bytes] = []
    size_bytes = 0
    try:
        for piece in pieces:
            held.append(piece)
            size_bytes += len(piece)
            if 2 * size_bytes >= READ_BYTES:
                yield held[0] if len(held) == 1 else b"".join(held)
                held, size_bytes = [], 0
    except InputFault:
        # What stands before the fault is converted.
        if held:
            yield b"".join(held)
        raise
    if held:
        yield b"".join(held)


class _Counts:
    """The counts of one input."""

    def __init__(self) -> None:
        self.events = 0
        self.blank = 0
        self.rejects: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()

    def add(self, part: Result[Any]) -> None:
        self.events += part.events
        self.blank += part.blank
        if part.rejects:
            self.rejects.update(part.rejects.count_by_code())
        if part.problems:
            self.problems.update(part.problems)


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of this package and of pyarrow, if that is loaded."""
    import sys

    from .. import __version__

    found = {"cfdns_fast": __version__}
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None:
        found["pyarrow"] = pyarrow.__version__
    return found


def _store_error(error: OSError | OutputFault, store: Store) -> StoreError:
    """Return the error of a temporary file as one of the store."""
    cause = error.__cause__ if isinstance(error, OutputFault) else error
    number = cause.errno if isinstance(cause, OSError) else None
    reason = error.reason if isinstance(error, OutputFault) else error.strerror or type(error).__name__
    is_full = number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return StoreError(
        "store.full" if is_full else "store.unavailable", f"cannot write a temporary file for {store.url}: {reason}"
    )
