"""Mappings: files that describe the fields of an event and the keys of a record from which they come.

`load` reads and checks a mapping, `Mapping` and `Field` hold it. data/README.md describes the files.
"""

from .loader import bundled, is_path, load
from .model import NAME_PART_KINDS, Field, Mapping, Node, Scalar

__all__ = ["NAME_PART_KINDS", "Field", "Mapping", "Node", "Scalar", "bundled", "is_path", "load"]
