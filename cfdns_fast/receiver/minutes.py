"""The line that the log has once a minute."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .metrics import SinkReport, SpoolReport

__all__ = ["MinuteLine"]


class MinuteLine:
    """Makes the line from the difference to the one before."""

    def __init__(self) -> None:
        self._batches = self._records = 0
        self._events: dict[str, float] = {}

    def text(self, batches: int, records: int, spool: SpoolReport, sinks: Sequence[SinkReport]) -> str:
        """Return the line.

        Parameters
        ----------
        batches, records : int
            What was acknowledged since the start.
        """
        now_ns = time.time_ns()
        parts = [
            f"received {batches - self._batches} batches with {records - self._records} records",
            f"spool {spool.bytes >> 20} MiB",
        ]
        self._batches, self._records = batches, records
        for sink in sinks:
            events = sink.totals.get("events", 0)
            new = events - self._events.get(sink.name, 0)
            self._events[sink.name] = events
            state = "" if sink.is_up else ", down"
            lag = sink.lag_batches(spool)
            waiting = f", {lag} batches wait since {sink.lag_seconds(spool, now_ns):.0f} s" if lag else ""
            parts.append(f"{sink.name} {new:.0f} events{waiting}{state}")
        return "; ".join(parts)
