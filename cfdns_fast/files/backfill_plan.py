"""Planning: which of the listed inputs are new, and which tasks convert them.

A plan is written once and never changed. The names of outputs depend on it alone, so a task that runs again, or twice
at the same time, replaces its own outputs. Inputs that arrive later, whatever their names, make a new generation of
their unit; no point in time is kept anywhere.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from .known import Known
from .mirrored_names import mirrored_name
from .plan_file import Generation, PlannedTask, id_of
from .state import State
from .tasks import TaskInput

__all__ = ["Found", "PlanTotals", "Planner", "is_of_shard"]

#: Inputs that are planned at once, which bounds memory where a folder has many.
_MAX_INPUTS = 50_000
#: Inputs of a task, so that its record stays small if they are tiny.
_MAX_TASK_INPUTS = 10_000
#: Inputs that are named in a report.
_MAX_NAMED = 1000
_MAX_EXAMPLES = 10


class Found(NamedTuple):
    """A listed input.

    Attributes
    ----------
    root : int
        The number of its root in the state.
    key : str
        Relative to the root.
    size_bytes : int
    etag : str
    hour : str
        ``20260825T12``, ``20260825``, or empty, by its name or its folders.
    """

    root: int
    key: str
    size_bytes: int
    etag: str
    hour: str


@dataclass(slots=True)
class PlanTotals:
    """What a planning saw: the inputs and bytes of the listing, the new ones among them, and what is odd about them.

    `changed` has the first thousand inputs whose version is another than the planned one, as root and key.
    """

    objects: int = 0
    size_bytes: int = 0
    new_tasks: list[tuple[int, int]] = field(default_factory=list)
    equal: int = 0
    equal_examples: list[str] = field(default_factory=list)
    changed: list[tuple[int, str]] = field(default_factory=list)
    changed_count: int = 0


class Planner:
    """Adds what is new to the plan. One thread at a time.

    Parameters
    ----------
    state : State or None
        None for a dry run without a state.
    group_bytes : int
        Stored bytes of a task. A larger input is a task of its own.
    has_mirrored_names : bool
        Whether each input has an output of its own.
    skips_equal : bool
        Whether inputs with the size and the ETag of an earlier one of their unit are left out.
    reconverts : bool
        Whether inputs that have changed since they were planned are converted again.
    shard : (int, int)
        For the totals of a dry run.
    writes : bool
        False only counts: a dry run.

    Attributes
    ----------
    totals : PlanTotals
    fresh : set of (str, int)
        The unit and the number of each generation that this planner has written.
    """

    def __init__(
        self,
        state: State | None,
        *,
        group_bytes: int,
        has_mirrored_names: bool,
        skips_equal: bool,
        reconverts: bool,
        shard: tuple[int, int] = (0, 1),
        writes: bool = True,
    ) -> None:
        self._state = state
        self._group_bytes = group_bytes
        self._has_mirrored_names = has_mirrored_names
        self._skips_equal = skips_equal
        self._reconverts = reconverts
        self._shard = shard
        self._writes = writes
        self._unit = ""
        self._known: Known | None = None
        self._generations: dict[str, int] | None = None
        self.totals = PlanTotals()
        self.fresh: set[tuple[str, int]] = set()

    def add(self, listed: Iterable[Found]) -> None:
        """Plan inputs that are sorted by root and key. Raises StoreError and FilesError."""
        for (root, folder, day), found in itertools.groupby(listed, _unit_key):
            digest = blake2b(f"{root} {folder}".encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
            unit = f"{day or 'undated'}-{digest}"
            while batch := list(itertools.islice(found, _MAX_INPUTS)):
                self._add(unit, root, folder, batch)

    def _add(self, unit: str, root: int, folder: str, batch: list[Found]) -> None:
        if self._known is None or self._unit != unit:
            if self._generations is None:
                # One listing for all units. What other runs add later shows when a generation cannot be created.
                self._generations = {} if self._state is None else self._state.units()
            self._unit, self._known = unit, Known(self._state, unit, self._generations.get(unit, 0))
        known = self._known
        while True:
            generation, changed = self._planned(known, unit, root, folder, batch)
            if not (generation.tasks or generation.left_out) or not self._writes or self._state is None:
                break
            if self._state.create_generation(generation):
                known.add(generation)
                self.fresh.add((unit, generation.number))
                break
            # Another run was first. What it has planned is known now, and the rest is planned after it.
            known.update(self._state.generations(unit))
        self._count(batch, generation, changed)

    def _planned(
        self, known: Known, unit: str, root: int, folder: str, batch: list[Found]
    ) -> tuple[Generation, list[Found]]:
        """Return the next generation of a unit, and the inputs that have changed and stay as they are."""
        new: list[TaskInput] = []
        hours: list[str] = []
        left_out: list[TaskInput] = []
        changed: list[Found] = []
        equal: list[str] = []
        versions: set[tuple[int, str]] = set()
        outputs: set[str] = set()

        def is_taken(name: str) -> bool:
            return name in outputs or known.has_output(name)

        for each in batch:
            if not known.is_new(each.key):
                if not known.has(each.key, each.etag):
                    changed.append(each)
                continue
            version = (each.size_bytes, each.etag)
            is_equal = version in versions or known.has_version(*version)
            versions.add(version)
            if is_equal:
                equal.append(each.key)
                if self._skips_equal:
                    left_out.append(TaskInput(each.key, each.size_bytes, each.etag))
                    continue
            output = mirrored_name(each.key, root, is_taken) if self._has_mirrored_names else ""
            outputs.add(output)
            new.append(TaskInput(each.key, each.size_bytes, each.etag, output))
            hours.append(each.hour)
        number = known.generations
        tasks = [
            PlannedTask(task_id := id_of(unit, number, index), task_id, index, hour, inputs)
            for index, (hour, inputs) in enumerate(_groups(new, hours, self._group_bytes))
        ]
        kept: list[Found] = []
        for task in self._replacements(known, changed, kept):
            task_id = id_of(unit, number, len(tasks))
            name, replaces = task.name, (*task.replaces, task.id)
            tasks.append(PlannedTask(task_id, name, len(tasks), task.hour, task.inputs, replaces))
        examples = tuple(equal[:_MAX_EXAMPLES])
        return Generation(unit, number, root, folder, tuple(tasks), len(equal), examples, tuple(left_out)), kept

    def _replacements(self, known: Known, changed: list[Found], kept: list[Found]) -> Iterator[PlannedTask]:
        """Yield the tasks of changed inputs with their new versions. Other changed inputs are added to `kept`."""
        latest = known.latest_tasks({each.key for each in changed}) if changed else {}
        tasks: dict[str, PlannedTask] = {}
        versions: dict[str, TaskInput] = {}
        faults: dict[str, dict[str, str]] = {}
        for each in changed:
            task = latest.get(each.key)
            if task is None or not (self._reconverts or self._had_fault(task, each.key, faults)):
                kept.append(each)
                continue
            tasks[task.id] = task
            versions[each.key] = TaskInput(each.key, each.size_bytes, each.etag)
        for task in tasks.values():
            inputs = tuple(
                versions[each.key]._replace(output=each.output) if each.key in versions else each
                for each in task.inputs
            )
            yield PlannedTask(task.id, task.name, task.number, task.hour, inputs, task.replaces)

    def _had_fault(self, task: PlannedTask, key: str, faults: dict[str, dict[str, str]]) -> bool:
        """Return whether an input had a fault. If it is another one now, it was probably read while it was written."""
        if task.id not in faults and self._state is not None:
            report = self._state.done(task.id)
            faults[task.id] = {} if report is None else {each.key: each.fault for each in report.faults}
        return faults[task.id].get(key, "changed") != "changed"

    def _count(self, batch: list[Found], generation: Generation, changed: list[Found]) -> None:
        totals = self.totals
        totals.objects += len(batch)
        totals.size_bytes += sum(each.size_bytes for each in batch)
        if not self._writes:
            mine = [task for task in generation.tasks if is_of_shard(generation.unit, task, self._shard)]
            totals.new_tasks += [(len(task.inputs), task.size_bytes) for task in mine]
        totals.equal += generation.equal
        totals.equal_examples += generation.equal_examples[: _MAX_EXAMPLES - len(totals.equal_examples)]
        totals.changed_count += len(changed)
        totals.changed += [(each.root, each.key) for each in changed[: _MAX_NAMED - len(totals.changed)]]


def is_of_shard(unit: str, task: PlannedTask, shard: tuple[int, int]) -> bool:
    """Return whether a task belongs to a shard: its number in the generation, from a start that its unit sets."""
    index, count = shard
    # Units with a single task must not all belong to the first shard.
    return (zlib.crc32(unit.encode()) + task.number) % count == index


def _unit_key(found: Found) -> tuple[int, str, str]:
    return found.root, found.key.rpartition("/")[0], found.hour[:8]


def _groups(inputs: list[TaskInput], hours: list[str], group_bytes: int) -> Iterator[tuple[str, tuple[TaskInput, ...]]]:
    """Yield inputs of one hour together, in their order, up to a number of stored bytes."""
    for hour, group in itertools.groupby(zip(hours, inputs, strict=True), lambda each: each[0]):
        held: list[TaskInput] = []
        size_bytes = 0
        for _, each in group:
            if held and (size_bytes + each.size_bytes > group_bytes or len(held) == _MAX_TASK_INPUTS):
                yield hour, tuple(held)
                held, size_bytes = [], 0
            held.append(each)
            size_bytes += each.size_bytes
        yield hour, tuple(held)
