"""Compare the events that two normalizers make of one input."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .. import Normalizer
from .flatten import flatten

__all__ = ["EventDifferences", "TargetDifference", "compare_events"]


#: Maximum number of events that wait for their other half.
_MAX_WAITING = 100_000


@dataclass(slots=True)
class TargetDifference:
    """How often a target differs.

    Attributes
    ----------
    removed, added, changed : int
        The number of events in which only the first normalizer gives a value, only the second, or both another one.
    event : int
        The number of the first of these events, from 1.
    before, after : object
        The values there; None for an absent one.
    """

    event: int
    before: Any
    after: Any
    removed: int = 0
    added: int = 0
    changed: int = 0


@dataclass(slots=True)
class EventDifferences:
    """How the events of an input differ.

    Attributes
    ----------
    events : int
        The number of pairs of events.
    different : int
        The number of pairs that differ, also in the order of their members alone.
    targets : dict of str to TargetDifference
        The targets that differ, in the order in which they were found.
    unpaired : int
        The number of events that only one of the normalizers made; the mapping can decide how rows are read.
    """

    events: int = 0
    different: int = 0
    targets: dict[str, TargetDifference] = field(default_factory=dict)
    unpaired: int = 0


def compare_events(blocks: Iterable[bytes], before: Normalizer, after: Normalizer) -> EventDifferences:
    """Return how the events that two normalizers make of an input differ.

    Memory does not grow with the input.

    Parameters
    ----------
    blocks : iterable of bytes
        The plain bytes of the input, cut anywhere.
    before, after : Normalizer

    Raises
    ------
    InputFormatError
        As `Normalizer` raises it.
    """
    pairs = _Pairs()
    with before.stream() as first, after.stream() as second:
        for block in blocks:
            pairs.add(first.feed(block).output, second.feed(block).output)
        pairs.add(first.finish().output, second.finish().output)
    pairs.found.unpaired += len(pairs.old) + len(pairs.new)
    return pairs.found


class _Pairs:
    """Events of both sides that wait for their other half: a stream may give its events later than the other one."""

    def __init__(self) -> None:
        self.found = EventDifferences()
        self.old: deque[bytes] = deque()
        self.new: deque[bytes] = deque()

    def add(self, before: bytes, after: bytes) -> None:
        """Compare the next events of both sides."""
        self.old += before.splitlines()
        self.new += after.splitlines()
        # Sides that do not agree on what a record is have no pairs any more.
        while self.old and self.new and not self.found.unpaired:
            self._compare(self.old.popleft(), self.new.popleft())
        if self.found.unpaired or len(self.old) + len(self.new) > _MAX_WAITING:
            self.found.unpaired += len(self.old) + len(self.new)
            self.old.clear()
            self.new.clear()

    def _compare(self, before: bytes, after: bytes) -> None:
        self.found.events += 1
        if before != after:
            self.found.different += 1
            _note(flatten(json.loads(before)), flatten(json.loads(after)), self.found)


def _note(before: dict[str, Any], after: dict[str, Any], found: EventDifferences) -> None:
    for to in {**before, **after}:
        values = before.get(to), after.get(to)
        if _is_same(*values):
            continue
        target = found.targets.setdefault(to, TargetDifference(found.events, *values))
        target.removed += to not in after
        target.added += to not in before
        target.changed += to in before and to in after


def _is_same(before: Any, after: Any) -> bool:
    if isinstance(before, str) or isinstance(after, str):
        return bool(before == after)
    # JSON distinguishes true from 1.
    return json.dumps(before) == json.dumps(after)
