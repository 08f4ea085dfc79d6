"""Mappings: files that describe the fields of an event and the keys of a record from which they come.

`load` reads and checks a mapping, `Mapping` and `Field` hold it. data/README.md describes the files.
"""

from .loader import bundled, bundled_path, is_path, load, read_mapping
from .model import NAME_PART_KINDS, OBSERVABLE_MEMBERS, OBSERVABLE_TYPES, Field, Mapping, Node, Scalar

__all__ = [
    "NAME_PART_KINDS",
    "OBSERVABLE_MEMBERS",
    "OBSERVABLE_TYPES",
    "Field",
    "Mapping",
    "Node",
    "Scalar",
    "bundled",
    "bundled_path",
    "is_path",
    "load",
    "read_mapping",
]
