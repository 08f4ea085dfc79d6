"""Find and load a mapping by its name or path."""

from __future__ import annotations

import os
from functools import cache

from ..errors import MappingError
from ..options import DEFAULT_DATASET
from .model import DATA_FOLDER, Mapping

__all__ = ["bundled", "bundled_path", "is_path", "load", "read_mapping"]

# Devices have no end.
_MAX_BYTES = 1 << 24


def load(schema: str | os.PathLike[str], dataset: str = DEFAULT_DATASET) -> Mapping:
    """Load and check a mapping.

    Bundled mappings are loaded once per process. May be called from any thread.

    Parameters
    ----------
    schema : str or os.PathLike
        The name of a bundled mapping (``"sekoia"``), or a path. Text is a path if it contains a path separator or ends
        in ``.toml``.
    dataset : str
        The dataset of the bundled mapping, by Logpush's name (``"dns_logs"``). A mapping file is for one dataset.

    Raises
    ------
    MappingError
        The name is unknown, the file cannot be read, or an entry is invalid. The error names the file, the entry and
        what is allowed.
    TypeError
        `schema` is neither text nor a path, or `dataset` is not text.
    ValueError
        `schema` is a path and `dataset` is not the default.
    """
    if not isinstance(dataset, str):
        raise TypeError(f"dataset must be a name, not {type(dataset).__name__}")
    path = os.fspath(schema) if isinstance(schema, os.PathLike) else schema
    if not isinstance(path, str):
        kind = "a schema path must be text, not bytes" if isinstance(path, bytes) else None
        raise TypeError(kind or f"schema must be a name or a path, not {type(schema).__name__}")
    if path is schema and not is_path(path):
        return _load_bundled(path, dataset)
    if dataset != DEFAULT_DATASET:
        raise ValueError("dataset goes with a bundled schema; a mapping file is for one dataset already")
    return _load_path(path)


def is_path(schema: str) -> bool:
    """Return whether a schema given as text is a path and not the name of a bundled mapping."""
    return schema.endswith(".toml") or os.sep in schema or (os.altsep is not None and os.altsep in schema)


def _load_path(path: str) -> Mapping:
    return _parse(read_mapping(path), path)


def read_mapping(path: str) -> bytes:
    """Return the content of a mapping file; MappingError if it cannot be read, or has more than 16 MiB."""
    try:
        with open(path, "rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise MappingError(path, None, f"cannot be read ({error.strerror or type(error).__name__})") from None
    except ValueError:
        raise MappingError(ascii(path), None, "is not a usable path") from None
    if len(content) > _MAX_BYTES:
        raise MappingError(path, None, f"has more than {_MAX_BYTES >> 20} MiB")
    return content


def bundled() -> dict[str, list[str]]:
    """Return the names of the bundled mappings by dataset."""
    found: dict[str, list[str]] = {}
    for entry in sorted(os.listdir(DATA_FOLDER)):
        dataset, _, rest = entry.partition(".")
        schema, _, suffix = rest.partition(".")
        if suffix == "toml":
            found.setdefault(dataset, []).append(schema)
    return found


@cache
def _load_bundled(schema: str, dataset: str) -> Mapping:
    datasets = bundled()
    if dataset not in datasets:
        raise MappingError(dataset, None, f"no such dataset; bundled: {', '.join(datasets)}")
    if schema not in datasets[dataset]:
        names = ", ".join(datasets[dataset])
        reason = f"no such schema; bundled: {names}; the path of a file contains a separator or ends in .toml"
        raise MappingError(schema, None, reason)
    path = bundled_path(schema, dataset)
    with open(path, "rb") as content:
        return _parse(content.read(), os.path.basename(path))


def bundled_path(schema: str, dataset: str) -> str:
    """Return the path of the file of a bundled mapping."""
    return os.path.join(DATA_FOLDER, f"{dataset}.{schema}.toml")


def _parse(content: bytes, file: str) -> Mapping:
    # Imported here, because tomllib is slow to import and a process may load no mapping.
    from .parser import parse_mapping

    return parse_mapping(content, file)
