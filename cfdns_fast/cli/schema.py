"""The mapping of a run, as its options name it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from .. import MappingError
from ..mapping import bundled, is_path, load

__all__ = ["Schema"]


class Schema(NamedTuple):
    """The mapping and the input format that the options name."""

    schema: str
    dataset: str
    input_format: str

    def known(self) -> frozenset[str]:
        """Return the keys that the mapping reads; none if its file, such as a pipe, cannot be read again."""
        if is_path(self.schema) and not os.path.isfile(self.schema):
            return frozenset()
        try:
            return load(self.schema, self.dataset).sources
        except MappingError:
            return frozenset()

    def datasets_of(self, keys: Iterable[str]) -> list[str]:
        """Return the datasets whose bundled mapping of this name reads any of the keys."""
        found = [name for name, schemas in bundled().items() if self.schema in schemas]
        return [name for name in found if load(self.schema, name).sources.intersection(keys)]
