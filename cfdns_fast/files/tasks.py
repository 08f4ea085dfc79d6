"""Tasks: the unit of work of the directory mode, and what running one gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .json_shapes import COUNTS, is_shape

__all__ = ["InputReport", "OutputFile", "Task", "TaskInput", "TaskReport"]


class TaskInput(NamedTuple):
    """One input of a task.

    Attributes
    ----------
    key : str
        Relative to `Task.source`.
    size_bytes : int
        As it is stored.
    etag : str
        The version that was planned; another one is the fault ``changed``.
    output : str
        The name of its output without suffix, for formats that mirror the names of inputs; empty for Parquet.
    """

    key: str
    size_bytes: int
    etag: str
    output: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """Inputs that are converted together. Immutable, can be pickled, and JSON can hold `as_dict`.

    Running a task again, or twice at the same time, writes the same names with the same rows.

    Attributes
    ----------
    id : str
        Unique in the state: unit, generation and number.
    name : str
        Part of the names of its outputs; the id, or the name of the task that it replaces.
    source, output, state : str
        The URLs or absolute paths of the inputs' root, of the output, and of the state.
    hour : str
        ``20260825T12``, ``20260825`` or empty: the hour or the day in the names of the inputs. Events may be of others.
    inputs : tuple of TaskInput
        In the order of conversion.
    replaces : tuple of str
        The ids of tasks whose inputs have changed since, from the first to the last; empty for most tasks.
    """

    id: str
    name: str
    source: str
    output: str
    state: str
    hour: str
    inputs: tuple[TaskInput, ...]
    replaces: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The stored bytes of all inputs."""
        return sum(each.size_bytes for each in self.inputs)

    def as_dict(self) -> dict[str, Any]:
        """Return the task as JSON can hold it; `from_dict` is the inverse."""
        return {
            "id": self.id,
            "name": self.name,
            "source": self.source,
            "output": self.output,
            "state": self.state,
            "hour": self.hour,
            "inputs": [list(each) for each in self.inputs],
            "replaces": list(self.replaces),
        }

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> Task:
        """Return the task of `as_dict`."""
        inputs = tuple(TaskInput(*each) for each in members["inputs"])
        return cls(**{**members, "inputs": inputs, "replaces": tuple(members["replaces"])})


@dataclass(frozen=True, slots=True)
class InputReport:
    """What became of one input.

    Attributes
    ----------
    key : str
    events, blank : int
    rejects : dict of str to int
        By code.
    fault : str
        Why the input was not read to its end: ``truncated``, ``damaged``, ``changed``, ``missing``, ``poison``, or a
        code of a format that is not read (``format.utf16``). Empty if it was.
    reason : str
        The fault in words, with the position.
    """

    key: str
    events: int = 0
    blank: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    fault: str = ""
    reason: str = ""


class OutputFile(NamedTuple):
    """A file or an object that a task has written; `name` is relative to the output."""

    name: str
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What a task did; the content of its done record.

    Attributes
    ----------
    id, name : str
        Those of the task.
    inputs : tuple of InputReport
    outputs : tuple of OutputFile
        Parquet: a file for each partition. Other formats: a file for each input. Files without rows are not written.
    reject_file : OutputFile or None
        The rejects, relative to the folder for rejects.
    problems : dict of str to int
        As in `Result.problems`.
    versions : dict of str to str
        Of this package and of pyarrow.
    seconds : float
        Wall time.
    """

    id: str
    name: str
    inputs: tuple[InputReport, ...]
    outputs: tuple[OutputFile, ...]
    reject_file: OutputFile | None = None
    problems: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def events(self) -> int:
        """The number of events in the outputs."""
        return sum(each.events for each in self.inputs)

    @property
    def rejects(self) -> dict[str, int]:
        """The number of rejects, by code."""
        counts: dict[str, int] = {}
        for each in self.inputs:
            for code, count in each.rejects.items():
                counts[code] = counts.get(code, 0) + count
        return counts

    @property
    def faults(self) -> tuple[InputReport, ...]:
        """The inputs that were not read to their end."""
        return tuple(each for each in self.inputs if each.fault)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it; `from_dict` is the inverse."""
        inputs = [
            {
                "key": each.key,
                "events": each.events,
                **({"blank": each.blank} if each.blank else {}),
                **({"rejects": each.rejects} if each.rejects else {}),
                **({"fault": each.fault, "reason": each.reason} if each.fault else {}),
            }
            for each in self.inputs
        ]
        return {
            "id": self.id,
            "name": self.name,
            "inputs": inputs,
            "outputs": [list(each) for each in self.outputs],
            "reject_file": None if self.reject_file is None else list(self.reject_file),
            "problems": self.problems,
            "versions": self.versions,
            "seconds": self.seconds,
        }

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> TaskReport:
        """Return the report of `as_dict`; LookupError or TypeError if a member is missing or has another type."""
        if not is_shape({**members}, _REPORT_SHAPE):
            raise TypeError("a member has another type")
        reject_file = members["reject_file"]
        return cls(
            **{
                **members,
                "inputs": tuple(map(_input_report, members["inputs"])),
                "outputs": tuple(map(_output_file, members["outputs"])),
                "reject_file": None if reject_file is None else _output_file(reject_file),
            }
        )


_REPORT_SHAPE = {
    "id": str,
    "name": str,
    "inputs": [{"key": str}],
    "outputs": [[None]],
    "problems": COUNTS,
    "versions": (str,),
    "seconds": float,
}
_INPUT_SHAPE = {"events": int, "blank": int, "rejects": COUNTS, "fault": str, "reason": str}


def _input_report(members: Mapping[str, Any]) -> InputReport:
    report = InputReport(**members)
    if not all(is_shape(getattr(report, name), shape) for name, shape in _INPUT_SHAPE.items()):
        raise TypeError("a member of an input has another type")
    return report


def _output_file(values: Iterable[Any]) -> OutputFile:
    file = OutputFile(*values)
    if not is_shape([*file[1:]], [int]) or not isinstance(file.name, str):
        raise TypeError("a member of an output has another type")
    return file
