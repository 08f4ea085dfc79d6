"""The journal of a stream: which objects belong to which step.

A step is a file that is written once and never changed, so a step that Spark repeats has the same objects. An object is
new if no step has its key with its ETag. Neither the order of names nor any clock is used, so late objects are found.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from ..files import Entry, Store

__all__ = ["Journal"]

_DIGITS = 12
_SUFFIX = ".ndjson.gz"


class Journal:
    """The steps of a stream, in a folder of a store; for one thread.

    Several readers, also of several queries, may share a folder: each step is created by one of them, and the others
    read it.

    Parameters
    ----------
    store : Store
        Its root is the folder.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: set[bytes] = set()
        #: For each known step, a digest of it and of all earlier ones.
        self._marks: list[str] = [""]

    @property
    def steps(self) -> int:
        """The number of steps that this reader knows."""
        return len(self._marks) - 1

    def mark(self, step: int) -> str:
        """Return a text that identifies all steps up to a known one; steps count from 1, and 0 is before the first."""
        return self._marks[step]

    def catch_up(self) -> None:
        """Learn all steps of other readers."""
        after = _key(self.steps)
        for listed in self._store.list(after=after):
            if listed.key != _key(self.steps + 1):
                continue  # not a step
            content = self._content(self.steps + 1)
            self._known.update(_digest(source, entry) for source, entry in _parsed(content))
            self._marks.append(_hash(self._marks[-1].encode("ascii") + content).hex())

    def extend(self, listed: Iterable[tuple[str, Entry]], step_bytes: int) -> None:
        """Learn all steps of other readers, and add new ones for the objects that no step has.

        Parameters
        ----------
        listed : iterable of (str, Entry)
            All objects that exist, each with the name of its source.
        step_bytes : int
            Maximum of the stored bytes of a step, if it has more than one object.
        """
        self.catch_up()
        step: list[tuple[str, Entry]] = []
        total_bytes = 0
        for source, entry in listed:
            if _digest(source, entry) in self._known:
                continue
            if step and total_bytes + entry.size_bytes > step_bytes:
                self._add(step)
                step, total_bytes = [], 0
            step.append((source, entry))
            total_bytes += entry.size_bytes
        self._add(step)

    def objects(self, first: int, last: int) -> Iterator[tuple[str, Entry]]:
        """Yield the objects of the steps from `first` to `last`, both included."""
        for step in range(first, last + 1):
            yield from _parsed(self._content(step))

    def _add(self, step: list[tuple[str, Entry]]) -> None:
        """Write a step. What another reader has added in the meantime is left out."""
        while step := [(source, entry) for source, entry in step if _digest(source, entry) not in self._known]:
            lines = "".join(json.dumps([source, *entry]) + "\n" for source, entry in step)
            created = self._store.create(_key(self.steps + 1), gzip.compress(lines.encode("utf-8"), 6, mtime=0))
            self.catch_up()
            if created:
                return

    def _content(self, step: int) -> bytes:
        return gzip.decompress(self._store.read(_key(step)))


def _parsed(content: bytes) -> Iterator[tuple[str, Entry]]:
    for line in content.splitlines():
        source, *entry = json.loads(line)
        yield source, Entry(*entry)


def _key(step: int) -> str:
    return f"{step:0{_DIGITS}d}{_SUFFIX}"


def _digest(source: str, entry: Entry) -> bytes:
    """Return what stands for an object in memory, where there may be a million of them."""
    text = json.dumps([source, entry.key, entry.etag])
    return _hash(text.encode("utf-8"))


def _hash(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()
