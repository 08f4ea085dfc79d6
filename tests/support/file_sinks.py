"""Delivery to sinks of files as a sink process does it, and what the files then hold."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cfdns_fast.sinks import Sink, SinkFault, SinkRewind, open_sink
from cfdns_fast.sinks.files import FilesSink

from .sinks import Record, lines_of, ndjson_batch

__all__ = [
    "Caller",
    "collected",
    "events_in",
    "expected",
    "hidden",
    "ignore",
    "sink_of",
    "visible",
    "without_links",
    "written",
]


def sink_of(record: Record, url: str) -> FilesSink:
    sink = open_sink(url, record.context)
    assert isinstance(sink, FilesSink)
    return sink


def visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def hidden(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob(".*") if path.is_file())


def events_in(folder: Path) -> Counter[bytes]:
    counts: Counter[bytes] = Counter()
    for path in visible(folder):
        data = path.read_bytes()
        counts.update((gzip.decompress(data) if path.suffix == ".gz" else data).splitlines())
    return counts


def expected(batches: int, events: int = 50) -> Counter[bytes]:
    return Counter(line for seq in range(1, batches + 1) for line in lines_of(seq, range(events)).splitlines())


def collected(folder: Path, into: Path) -> None:
    """Move complete files away, as a consumer does, also to another file system."""
    into.mkdir(parents=True, exist_ok=True)
    for path in visible(folder):
        shutil.move(path, into / f"{len(list(into.iterdir()))}-{path.name}")


class Caller:
    """Delivers batches as a sink process does: a cursor, what is pending, and a new sink after each end."""

    def __init__(self, record: Record, url: str, batches: int) -> None:
        self.record, self.url, self.batches = record, url, batches
        self.after = 0
        self.pending: Mapping[str, Any] | None = None
        self.runs = 0
        self.faults: list[SinkFault] = []
        self.on_fault: Callable[[], None] = lambda: None

    def store(self, pending: Mapping[str, Any]) -> None:
        self.pending = dict(pending)

    def run(self) -> None:
        """Run until all batches are delivered or something ends the process."""
        self.runs += 1
        sink = sink_of(self.record, self.url)
        limit = self.batches
        if self.pending is not None:
            if sink.recover(self.pending):
                self.after = self.pending["last"]
            else:
                limit = self.pending["last"]
            self.pending = None
        while self.after < self.batches:
            try:
                self.deliver(sink, limit)
            except SinkRewind as fault:
                self.faults.append(fault)
            else:
                limit = self.batches
        sink.close()

    def deliver(self, sink: Sink, limit: int) -> None:
        for seq in range(self.after + 1, limit + 1):
            for piece in ndjson_batch(seq, 50, 20):
                self.repeated(lambda piece=piece: sink.write(piece))
            if sink.is_due():
                self.commit(sink)
        self.commit(sink, final=True)

    def commit(self, sink: Sink, *, final: bool = False) -> None:
        self.after = self.repeated(lambda: sink.commit(self.store, final=final))
        self.pending = None

    def repeated(self, action: Callable[[], Any]) -> Any:
        while True:
            try:
                return action()
            except SinkRewind:
                raise
            except SinkFault as fault:
                self.faults.append(fault)
                self.on_fault()
                assert len(self.faults) < 50


def written(record: Record, url: str, batches: range, events: int = 5) -> FilesSink:
    """Return a new sink that has taken batches, not committed."""
    sink = sink_of(record, url)
    for seq in batches:
        for piece in ndjson_batch(seq, events):
            sink.write(piece)
    return sink


def ignore(_: Mapping[str, Any]) -> None:
    """Store nothing."""


def without_links(*_: Any, **__: Any) -> None:
    """Answer as `os.link` does on a file system without hard links."""
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))
