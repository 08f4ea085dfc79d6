"""The types that conversions return: results, rejects, and the protocols of event iterators and streams."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from .errors import RecordError

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer  # collections.abc has it from Python 3.12 on

    from ._core import Rejects

__all__ = [
    "RAW_LIMIT_BYTES",
    "Detection",
    "EventIterator",
    "Reject",
    "RejectSpill",
    "Result",
    "Stream",
    "empty_result",
    "joined",
    "record_error",
]

Output = TypeVar("Output")

#: The maximum size of `Reject.raw`, unless a stream keeps whole rejects.
RAW_LIMIT_BYTES = 65536

#: One encoder for all lines: json.dumps() makes a new one at every call with options.
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Reject(NamedTuple):
    """Bytes that did not become an event.

    Attributes
    ----------
    line : int
        1-based; lines end at byte 0x0A only.
    byte_offset, byte_length : int
        Position and size in bytes, within the data of the call or within the whole input of the stream.
    code : str
        A key of `cfdns_fast.errors.REJECT_CODES`.
    raw : bytes
        A copy of the first 64 KiB of the rejected bytes; a stream can give all of them.
    """

    line: int
    byte_offset: int
    byte_length: int
    code: str
    raw: bytes

    def to_json(self, input: str | os.PathLike[str] | None = None) -> bytes:
        """Return the reject as a JSON object on one line, without the newline.

        The members are the attributes. ``raw`` is text if the bytes are UTF-8; otherwise ``raw_base64`` stands in its
        place.

        Parameters
        ----------
        input : str or os.PathLike, optional
            The name of the input, which becomes the first member. A byte of a file name that is not UTF-8 (a surrogate,
            as `os.fsdecode` makes it) becomes ``\\xNN``, because JSON cannot hold it.
        """
        members: dict[str, object] = {}
        if input is not None:
            from .io.paths import text_of

            members["input"] = text_of(os.fsdecode(input))
        members |= {
            "line": self.line,
            "byte_offset": self.byte_offset,
            "byte_length": self.byte_length,
            "code": self.code,
        }
        try:
            members["raw"] = self.raw.decode("utf-8")
        except UnicodeDecodeError:
            import binascii

            members["raw_base64"] = binascii.b2a_base64(self.raw, newline=False).decode("ascii")
        return _to_json(members).encode("utf-8")


class Detection(NamedTuple):
    """What a matcher found in the query name or an address of an event; see `cfdns_fast.matching`.

    Attributes
    ----------
    event : int
        The index of the event in the output.
    byte_offset : int
        Position of the event in the output, if that is NDJSON; otherwise -1.
    matcher : int
        The index of the matcher in ``detect``.
    rule : int
        Sliver: the index of the message in `matching.SLIVER_MESSAGES`. A table of names: the row of the longest name
        that applies. Networks: the row of the longest network. Predicates: the index of the condition.
    detail : int
        Sliver: the id of the message, 0 if it has none. A table of names or networks: the number that was given with
        the name or network. Otherwise 0.
    start : int
        Index in `name`. Sliver: where the parent domain begins. A table of names: where the matched name begins, so 0
        if the name itself is in the table. Otherwise 0.
    name : str
        What matched: the query name as sent, without dots at its ends, or an address of the event.
    by : SliverNames, NameTable or Predicates, or None
        The matcher. Of a `matching.SharedNameTable`, the table that the call used, which knows the row. None after
        pickling.
    field : {"name", "source", "answer"}
        What `name` is: the query name, the address that asked (``source.ip``), or an address of the answer
        (``dns.resolved_ip``).
    """

    event: int
    byte_offset: int
    matcher: int
    rule: int
    detail: int
    start: int
    name: str
    by: Any
    field: str = "name"


@dataclass(frozen=True, slots=True)
class Result(Generic[Output]):
    """The outcome of one batch, or of one call of a stream. Records == events + rejects.

    Attributes
    ----------
    output : bytes, list[dict] or pyarrow.RecordBatch
        The events, in input order.
    events : int
        The number of events.
    blank : int
        Number of lines of only spaces, tabs, carriage returns and NULs, and of runs of NULs where a record may begin.
    rejects : Rejects
        In input order.
    problems : dict[str, int]
        Fields left out of events, by ``"code:SourceKey"``, and records without a known key, by ``"record.unknown"``;
        codes from `cfdns_fast.errors.PROBLEM_CODES`.
    detections : sequence of Detection
        What the matchers of the option ``detect`` found, by event, as `Detections`. Of an event Sliver is first, then
        names, conditions and addresses, each by the index of the matcher. ``()`` without the option.
    """

    output: Output
    events: int
    blank: int
    rejects: Rejects
    problems: dict[str, int]
    detections: Sequence[Detection] = ()


class EventIterator(Protocol):
    """The events of one batch; each is built when it is requested. See `Normalizer.iter_dicts`.

    The counts cover the records that were read so far. See `Result` for their meaning.
    """

    @property
    def events(self) -> int:
        """The number of events."""

    @property
    def blank(self) -> int:
        """The number of blank lines."""

    @property
    def rejects(self) -> Rejects:
        """The rejects, in input order."""

    @property
    def problems(self) -> dict[str, int]:
        """The number of problems, by code and key."""

    @property
    def detections(self) -> Sequence[Detection]:
        """What matchers found, in the order of the events."""

    def __iter__(self) -> EventIterator: ...

    def __next__(self) -> dict[str, Any]: ...


class RejectSpill(Protocol):
    """A place for the bytes of a reject that is too long for memory, for example a temporary file.

    A reject goes to the spill if it is longer than 64 KiB, and either unfinished and longer than ``max_record_bytes``
    at the end of a block, or the rest after a fault in a JSON document. Every other reject is in memory anyway, so its
    ``raw`` holds all bytes.

    A stream writes all bytes of the reject, from its first one on, and then gives the reject as the last one of a part,
    with ``byte_length`` greater than ``len(raw)``. The caller must read and clear the spill before it takes the next
    part, so the spill holds the bytes of at most one reject.
    """

    def write(self, data: bytes, /) -> object:
        """Append bytes; there is at least one."""

    def clear(self) -> object:
        """Discard all bytes: they belong to no reject. A stream calls this at its end too, if nothing was written."""


class Stream(Protocol[Output]):
    """The conversion of one input that arrives in blocks; `Normalizer.stream` makes it.

    Blocks may be cut anywhere. All results together are the result of one call with the whole input, and positions in
    rejects are positions in the whole input. What a block leaves unfinished is kept for the next block, at most
    ``max_record_bytes`` of it, or 1 MiB before the format is detected, so memory does not grow with the input.

    A stream is a context manager. It ends, and releases what it keeps, at the end of the block, after `finish` and
    `cut`, and when a conversion raises an exception; every later call raises ValueError. A call with a wrong argument
    (TypeError), or before all parts of the last call were taken, raises too and leaves the stream open. A stream is for
    one thread at a time, and cannot be copied or pickled.

    A JSON object around records may be a record itself until it ends or has ``max_record_bytes`` bytes. Before that,
    no call gives any of its records.

    With ``on_reject="raise"`` the first reject ends the stream: the call raises RecordError and gives no result.
    InputFormatError is raised as soon as the format is known, before any result has events or rejects.
    """

    @property
    def lines(self) -> int:
        """The number of lines begun in what was read so far; exact at the end."""

    @property
    def unfinished_bytes(self) -> int:
        """The number of bytes that were fed and are not converted, because a record is not complete."""

    @property
    def unused_columns(self) -> tuple[str, ...]:
        """The names of the columns of CSV or TSV that the mapping does not read."""

    def feed(self, block: Buffer, /) -> Result[Output]:
        """Append a block to the input, and convert what is complete. The stream may wait for more, to save time."""

    def flush(self) -> Result[Output]:
        """Convert all that is complete now; nothing of a JSON object around records that is still open.

        Call it when no more input waits. Each call reads an unfinished record again from its start.
        """

    def finish(self) -> Result[Output]:
        """Convert the rest, because the input is complete. The last line needs no newline. The stream ends."""

    def cut(self) -> Result[Output]:
        """Convert what is complete and leave out the rest, because the input ended unexpectedly. The stream ends.

        The rest includes all of a JSON object around records that is still open. `unfinished_bytes` then says how many
        bytes were left out.
        """

    def parts(self, block: Buffer, /, *, final: bool = False, at_once: bool = False) -> Iterator[Result[Output]]:
        """Do what `feed` does, and give the result in parts of bounded size.

        Every part must be taken before the next call; an iterator that is dropped earlier, even before its first part,
        ends the stream.

        Parameters
        ----------
        final : bool
            Do what `finish` does after that.
        at_once : bool
            Do what `flush` does after that.
        """

    def cut_parts(self) -> Iterator[Result[Output]]:
        """Do what `cut` does, and give the result in parts of bounded size."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


def record_error(reject: Reject) -> RecordError:
    """Return the exception for a reject."""
    return RecordError(reject.line, reject.byte_offset, reject.byte_length, reject.code, reject.raw)


def empty_result(output: Output, rejects: Iterable[Reject] = (), *, blank: int = 0) -> Result[Output]:
    """Return a result without events; each has its own dict of problems, which can be changed."""
    from ._core import Rejects  # not at the top: the compiled module imports this one

    return Result(output, 0, blank, Rejects(rejects), {})


def joined(results: Iterable[Result[Output]], join: Callable[[list[Output]], Output]) -> Result[Output]:
    """Return the results of consecutive parts as one result; `join` makes one output of several, or of none."""
    from ._core import Rejects  # not at the top: the compiled module imports this one

    parts = list(results)
    if len(parts) == 1:
        return parts[0]
    problems: Counter[str] = Counter()
    for part in parts:
        problems.update(part.problems)
    return Result(
        join([part.output for part in parts]),
        sum(part.events for part in parts),
        sum(part.blank for part in parts),
        Rejects(chain.from_iterable(part.rejects for part in parts)),
        dict(problems),
        _joined_detections(parts),
    )


def _joined_detections(parts: list[Result[Any]]) -> Sequence[Detection]:
    """Return the detections of consecutive parts, with positions in the joined output."""
    from ._core import Detections

    found = [part.detections for part in parts if isinstance(part.detections, Detections)]
    if not found:
        return ()
    made = Detections()
    events = size_bytes = 0
    for part in parts:
        if isinstance(part.detections, Detections):
            made._extend(part.detections._moved(events, size_bytes))
        events += part.events
        size_bytes += len(part.output) if isinstance(part.output, bytes) else 0
    return made
