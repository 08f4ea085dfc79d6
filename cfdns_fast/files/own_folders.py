"""The folders that runs keep in an output beside its events: states, rejects, and the log of a Delta table.

Their files are JSON, so an output that becomes the input of another run would give them as records.
"""

from __future__ import annotations

import json
import os

from .errors import StoreError
from .head import is_head
from .plan_file import is_id
from .reject_file import REJECT_SUFFIX
from .state import HEAD, STATE_FOLDER
from .store import Store

__all__ = ["OwnFolders"]

#: Folders whose names say what they are. Users choose the names of others, which begin with an underscore.
_NAMES = {STATE_FOLDER, "_delta_log"}
_REJECT_END = f".{REJECT_SUFFIX}"
#: The head of a state is smaller.
_MAX_HEAD_BYTES = 1 << 20
#: Folders that are remembered. The keys of a folder come together, so few are needed.
_MAX_KNOWN = 1000


class OwnFolders:
    """Finds out which keys of a store are in such folders. One thread at a time; raises StoreError.

    A folder whose name begins with an underscore is one if it holds the head of a state. Files of rejects are found by
    their names in all folders, but not in the root. A folder takes one or two requests, and is seldom listed for it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, bool] = {}
        self._is_state: bool | None = None

    def has(self, key: str) -> bool:
        """Return whether a key is in such a folder, or the root of the store is a state."""
        folder, _, name = key.rpartition("/")
        if folder and name.endswith(_REJECT_END) and is_id(name.removesuffix(_REJECT_END)):
            return True
        # Most keys have no such folder, and there are millions of keys.
        if (folder.startswith("_") or "/_" in folder) and self._is_in_own(folder.split("/")):
            return True
        if self._is_state is None:
            root = self._store.location[1].replace(os.sep, "/").rstrip("/").rpartition("/")[2]
            self._is_state = root.startswith("_") and self._has_head("")
        return self._is_state

    def _is_in_own(self, folders: list[str]) -> bool:
        if not _NAMES.isdisjoint(folders):
            return True
        depths = (depth for depth, each in enumerate(folders, 1) if each.startswith("_"))
        return any(self._is_known_state("".join(f"{each}/" for each in folders[:depth])) for depth in depths)

    def _is_known_state(self, folder: str) -> bool:
        if folder not in self._known:
            if len(self._known) == _MAX_KNOWN:
                self._known.clear()
            self._known[folder] = self._has_head(folder)
        return self._known[folder]

    def _has_head(self, folder: str) -> bool:
        """Return whether a folder holds the head of a state."""
        key = f"{folder}{HEAD}"
        try:
            if (self._store.size(key) or _MAX_HEAD_BYTES) >= _MAX_HEAD_BYTES:
                return False
            return is_head(json.loads(self._store.read(key)))
        except StoreError as error:
            # S3 denies access to missing objects if the right to list is limited to some prefixes.
            if error.code == "store.missing" or (error.code == "store.denied" and not self._is_listed(key)):
                return False
            raise
        except (ValueError, RecursionError):
            return False

    def _is_listed(self, key: str) -> bool:
        return any(entry.key == key for entry in self._store.list(key))
