"""The `_bulk` requests of Elasticsearch and OpenSearch: bodies from NDJSON, and the outcome of each event.

An event has an `_id` made of its batch and its position, and is only ever created: an event that is sent again is
answered with 409, which counts as delivered.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .base import Piece, SinkContext, SinkFault, SinkRefused
from .window import Sent

__all__ = ["FILTER_PATH", "MIN_BULK_BYTES", "Bulk", "ItemOutcome", "Part", "outcomes_of"]

#: The parts of an answer that are read. The reason of an error is not among them, because it can quote the event.
FILTER_PATH = "errors,items.*.status,items.*.error.type"

MIN_BULK_BYTES = 64 << 10

#: An upper limit for the action line of an event.
ACTION_BYTES = 72

#: Errors of one event that are about the target: every other event would be refused as well, so none is dropped.
_TARGET_ERRORS = frozenset(
    {
        "cluster_block_exception",
        "index_closed_exception",
        "index_not_found_exception",
        "invalid_index_name_exception",
        # A new index would have more shards than the cluster may have.
        "validation_exception",
    }
)
_TARGET_STATUSES = frozenset({401, 403, 404, 408, 429})


class ItemOutcome(NamedTuple):
    """The answer for one event: an HTTP status, and the type of the error or an empty string."""

    status: int
    error: str

    @property
    def is_done(self) -> bool:
        """Whether the target has the event."""
        return 200 <= self.status < 300 or self.status == 409

    @property
    def is_refused(self) -> bool:
        """Whether the target would refuse the same event again."""
        return (
            not self.is_done
            and 400 <= self.status < 500
            and self.status not in _TARGET_STATUSES
            and self.error not in _TARGET_ERRORS
        )


#: Sends a body, whose number of events is the second argument. Returns an outcome for each event, or None if the target
#: has all of them. Raises `SinkFault` if nothing is known of the events, and `SinkRefused` if the body as a whole is
#: refused for its content.
Post = Callable[[bytes, int], Sequence[ItemOutcome] | None]


def outcomes_of(answer: Any, events: int) -> list[ItemOutcome] | None:
    """Return the outcomes in the parsed answer of a target, or None if all events were created.

    Raises
    ------
    SinkFault
        It is not an answer for this number of events.
    """
    if isinstance(answer, dict) and answer.get("errors") is False:
        return None
    try:
        outcomes = []
        for item in answer["items"]:
            (result,) = item.values()
            error = result.get("error") or {}
            outcomes.append(ItemOutcome(int(result["status"]), str(error.get("type", ""))[:100]))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise SinkFault("answer", "the target did not answer as _bulk does") from None
    if len(outcomes) != events:
        raise SinkFault("answer", f"the target answered for {len(outcomes)} of {events} events")
    return outcomes


class Part(NamedTuple):
    """The events of a piece that are left; `positions` counts from the start of the piece.

    `refused` is the number of events of the piece that are dead letters.
    """

    piece: Piece
    positions: list[int]
    refused: int = 0


class Bulk:
    """Sends pieces by `_bulk`. Several threads may call `send`.

    Parameters
    ----------
    context : SinkContext
        Takes refused events.
    post : callable
        See `Post`.
    max_bytes : int
        The size of a body; a larger piece is sent in several requests. One event may be larger.
    """

    def __init__(self, context: SinkContext, post: Post, max_bytes: int) -> None:
        self._context = context
        self._post = post
        self._max_bytes = max_bytes

    def send(self, work: Piece | Part) -> Sent:
        """Send a piece, or what is left of one; a refused event becomes a dead letter.

        Raises
        ------
        SinkFault
            Some events are left; `SinkFault.rest` is what to send the next time.
        """
        piece = work.piece if isinstance(work, Part) else work
        part = work if isinstance(work, Part) else Part(piece, list(range(piece.data.count(b"\n"))))
        rest, fault = self._send(part)
        if fault is not None:
            raise SinkFault(fault.reason, str(fault), fault.retry_after_s, rest=rest)
        return Sent(piece.events - rest.refused, len(piece.data))

    def _send(self, work: Part) -> tuple[Part, SinkFault | None]:
        """Return what is left, and why."""
        piece, refused = work.piece, work.refused
        parts = list(self._parts(piece, work.positions))[::-1]
        left: list[int] = []
        fault: SinkFault | None = None
        while parts:
            part = parts.pop()
            outcomes: Sequence[ItemOutcome] | None
            try:
                outcomes = self._post(_body(piece, part), len(part))
            except SinkFault as error:
                left += part
                left += (position for each in reversed(parts) for position in each)
                return Part(piece, left, refused), error
            except SinkRefused as error:
                if len(part) > 1:
                    middle = len(part) // 2
                    parts += (part[middle:], part[:middle])
                    if error.code == "413":
                        # Later bodies are cut to a size that this target takes.
                        self._max_bytes = max(self._max_bytes // 2, MIN_BULK_BYTES)
                    continue
                outcomes = (ItemOutcome(400, error.code),)
            if outcomes is None:
                continue
            lines = _lines(piece)
            for position, outcome in zip(part, outcomes, strict=True):
                if outcome.is_done:
                    continue
                try:
                    self._refuse(piece, position, lines[position], outcome)
                    refused += 1
                except SinkFault as error:
                    left.append(position)
                    fault = fault or error
        return Part(piece, left, refused), fault

    def _refuse(self, piece: Piece, position: int, line: bytes, outcome: ItemOutcome) -> None:
        """Keep an event as a dead letter, or raise SinkFault if the target may take it later."""
        if not outcome.is_refused:
            error = f" ({outcome.error})" if outcome.error else ""
            raise SinkFault(str(outcome.status), f"the target answered {outcome.status}{error} for some events")
        self._context.dead_letter(piece, piece.first_event + position, line, outcome.error or str(outcome.status))

    def _parts(self, piece: Piece, positions: list[int]) -> Iterator[list[int]]:
        if len(piece.data) + piece.events * ACTION_BYTES <= self._max_bytes:
            if positions:
                yield positions
            return
        lines = _lines(piece)
        part: list[int] = []
        size = 0
        for position in positions:
            line_bytes = len(lines[position]) + ACTION_BYTES
            if part and size + line_bytes > self._max_bytes:
                yield part
                part, size = [], 0
            part.append(position)
            size += line_bytes
        if part:
            yield part


def _lines(piece: Piece) -> list[bytes]:
    lines: list[bytes] = piece.data.split(b"\n")[:-1]
    return lines


def _body(piece: Piece, part: list[int]) -> bytes:
    """Return the body for some events. Lines are read one after the other: all of them would need as much memory."""
    batch = base64.b32encode(piece.batch_id).rstrip(b"=")
    action = b'{"create":{"_id":"' + batch + b"-"
    data: bytes = piece.data
    body = io.BytesIO()
    at = start = 0
    for position in part:
        while at < position:
            start = data.index(b"\n", start) + 1
            at += 1
        end = data.index(b"\n", start) + 1
        body.write(b'%b%d"}}\n' % (action, piece.first_event + position))
        body.write(data[start:end])
        start = end
        at += 1
    return body.getvalue()
