"""Check that outputs are not among the inputs of the same conversion, or of the next run."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ..io.paths import real_path
from .errors import FilesError
from .globs import pattern_of
from .locations import Location, endpoint_of, parse_location, redacted
from .places import Place
from .store import StoreOptions

__all__ = ["check_apart"]

_DEFAULTS = StoreOptions()


def check_apart(places: Iterable[Place], outputs: Iterable[str], options: StoreOptions = _DEFAULTS) -> None:
    """Raise FilesError (``files.inside``) if an output would become an input of the next run, or is in an input.

    Parameters
    ----------
    outputs : iterable of str
        URLs and paths of folders and files.
    """
    written = [(name, *_address(parse_location(name), options)) for name in outputs]
    for place in places:
        authority, root = place.store.location
        root = root.replace(os.sep, "/")
        for name, other, path in written:
            if authority != other:
                continue
            if f"{root}{place.key or place.prefix}".startswith(f"{path.rstrip('/')}/"):
                raise FilesError("files.inside", f"the input {place.name} is inside the output {redacted(name)}")
            if place.key is None and f"{path}/".startswith(root) and _may_match(place, path[len(root) :].strip("/")):
                raise FilesError(
                    "files.inside",
                    f"the output {redacted(name)} is inside the input {place.name}, so that the next run would read it",
                )


def _may_match(place: Place, output: str) -> bool:
    """Return whether keys in an output, relative to the store, may be those of the input."""
    if place.pattern is None or "**" in place.pattern:
        return f"{output}/".startswith(place.prefix) or place.prefix.startswith(f"{output}/")
    parts, wanted = output.split("/"), place.pattern.rstrip("/").split("/")
    return all(pattern_of(one).fullmatch(part) for one, part in zip(wanted, parts, strict=False))


def _address(location: Location, options: StoreOptions) -> tuple[str, str]:
    """Return the place and the path of a name, as `Store.location` has them, without opening it."""
    if location.scheme == "file":
        return "file", real_path(location.path).replace(os.sep, "/")
    return f"{location.scheme}://{endpoint_of(location, options)}/{location.bucket}", f"/{location.path.strip('/')}"
