"""The sink of Kafka messages, on an idempotent producer of librdkafka.

The library repeats requests itself, without end and in order, so that an outage shows as a full queue. If it reports a
message as failed, everything since the last commit is written again by a new producer: at least once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from .base import Pending, Piece, SinkContext, SinkFault, SinkRewind, Stopped, Wants
from .event_keys import registered_domain

__all__ = ["KafkaSink", "MakeProducer"]

#: The longest time for which a commit that is not the last one waits.
COMMIT_WAIT_S = 1.0
#: The time for messages in the queue when the process must stop.
GRACE_S = 10.0
#: How often a wait looks at `SinkContext.stop`.
POLL_S = 0.2
#: How often a full queue is looked at; with `POLL_S`, the default queue would take 170 MB/s at most.
ROOM_POLL_S = 0.02
#: A wait of this time means that the target is down.
DOWN_AFTER_S = 5.0
#: What librdkafka adds to the key and the value of a message, at most.
OVERHEAD_BYTES = 256
#: A message that its broker finds too large fails together with the other messages of its request. The requests become
#: smaller by this factor, until they have one message and the message that is too large is known.
SHRINK = 16

#: Makes a `confluent_kafka.Producer`: the size of its requests, a callback for failed messages and one for errors.
MakeProducer = Callable[[int, Callable[[Any, Any], None], Callable[[Any], None]], Any]


class KafkaSink:
    """Writes events as messages; see `Sink`.

    Parameters
    ----------
    context : SinkContext
        What the sink may use of its process.
    make_producer : callable
        See `MakeProducer`.
    topic : str
        The topic.
    key : callable or None
        Returns the key of an event. Packed values have none.
    pack_bytes : int
        The size of packed values; 0 makes a message of each event.
    with_headers : bool
        Whether messages have the headers ``cfdns-batch`` (32 hexadecimal digits) and ``cfdns-index`` (the position in
        its batch of the first event in the message).
    max_message_bytes : int
        The limit of key, value and headers; an event above it becomes a dead letter.
    commit_s : float
        `is_due` returns True at most once in this time.
    """

    wants: Wants = "ndjson"

    def __init__(
        self,
        context: SinkContext,
        make_producer: MakeProducer,
        topic: str,
        *,
        key: Callable[[bytes], bytes | None] | None = registered_domain,
        pack_bytes: int = 0,
        with_headers: bool = True,
        max_message_bytes: int = 1_000_000,
        commit_s: float = 1.0,
    ) -> None:
        self._context = context
        self._make_producer = make_producer
        self._topic = topic
        self._key = None if pack_bytes else key
        self._pack_bytes = pack_bytes
        self._with_headers = with_headers
        self._max_bytes = max_message_bytes - OVERHEAD_BYTES
        self._request_bytes = max_message_bytes
        self._commit_s = commit_s
        self._failures: list[tuple[Any, int]] = []
        self._last_error: Any = None
        self._producer = self._new_producer()
        #: The last batch that is in the queue as a whole, and the last one that is in the target.
        self._queued = 0
        self._committed = 0
        self._committed_at = time.monotonic()
        self._queued_events = 0
        self._queued_bytes = 0
        #: How much of a piece was taken before `write` raised SinkFault.
        self._taken: tuple[int, int, int] | None = None
        self._must_drain = False
        #: When the first of the commits began that did not end since the queue was empty.
        self._waits_since: float | None = None
        self._state = _State(context)

    def recover(self, pending: Pending) -> bool:
        """Return False: this sink stores nothing, so another kind of sink did before the URL was changed."""
        return False

    def write(self, piece: Piece) -> None:
        """Put the messages of a piece into the queue, and wait while it is full."""
        if self._must_drain:
            # Commits would never succeed if the queue were filled as fast as the target empties it.
            self._repeat(lambda: self._producer.flush(POLL_S) == 0)
            self._must_drain = False
            self._waits_since = None
        start = 0
        if self._taken is not None and self._taken[:2] == (piece.seq, piece.part):
            start = self._taken[2]
        self._taken = None
        self._put(piece, start)
        self._producer.poll(0)
        self._check_failures()
        self._queued_events += piece.events
        self._queued_bytes += len(piece.data or b"")
        if piece.is_last:
            self._queued = piece.seq

    def is_due(self) -> bool:
        """Return whether a batch is in the queue as a whole and the last commit is some time ago."""
        return self._queued > self._committed and time.monotonic() - self._committed_at >= self._commit_s

    def commit(self, store: Callable[[Pending], object], *, final: bool = False) -> int:
        """Wait until the queue is empty; a commit that is not the last one waits for a short time."""
        started = time.monotonic()
        stopped: float | None = None
        while self._producer.flush(POLL_S):
            self._check_failures()
            now = time.monotonic()
            if self._waits_since is None:
                self._waits_since = started
            if now - self._waits_since > DOWN_AFTER_S:
                self._state.is_down(self._last_error)
            if final:
                if stopped is None and self._context.stop.is_set():
                    stopped = now
                # A target that was down before gets no time.
                if stopped is not None and (not self._state.is_taking or now - stopped > GRACE_S):
                    return self._committed
            elif now - started > COMMIT_WAIT_S:
                self._must_drain = True
                return self._committed
        self._check_failures()
        self._state.is_up()
        self._must_drain = False
        self._waits_since = None
        self._committed = self._queued
        self._committed_at = time.monotonic()
        counters = self._context.counters
        counters.add("events", self._queued_events)
        counters.add("bytes", self._queued_bytes)
        self._queued_events = self._queued_bytes = 0
        return self._committed

    def close(self) -> None:
        """Drop what is in the queue, and end the threads of the producer."""
        _discard(self._producer)

    def _messages(self, piece: Piece) -> Iterator[tuple[int, bytes, bytes | None]]:
        """Yield the position in the batch, the value and the key of each message; events that are too large as well."""
        lines: list[bytes] = (piece.data or b"").split(b"\n")[:-1]
        first = piece.first_event
        if not self._pack_bytes:
            key = self._key
            for position, line in enumerate(lines, first):
                yield position, line, None if key is None else key(line)
            return
        limit = min(self._pack_bytes, self._max_bytes)
        start = size = 0
        for position, line in enumerate(lines):
            if position > start and size + len(line) >= limit:
                yield first + start, b"\n".join(lines[start:position]), None
                start, size = position, 0
            size += len(line) + 1
        if start < len(lines):
            yield first + start, b"\n".join(lines[start:]), None

    def _put(self, piece: Piece, start: int) -> None:
        """Put the messages of a piece into the queue, beginning with the one at `start`.

        `produce_batch` has no headers, and takes longer than this loop without headers. With the argument `headers`,
        also if it is None, `produce` takes twice the time.
        """
        from confluent_kafka import KafkaException

        topic, max_bytes, produce = self._topic, self._max_bytes, self._producer.produce
        with_headers, batch = self._with_headers, ("cfdns-batch", piece.batch_id.hex())
        number = start
        try:
            for position, value, key in islice(self._messages(piece), start, None):
                if len(value) + len(key or b"") > max_bytes:
                    self._context.dead_letter(piece, position, value, "message_too_large")
                    # The caller of this adds all events of the piece.
                    self._queued_events -= 1
                    number += 1
                    continue
                while True:
                    try:
                        if with_headers:
                            produce(topic, value, key, headers=[batch, ("cfdns-index", b"%d" % position)])
                        else:
                            produce(topic, value, key)
                        break
                    except BufferError:
                        self._wait_for_room()
                number += 1
        except KafkaException as error:
            self._failures.append((error.args[0], 0))
            self._check_failures()
        except SinkRewind:
            raise
        except SinkFault:
            self._taken = (piece.seq, piece.part, number)
            raise

    def _wait_for_room(self) -> None:
        free = len(self._producer)

        def has_room() -> bool:
            # Only messages that failed end this before its time.
            self._producer.poll(ROOM_POLL_S)
            return len(self._producer) < free

        self._repeat(has_room)

    def _repeat(self, attempt: Callable[[], bool]) -> None:
        """Repeat an attempt, which waits for `POLL_S` itself, until it returns True. Raises Stopped and SinkRewind."""
        started = time.monotonic()
        while not attempt():
            self._check_failures()
            if self._context.stop.is_set():
                raise Stopped
            if time.monotonic() - started > DOWN_AFTER_S:
                self._state.is_down(self._last_error)

    def _new_producer(self) -> Any:
        failures: list[tuple[Any, int]] = []
        self._failures = failures

        def delivered(error: Any, message: Any) -> None:
            if error is not None:
                failures.append((error, len(message.value() or b"") + len(message.key() or b"")))

        def failed(error: Any) -> None:
            self._last_error = error
            if error.fatal():
                failures.append((error, 0))

        return self._make_producer(self._request_bytes, delivered, failed)

    def _check_failures(self) -> None:
        """Raise SinkRewind if a message failed: librdkafka has already repeated what can be repeated."""
        if not self._failures:
            return
        error = self._failures[0][0]
        too_large = [size for each, size in self._failures if each.name() == "MSG_SIZE_TOO_LARGE" and size]
        if too_large:
            error = next(each for each, _ in self._failures if each.name() == "MSG_SIZE_TOO_LARGE")
            self._learn(min(too_large))
        _discard(self._producer)
        self._producer = self._new_producer()
        self._queued = self._committed
        self._queued_events = self._queued_bytes = 0
        self._must_drain = False
        self._waits_since = None
        self._taken = None
        raise SinkRewind(_word(error), f"messages were not delivered: {error.str()}")

    def _learn(self, size: int) -> None:
        """Make requests smaller; if they have one message already, messages of this size are too large."""
        if self._request_bytes > 1:
            self._request_bytes = self._request_bytes // SHRINK or 1
            return
        self._max_bytes = min(self._max_bytes, size - 1)
        self._request_bytes = self._max_bytes
        self._context.warn(f"the broker refuses messages of {size} bytes; events of this size become dead letters")


class _State:
    """Whether the target takes messages; it writes a line to the log when this changes."""

    def __init__(self, context: SinkContext) -> None:
        self._context = context
        self.is_taking = True
        context.counters.set("up", 1)

    def is_up(self) -> None:
        if not self.is_taking:
            self.is_taking = True
            self._context.counters.set("up", 1)
            self._context.warn("the target takes data again")

    def is_down(self, error: Any) -> None:
        if self.is_taking:
            self.is_taking = False
            self._context.counters.set("up", 0)
            self._context.counters.add("retries", label="queue" if error is None else _word(error))
            reason = "the queue is full" if error is None else error.str()
            self._context.warn(f"the target takes no data, delivery waits: {reason}")


def _word(error: Any) -> str:
    """Return the name of an error for counters."""
    name: str = error.name()
    return name.strip("_").lower()


def _discard(producer: Any) -> None:
    """Drop the messages of a producer and end its threads."""
    producer.purge()
    producer.flush(POLL_S)
    # Earlier versions of the client end the threads when the object is deleted.
    if hasattr(producer, "close"):
        producer.close()
