"""An event described as data: which field comes from which key of a record, and how."""

from .loader import bundled, is_path, load
from .model import NAME_PART_KINDS, Field, Mapping, Node, Scalar

__all__ = ["NAME_PART_KINDS", "Field", "Mapping", "Node", "Scalar", "bundled", "is_path", "load"]
