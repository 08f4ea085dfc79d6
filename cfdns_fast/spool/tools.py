"""Look at a spool beside a running receiver, and leave requests for its sinks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from .batch import Batch
from .cursor import Replay, positions, request_replay, requested_replay, spare_path
from .drops import size_of
from .plain import plain_pieces
from .reader import SpoolReader
from .segment_file import SegmentFile, is_damage, is_never_used, list_segments, open_file
from .state import StateError, StateFolder, check_name, is_locked

__all__ = [
    "Listing",
    "SegmentInfo",
    "SinkInfo",
    "batches_between",
    "export",
    "first_since",
    "last_until",
    "listing",
    "parse_time",
    "replay",
    "retire_sink",
    "show",
]


# Two queries, because SQLite uses the ends of the index for a single aggregate only.
_ENDS = "SELECT (SELECT min(seq) FROM batch), (SELECT max(seq) FROM batch)"


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """A segment. Times are nanoseconds since 1970; None in an empty or damaged one."""

    name: str
    bytes: int
    batches: int
    first_seq: int | None
    last_seq: int | None
    first_received_ns: int | None
    last_received_ns: int | None
    is_damaged: bool


@dataclass(frozen=True, slots=True)
class SinkInfo:
    """A sink: its position, how many stored batches follow, and whether its process runs."""

    name: str
    after: int
    lag_batches: int
    is_running: bool
    replay_after: int | None
    replay_dead_letters: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """The content of a state folder."""

    segments: tuple[SegmentInfo, ...]
    sinks: tuple[SinkInfo, ...]
    corrupt: tuple[str, ...]
    is_receiver_running: bool


def listing(state: StateFolder) -> Listing:
    """Return what is stored; raises StateError."""
    state.check()
    try:
        segments = tuple(_segment_info(file) for file in list_segments(state))
        sinks = tuple(_sink_info(state, name, after, segments) for name, after in positions(state).items())
        corrupt = tuple(sorted(path.name for path in state.corrupt.iterdir() if not path.name.endswith("-wal")))
    except OSError as error:
        raise StateError.of(state.path, error) from error
    return Listing(segments, sinks, corrupt, state.is_in_use)


def show(state: StateFolder, seq: int) -> Batch:
    """Return one stored batch; raises StateError, with ``"state.batch"`` if there is none."""
    for batch in batches_between(state, seq, seq):
        return batch
    raise StateError("state.batch", f"batch {seq}: it is not in the spool")


def batches_between(
    state: StateFolder, first: int, last: int | None, on_damage: Callable[[int], object] | None = None
) -> Iterator[Batch]:
    """Yield the stored batches with these numbers, both included; None for `last` ends with the newest.

    Parameters
    ----------
    on_damage : callable or None
        Called at the end with the number of damaged batches, which are left out, if there are some.

    Raises
    ------
    StateError
        The folder or a file cannot be read.
    """
    state.check()
    with closing(SpoolReader(state, max(first - 1, 0), marks_damage=False)) as reader:
        while (batch := reader.next(0)) is not None and (last is None or batch.seq <= last):
            yield batch
        if reader.skipped and on_damage is not None:
            on_damage(reader.skipped)


def export(
    state: StateFolder,
    first: int,
    last: int | None,
    *,
    is_plain: bool,
    on_damage: Callable[[int], object] | None = None,
) -> Iterator[bytes]:
    """Yield the bodies of batches as bytes for one file.

    Parameters
    ----------
    first, last, on_damage
        As for `batches_between`.
    is_plain : bool
        True decompresses, and ends every batch with a newline. False yields the stored gzip members; a last line
        without a newline is then joined to the next batch.
    """
    for batch in batches_between(state, first, last, on_damage):
        if not is_plain:
            yield batch.arrival.body
            continue
        end = b"\n"
        for piece in plain_pieces(batch.arrival.body):
            yield piece
            end = piece[-1:]
        if end != b"\n":
            yield b"\n"


def first_since(state: StateFolder, received_ns: int) -> int | None:
    """Return the number of the first batch that arrived at a time or later; None if there is none."""
    return _search(state, "SELECT min(seq) FROM batch WHERE received_ns >= ?", received_ns, newest_first=False)


def last_until(state: StateFolder, received_ns: int) -> int | None:
    """Return the number of the last batch that arrived at a time or earlier; None if there is none."""
    return _search(state, "SELECT max(seq) FROM batch WHERE received_ns <= ?", received_ns, newest_first=True)


def replay(state: StateFolder, sink_name: str, request: Replay) -> int:
    """Ask a sink to deliver again, and return how many of the batches are still stored.

    The process of the sink takes the request when it has nothing pending, or at its next start.

    Raises
    ------
    StateError
        There is no such sink, or the request cannot be written.
    """
    state.check()
    after = _position(state, sink_name)
    if request.after is not None:
        if request.after > after:
            raise StateError("state.batch", f"sink {sink_name}: it has not delivered batch {request.after + 1} yet")
        after = request.after
    try:
        request_replay(state, sink_name, request)
        return sum(_count_after(file, after) for file in list_segments(state))
    except OSError as error:
        raise StateError.of(state.sinks, error) from error


def retire_sink(state: StateFolder, sink_name: str, *, is_discarding: bool = False) -> int:
    """Forget the position of a sink, and return how many batches it had not delivered.

    The receiver drops the batches that no other sink needs, when it runs.

    Raises
    ------
    StateError
        There is no such sink, a receiver that runs has it, its process runs, or it has undelivered batches and
        `is_discarding` is false.
    """
    state.check()
    with state.lock_sink(sink_name):
        after = _position(state, sink_name)
        try:
            if state.is_configured(sink_name):
                raise StateError(
                    "state.locked",
                    f"sink {sink_name}: the receiver that runs has it; remove it from the configuration and restart",
                )
            undelivered = sum(_count_after(file, after) for file in list_segments(state))
            if undelivered and not is_discarding:
                raise StateError(
                    "state.sink",
                    f"sink {sink_name}: {undelivered} batches are not delivered; --discard gives them up",
                )
            for suffix in ("json", "replay"):
                (state.sinks / f"{sink_name}.{suffix}").unlink(missing_ok=True)
            spare_path(state, sink_name).unlink(missing_ok=True)
        except OSError as error:
            raise StateError.of(state.sinks, error) from error
    return undelivered


def parse_time(text: str) -> int:
    """Return an ISO 8601 time as nanoseconds since 1970; UTC without an offset. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    # SQLite's integers end in the year 2262.
    return min(int(moment.timestamp() * 1_000_000) * 1000, (1 << 63) - 1)


def _position(state: StateFolder, sink_name: str) -> int:
    check_name(sink_name)
    found = positions(state)
    if sink_name not in found:
        names = ", ".join(found) or "none"
        raise StateError("state.sink", f"sink {sink_name}: there is no such sink in {state.path} (sinks: {names})")
    return found[sink_name]


def _segment_info(file: SegmentFile) -> SegmentInfo:
    is_damaged = file.damage_mark.exists()
    first: int | None = None
    last: int | None = None
    times: dict[int, int] = {}
    try:
        with closing(open_file(file)) as connection:
            first, last = connection.execute(_ENDS).fetchone()
            times = dict(
                connection.execute("SELECT seq, received_ns FROM batch WHERE seq IN (?, ?)", (first, last)).fetchall()
            )
    except sqlite3.Error as error:
        _check_readable(file, error)
        is_damaged = is_damaged or not is_never_used(file)
    return SegmentInfo(
        file.name,
        size_of(file),
        _batches_after(first, last, 0),
        first,
        last,
        times.get(first or 0),
        times.get(last or 0),
        is_damaged,
    )


def _sink_info(state: StateFolder, name: str, after: int, segments: tuple[SegmentInfo, ...]) -> SinkInfo:
    lag = sum(_batches_after(each.first_seq, each.last_seq, after) for each in segments)
    request = requested_replay(state, name)
    return SinkInfo(name, after, lag, is_locked(state.sinks / f"{name}.lock"), request.after, request.dead_letters)


def _count_after(file: SegmentFile, after: int) -> int:
    try:
        with closing(open_file(file)) as connection:
            row = connection.execute(_ENDS).fetchone()
    except sqlite3.Error as error:
        _check_readable(file, error)
        return 0 if is_never_used(file) else 1
    return _batches_after(row[0], row[1], after)


def _batches_after(first: int | None, last: int | None, after: int) -> int:
    """Return how many numbers of a segment are above `after`. A segment has no gaps."""
    return 0 if first is None or last is None else max(0, last - max(first - 1, after))


def _search(state: StateFolder, query: str, received_ns: int, *, newest_first: bool) -> int | None:
    state.check()
    try:
        files = list_segments(state)
    except OSError as error:
        raise StateError.of(state.spool, error) from error
    for file in reversed(files) if newest_first else files:
        try:
            with closing(open_file(file)) as connection:
                (found,) = connection.execute(query, (received_ns,)).fetchone()
        except sqlite3.Error as error:
            _check_readable(file, error)
            continue
        if found is not None:
            return int(found)
    return None


def _check_readable(file: SegmentFile, error: sqlite3.Error) -> None:
    """Raise StateError if the error is neither damage nor a segment that was dropped or never used."""
    if not is_never_used(file) and not is_damage(error):
        raise StateError("state.unreadable", f"{file.path}: {error}") from error
