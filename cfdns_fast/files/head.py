"""The head of a state: what all runs on one output must have in common, because rows or names depend on it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import MappingError, Normalizer
from ..io import read_regular
from .errors import FilesError
from .json_shapes import is_shape
from .layout import Layout

__all__ = ["check_head", "check_version", "has_known_types", "head_of", "is_head", "layout_of", "normalizer_of"]

#: The version of the state's format. A later version reads this one; this one reads no later version.
_FORMAT_VERSION = 1
#: Options of a normalizer that do not change rows.
_RUN_OPTIONS = ("detect", "on_detection", "on_reject")
_SHAPE = {"format": str, "layout": {}, "normalizer": {}, "mapping_sha256": str}


def head_of(normalizer: Normalizer, format: str, layout: Layout) -> dict[str, Any]:
    """Return the head of a new state, as JSON can hold it.

    Raises
    ------
    FilesError
        The normalizer stops at the first reject or looks for names, or its mapping cannot be read.
    """
    options = normalizer.options
    if options["on_reject"] != "collect":
        raise FilesError("files.options", "on_reject must be 'collect', because rejects are counted")
    if options["detect"]:
        raise FilesError("files.options", "an output of many files has no detections: convert without detect")
    options = {name: value for name, value in options.items() if name not in _RUN_OPTIONS}
    options["schema"], digest = _schema_of(options["schema"])
    if options["columns"] is not None:
        options["columns"] = list(options["columns"])
    return {
        "format_version": _FORMAT_VERSION,
        "format": format,
        "layout": layout.as_dict() if format == "parquet" else {},
        "normalizer": options,
        "mapping_sha256": digest,
    }


def check_head(head: Mapping[str, Any], wanted: Mapping[str, Any], output: str) -> None:
    """Raise FilesError if a state was begun with other options; the message names them."""
    check_version(head, output)
    before, now = _flat(head), _flat(wanted)
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if "format" in names:
        # The options of one format are none of another one.
        names = [name for name in names if name in before and name in now]
    if not names:
        return
    each = ", ".join(f"{name} {_shown(before.get(name))}, not {_shown(now.get(name))}" for name in names)
    raise FilesError("files.options", f"{output} was begun with other options: {each}; use another output or state")


def check_version(head: Mapping[str, Any], output: str) -> None:
    """Raise FilesError if another version of this package has written a state that this one cannot read."""
    version = head.get("format_version")
    if version != _FORMAT_VERSION:
        raise FilesError(
            "files.version", f"{output} was begun by another version of cfdns-fast (format {version!r} of its state)"
        )


def is_head(value: object) -> bool:
    """Return whether a JSON value is a head, also of a later version."""
    return isinstance(value, dict) and {"format_version", "normalizer"} <= value.keys()


def has_known_types(head: Mapping[str, Any]) -> bool:
    """Return whether the members of a head have their types. Those of a later version may have any."""
    if head.get("format_version") != _FORMAT_VERSION:
        return True
    if not is_shape(head, _SHAPE) or not isinstance(head["normalizer"].get("schema"), str):
        return False
    try:
        layout_of(head)
    except ValueError:
        return False
    return True


def layout_of(head: Mapping[str, Any]) -> Layout:
    """Return the layout of a head; FilesError if a later version has written it."""
    try:
        return Layout(**head["layout"])
    except TypeError:
        raise FilesError("files.version", "the state has a layout of a later version of cfdns-fast") from None


def normalizer_of(head: Mapping[str, Any]) -> Normalizer:
    """Return a normalizer with the options of a head.

    Raises
    ------
    FilesError
        The mapping file is another one now.
    MappingError
        The mapping cannot be loaded.
    """
    try:
        normalizer = Normalizer(**head["normalizer"])
    except TypeError:
        raise FilesError("files.version", "the state has options of a later version of cfdns-fast") from None
    except MappingError:
        raise
    except ValueError as error:
        raise FilesError("files.state", f"the state has an option that cannot be used: {error}") from None
    _, digest = _schema_of(head["normalizer"]["schema"])
    if digest != head["mapping_sha256"]:
        raise FilesError(
            "files.options", f"the mapping {head['normalizer']['schema']} is another than at the beginning"
        )
    return normalizer


def _schema_of(schema: str | os.PathLike[str]) -> tuple[str, str]:
    """Return a schema as text, and the hash of the file if it is one."""
    text = os.fspath(schema)
    is_file = (
        not isinstance(schema, str) or text.endswith(".toml") or any(each and each in text for each in _SEPARATORS)
    )
    if not is_file:
        return text, ""
    try:
        # Each run and each worker reads it again, and a pipe would have no content then.
        return os.path.abspath(text), hashlib.sha256(read_regular(Path(text))[0]).hexdigest()
    except OSError as error:
        raise FilesError("files.options", f"the mapping {text} cannot be read ({error.strerror})") from None


_SEPARATORS = (os.sep, os.altsep)


def _flat(head: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that must be equal by name. The path of a mapping may change, its content may not."""
    defaults = Normalizer().options if head.get("normalizer") else {}
    # An earlier version had fewer options, and did what the defaults of later ones do.
    normalizer = {name: value for name, value in defaults.items() if name not in _RUN_OPTIONS}
    layout = Layout().as_dict() if head.get("layout") else {}
    options = {
        "format": head.get("format"),
        **layout,
        **head.get("layout", {}),
        **normalizer,
        **head.get("normalizer", {}),
    }
    # The level changes no rows.
    options.pop("compression_level", None)
    if head.get("mapping_sha256"):
        options["schema"] = f"a mapping file with the SHA-256 {head['mapping_sha256'][:12]}…"
    return options


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value.startswith("a mapping file") else json.dumps(value)
