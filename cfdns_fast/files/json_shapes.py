"""Check the types in JSON that was read, before it is used."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["COUNTS", "Shape", "is_shape"]

#: ``str``, ``int`` or ``float``; ``[shape]``, a list of it; ``(shape,)``, an object with any names and such values;
#: ``{name: shape}``, an object that has at least these members; None, anything.
Shape: TypeAlias = Any

#: Numbers by name.
COUNTS: Shape = (int,)


def is_shape(value: object, shape: Shape) -> bool:
    """Return whether a JSON value has a shape."""
    if shape is None:
        return True
    if isinstance(shape, dict):
        return type(value) is dict and all(name in value and is_shape(value[name], shape[name]) for name in shape)
    if isinstance(shape, list):
        return type(value) is list and all(is_shape(each, shape[0]) for each in value)
    if isinstance(shape, tuple):
        return type(value) is dict and all(is_shape(each, shape[0]) for each in value.values())
    # A whole number may stand for another number; bool is a subclass of int, but not a number here.
    return type(value) is shape or (shape is float and type(value) is int)
