"""Where the entries of an input are: its folder or bucket, by its name."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..io.paths import text_of
from .errors import StoreError
from .globs import has_magic, literal_start
from .local_store import LocalStore
from .locations import parse_location, redacted
from .names import hour_of
from .store import Store, StoreOptions
from .stores import open_at

__all__ = ["Place", "locate"]

_DEFAULTS = StoreOptions()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the entries of one input are.

    Attributes
    ----------
    name : str
        The input as the user named it, without a query and a user name.
    store : Store
        The folder, or the bucket with a prefix.
    prefix : str
        All keys begin with it.
    pattern : str or None
        The pattern that keys match; None if there is none.
    key : str or None
        The key, if the input is one file or object.
    """

    name: str
    store: Store
    prefix: str = ""
    pattern: str | None = None
    key: str | None = None

    def hour_of(self, key: str) -> str | None:
        """Return the hour of `names.hour_of`, also by the folders in which the store is."""
        return hour_of(key) or hour_of(f"{self.store.location[1].replace(os.sep, '/')}{key}")


def locate(name: str, options: StoreOptions = _DEFAULTS) -> Place:
    """Return where an input is; raises StoreError.

    A name with a slash at its end is a folder. Another URL is an object if there is one, then a folder. A name with
    ``*``, ``?`` or ``[`` is a pattern if there is no file or object with this name. A pattern that matches a folder
    stands for all files in the folder.
    """
    location = parse_location(name)
    if location.scheme == "file":
        return _locate_file(name, location.path)
    shown, path = redacted(name), location.path
    if not path or path.endswith("/"):
        if not has_magic(path):
            return Place(shown, open_at(location, options))
    else:
        folder, _, key = path.rpartition("/")
        parent = open_at(location._replace(path=folder), options)
        if parent.size(key) is not None:
            return Place(shown, parent, key=key)
    if has_magic(path):
        root, prefix, pattern = _parts_of(path)
        return Place(shown, open_at(location._replace(path=root), options), prefix, pattern)
    return Place(shown, open_at(location._replace(path=f"{path}/"), options))


def _locate_file(name: str, path: str) -> Place:
    if os.path.isdir(path):
        return Place(text_of(name), LocalStore(path))
    folder, key = os.path.split(path)
    if key and os.path.lexists(path):
        return Place(text_of(name), LocalStore(folder or "."), key=key)
    if has_magic(path):
        root, prefix, pattern = _parts_of(path.replace(os.sep, "/"))
        if path.startswith("/") and not root:
            root = "/"
        if os.path.isdir(root or "."):
            return Place(text_of(name), LocalStore(root or "."), prefix, pattern)
        raise StoreError("store.missing", f"{text_of(name)}: matches no files")
    raise StoreError("store.missing", f"{text_of(name)}: there is no such file or folder")


def _parts_of(path: str) -> tuple[str, str, str]:
    """Return the folder of a pattern, the beginning of all keys in it, and the pattern for keys."""
    root, slash, prefix = literal_start(path).rpartition("/")
    return root, prefix, path[len(root) + len(slash) :]
