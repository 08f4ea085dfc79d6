"""The mappings that come with the package, and the names of mappings."""

from __future__ import annotations

from typing import NamedTuple

from ..mapping import Mapping, bundled, bundled_path, is_path, load, read_mapping
from ..options import DEFAULT_DATASET

__all__ = ["BundledMapping", "bundled_mappings", "content_of", "load_named", "name_parts"]


class BundledMapping(NamedTuple):
    """One mapping that comes with the package.

    Attributes
    ----------
    name : str
        ``DATASET.SCHEMA``.
    dataset, schema, source : str
        The texts of the file.
    targets : int
        The number of targets.
    """

    name: str
    dataset: str
    schema: str
    source: str
    targets: int


def bundled_mappings() -> list[BundledMapping]:
    """Return the mappings that come with the package, by name."""
    found = []
    for dataset, schemas in bundled().items():
        for schema in schemas:
            mapping = load(schema, dataset)
            found.append(BundledMapping(f"{dataset}.{schema}", dataset, schema, mapping.source, len(mapping.targets())))
    return found


def name_parts(name: str) -> tuple[str, str]:
    """Return the schema and the dataset of a name, as `Normalizer` takes them.

    A name is the path of a file (with a separator, or ending in ``.toml``), ``DATASET.SCHEMA``, or the schema alone,
    which is that of ``dns_logs``.
    """
    if is_path(name):
        return name, DEFAULT_DATASET
    dataset, dot, schema = name.rpartition(".")
    return (schema, dataset) if dot else (name, DEFAULT_DATASET)


def load_named(name: str) -> Mapping:
    """Return the mapping of a name; see `name_parts`. Raises MappingError as `Normalizer` does."""
    return load(*name_parts(name))


def content_of(name: str) -> bytes:
    """Return the content of the file of a mapping, which was loaded by its name."""
    schema, dataset = name_parts(name)
    return read_mapping(name if is_path(name) else bundled_path(schema, dataset))
