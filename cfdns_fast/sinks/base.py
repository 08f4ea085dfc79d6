"""What a sink is: the protocol, the data that it gets, and the faults that it raises."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from ..errors import CfdnsError
from .counters import Counters

__all__ = [
    "Pending",
    "Piece",
    "Sink",
    "SinkContext",
    "SinkFault",
    "SinkRefused",
    "SinkRewind",
    "SinkSettingError",
    "Stopped",
    "Wants",
]

#: What a sink takes: stored gzip bodies, converted NDJSON, or Arrow record batches.
Wants = Literal["raw", "ndjson", "arrow"]

#: What a sink must remember before it publishes: a JSON object with at least ``first`` and ``last``, the batches.
Pending = Mapping[str, Any]


class Piece(NamedTuple):
    """A part of one stored batch.

    Attributes
    ----------
    seq : int
        The number of the batch in the spool.
    batch_id : bytes
        16 bytes that identify the batch. A batch that is delivered again has the same.
    part : int
        The position of the piece in its batch, from 0.
    first_event, events : int
        The position of the first event in its batch, and the number of events; raw pieces count records.
    data : bytes or pyarrow.RecordBatch
        As `Sink.wants` says. NDJSON ends with a newline; a raw piece is the whole gzip body.
    is_last : bool
        Whether the batch ends here. A batch without events is one last piece without data.
    is_whole : bool
        False for a part of a piece, which a sink made because the target refused the piece.
    """

    seq: int
    batch_id: bytes
    part: int
    first_event: int
    events: int
    data: Any
    is_last: bool
    is_whole: bool = True


class SinkSettingError(CfdnsError, ValueError):
    """The URL of a sink, or an option in it, cannot be used. The message names the sink and holds no secret."""


class SinkFault(CfdnsError):
    """The target cannot take data now; the same data is sent again later.

    Attributes
    ----------
    reason : str
        A word for counters: ``"connect"``, ``"timeout"``, ``"401"``, ``"503"``, ``"disk"``, …
    retry_after_s : float or None
        How long the target asked to wait.
    rest : object
        What `Window` sends the next time, if the target took a part of the piece; None means the same data again.
    """

    def __init__(self, reason: str, message: str, retry_after_s: float | None = None, *, rest: object = None) -> None:
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.rest = rest
        super().__init__(message)


class SinkRewind(SinkFault):
    """Everything since the last commit is lost in the sink: the caller writes again from its stored number.

    `Sink.write` and `Sink.commit` raise it, for example if a file could not be synced. The target shows none of the
    lost data. The caller waits as after a `SinkFault`, then begins with the first piece of the first batch that is not
    committed.
    """


class SinkRefused(CfdnsError):
    """The target refuses the content and would refuse it again.

    Attributes
    ----------
    code : str
        A word for counters and dead letters: ``"400"``, ``"413"``, ``"mapper_parsing_exception"``, …
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class Stopped(Exception):
    """The process was asked to stop while a sink waited. What is not committed is delivered after the next start."""


@dataclass(frozen=True, slots=True)
class SinkContext:
    """What a sink may use of its process.

    Attributes
    ----------
    name : str
        The name of the sink.
    stop : threading.Event
        Set when the process must stop. Every wait of a sink ends then, with `Stopped`.
    counters : Counters
        Counts for the metrics.
    dead_letter : callable
        ``dead_letter(piece, index, event, code)`` keeps one refused event (bytes without a newline); `index`
        is its position in its batch. Raises `SinkFault` if it cannot be kept. `Window` calls it from its threads, one
        at a time.
    warn : callable
        ``warn(message)`` writes one line to the log. Repeated messages are the caller's concern.
    folder : Path
        A folder of this sink for temporary data; other processes do not touch it.
    """

    name: str
    stop: threading.Event
    counters: Counters
    dead_letter: Callable[[Piece, int, bytes, str], object]
    warn: Callable[[str], object]
    folder: Path

    def wait(self, seconds: float) -> None:
        """Wait, and raise `Stopped` if the process must stop."""
        if self.stop.wait(seconds):
            raise Stopped


class Sink(Protocol):
    """A place to which converted batches are delivered. One thread uses it.

    The caller writes the pieces of batches in ascending order and commits now and then. A batch counts as delivered
    when `commit` returned its number or a greater one, and the caller stored that. After a restart the caller begins
    after the stored number.

    Attributes
    ----------
    wants : {"raw", "ndjson", "arrow"}
        What `Piece.data` must be.
    """

    wants: Wants

    def recover(self, pending: Pending) -> bool:
        """Return whether the batches of `pending` are complete in the target; it was stored before the process ended.

        If not, the caller writes exactly these batches again, and then commits before it writes others. A sink returns
        False for what another kind of sink stored, before the URL was changed.
        """

    def write(self, piece: Piece) -> None:
        """Take one piece. Raises `SinkFault` if it was not taken; the caller then writes the same piece again.

        A sink with requests in flight waits here while too many are open, also while the target is down; the gauge
        ``up`` is 0 then. After `SinkRewind` the caller writes from its stored number.
        """

    def is_due(self) -> bool:
        """Return whether the caller should commit now, by size, time or finished requests."""

    def commit(self, store: Callable[[Pending], object], *, final: bool = False) -> int:
        """Make what was written safe, and return the last batch that is complete in the target; 0 if there is none.

        A sink of files commits at the end of a batch only: in the middle of one it returns the previous number.

        Parameters
        ----------
        store : callable
            Called with `Pending` before the target shows the data; it returns after that is on disk.
        final : bool
            Nothing is written after this. Wait for all that is in flight.

        Raises
        ------
        SinkFault
            Nothing was committed; the caller calls again later, before it writes.
        SinkRewind
            Nothing was committed; the caller writes again from its stored number.
        """

    def close(self) -> None:
        """Release everything. What is not committed is dropped; nothing half remains visible."""
