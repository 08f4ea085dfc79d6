"""The inputs of a run, with keys that stay the same in all runs on one output.

A run may name a bucket, and a later one a folder in it. So each key is relative to a root that the state keeps: the
first one, of those that the runs have named, that contains the input.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote

from .backfill_plan import Found
from .globs import pattern_of
from .listing import Place, entries
from .names import Hours
from .plan_file import PlannedTask
from .state import Root, State, root_of
from .stores import Store

__all__ = ["RunInputs"]


class RunInputs:
    """The places that a run names, by the roots of its state. One thread at a time.

    Parameters
    ----------
    places : sequence of Place
    hours : Hours
        The range of the hours in names.
    state : State or None
        None for a dry run without a state.
    writes : bool
        Whether new roots are written to the state.

    Attributes
    ----------
    skipped : Counter of str
        The number of entries that are no logs, by reason.
    """

    def __init__(self, places: Sequence[Place], hours: Hours, state: State | None, *, writes: bool) -> None:
        self._places = places
        self._hours = hours
        self._roots = [] if state is None else state.roots()
        self.skipped: Counter[str] = Counter()
        for place in places:
            while self._root_of(*_address(place.store)) is None:
                root = _root(len(self._roots), place.store)
                if state is None or not writes or state.create_root(root):
                    self._roots.append(root)
                else:
                    self._roots = state.roots()

    @property
    def roots(self) -> list[Root]:
        """The roots by number, also those of other runs."""
        return self._roots

    def listed(self) -> Iterator[Iterator[Found]]:
        """Yield for each place an iterator over its inputs, sorted by folder and name. Raises StoreError."""
        for place in self._places:
            yield self._found(place)

    def selects(self) -> Callable[[int, PlannedTask], bool]:
        """Return a function that says whether this run names an input of a task, by the number of its root."""
        each = [(*_address(place.store), place, _matcher(place)) for place in self._places]
        roots, hours = self._roots, self._hours

        def selects(number: int, task: PlannedTask) -> bool:
            root = root_of(roots, number)
            if not hours.has(task.hour or None):
                return False
            for authority, path, _, matches in each:
                if authority != root.place:
                    continue
                for given in task.inputs:
                    full = root.path + given.key
                    if full.startswith(path) and matches(full[len(path) :]):
                        return True
            return False

        return selects

    def _found(self, place: Place) -> Iterator[Found]:
        authority, path = _address(place.store)
        last_folder: str | None = None
        number, start = 0, ""
        for entry in entries(place, self._hours, self.skipped):
            folder = entry.key.rpartition("/")[0]
            if folder != last_folder:
                last_folder = folder
                root = self._root_of(authority, f"{path}{folder}/" if folder else path)
                # A root contains the place itself at least.
                assert root is not None
                number = root.number
                start = path[len(root.path) :] if path.startswith(root.path) else ""
                cut = 0 if path.startswith(root.path) else len(root.path) - len(path)
            key = start + entry.key[cut:]
            yield Found(number, key, entry.size_bytes, entry.etag, place.hour_of(entry.key) or "")

    def _root_of(self, authority: str, path: str) -> Root | None:
        return next((root for root in self._roots if root.place == authority and path.startswith(root.path)), None)


def _address(store: Store) -> tuple[str, str]:
    """Return the location of a store with slashes as separators."""
    authority, path = store.location
    return authority, path.replace(os.sep, "/") if store.is_local else path


def _root(number: int, store: Store) -> Root:
    authority, path = _address(store)
    if store.is_local:
        url = path
    elif store.url.startswith("https://"):
        # The URL of R2 is percent-encoded, but not in messages.
        url = quote(f"{store.url}/", safe="/:")
    else:
        url = f"{store.url}/"
    return Root(number, url, authority, path)


def _matcher(place: Place) -> Callable[[str], object]:
    if place.key is not None:
        return place.key.__eq__
    if place.pattern is not None:
        return pattern_of(place.pattern).fullmatch
    prefix = place.prefix
    return lambda key: key.startswith(prefix)
