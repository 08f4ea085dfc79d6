"""What the receiver tells a sink process: its sink and the limits, as one line of JSON."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from .detect_settings import DetectSettings
from .settings import Settings, SinkSettings

__all__ = ["EXIT_CLOSED", "EXIT_FAILED", "EXIT_LOCKED", "EXIT_SETTINGS", "SinkTask"]

#: Exit codes of a sink process; 0 means that it was asked to end.
EXIT_FAILED = 1
EXIT_SETTINGS = 2
EXIT_LOCKED = 3
#: The reader of the output has ended.
EXIT_CLOSED = 4

_STANDARD_OUTPUT = ("-", "stdout:")


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkTask:
    """The task of a sink process. The attributes are those of `Settings` and `SinkSettings`."""

    sink: SinkSettings
    state: Path
    keep_s: float
    drain_s: float
    max_dead_letter_bytes: int
    max_reject_bytes: int
    detect: DetectSettings = field(default_factory=DetectSettings)

    @classmethod
    def of(cls, settings: Settings, sink: SinkSettings) -> SinkTask:
        """Return the task of one sink."""
        return cls(
            sink=sink,
            state=settings.state.absolute(),
            keep_s=settings.keep_s,
            drain_s=settings.drain_s,
            max_dead_letter_bytes=settings.max_dead_letter_bytes,
            max_reject_bytes=settings.max_reject_bytes,
            detect=settings.detect,
        )

    @property
    def looks(self) -> bool:
        """Whether the sink looks for something, for alerts or annotated events."""
        annotates = self.detect.annotate if self.sink.annotate is None else self.sink.annotate
        return self.detect.is_used and (self.sink.alerts or annotates)

    def with_standard_output(self) -> tuple[SinkTask, int | None]:
        """Return the task with a descriptor of the standard output of this process, if its sink writes there.

        The standard output of a sink process has its counters. The caller passes the descriptor on and closes it.
        """
        if self.sink.url not in _STANDARD_OUTPUT:
            return self, None
        descriptor = os.dup(1)
        return replace(self, sink=replace(self.sink, url=f"stdout:?fd={descriptor}")), descriptor

    def to_line(self) -> bytes:
        """Return the task as a line."""
        return json.dumps({**asdict(self), "state": str(self.state)}).encode("ascii") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> SinkTask:
        """Return the task that `to_line` wrote."""
        members = json.loads(line)
        texts = {name: tuple(value) for name, value in members["detect"].items() if isinstance(value, list)}
        return cls(
            **{
                **members,
                "sink": SinkSettings(**members["sink"]),
                "state": Path(members["state"]),
                "detect": DetectSettings(**{**members["detect"], **texts}),
            }
        )
