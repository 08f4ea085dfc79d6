"""What the plan of a unit has already: digests of keys and versions, in bounded memory."""

from __future__ import annotations

from hashlib import blake2b

from .plan_file import Generation, PlannedTask
from .state import State
from .tasks import TaskInput

__all__ = ["Known"]

#: Digests of 16 bytes: with a billion keys, two are equal with a probability of 1e-21.
_DIGEST_BYTES = 16


class Known:
    """The inputs in the generations of one unit. About 300 bytes of memory an input.

    Parameters
    ----------
    state : State or None
        None if there is no plan yet.
    unit : str
    generations : int
        The number of generations that there are, at least.

    Attributes
    ----------
    generations : int
        The number of generations that were read.
    """

    def __init__(self, state: State | None, unit: str, generations: int) -> None:
        self._state = state
        self._unit = unit
        self.generations = 0
        self._etags: dict[bytes, bytes] = {}
        self._versions: set[bytes] = set()
        self._outputs: set[bytes] = set()
        self.update(generations)

    def update(self, generations: int) -> None:
        """Read the generations that are new, up to a number of generations."""
        for number in range(self.generations, generations):
            assert self._state is not None
            self.add(self._state.generation(self._unit, number))

    def add(self, generation: Generation) -> None:
        """Add a generation that follows those that were read."""
        self.generations = generation.number + 1
        for task in generation.tasks:
            for each in task.inputs:
                self._add(each)
        for each in generation.left_out:
            self._add(each)

    def is_new(self, key: str) -> bool:
        """Return whether no generation has a key."""
        return _digest(key) not in self._etags

    def has(self, key: str, etag: str) -> bool:
        """Return whether the newest generation with a key has this version."""
        return self._etags.get(_digest(key)) == _digest(etag)

    def has_version(self, size_bytes: int, etag: str) -> bool:
        """Return whether an input has this size and ETag."""
        return _version(size_bytes, etag) in self._versions

    def has_output(self, output: str) -> bool:
        """Return whether an input has this name of an output."""
        return _digest(output) in self._outputs

    def latest_tasks(self, keys: set[str]) -> dict[str, PlannedTask]:
        """Return the newest task of each key; keys that were left out have none. Reads the plan again."""
        found: dict[str, PlannedTask] = {}
        for number in range(self.generations):
            assert self._state is not None
            for task in self._state.generation(self._unit, number).tasks:
                found.update({each.key: task for each in task.inputs if each.key in keys})
        return found

    def _add(self, each: TaskInput) -> None:
        self._etags[_digest(each.key)] = _digest(each.etag)
        self._versions.add(_version(each.size_bytes, each.etag))
        if each.output:
            self._outputs.add(_digest(each.output))


def _digest(text: str) -> bytes:
    # File names that are not UTF-8 have surrogates.
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def _version(size_bytes: int, etag: str) -> bytes:
    return _digest(f"{size_bytes} {etag}")
