"""Dead letters: events that a target refuses, as lines, and their way to the sink again."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import CfdnsError
from ..sinks import Pending, Piece, Sink, Stopped

__all__ = ["dead_letter_line", "redeliver"]


def dead_letter_line(sink: str, piece: Piece, index: int, event: bytes, code: str) -> bytes:
    """Return the line for one event that is refused.

    Its members are ``sink``, ``batch`` (the number), ``batch_id`` (hexadecimal), ``index`` (the position of the event
    in its batch), ``code``, and ``event``, or ``raw_base64`` if the refused bytes are not JSON.
    """
    head = {"sink": sink, "batch": piece.seq, "batch_id": piece.batch_id.hex(), "index": index, "code": code}
    start = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode("utf-8")[:-1]
    line = event.strip()
    if _is_object(line):
        return start + b',"event":' + line + b"}\n"
    return start + b',"raw_base64":"' + base64.b64encode(event) + b'"}\n'


def redeliver(path: Path, sink: Sink, try_again: Callable[[Callable[[], Any]], Any]) -> int:
    """Deliver the events of a file of dead letters. Returns their number when the target has all of them.

    Parameters
    ----------
    sink : Sink
        A sink that has delivered nothing else. An event that it refuses again becomes a dead letter in another file.
    try_again : callable
        Calls its argument until that raises no `SinkFault`, and returns the result; lets `SinkRewind` through.

    Raises
    ------
    CfdnsError
        A line of the file cannot be read.
    SinkRewind
        None of the events is delivered for certain; the caller begins again with the same sink.
    Stopped
        The process must stop, and some events are not delivered.
    """
    places = _places(path)
    with path.open("rb") as file:
        for position, place in enumerate(places):
            file.seek(place.offset)
            is_last = position + 1 == len(places) or places[position + 1].seq != place.seq
            piece = _piece(file.readline(), position, is_last)
            if sink.wants == "ndjson":
                piece = piece._replace(data=piece.data.rstrip(b"\n") + b"\n")
            try_again(lambda piece=piece: sink.write(piece))  # type: ignore[misc]
    # A process that must stop does not wait for everything.
    if places and try_again(lambda: sink.commit(_ignore, final=True)) < places[-1].seq:
        raise Stopped
    return len(places)


class _Place(NamedTuple):
    seq: int
    event: int
    offset: int


def _places(path: Path) -> list[_Place]:
    """Return where the lines are, in the order of their batches, which is the order that sinks expect."""
    places = []
    with path.open("rb") as file:
        for offset, line in _lines(file):
            try:
                piece = _piece(line, 0, False)
                places.append(_Place(piece.seq, piece.first_event, offset))
            except (ValueError, KeyError, TypeError) as error:
                raise CfdnsError(f"{path}: the line at byte {offset} is not a dead letter") from error
    return sorted(places)


def _lines(file: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    offset = 0
    for line in file:
        yield offset, line
        offset += len(line)


def _piece(line: bytes, part: int, is_last: bool) -> Piece:
    members = json.loads(line)
    if "event" in members:
        # The event as it was written; no string before it can hold quotes that are not escaped.
        data = line.partition(b',"event":')[2].rstrip()[:-1] + b"\n"
    else:
        data = base64.b64decode(members["raw_base64"], validate=True)
    batch_id = bytes.fromhex(members["batch_id"])
    return Piece(int(members["batch"]), batch_id, part, int(members["index"]), 1, data, is_last, is_whole=False)


def _is_object(event: bytes) -> bool:
    try:
        return b"\n" not in event and isinstance(json.loads(event), dict)
    except ValueError:
        return False


def _ignore(pending: Pending) -> None:
    """Store nothing: a sink of requests has nothing to recover."""
