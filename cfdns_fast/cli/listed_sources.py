"""The inputs of a run that writes one file, if directories, patterns or prefixes of object stores are among them."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast

from ..files.errors import FilesError, StoreError
from ..files.globs import pattern_of
from ..files.listing import Place, entries, locate, sources
from ..files.listing import Source as ListedFile
from ..files.locations import parse_location, redacted
from ..files.names import Hours
from ..files.stores import StoreOptions, open_at
from ..io.inputs import InputFault
from ..io.paths import STANDARD_STREAM, descriptor_of, real_path
from .convert_values import ConvertOptions
from .sources import Source, SourceFault, Sources
from .targets import is_listed, is_url

__all__ = ["ListedSources"]


class ListedSources(Sources):
    """Inputs of which some are listed. The list is read while the run goes on, so that it is not kept in memory.

    Parameters
    ----------
    options : ConvertOptions
        Their inputs, and what selects from these.
    """

    def __init__(self, options: ConvertOptions) -> None:
        super().__init__([name for name in options.inputs if not is_listed(name)])
        self.count = 0
        self.not_read = Counter()
        self._inputs = options.inputs
        self._stores = StoreOptions(options.endpoint_url, options.region, options.profile, options.anonymous)
        self._hours = Hours(options.since, options.until)
        self._outputs: set[tuple[int, int]] = set()

    def __iter__(self) -> Iterator[Source | SourceFault]:
        for name in self._inputs:
            if not is_listed(name):
                self.count += 1
                yield Source(name)
                continue
            try:
                for listed in sources([name], self._stores, self._hours, self.not_read):
                    self.count += 1
                    yield _ListedSource(listed, name)
            except StoreError as error:
                self.count += 1
                shown = redacted(name)
                yield SourceFault(shown, InputFault(_without_name(error, shown)))

    def total_bytes(self) -> int | None:
        """Return the stored size of all inputs; None if one of them is in an object store, which is listed once."""
        if any(map(is_url, self._inputs)):
            return None
        total = super().total_bytes()
        for name in filter(is_listed, self._inputs):
            with suppress(StoreError):
                listed = sum(entry.size_bytes for entry in entries(locate(name, self._stores), self._hours))
                total = None if total is None else total + listed
        return total

    def check(self, outputs: Sequence[str]) -> None:
        """Raise FilesError if an output would be an input of the next run, or a URL or a library cannot be used."""
        for name in filter(is_listed, self._inputs):
            if is_url(name):
                # This sends no request.
                open_at(parse_location(name)._replace(path=""), self._stores)
                continue
            with suppress(StoreError):
                place = locate(name, self._stores)
                for output in outputs:
                    _check_apart(place, output)


def _check_apart(place: Place, output: str) -> None:
    """Raise FilesError if the output is a file that the place has, or would have."""
    if output == STANDARD_STREAM or descriptor_of(output) is not None:
        return
    root, path = place.store.location[1], real_path(output)
    if not path.startswith(root):
        return
    key = path[len(root) :].replace(os.sep, "/")
    if place.pattern is None or pattern_of(place.pattern).fullmatch(key):
        raise FilesError(
            "files.inside", f"the output {output} is inside the input {place.name}, so that the next run would read it"
        )


class _ListedSource(Source):
    """A file or an object that was listed. A file has a relative name if its folder was named so."""

    def __init__(self, listed: ListedFile, folder: str) -> None:
        is_relative = listed.path is not None and not is_url(folder) and not os.path.isabs(folder)
        super().__init__(os.path.relpath(listed.name) if is_relative else listed.name)
        self._listed = listed
        if listed.store is not None and listed.entry is not None and listed.entry.etag:
            self.identity = f"{listed.entry.size_bytes} {listed.entry.etag}"

    @property
    def path(self) -> str | None:
        """The path of a listed file; None for an object."""
        return self._listed.path

    @contextmanager
    def opened(self) -> Iterator[str | BinaryIO]:
        """Return what `blocks_ahead` reads, until the context ends; raises InputFault."""
        try:
            opened = self._listed.open()
        except StoreError as error:
            raise InputFault(_without_name(error, self.name)) from error
        if isinstance(opened, str):
            yield opened
            return
        try:
            yield cast(BinaryIO, _Reader(opened, self.name))
        finally:
            with suppress(StoreError):
                opened.close()


class _Reader:
    """A reader of a store whose faults are those of files, so that they get a position."""

    def __init__(self, reader: BinaryIO, name: str) -> None:
        self._reader = reader
        self._name = name

    def read(self, size_bytes: int) -> bytes:
        """Return at most `size_bytes`; raises OSError."""
        try:
            return self._reader.read(size_bytes)
        except StoreError as error:
            raise OSError(errno.EIO, _without_name(error, self._name)) from error


def _without_name(error: FilesError, name: str) -> str:
    """Return the reason of an error without the name of the input, which the message has anyway."""
    return str(error).removeprefix(f"{name}: ")
