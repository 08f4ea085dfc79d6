"""The steps by which the compiled core writes an event as NDJSON and as dicts."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from .._core import DictStepKind, StepKind
from ..mapping import Field, Node
from .slots import Readings

__all__ = ["DictPattern", "DictStep", "Step", "dict_steps", "ndjson_steps"]


class Step(NamedTuple):
    """One step of the NDJSON writer: what stands before and after the value of a slot."""

    kind: StepKind
    slot: int
    before: bytes
    after: bytes


class DictPattern(NamedTuple):
    """A dict of an event: all keys in order, with their constants, or None where a step puts a value."""

    holds_containers: bool
    items: tuple[tuple[str, object], ...]


class DictStep(NamedTuple):
    """One step that fills a copy of a pattern; dicts/builder.hpp describes the members."""

    kind: DictStepKind
    slot: int
    position: int
    key: str
    items: tuple[object, ...] | None
    flag: bool


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _constant_of(node: Field | tuple[Node, ...]) -> Any:
    """The value of a node that no record changes (lists and dicts of it are templates), or None."""
    if isinstance(node, Field):
        if node.if_problem is not None:
            return None
        return list(node.value) if isinstance(node.value, tuple) else node.value
    children = {key: _constant_of(child) for key, child in node}
    return None if None in children.values() else children


def _unmerged(nodes: tuple[Node, ...], readings: Readings) -> list[Step]:
    steps: list[Step] = []
    for key, node in nodes:
        name = _json(key) + b":"
        constant = _constant_of(node)
        if constant is not None:
            steps.append(Step(StepKind.literal, 0, name + _json(constant) + b",", b""))
        elif not isinstance(node, Field):
            steps.append(Step(StepKind.open, 0, name + b"{", b""))
            steps += _unmerged(node, readings)
            steps.append(Step(StepKind.close, 0, b"", b""))
        elif node.kind == "raw":
            steps.append(Step(StepKind.raw, 0, name + b'"', b'",'))
        else:
            quote = b'"' if node.json_class == "text" else b""  # what a list holds is quoted one by one
            before, after = (b"[", b"]") if node.array or node.holds_list else (b"", b"")
            steps.append(Step(StepKind.slot, readings.slot(node), name + before + quote, quote + after + b","))
    return steps


def ndjson_steps(nodes: tuple[Node, ...], readings: Readings) -> list[Step]:
    """Return the steps that write an event. Neighbouring literals are one step: one copy instead of several."""
    merged: list[Step] = []
    for step in _unmerged(nodes, readings):
        if step.kind == StepKind.literal and merged and merged[-1].kind == StepKind.literal:
            merged[-1] = Step(StepKind.literal, 0, merged[-1].before + step.before, b"")
        else:
            merged.append(step)
    return merged


def dict_steps(nodes: tuple[Node, ...], readings: Readings) -> tuple[tuple[DictPattern, ...], tuple[DictStep, ...]]:
    """Return the patterns of an event's dicts and the steps that fill copies of them, in the order of `ndjson_steps`.

    The first pattern is the event's.
    """
    patterns: list[DictPattern] = []
    steps: list[DictStep] = []

    def add(nodes: tuple[Node, ...]) -> None:
        number = len(patterns)
        patterns.append(DictPattern(False, ()))
        holds_containers = False
        keys = []
        for index, (key, node) in enumerate(nodes):
            constant = _constant_of(node)
            if not isinstance(node, Field):
                holds_containers = True
                constant = None
                opened = len(patterns)
                steps.append(DictStep(DictStepKind.open, opened, index, key, None, False))
                add(node)
                steps.append(DictStep(DictStepKind.close, opened, index, key, None, not _never_empty(node)))
            elif isinstance(constant, list):
                holds_containers = True
                steps.append(DictStep(DictStepKind.list, 0, index, key, tuple(constant), False))
                constant = None
            elif constant is None and node.kind == "raw":
                steps.append(DictStep(DictStepKind.raw, 0, index, key, None, False))
            elif constant is None:
                holds_containers = holds_containers or node.array or node.holds_list
                steps.append(DictStep(DictStepKind.slot, readings.slot(node), index, key, None, node.array))
            keys.append((key, constant))
        patterns[number] = DictPattern(holds_containers, tuple(keys))

    add(nodes)
    return tuple(patterns), tuple(steps)


def _never_empty(nodes: tuple[Node, ...]) -> bool:
    return any(node.kind in ("raw", "constant") if isinstance(node, Field) else _never_empty(node) for _, node in nodes)
