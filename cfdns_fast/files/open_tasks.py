"""The tasks of a plan that are not done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import NamedTuple

from .backfill_plan import is_of_shard
from .plan_file import Generation, PlannedTask, unit_of
from .state import State
from .tasks import InputReport, TaskReport

__all__ = ["CurrentTask", "OpenTask", "PlanSums", "count_tasks", "current_tasks", "known_faults", "open_tasks"]


class OpenTask(NamedTuple):
    """A task to run.

    Attributes
    ----------
    task : PlannedTask
    root : int
        The number of the root of its inputs.
    is_fresh : bool
        Whether this run has planned it, so that no earlier run can have started it.
    had_record : bool
        Whether it, or a task that it replaces, is done.
    """

    task: PlannedTask
    root: int
    is_fresh: bool
    had_record: bool


def open_tasks(
    state: State,
    selects: Callable[[int, PlannedTask], bool],
    *,
    shard: tuple[int, int] = (0, 1),
    retries_faults: bool = False,
    fresh: Set[tuple[str, int]] = frozenset(),
) -> Iterator[OpenTask]:
    """Yield the tasks that are not done, unit by unit, which bounds the memory. Raises StoreError and FilesError.

    Parameters
    ----------
    selects : callable
        Called with the number of a root and a task; only tasks for which it returns True are given.
    shard : (int, int)
        The index and the number of shards.
    retries_faults : bool
        Also yield tasks whose inputs had a fault.
    fresh : set of (str, int)
        Units and generations that this run has planned.
    """
    rewriting = state.rewriting()
    faulty = state.faulty() if retries_faults else set()
    for unit, count in state.units().items():
        generations = [state.generation(unit, number) for number in range(count)]
        mine = [
            (generation, task)
            for generation in generations
            for task in generation.tasks
            if is_of_shard(unit, task, shard) and selects(generation.root, task)
        ]
        if mine:
            yield from _open_of_unit(state, unit, generations, mine, faulty, rewriting, fresh)


def _open_of_unit(
    state: State,
    unit: str,
    generations: list[Generation],
    mine: list[tuple[Generation, PlannedTask]],
    faulty: set[str],
    rewriting: set[str],
    fresh: Set[tuple[str, int]],
) -> Iterator[OpenTask]:
    done = state.done_tasks(unit)
    replaced = {task_id for generation in generations for task in generation.tasks for task_id in task.replaces}
    for generation, task in mine:
        if task.id in replaced:
            continue
        is_done = task.id in done
        if is_done and task.id not in rewriting and not (task.id in faulty and _faults(state, task.id)):
            continue
        had_record = is_done or not done.isdisjoint(task.replaces)
        yield OpenTask(task, generation.root, (unit, generation.number) in fresh, had_record)


def _faults(state: State, task_id: str) -> tuple[InputReport, ...]:
    report = state.done(task_id)
    return () if report is None else report.faults


def known_faults(
    state: State, selects: Callable[[int, PlannedTask], bool], shard: tuple[int, int] = (0, 1)
) -> Iterator[tuple[str, int, InputReport]]:
    """Yield the faults in the records of a run's tasks: the id, the number of the root, and the input."""
    faulty = state.faulty()
    units = state.units() if faulty else {}
    for unit in sorted({unit_of(task_id) for task_id in faulty} & units.keys()):
        generations = [state.generation(unit, number) for number in range(units[unit])]
        replaced = {task_id for generation in generations for task in generation.tasks for task_id in task.replaces}
        mine = [
            (task.id, generation.root)
            for generation in generations
            for task in generation.tasks
            if task.id in faulty and task.id not in replaced and is_of_shard(unit, task, shard)
            if selects(generation.root, task)
        ]
        for (task_id, root), report in zip(mine, state.done_each(each for each, _ in mine), strict=True):
            if report is not None:
                yield from ((task_id, root, each) for each in report.faults)


def count_tasks(
    state: State, selects: Callable[[int, PlannedTask], bool], shard: tuple[int, int] = (0, 1)
) -> tuple[int, int, int]:
    """Return the number of tasks of a run that are planned, of their inputs, and of the stored bytes of these."""
    tasks = objects = size_bytes = 0
    for unit, count in state.units().items():
        generations = [state.generation(unit, number) for number in range(count)]
        replaced = {task_id for generation in generations for task in generation.tasks for task_id in task.replaces}
        for generation in generations:
            for task in generation.tasks:
                if task.id in replaced or not is_of_shard(unit, task, shard) or not selects(generation.root, task):
                    continue
                tasks += 1
                objects += len(task.inputs)
                size_bytes += task.size_bytes
    return tasks, objects, size_bytes


class CurrentTask(NamedTuple):
    """A planned task that no other one replaces.

    Attributes
    ----------
    task : PlannedTask
    root : int
    is_done : bool
    report : TaskReport or None
        The newest record of the task or of those that it replaces: what the outputs hold.
    """

    task: PlannedTask
    root: int
    is_done: bool
    report: TaskReport | None


def current_tasks(
    state: State, totals: PlanSums | None = None, *, reads: Callable[[str], bool] = lambda task_id: True
) -> Iterator[CurrentTask]:
    """Yield all tasks that no other one replaces, unit by unit, with their records. Raises StoreError and FilesError.

    Parameters
    ----------
    totals : PlanSums, optional
        Gets what generations say beside their tasks.
    reads : callable
        Called with the id of a record; returns whether it is needed.
    """
    rewriting = state.rewriting()
    for unit, count in state.units().items():
        done = state.done_tasks(unit)
        generations = [state.generation(unit, number) for number in range(count)]
        replaced = {task_id for generation in generations for task in generation.tasks for task_id in task.replaces}
        found: list[tuple[Generation, PlannedTask]] = []
        for generation in generations:
            if totals is not None:
                totals.add(generation)
            found += [(generation, task) for task in generation.tasks if task.id not in replaced]
        records = state.done_each(_record_of(task, done, reads) for _, task in found)
        for (generation, task), report in zip(found, records, strict=True):
            yield CurrentTask(task, generation.root, task.id in done and task.id not in rewriting, report)


def _record_of(task: PlannedTask, done: Set[str], reads: Callable[[str], bool]) -> str | None:
    """Return the id of the newest record of a task, or of those that it replaces, if it is needed."""
    last = next((each for each in (task.id, *reversed(task.replaces)) if each in done), None)
    return None if last is None or not reads(last) else last


class PlanSums:
    """What generations say beside their tasks."""

    _MAX_EXAMPLES = 10

    def __init__(self) -> None:
        self.equal = 0
        self.equal_examples: list[str] = []

    def add(self, generation: Generation) -> None:
        """Count a generation."""
        self.equal += generation.equal
        self.equal_examples += generation.equal_examples[: self._MAX_EXAMPLES - len(self.equal_examples)]
