"""The state of an output: its head, the roots of its inputs, the plan, done records, and marks of attempts.

All of it is objects below one prefix. Each is written once or replaced whole, so a kill at any moment leaves a state
that the next run can use. No clock and no lock is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import FilesError, StoreError
from .head import has_known_types
from .json_shapes import is_shape
from .plan_file import Generation, decode_generation, encode_generation, generation_of, unit_of
from .reads_ahead import in_order
from .stores import Store
from .tasks import TaskReport

__all__ = ["HEAD", "STATE_FOLDER", "Root", "State", "root_of"]

#: The folder of the state in an output. Readers of Hive tables (Spark, Athena, pyarrow) skip names that begin with _.
STATE_FOLDER = "_cfdns"

#: The key of the head in a state.
HEAD = "head.json"
_ROOT_SHAPE = {"number": int, "url": str, "place": str, "path": str}
#: Not the suffix of an output: a pattern such as ``**/*.ndjson.gz`` must not find plans.
_PLAN_SUFFIX = ".plan.gz"


@dataclass(frozen=True, slots=True)
class Root:
    """The store and the prefix that keys of inputs are relative to.

    Attributes
    ----------
    number : int
        From 0, in the order in which the state met them.
    url : str
        What `open_store` opens.
    place, path : str
        `Store.location`.
    """

    number: int
    url: str
    place: str
    path: str


class State:
    """The state below the root of a store. All methods may be called from any thread, and raise StoreError.

    FilesError with the code ``files.state`` means that an object of the state is damaged.

    Parameters
    ----------
    store : Store
        The root is the folder of the state.
    is_single_writer : bool
        The caller promises that no other run plans at the same time, so that conditional writes are not needed.
    """

    def __init__(self, store: Store, *, is_single_writer: bool = False) -> None:
        self._store = store
        self._is_single_writer = is_single_writer

    @property
    def url(self) -> str:
        """The store, for messages."""
        return self._store.url

    def head(self) -> dict[str, Any] | None:
        """Return the head, or None if the state is new."""
        try:
            data = self._store.read(HEAD)
        except StoreError as error:
            if error.code == "store.missing":
                return None
            raise
        members = self._members(HEAD, data)
        if not has_known_types(members):
            raise self._damaged(HEAD)
        return members

    def create_head(self, head: Mapping[str, Any]) -> bool:
        """Write the head; False if another run was first."""
        return self._create(HEAD, _json(head))

    def roots(self) -> list[Root]:
        """Return the roots by number."""
        return [self._root(key) for key in self._keys("roots/", ".json")]

    def create_root(self, root: Root) -> bool:
        """Write a root; False if another run has given its number to another one."""
        members = {"number": root.number, "url": root.url, "place": root.place, "path": root.path}
        return self._create(f"roots/{root.number:06d}.json", _json(members))

    def units(self) -> dict[str, int]:
        """Return the number of generations by unit, in the order of units."""
        counts: dict[str, int] = {}
        for key in self._keys("plan/", _PLAN_SUFFIX):
            unit = key.split("/")[1]
            counts[unit] = counts.get(unit, 0) + 1
        return counts

    def generations(self, unit: str) -> int:
        """Return the number of generations of a unit."""
        return sum(1 for _ in self._keys(f"plan/{unit}/", _PLAN_SUFFIX))

    def generation(self, unit: str, number: int) -> Generation:
        """Return a part of the plan."""
        key = _plan_key(unit, number)
        return decode_generation(self._store.read(key), f"{self.url}/{key}")

    def create_generation(self, generation: Generation) -> bool:
        """Write a part of the plan; False if another run was first."""
        return self._create(_plan_key(generation.unit, generation.number), encode_generation(generation))

    def done_tasks(self, unit: str) -> set[str]:
        """Return the ids of the tasks of a unit that are done."""
        prefix = f"done/{unit}/"
        return {key[len(prefix) : -len(".json")] for key in self._keys(prefix, ".json")}

    def done(self, task_id: str) -> TaskReport | None:
        """Return the done record of a task, or None if it is not done."""
        key = _done_key(task_id)
        try:
            data = self._store.read(key)
        except StoreError as error:
            if error.code == "store.missing":
                return None
            raise
        try:
            return TaskReport.from_dict(self._members(key, data))
        except (LookupError, TypeError):
            raise self._damaged(key) from None

    def done_each(self, task_ids: Iterable[str | None]) -> Iterator[TaskReport | None]:
        """Yield for each id what `done` returns, in order; None for None. Objects are read several at a time."""

        def read(task_id: str | None) -> TaskReport | None:
            return None if task_id is None else self.done(task_id)

        # A folder has nothing to wait for.
        return map(read, task_ids) if self._store.is_local else in_order(read, task_ids)

    def put_done(self, report: TaskReport) -> None:
        """Write a done record, after all outputs of the task are durable."""
        self._store.put(_done_key(report.id), _json(report.as_dict()))

    def attempts(self, prefix: str = "") -> dict[str, int]:
        """Return the highest mark by task. `prefix` is the beginning of ids."""
        found: dict[str, int] = {}
        for entry in self._store.list(f"attempts/{prefix}"):
            task_id, _, number = entry.key.removeprefix("attempts/").rpartition(".")
            if number.isdecimal():
                found[task_id] = max(int(number), found.get(task_id, 0))
        return found

    def put_attempt(self, task_id: str, number: int) -> None:
        """Mark that an attempt begins."""
        self._store.put(f"attempts/{task_id}.{number}", b"")

    def delete_attempt(self, task_id: str, number: int) -> None:
        """Remove a mark, because the attempt did not end the process."""
        self._store.delete(f"attempts/{task_id}.{number}")

    def rewriting(self) -> set[str]:
        """Return the ids of done tasks that a run has begun to write again; they are not finished."""
        return {entry.key.removeprefix("rewriting/") for entry in self._store.list("rewriting/")}

    def put_rewriting(self, task_id: str) -> None:
        """Note that the outputs of a task, which is done, change now."""
        self._store.put(f"rewriting/{task_id}", b"")
        self._store.put(f"uncommitted/{task_id}", b"")

    def delete_rewriting(self, task_id: str) -> None:
        """Note that the new outputs and the new record of a task are complete."""
        self._store.delete(f"rewriting/{task_id}")

    def faulty(self) -> set[str]:
        """Return the ids of the tasks whose records may have faults; all other records have none."""
        return {entry.key.removeprefix("faulty/") for entry in self._store.list("faulty/")}

    def put_faulty(self, task_id: str) -> None:
        """Note that the record of a task has faults, before the record is written."""
        self._store.put(f"faulty/{task_id}", b"")

    def delete_faulty(self, task_id: str) -> None:
        """Note that the new record of a task has no faults."""
        self._store.delete(f"faulty/{task_id}")

    def uncommitted(self) -> set[str]:
        """Return the ids of tasks that ran again, and that a table must have again."""
        return {entry.key.removeprefix("uncommitted/") for entry in self._store.list("uncommitted/")}

    def delete_uncommitted(self, task_id: str) -> None:
        """Note that a table has the new outputs of a task."""
        self._store.delete(f"uncommitted/{task_id}")

    def is_replaced(self, task_id: str) -> bool:
        """Return whether a later generation of the unit replaces a task."""
        unit = unit_of(task_id)
        later = (self.generation(unit, number) for number in range(generation_of(task_id) + 1, self.generations(unit)))
        return any(task_id in task.replaces for each in later for task in each.tasks)

    def reports(self, unit: str) -> Iterator[TaskReport]:
        """Return an iterator over the done records of a unit, by id."""
        return (report for report in self.done_each(sorted(self.done_tasks(unit))) if report is not None)

    def _keys(self, prefix: str, suffix: str) -> Iterator[str]:
        """Yield the keys of the state's own objects: file systems and tools leave others, as .nfs… and .DS_Store."""
        return (entry.key for entry in self._store.list(prefix) if entry.key.endswith(suffix))

    def _root(self, key: str) -> Root:
        members = self._members(key, self._store.read(key))
        if members.keys() != _ROOT_SHAPE.keys() or not is_shape(members, _ROOT_SHAPE):
            raise self._damaged(key)
        return Root(**members)

    def _create(self, key: str, data: bytes) -> bool:
        if self._store.has_conditional_writes():
            return self._store.create(key, data)
        if not self._is_single_writer:
            raise FilesError(
                "files.single_writer",
                f"{self.url}: this store ignores conditions of writes, so only one run may plan at a time: "
                "say so with --single-writer (single_writer=True)",
            )
        if self._store.size(key) is not None:
            return False
        self._store.put(key, data)
        return True

    def _members(self, key: str, data: bytes) -> dict[str, Any]:
        try:
            members = json.loads(data)
        except (ValueError, RecursionError):
            raise self._damaged(key) from None
        if not isinstance(members, dict):
            raise self._damaged(key)
        return members

    def _damaged(self, key: str) -> FilesError:
        return FilesError("files.state", f"{self.url}/{key}: is damaged, or not a part of a state")


def root_of(roots: Sequence[Root], number: int) -> Root:
    """Return a root by its number; FilesError if the state lacks it."""
    if not 0 <= number < len(roots):
        raise FilesError("files.state", f"the plan has inputs of the root {number}, which the state lacks")
    return roots[number]


def _plan_key(unit: str, number: int) -> str:
    return f"plan/{unit}/{number:06d}{_PLAN_SUFFIX}"


def _done_key(task_id: str) -> str:
    return f"done/{unit_of(task_id)}/{task_id}.json"


def _json(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode("ascii")
