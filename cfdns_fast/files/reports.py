"""What a run of the directory mode reports: progress, totals, and the status of an output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

__all__ = ["FaultyInput", "Preview", "Progress", "Report", "Status", "TaskFailure"]


class FaultyInput(NamedTuple):
    """An input that was not converted, or not to its end; `fault` and `reason` are those of `InputReport`."""

    input: str
    fault: str
    reason: str


class TaskFailure(NamedTuple):
    """A task that failed and is not done; the next run repeats it.

    Attributes
    ----------
    task : str
        The id.
    code : str
        The code of the `FilesError`; ``task.error`` for any other exception.
    reason : str
        One sentence.
    """

    task: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a run, for a callback. Totals are those of this run, and known from the start.

    Attributes
    ----------
    tasks, total_tasks : int
        Finished tasks, and all tasks of this run.
    objects, total_objects : int
        Inputs.
    size_bytes, total_bytes : int
        Stored bytes of inputs; bytes of tasks in progress are included in the first.
    events, rejects, faults, failures : int
        Of finished tasks.
    seconds : float
        Wall time since the first task began.
    """

    tasks: int
    total_tasks: int
    objects: int
    total_objects: int
    size_bytes: int
    total_bytes: int
    events: int
    rejects: int
    faults: int
    failures: int
    seconds: float


class _Counts:
    """A dataclass of counts."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes by name, as JSON can hold them."""
        members = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("faults", "failures"):
            if name in members:
                members[name] = [each._asdict() for each in members[name]]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in members.items()}


@dataclass(frozen=True, slots=True)
class Preview(_Counts):
    """What a run would do. Nothing was written.

    Attributes
    ----------
    objects, size_bytes : int
        All listed inputs.
    tasks : int
        All tasks of this shard, done or not.
    objects_left, size_bytes_left, tasks_left : int
        Those that are not done, of this shard.
    skipped : dict of str to int
        Objects that are no logs, by reason.
    equal : int
        Objects that have the size and the ETag of an earlier one.
    equal_examples : tuple of str
        The first of these.
    changed : tuple of str
        The first thousand planned objects that have another ETag now.
    """

    objects: int
    size_bytes: int
    tasks: int
    objects_left: int
    size_bytes_left: int
    tasks_left: int
    skipped: dict[str, int] = field(default_factory=dict)
    equal: int = 0
    equal_examples: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report(_Counts):
    """What a run did. Counts are those of this run, unless an attribute says otherwise.

    Attributes
    ----------
    tasks, objects, size_bytes : int
        Finished tasks, their inputs, and the stored bytes of these.
    tasks_left : int
        Tasks of this shard and these inputs that are not done.
    events, blank : int
    rejects, problems : dict of str to int
        By code, and by code and key.
    files, output_bytes : int
        Outputs that were written.
    faults : tuple of FaultyInput
        The first thousand inputs that were not read to their end, or changed since they were planned, also in earlier
        runs: a run that was killed has not reported them.
    fault_count : int
        All of these.
    known_fault_count : int
        Those of these that earlier runs have found, and that this one has not read again.
    failures : tuple of TaskFailure
        The first thousand.
    failure_count : int
        All of these.
    skipped, equal, equal_examples
        As in `Preview`.
    is_interrupted : bool
        The caller's event ended the run.
    is_stopped : bool
        Three tasks in a row failed at a store, and the run ended.
    seconds : float
    """

    tasks: int = 0
    objects: int = 0
    size_bytes: int = 0
    tasks_left: int = 0
    events: int = 0
    blank: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    problems: dict[str, int] = field(default_factory=dict)
    files: int = 0
    output_bytes: int = 0
    faults: tuple[FaultyInput, ...] = ()
    fault_count: int = 0
    known_fault_count: int = 0
    failures: tuple[TaskFailure, ...] = ()
    failure_count: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    equal: int = 0
    equal_examples: tuple[str, ...] = ()
    is_interrupted: bool = False
    is_stopped: bool = False
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether every task is done and every input was read to its end."""
        return not (self.tasks_left or self.fault_count or self.failures or self.is_interrupted)


@dataclass(frozen=True, slots=True)
class Status(_Counts):
    """What an output holds and lacks, by its state alone.

    Attributes
    ----------
    output : str
    options : dict
        The head of the state: format, layout, options of the normalizer.
    tasks, objects, size_bytes : int
        Planned.
    tasks_left, objects_left, size_bytes_left : int
        Planned and not done.
    events, blank, rejects, problems, files, output_bytes, faults, fault_count
        Of all tasks that are done, as in `Report`.
    equal, equal_examples
        As in `Preview`.
    first_hour, last_hour : str
        The range of the names of inputs; empty if they have no times.
    """

    output: str
    options: dict[str, Any] = field(default_factory=dict)
    tasks: int = 0
    objects: int = 0
    size_bytes: int = 0
    tasks_left: int = 0
    objects_left: int = 0
    size_bytes_left: int = 0
    events: int = 0
    blank: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    problems: dict[str, int] = field(default_factory=dict)
    files: int = 0
    output_bytes: int = 0
    faults: tuple[FaultyInput, ...] = ()
    fault_count: int = 0
    equal: int = 0
    equal_examples: tuple[str, ...] = ()
    first_hour: str = ""
    last_hour: str = ""
