"""What the sinks of files and of objects share: whole batches in a draft, which is completed by its age or size."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from .base import Pending, Piece, SinkContext, SinkFault, SinkRewind, Wants
from .encoders import Encoder, encoder_of, wants_of
from .publish import FULL_ERRORS, Draft, disk_fault

__all__ = ["RotatingSink"]


class RotatingSink(ABC):
    """The part of a `Sink` that collects whole batches in a draft. A subclass publishes the drafts.

    Parameters
    ----------
    context : SinkContext
        What the sink may use of its process.
    folder : str
        Where the drafts are.
    suffix : str
        The end of names. ``parquet`` selects Parquet.
    names : str
        The names of the columns of Parquet.
    rotate_s, rotate_bytes
        The age and the size at which a draft is completed.
    """

    def __init__(
        self, context: SinkContext, *, folder: str, suffix: str, names: str, rotate_s: float, rotate_bytes: int
    ) -> None:
        self.wants: Wants = wants_of(suffix)
        self._context = context
        self._folder = folder
        self._suffix = suffix
        self._names = names
        self._rotate_s = rotate_s
        self._rotate_bytes = rotate_bytes
        self._committed = 0
        self._sealed: Pending | None = None
        self._reset()

    def _reset(self) -> None:
        """Begin without a draft, after the last commit."""
        self._draft: Draft | None = None
        self._encoder: Encoder | None = None
        self._is_finished = False
        self._is_synced = False
        self._first = 0
        self._last = self._committed
        self._is_inside = False
        self._events = 0
        self._started = 0.0
        self._started_at = 0.0  # by the clock of the system

    @abstractmethod
    def _new_draft(self) -> Draft:
        """Return an empty draft; raises OSError."""

    @abstractmethod
    def _pending(self, draft: Draft) -> Pending:
        """Return what `recover` needs to publish the draft, which is on disk."""

    @abstractmethod
    def _publish(self, draft: Draft, pending: Pending, store: Callable[[Pending], object]) -> None:
        """Show the draft in the target, and release it; raises SinkFault and SinkRewind."""

    def write(self, piece: Piece) -> None:
        """Add a piece to the draft."""
        if self._is_finished:
            raise SinkFault("commit", "the last commit is not complete")
        if piece.events:
            draft = self._draft or self._start()
            self._flush(draft)
            assert self._encoder is not None
            draft.keep(self._encoder.encode(piece.data))
            self._events += piece.events
        if not self._first:
            self._first = piece.seq
            self._started = time.monotonic()
            self._started_at = time.time()
        self._is_inside = not piece.is_last
        if piece.is_last:
            self._last = piece.seq

    def is_due(self) -> bool:
        """Return whether the draft is old or large enough; never inside a batch."""
        return self._is_finished or (self._has_whole_batches() and self._is_full())

    def _has_whole_batches(self) -> bool:
        return not self._is_inside and self._last != self._committed

    def _is_full(self) -> bool:
        size_bytes = self._draft.size_bytes if self._draft else 0
        return size_bytes >= self._rotate_bytes or time.monotonic() - self._started >= self._rotate_s

    def commit(self, store: Callable[[Pending], object], *, final: bool = False) -> int:
        """Complete the draft, publish it, and return the last batch in it."""
        if not self._has_whole_batches():
            return self._committed
        draft = self._draft
        if draft is not None:
            started = time.monotonic()
            self._seal(draft)
            if self._sealed is None:
                pending = self._pending(draft)
                store(pending)
                self._sealed = pending
            self._publish(draft, self._sealed, store)
            counters = self._context.counters
            counters.add("writes")
            counters.add("write_seconds", time.monotonic() - started)
            counters.add("events", self._events)
            counters.add("bytes", draft.size_bytes)
        self._committed = self._last
        self._sealed = None
        self._reset()
        return self._committed

    def close(self) -> None:
        """Drop the draft that is not complete. One that was stored as pending stays for `recover`."""
        if self._draft is not None:
            if self._sealed is None:
                self._draft.discard()
            else:
                self._draft.close()
        self._reset()

    def _start(self) -> Draft:
        try:
            self._draft = self._new_draft()
        except OSError as error:
            raise disk_fault("create a file in", self._folder, error) from None
        self._encoder = encoder_of(self._suffix, self._names)
        return self._draft

    def _flush(self, draft: Draft) -> None:
        try:
            draft.flush()
        except OSError as error:
            if error.errno in FULL_ERRORS:
                raise disk_fault("write to", self._folder, error) from None
            raise self._rewind("write to", error) from None

    def _seal(self, draft: Draft) -> None:
        """Complete the content, and sync it: `recover` trusts the file by its size, also after a power failure."""
        if not self._is_finished:
            assert self._encoder is not None
            draft.keep(self._encoder.finish())
            self._is_finished = True
        self._flush(draft)
        if not self._is_synced:
            try:
                draft.sync()
            except OSError as error:
                # After a failed sync the system may have dropped the data, and a second sync would succeed.
                raise self._rewind("sync a file in", error) from None
            self._is_synced = True

    def _rewind(self, what: str, error: OSError) -> SinkRewind:
        """Drop everything since the last commit."""
        if self._draft is not None:
            self._draft.discard()
        self._sealed = None
        self._reset()
        return SinkRewind("disk", f"cannot {what} {self._folder}: {error.strerror or error}")
