"""Stored batches to the alerts of a sink, and what is remembered between batches."""

from __future__ import annotations

import json
import re
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .. import InputFormatError
from ..detect import Alerts
from ..sinks import Counters, Piece
from ..spool import Batch, hash_of
from .alert_states import AlertStates
from .pieces import BATCH_GZIP, Detectors, Part, normalizer_of, results_of
from .settings import SettingsError, SinkSettings

__all__ = ["AlertsConverter"]

#: The least time between two states of a sink that does not publish files: each is a sync to disk.
_STORE_EVERY_S = 1.0
#: A large state is written so seldom that this takes less than this part of the time.
_MAX_SHARE = 0.05

#: When a document was made; in texts, quotation marks are escaped.
_CREATED = re.compile(rb'"created":"[^"]*"')


class _Held(NamedTuple):
    """A state that is stored when its batch is delivered."""

    seq: int
    state: bytes


class AlertsConverter:
    """The conversion of stored batches to alerts. It is for one thread.

    An alert is delivered when it is opened, before the position of the sink moves. What is open then, and the sessions
    of Sliver, are stored together with the position: a process that was killed continues with the same counts. Rejects
    are counted, and kept by the sinks of events only.

    Parameters
    ----------
    settings : SinkSettings
    detectors : Detectors
    folder : Path
        For the states.
    after : callable
        Returns the position of the sink, after which the next batch comes.
    counters : Counters
    say : callable
        Writes a line to the log: ``say(level, message)``.
    """

    def __init__(
        self,
        settings: SinkSettings,
        detectors: Detectors,
        folder: Path,
        after: Callable[[], int],
        counters: Counters,
        say: Callable[[str, str], object],
    ) -> None:
        self._settings = settings
        self._detectors = detectors
        self._used: tuple[Any, ...] = ()
        self._normalizer = normalizer_of(settings)
        self._states = AlertStates(folder)
        self._after = after
        self._counters = counters
        self._say = say
        self._alerts: Alerts | None = None
        self._counted = (0, 0)
        #: The last batch that was converted, and the first one that changed something since the last stored state.
        self._last = 0
        self._first_change: int | None = None
        self._held: _Held | None = None
        self._change_after_held: int | None = None
        self._next_s = 0.0
        self._is_waiting = self._is_full = False

    def parts(self, batch: Batch, skip: int = 0) -> Iterator[Part]:
        """Yield the parts of a batch. They raise no `SinkFault`, so no part is asked for twice.

        Raises
        ------
        EngineError
            The engine does not work on this system.
        """
        assert not skip
        alerts = self._current()
        number = events = 0
        held: Piece | None = None
        is_changed = False
        for lines, found, codes in self._converted(batch, alerts):
            is_changed |= found
            piece = None
            if lines:
                data = b"".join(lines)
                piece, held = held, Piece(batch.seq, _id_of(batch, data), number, events, len(lines), data, False)
                number += 1
                events += len(lines)
            if piece or codes:
                yield Part(piece, None, codes, {})
        self._finish(batch.seq, alerts, is_changed)
        last = held or Piece(batch.seq, batch.id, 0, 0, 0, b"", True)
        yield Part(last._replace(is_last=True), None, {}, {})

    def keep(self, seq: int, *, at_once: bool) -> int:
        """Store the state that belongs to a delivered batch, and return up to which batch the position may move.

        Parameters
        ----------
        seq : int
            The last batch that is delivered.
        at_once : bool
            Whether the position must move to it. Then it is the last one that was converted.
        """
        self._is_waiting = False
        if self._alerts is None or self._first_change is None:
            return seq
        if seq >= self._last and (at_once or time.monotonic() >= self._next_s):
            self._store(_Held(self._last, self._dumped(self._alerts)))
            self._first_change = self._held = self._change_after_held = None
            return seq
        if self._held is not None and self._held.seq <= seq:
            self._store(self._held)
            self._first_change, self._held, self._change_after_held = self._change_after_held, None, None
        if self._first_change is None or seq < self._first_change:
            return seq
        self._is_waiting = True
        return self._first_change - 1

    def is_due(self) -> bool:
        """Return whether `keep` held the position back, and would let it move now."""
        return self._is_waiting and time.monotonic() >= self._next_s

    def close(self) -> None:
        """Do nothing: what is not stored comes again."""

    def _current(self) -> Alerts:
        """Return the alerts, with the detectors as they are now."""
        detectors = self._detectors.current
        if self._alerts is None:
            self._alerts = Alerts(())
            self._alerts.use(detectors)
            state = self._states.load(self._after())
            try:
                if state is not None:
                    self._alerts.restore(state)
            except ValueError as error:
                self._say("warning", f"the stored state of alerts is not used: {error}")
        if detectors is not self._used:
            self._used = detectors
            try:
                self._normalizer = normalizer_of(self._settings, detectors)
            except SettingsError as error:
                # The detectors from before go on.
                self._detectors.refuse(error)
            else:
                self._alerts.use(detectors)
        return self._alerts

    def _converted(self, batch: Batch, alerts: Alerts) -> Iterator[tuple[list[bytes], bool, dict[str, int]]]:
        """Yield documents, whether something was found, and the number of rejects by code."""
        fault: str | None = None
        output = b""
        with self._normalizer.stream() as stream:
            results = results_of(stream, batch.arrival.body)
            while True:
                try:
                    result = next(results, None)
                except InputFormatError as error:
                    fault = error.code
                    break
                except (OSError, EOFError, zlib.error) as error:
                    if isinstance(error, OSError) and error.errno:
                        raise
                    fault = BATCH_GZIP
                    break
                if result is None:
                    break
                output = result.output or output
                lines = alerts.take(result)
                if lines or result.detections or result.rejects:
                    yield lines, bool(result.detections), result.rejects.count_by_code()
        # Once a batch, so that it does not depend on the pieces in which the batch is read.
        lines = alerts.advance(output)
        yield lines, bool(lines), {} if fault is None else {fault: 1}

    def _finish(self, seq: int, alerts: Alerts, is_changed: bool) -> None:
        """Note that a batch is converted."""
        self._last = seq
        detections, not_kept = alerts.findings, alerts.not_kept
        self._counters.add("detections", detections - self._counted[0])
        self._counters.add("detections_not_kept", not_kept - self._counted[1])
        self._counted = detections, not_kept
        if not is_changed:
            return
        if self._first_change is None:
            self._first_change = seq
        if self._held is None and time.monotonic() >= self._next_s:
            # Of a sink with requests in flight, the last converted batch may never be delivered at a commit.
            self._held = _Held(seq, self._dumped(alerts))
            self._change_after_held = None
        elif self._held is not None and self._change_after_held is None:
            self._change_after_held = seq

    def _dumped(self, alerts: Alerts) -> bytes:
        started_s = time.monotonic()
        state = json.dumps(alerts.state()).encode("ascii")
        now_s = time.monotonic()
        self._next_s = now_s + max(_STORE_EVERY_S, (now_s - started_s) / _MAX_SHARE)
        return state

    def _store(self, held: _Held) -> None:
        try:
            self._states.store(held.seq, held.state, self._after())
        except OSError as error:
            # The alerts are delivered. Waiting for space would hold batches in the spool, which needs the space.
            if not self._is_full:
                self._is_full = True
                self._say("warning", f"open alerts cannot be stored, their counts begin again after a kill: {error}")
        else:
            self._is_full = False


def _id_of(batch: Batch, data: bytes) -> bytes:
    """Return what identifies the documents of a batch for sinks that drop what they already have.

    A batch that is converted again, after feeds or rules have changed, gives other documents.
    """
    return hash_of(batch.id + _CREATED.sub(b"", data))
