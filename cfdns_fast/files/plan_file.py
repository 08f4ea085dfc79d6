"""One generation of a plan as a file: a line of totals, and a line for each task."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .errors import FilesError
from .json_shapes import is_shape
from .tasks import TaskInput

__all__ = [
    "Generation",
    "PlannedTask",
    "decode_generation",
    "encode_generation",
    "generation_of",
    "id_of",
    "is_id",
    "unit_of",
]

_HEAD_SHAPE = {
    "unit": str,
    "number": int,
    "root": int,
    "folder": str,
    "equal": int,
    "equal_examples": [str],
    "left_out": [[None]],
}
_LINE_SHAPE = {"number": int, "hour": str, "inputs": [[None]]}
#: The day or ``undated``, the digest of the folder, the generation and the number.
_ID = re.compile(r"(?:[0-9]{8}|undated)-[0-9a-f]{8}-[0-9]{4,}-[0-9]{5,}")


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task as its generation holds it.

    Attributes
    ----------
    id, name, hour, replaces, inputs
        As in `Task`.
    number : int
        In the generation, from 0.
    """

    id: str
    name: str
    number: int
    hour: str
    inputs: tuple[TaskInput, ...]
    replaces: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(each.size_bytes for each in self.inputs)


@dataclass(frozen=True, slots=True)
class Generation:
    """What one planning has added to a unit. It never changes.

    Attributes
    ----------
    unit : str
        The day in the names of the inputs, and a hash of their folder.
    number : int
        From 0.
    root : int
        The number of the inputs' root in the state.
    folder : str
        The folder of the inputs below the root.
    tasks : tuple of PlannedTask
    equal : int
        Inputs that have the size and the ETag of an earlier one of the unit.
    equal_examples : tuple of str
        The keys of the first of these.
    left_out : tuple of TaskInput
        Inputs that no task has, because they are equal to others and the caller wanted to skip these.
    """

    unit: str
    number: int
    root: int
    folder: str
    tasks: tuple[PlannedTask, ...]
    equal: int = 0
    equal_examples: tuple[str, ...] = ()
    left_out: tuple[TaskInput, ...] = field(default=())


def id_of(unit: str, generation: int, number: int) -> str:
    """Return the id of a task. Ids of one unit sort by generation and number up to a million of each."""
    return f"{unit}-{generation:04d}-{number:05d}"


def is_id(text: str) -> bool:
    """Return whether a text has the form of the ids of tasks."""
    return _ID.fullmatch(text) is not None


def unit_of(task_id: str) -> str:
    """Return the unit in the id of a task."""
    return task_id.rsplit("-", 2)[0]


def generation_of(task_id: str) -> int:
    """Return the number of the generation in the id of a task."""
    return int(task_id.rsplit("-", 2)[1])


def encode_generation(generation: Generation) -> bytes:
    """Return the content of a plan file. The same generation has the same content."""
    head = {
        "unit": generation.unit,
        "number": generation.number,
        "root": generation.root,
        "folder": generation.folder,
        "equal": generation.equal,
        "equal_examples": generation.equal_examples,
        "left_out": [list(each) for each in generation.left_out],
    }
    lines = [head, *(_line_of(task) for task in generation.tasks)]
    text = "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines)
    # The header of gzip would have the time.
    return gzip.compress(text.encode("ascii"), 5, mtime=0)


def decode_generation(data: bytes, name: str) -> Generation:
    """Return the generation of a plan file; raises FilesError if the file is damaged."""
    try:
        head, *lines = map(json.loads, gzip.decompress(data).splitlines())
        if not is_shape(head, _HEAD_SHAPE) or not is_shape(lines, [_LINE_SHAPE]):
            raise TypeError
        unit, number = head["unit"], head["number"]
        return Generation(
            unit,
            number,
            head["root"],
            head["folder"],
            tuple(_task_of(unit, number, line) for line in lines),
            head["equal"],
            tuple(head["equal_examples"]),
            _inputs_of(head["left_out"]),
        )
    except (OSError, EOFError, ValueError, LookupError, TypeError, RecursionError, zlib.error):
        raise FilesError("files.state", f"{name}: is damaged, or not a part of a plan") from None


def _line_of(task: PlannedTask) -> dict[str, Any]:
    # Without the output that most inputs do not have.
    inputs = [list(each[: 3 if not each.output else 4]) for each in task.inputs]
    line: dict[str, Any] = {"number": task.number, "hour": task.hour, "inputs": inputs}
    if task.replaces:
        line |= {"name": task.name, "replaces": list(task.replaces)}
    return line


def _task_of(unit: str, generation: int, line: dict[str, Any]) -> PlannedTask:
    task_id = id_of(unit, generation, line["number"])
    return PlannedTask(
        task_id,
        _texts_of([line.get("name", task_id)])[0],
        line["number"],
        line["hour"],
        _inputs_of(line["inputs"]),
        _texts_of(line.get("replaces", [])),
    )


def _texts_of(values: list[Any]) -> tuple[str, ...]:
    if not is_shape(values, [str]):
        raise TypeError
    return tuple(values)


def _inputs_of(inputs: Iterable[list[Any]]) -> tuple[TaskInput, ...]:
    return tuple(TaskInput(*each) for each in inputs if _is_input(*each))


def _is_input(key: object, size_bytes: object, etag: object, output: object = "") -> bool:
    """Return True; TypeError if an input has other types. A plan has millions of inputs, so this is no shape."""
    if type(size_bytes) is int and type(key) is type(etag) is type(output) is str:
        return True
    raise TypeError
