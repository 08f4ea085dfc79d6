"""What a task writes: Parquet files by event time, or a file of NDJSON for each input.

Both make temporary files first, and give them their names when the caller says so.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .. import Normalizer
from .layout import Layout
from .ndjson_files import CompressedFile
from .stores import Store
from .tasks import OutputFile, TaskInput

if TYPE_CHECKING:
    from .partitions import Part

__all__ = ["MirroredOutputs", "ParquetOutputs", "TaskOutputs"]


class TaskOutputs(Protocol):
    """The outputs of one run of a task. One thread at a time; raises StoreError and OSError."""

    @property
    def stream_output(self) -> Literal["arrow", "ndjson"]:
        """What `write` takes."""

    def write(self, data: Any) -> None:
        """Append a part of the events of the current input."""

    def end_input(self, each: TaskInput, events: int, *, keeps_old: bool) -> None:
        """End an input. With `keeps_old`, an output of this input alone is not written."""

    def finish(self) -> list[OutputFile]:
        """Give all outputs their names, and return them; they are durable then."""

    def discard(self) -> None:
        """Remove temporary files."""


class ParquetOutputs:
    """Parquet files: ``date=2026-08-25/hour=12/part-NAME.parquet``.

    Parameters
    ----------
    store : Store
    name : str
        `Task.name`.
    normalizer : Normalizer
    layout : Layout
    metadata : dict of str to str
    """

    stream_output: Literal["arrow"] = "arrow"

    def __init__(
        self, store: Store, name: str, normalizer: Normalizer, layout: Layout, metadata: dict[str, str]
    ) -> None:
        # Imported here, because it needs pyarrow, and NDJSON does not.
        from .partitions import PartitionedOutput

        self._store = store
        self._name = name
        self._parts: deque[Part] = deque()
        self._output = PartitionedOutput(normalizer, layout, metadata, lambda partition: store.temporary())

    def write(self, data: Any) -> None:
        if data.num_rows:
            self._output.write(data)

    def end_input(self, each: TaskInput, events: int, *, keeps_old: bool) -> None:
        """Do nothing: files hold events of several inputs."""

    def finish(self) -> list[OutputFile]:
        files = []
        self._parts = deque(self._output.finish())
        while self._parts:
            part = self._parts[0]
            number = f"-{part.number}" if part.number > 1 else ""
            folder = f"{part.partition}/" if part.partition else ""
            name = f"{folder}part-{self._name}{number}.parquet"
            self._store.put_file(name, part.path)
            self._parts.popleft()
            files.append(OutputFile(name, part.rows, part.size_bytes))
        return files

    def discard(self) -> None:
        self._output.discard()
        for part in self._parts:
            with suppress(OSError):
                os.unlink(part.path)


class MirroredOutputs:
    """A file of NDJSON for each input that has events, with the name of the input.

    Each gets its name when its input ends, because a task can be larger than the disk for temporary files.

    Parameters
    ----------
    store : Store
    format : {"ndjson", "ndjson.gz", "ndjson.zst"}
    """

    stream_output: Literal["ndjson"] = "ndjson"

    def __init__(self, store: Store, format: str) -> None:
        self._store = store
        self._format = format
        self._file: CompressedFile | None = None
        self._files: list[OutputFile] = []

    def write(self, data: bytes) -> None:
        if not data:
            return
        if self._file is None:
            self._file = CompressedFile(self._store.temporary(), self._format)
        self._file.write(data)

    def end_input(self, each: TaskInput, events: int, *, keeps_old: bool) -> None:
        if self._file is None:
            return
        if keeps_old:
            self.discard()
            return
        name = f"{each.output}.{self._format}"
        size_bytes = self._file.close()
        self._store.put_file(name, self._file.path)
        self._file = None
        self._files.append(OutputFile(name, events, size_bytes))

    def finish(self) -> list[OutputFile]:
        return self._files

    def discard(self) -> None:
        if self._file is not None:
            self._file.discard()
            self._file = None
