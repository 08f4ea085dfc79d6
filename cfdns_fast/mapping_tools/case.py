"""A case: an input, and what a mapping must make of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..mapping import Mapping

__all__ = ["Case", "Defaults", "ExpectedReject"]

_UNKNOWN = "record.unknown"


@dataclass(frozen=True, slots=True)
class ExpectedReject:
    """A reject, as a case writes it."""

    line: int
    offset: int
    length: int
    code: str


@dataclass(frozen=True, slots=True)
class Case:
    """One input and its complete result.

    Attributes
    ----------
    name, rule : str
        What the case shows, and the reason: for the reader.
    line : int
        The line of the case, or of its table, in the file.
    data : bytes
        The input.
    options : dict
        Options of `Normalizer`.
    events : tuple of dict
        The events with dotted targets, without constants and raw records.
    messages : tuple of str or None
        The raw records of the events; None if they are not compared.
    rejects : tuple of ExpectedReject
    blank : int
        The number of blank lines.
    problems : dict of str to int
    ndjson : bytes or None
        The events as NDJSON; None if the bytes are not compared.
    """

    name: str
    rule: str
    line: int
    data: bytes
    options: dict[str, Any] = field(default_factory=dict)
    events: tuple[dict[str, Any], ...] = ()
    messages: tuple[str, ...] | None = None
    rejects: tuple[ExpectedReject, ...] = ()
    blank: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    ndjson: bytes | None = None


class Defaults:
    """What a case need not write, because the mapping says it.

    Attributes
    ----------
    constants : dict
        The constants of every event, with dotted targets.
    by_problem : tuple of str
        The targets that the problems of a record decide. A case compares its problems, so it need not write them.
    raw : tuple of str
        The targets that hold the raw record.
    """

    def __init__(self, mapping: Mapping) -> None:
        self.constants = {
            field.to: list(field.value) if isinstance(field.value, tuple) else field.value
            for field in mapping.fields
            if field.kind == "constant" and field.if_problem is None
        }
        self.raw = tuple(field.to for field in mapping.fields if field.kind == "raw")
        self.by_problem = tuple(
            field.to for field in mapping.fields if field.kind == "problems" or field.if_problem is not None
        )
        self._required = {(field.to, field.sources) for field in mapping.fields if field.required}

    def problems(self, events: tuple[dict[str, Any], ...]) -> dict[str, int]:
        """Return the problems of events: an absent required target, and an event without any field."""
        counts = {
            f"field.missing:{sources[0]}": sum(to not in event for event in events)
            for to, sources in sorted(self._required)
        }
        counts[_UNKNOWN] = events.count({})
        return {key: count for key, count in counts.items() if count}

    def problems_without(self, source: str) -> dict[str, int]:
        """Return the problems of one record that has no key but `source`."""
        return {f"field.missing:{sources[0]}": 1 for _, sources in self._required if source not in sources}
