"""Compile the tree of a mapping to the steps by which the core writes an event as NDJSON or as dicts."""

from __future__ import annotations

import json
from typing import Any

from ..mapping import Field, Node
from .slots import Readings

__all__ = ["dict_steps", "merge", "ndjson_steps"]

# In the order of the core's Step::What.
_LITERAL, _OPEN, _CLOSE, _RAW, _VALUE = range(5)
_LIST = _LITERAL  # the core's DictBuilder::What has it in this place


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


def ndjson_steps(nodes: tuple[Node, ...], readings: Readings) -> list[tuple[int, int, bytes, bytes]]:
    """Return the steps that write an event as NDJSON: what, slot, bytes before the value, and bytes after it."""
    steps: list[tuple[int, int, bytes, bytes]] = []
    for key, node in nodes:
        name = _json(key) + b":"
        constant = _constant_of(node)
        if constant is not None:
            steps.append((_LITERAL, 0, name + _json(constant) + b",", b""))
        elif not isinstance(node, Field):
            steps.append((_OPEN, 0, name + b"{", b""))
            steps += ndjson_steps(node, readings)
            steps.append((_CLOSE, 0, b"", b""))
        elif node.kind == "raw":
            steps.append((_RAW, 0, name + b'"', b'",'))
        else:
            quote = b'"' if node.json_class == "text" else b""  # the items of a list are quoted one by one
            before, after = (b"[", b"]") if node.array or node.holds_list else (b"", b"")
            steps.append((_VALUE, readings.slot(node), name + before + quote, quote + after + b","))
    return steps


def merge(steps: list[tuple[int, int, bytes, bytes]]) -> list[tuple[int, int, bytes, bytes]]:
    """Join adjacent literals, so that they are one copy."""
    merged: list[tuple[int, int, bytes, bytes]] = []
    for step in steps:
        if step[0] == _LITERAL and merged and merged[-1][0] == _LITERAL:
            merged[-1] = (_LITERAL, 0, merged[-1][2] + step[2], b"")
        else:
            merged.append(step)
    return merged


def dict_steps(nodes: tuple[Node, ...], readings: Readings) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the patterns of an event's dicts, and the steps that fill copies of them in the order of `ndjson_steps`.

    A pattern is (whether it holds containers, (key, constant or None) for each key). The first pattern is the event.
    A step is (what, slot, index of the key, key, items of a list, flag), as `_core/dicts/builder.hpp` describes.
    """
    patterns: list[Any] = []
    steps: list[tuple[Any, ...]] = []

    def add(nodes: tuple[Node, ...]) -> None:
        number = len(patterns)
        patterns.append(())
        holds_containers = False
        keys = []
        for index, (key, node) in enumerate(nodes):
            constant = _constant_of(node)
            if not isinstance(node, Field):
                holds_containers = True
                constant = None
                opened = len(patterns)
                steps.append((_OPEN, opened, index, key, None, False))
                add(node)
                steps.append((_CLOSE, opened, index, key, None, not _never_empty(node)))
            elif isinstance(constant, list):
                holds_containers = True
                steps.append((_LIST, 0, index, key, tuple(constant), False))
                constant = None
            elif constant is None and node.kind == "raw":
                steps.append((_RAW, 0, index, key, None, False))
            elif constant is None:
                holds_containers = holds_containers or node.array or node.holds_list
                steps.append((_VALUE, readings.slot(node), index, key, None, node.array))
            keys.append((key, constant))
        patterns[number] = (holds_containers, tuple(keys))

    add(nodes)
    return tuple(patterns), tuple(steps)


def _never_empty(nodes: tuple[Node, ...]) -> bool:
    return any(node.kind in ("raw", "constant") if isinstance(node, Field) else _never_empty(node) for _, node in nodes)
