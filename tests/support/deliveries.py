"""The caller of a sink, as a sink process is, and batches of events as the sinks get them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from support.sinks import Record, batch_id

from cfdns_fast import Normalizer
from cfdns_fast.sinks import Piece, Sink, SinkFault, SinkRewind, Stopped, open_sink

__all__ = ["Caller", "batches_of", "events_of", "lines_in", "record_line"]


def record_line(seq: int, number: int, name: str | None = None, ip: str | None = None) -> bytes:
    """Return a record of Logpush; each pair of numbers gives another one."""
    name = name or f"host{number}.example{(seq + number) % 37}.com"
    ip = ip or f"192.0.2.{number % 250}"
    return (
        b'{"ColoCode":"CDG","EDNSSubnet":"","EDNSSubnetLength":0,"QueryName":"%b","QueryType":1,"ResponseCached":false,'
        b'"ResponseCode":0,"SourceIP":"%b","Timestamp":%d}\n'
        % (name.encode(), ip.encode(), 1_700_000_000_000_000_000 + seq * 1_000_000 + number)
    )


def events_of(records: bytes, schema: str = "sekoia") -> bytes:
    output = Normalizer(schema).to_ndjson(records).output
    assert isinstance(output, bytes)
    return output


def batches_of(data: Mapping[int, bytes], per_piece: int = 1000) -> list[list[Piece]]:
    """Return the pieces of batches from the NDJSON of each."""
    batches = []
    for seq, events in data.items():
        lines = events.splitlines(keepends=True)
        starts = list(range(0, len(lines), per_piece)) or [0]
        pieces = []
        for part, start in enumerate(starts):
            some = lines[start : start + per_piece]
            is_last = start == starts[-1]
            pieces.append(Piece(seq, batch_id(seq), part, start, len(some), b"".join(some), is_last))
        batches.append(pieces)
    return batches


def lines_in(batches: Sequence[Sequence[Piece]]) -> list[bytes]:
    return [line for pieces in batches for piece in pieces for line in piece.data.splitlines()]


class Caller:
    """Delivers batches to the sink of a URL until all are committed.

    Attributes
    ----------
    after : int
        The last batch that is delivered.
    pending : mapping or None
        What the sink stored.
    faults : list
        The reasons of all faults that the sink raised.
    """

    def __init__(self, record: Record, url: str | Callable[[], Sink], seconds: float = 30) -> None:
        self.record = record
        self.after = 0
        self.pending: Mapping[str, Any] | None = None
        self.faults: list[str] = []
        self._url = url
        self._seconds = seconds

    def run(self, batches: Sequence[Sequence[Piece]], *, between: Callable[[int], object] = lambda seq: None) -> None:
        """Deliver batches that are not delivered; `between` is called after each batch was written."""
        self._end = time.monotonic() + self._seconds
        # A sink waits without end for a target that is down, which would hide why a test hangs.
        stop = threading.Timer(self._seconds, self.record.context.stop.set)
        stop.start()
        sink = open_sink(self._url, self.record.context) if isinstance(self._url, str) else self._url()
        try:
            if self.pending:
                last = self.pending["last"]
                if self._try(lambda: sink.recover(self.pending or {})):
                    self._store(last)
                else:
                    again = [batch for batch in batches if self.after < batch[0].seq <= last]
                    self._deliver(sink, again)
                    self._store(self._try(lambda: sink.commit(self._keep)))
                    assert self.after == last
            while True:
                try:
                    self._deliver(sink, [batch for batch in batches if batch[0].seq > self.after], between)
                    self._store(self._try(lambda: sink.commit(self._keep, final=True)))
                    return
                except SinkRewind as rewind:
                    self._note(rewind)
                except Stopped:
                    self._store(self._try(lambda: sink.commit(self._keep, final=True)))
                    return
        finally:
            stop.cancel()
            sink.close()

    def _deliver(
        self, sink: Sink, batches: Sequence[Sequence[Piece]], between: Callable[[int], object] = lambda seq: None
    ) -> None:
        for batch in batches:
            for piece in batch:
                self._try(lambda piece=piece: sink.write(piece))
            between(batch[0].seq)
            if sink.is_due():
                self._store(self._try(lambda: sink.commit(self._keep)))

    def _keep(self, pending: Mapping[str, Any]) -> None:
        self.pending = dict(pending)

    def _store(self, seq: int) -> None:
        self.after = max(seq, self.after)
        self.pending = None

    def _try(self, action: Callable[[], Any]) -> Any:
        while True:
            try:
                return action()
            except SinkRewind:
                raise
            except SinkFault as fault:
                self._note(fault)

    def _note(self, fault: SinkFault) -> None:
        self.faults.append(fault.reason)
        assert time.monotonic() < self._end, f"the sink has faults for too long: {fault}"
        threading.Event().wait(0.05)
