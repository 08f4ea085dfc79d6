"""The kind ``stdout:``, also written as ``-``: NDJSON on a file descriptor, for trials."""

from __future__ import annotations

import os
import select
from collections.abc import Callable

from .base import Pending, Piece, SinkContext, SinkFault, SinkSettingError, Stopped, Wants
from .urls import Info, Option, Target

__all__ = ["INFO", "OPTIONS", "StdoutSink", "open"]

OPTIONS = (Option("fd", "int", 1, "number of the file descriptor to write to", minimum=0, maximum=1023),)

#: A write of up to this size to a pipe that select reports as writable does not block (POSIX, PIPE_BUF on Linux).
_WRITE_BYTES = 4096
_POLL_S = 0.2


def _check(target: Target) -> None:
    if target.host or target.path:
        raise SinkSettingError("standard output has no host and no path: use - or stdout:")


INFO = Info(
    wants=lambda _: "ndjson",
    guarantee="for trials: an event that was written counts as delivered, also if its reader ends before it reads it",
    check=_check,
)


def open(target: Target, context: SinkContext) -> StdoutSink:
    """Return the sink."""
    return StdoutSink(target.options["fd"], context)


class StdoutSink:
    """A `Sink` that writes to a file descriptor. When the reader has closed it, the sink stops its process."""

    wants: Wants = "ndjson"

    def __init__(self, descriptor: int, context: SinkContext) -> None:
        self._descriptor = descriptor
        self._context = context
        self._last = 0
        self._committed = 0

    def write(self, piece: Piece) -> None:
        """Write a piece; raises Stopped if the process must stop or the reader has closed the pipe."""
        rest = memoryview(piece.data or b"")
        size_bytes = len(rest)
        while rest:
            try:
                self._wait()
                rest = rest[os.write(self._descriptor, rest[:_WRITE_BYTES]) :]
            except BlockingIOError:
                self._context.wait(_POLL_S)
            except BrokenPipeError:
                self._context.warn("the reader of standard output has closed it, so the sink ends")
                self._context.stop.set()
                raise Stopped from None
            except OSError as error:
                if len(rest) < size_bytes:
                    # A repeated piece would follow a half line.
                    raise
                raise SinkFault("disk", f"cannot write to standard output: {error.strerror}") from None
        counters = self._context.counters
        counters.add("writes")
        counters.add("events", piece.events)
        counters.add("bytes", size_bytes)
        if piece.is_last:
            self._last = piece.seq

    def is_due(self) -> bool:
        """Return whether a further batch is written."""
        return self._last > self._committed

    def commit(self, store: Callable[[Pending], object], *, final: bool = False) -> int:
        """Return the last batch that is written."""
        self._committed = self._last
        return self._committed

    def recover(self, pending: Pending) -> bool:
        """Return False: this sink stores nothing, so another kind of sink did before the URL was changed."""
        return False

    def close(self) -> None:
        """Leave the descriptor open."""

    def _wait(self) -> None:
        """Wait until a write does not block."""
        while not select.select([], [self._descriptor], [], _POLL_S)[1]:
            if self._context.stop.is_set():
                raise Stopped
