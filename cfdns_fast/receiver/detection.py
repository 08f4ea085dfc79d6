"""The detection of a sink process: what it looks for, and the converter that does it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..sinks import Counters, Wants
from .delivery import Parts
from .pieces import Converter
from .sink_task import SinkTask

if TYPE_CHECKING:
    from .detectors import FollowedDetectors

__all__ = ["ClosableParts", "Detection"]

#: How long a sink waits for feeds and rules before it delivers without them, because events must not wait for a file
#: system that does not answer.
_LOAD_WAIT_S = 60.0


class ClosableParts(Parts, Protocol):
    """A converter of batches that is closed at the end."""

    def close(self) -> None: ...


class Detection:
    """What a sink process looks for. `ask` may be called from any thread.

    Parameters
    ----------
    task : SinkTask
    counters : Counters
    say : callable
        Writes a line to the log: ``say(level, message)``.
    """

    def __init__(self, task: SinkTask, counters: Counters, say: Callable[[str, str], object]) -> None:
        self._task = task
        self._counters = counters
        self._say = say
        self._detectors: FollowedDetectors | None = None
        self._is_asked = threading.Event()

    def start(self) -> None:
        """Load feeds and rules, if this sink uses them, and let a thread follow them."""
        if not self._task.looks:
            return
        # Most receivers look for nothing.
        from .detectors import FollowedDetectors

        self._detectors = FollowedDetectors(self._task.detect, self._counters, self._say)
        is_loaded = threading.Event()
        arguments = self._detectors, is_loaded
        threading.Thread(target=self._follow, args=arguments, name="follow_feeds", daemon=True).start()
        if not is_loaded.wait(_LOAD_WAIT_S):
            self._say(
                "error", f"feeds and rules are not loaded after {_LOAD_WAIT_S:.0f} s; the sink begins without them"
            )

    def ask(self) -> None:
        """Let changed feeds and rules be loaded again soon."""
        self._is_asked.set()

    def converter(self, wants: Wants, folder: Path, after: Callable[[], int]) -> ClosableParts:
        """Return the converter of the sink.

        Parameters
        ----------
        wants : {"raw", "ndjson", "arrow"}
            What the sink takes.
        folder : Path
            For temporary files, and the states of alerts.
        after : callable
            Returns the position of the sink.
        """
        detectors = self._detectors
        if detectors is None:
            return Converter(self._task.sink, wants, folder)
        if self._task.sink.alerts:
            from .alerts_converter import AlertsConverter

            return AlertsConverter(self._task.sink, detectors, folder / "alerts", after, self._counters, self._say)
        return Converter(self._task.sink, wants, folder, detectors if wants == "ndjson" else None)

    def _follow(self, detectors: FollowedDetectors, is_loaded: threading.Event) -> None:
        action = detectors.load
        while True:
            try:
                action()
            except Exception as error:
                # The text of an unexpected error may hold content of a feed.
                self._say("error", f"feeds and rules could not be loaded: {type(error).__name__}")
            is_loaded.set()
            action = detectors.poll
            self._is_asked.wait(self._task.detect.poll_s or None)
            self._is_asked.clear()
