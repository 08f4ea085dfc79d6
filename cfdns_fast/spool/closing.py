"""The thread that closes segments and keeps the file of seen bodies, so that no commit waits for these."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable

from .segment import ActiveSegment

__all__ = ["Closer"]

_LOG = logging.getLogger("cfdns_fast.spool")


class Closer:
    """Runs one task after the other on its own thread."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="cfdns-spool-close", daemon=True)
        self._thread.start()

    def run(self, task: Callable[[], object]) -> None:
        """Run a task later; an exception of it is logged."""
        self._tasks.put(task)

    def close_segment(
        self,
        segment: ActiveSegment,
        is_compacted: Callable[[], bool],
        done: Callable[[ActiveSegment], object],
    ) -> None:
        """Close a segment later, and call `done` on the thread.

        Parameters
        ----------
        is_compacted : callable
            Called on the thread: whether to copy the WAL into the main file. False after a failed write, because
            the files are not written again, and for a delivered segment, which is dropped soon.
        """

        def task() -> None:
            try:
                if is_compacted():
                    segment.close_compact()
            except sqlite3.Error as error:
                # The WAL is still there, and readers use it.
                _LOG.warning("segment %s was not compacted: %s", segment.file.name, error)
            finally:
                segment.close_unchanged()
                done(segment)

        self.run(task)

    def close(self) -> None:
        """Run what is left, then end the thread."""
        self._tasks.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception as error:
                _LOG.error("a task of the spool failed: %s", type(error).__name__)
