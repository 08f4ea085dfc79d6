"""Compile the tree of a mapping to the steps by which the core writes an event as NDJSON or as dicts."""

from __future__ import annotations

import json
from typing import Any

from .._core import DictStepKind, StepKind
from .._core.plan_types import DictPattern, DictStep, Step
from ..mapping import Field, Node
from .slots import Readings

__all__ = ["dict_steps", "ndjson_steps"]


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _constant_of(node: Field | tuple[Node, ...]) -> Any:
    """Return the value of a node that is the same for all records; None if records change it."""
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
            quote = b'"' if node.json_class == "text" else b""  # the items of a list are quoted one by one
            before, after = (b"[", b"]") if node.array or node.holds_list else (b"", b"")
            steps.append(Step(StepKind.slot, readings.slot(node), name + before + quote, quote + after + b","))
    return steps


def ndjson_steps(nodes: tuple[Node, ...], readings: Readings) -> list[Step]:
    """Return the steps that write an event. Adjacent literals are joined, so that they are one copy."""
    merged: list[Step] = []
    for step in _unmerged(nodes, readings):
        if step.kind == StepKind.literal and merged and merged[-1].kind == StepKind.literal:
            merged[-1] = Step(StepKind.literal, 0, merged[-1].before + step.before, b"")
        else:
            merged.append(step)
    return merged


def dict_steps(nodes: tuple[Node, ...], readings: Readings) -> tuple[tuple[DictPattern, ...], tuple[DictStep, ...]]:
    """Return the patterns of an event's dicts and the steps that fill copies of them, in the order of `ndjson_steps`.

    The first pattern is the event.
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
