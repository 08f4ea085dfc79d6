"""What a receiver finds in the spool when it starts."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from .batch import MIN_DUPLICATE_BYTES
from .cursor import min_position, positions
from .drops import drop_segment, mark_damaged, remove_orphans, set_aside, size_of
from .duplicates import Seen, window_key
from .numbers import Reservation
from .segment_file import SegmentFile, is_damage, is_never_used, list_segments, open_file
from .state import VERSION, StateError, StateFolder
from .wal import hidden_commits

__all__ = ["Recovery", "StoredSegment", "recover", "recover_seen"]


@dataclass(slots=True)
class StoredSegment:
    """A segment as the receiver knows it: its last batch, and the arrival of its first (nanoseconds since 1970)."""

    file: SegmentFile
    last: int
    first_ns: int
    is_exact: bool = True

    def batches_after(self, position: int) -> int:
        """Return how many batches have a number above `position`. A segment has no gaps; a damaged one counts as 1."""
        if not self.is_exact:
            return int(self.last > position)
        return max(0, self.last - max(self.file.first - 1, position))


class Recovery(NamedTuple):
    """What the receiver found.

    Attributes
    ----------
    last_seq : int
        The greatest number in use; the next batch has a greater one.
    batches : int
        Stored batches that at least one sink has not delivered.
    spool_bytes : int
        The size of all segments.
    corrupt : list of str
        Segments and files that were found damaged now.
    unknown_sinks : list of (str, int)
        Sinks with a position that are not configured, and how many batches wait for each.
    """

    last_seq: int
    batches: int
    spool_bytes: int
    corrupt: list[str]
    unknown_sinks: list[tuple[str, int]]


def recover(
    state: StateFolder, reservation: Reservation, sink_names: Collection[str]
) -> tuple[list[StoredSegment], Recovery]:
    """Read the ends of all segments, and remove those that are empty, delivered or unreadable.

    WALs of a killed receiver stay as they are, because readers read them as well, and a copy into the main file
    needs space and would hide damage.

    Raises
    ------
    StateError
        A segment has another version, or cannot be read now.
    OSError
        The folder cannot be read or changed.
    """
    remove_orphans(state)
    stored: list[StoredSegment] = []
    corrupt: list[str] = []
    is_complete = True
    last_seq = max((number for number in positions(state).values()), default=0)
    segments = list_segments(state)
    for index, file in enumerate(segments):
        following = segments[index + 1].first if index + 1 < len(segments) else None
        last_seq = max(last_seq, file.first - 1)
        if is_never_used(file):
            drop_segment(state, file)
            continue
        try:
            found = _ends(file)
            hidden = hidden_commits(file) if following is None and file.has_wal() else 0
        except (sqlite3.Error, FileNotFoundError) as error:
            if file.path.exists() and (isinstance(error, OSError) or not is_damage(error)):
                raise StateError("state.unreadable", f"{file.path}: {error}") from error
            found, hidden = None, 1
        if not file.path.exists():
            continue  # A sink process of an earlier receiver has dropped it.
        if found is None and not hidden and file.has_wal():
            drop_segment(state, file)  # The first commit was not finished.
            continue
        # Acknowledged batches may be in the rest of a WAL. Their numbers are not used again.
        is_damaged = hidden > 1
        if found is not None:
            last, first_ns = found
            last_seq = max(last_seq, last)
        else:
            last, first_ns, is_damaged = max(reservation.until, file.first), 0, True
        if following is not None:
            last = min(last, following - 1)
        if is_damaged:
            corrupt.append(file.name)
            is_complete = False
            if found is None and not _has_readable_row(file):
                set_aside(state, file)
                continue
            mark_damaged(file)
            stored.append(StoredSegment(file, last, first_ns, is_exact=False))
            continue
        stored.append(StoredSegment(file, last, first_ns))
    if not stored or not is_complete:
        last_seq = max(last_seq, reservation.until)
    position = min_position(state)
    unknown = [
        (name, sum(segment.batches_after(after) for segment in stored))
        for name, after in positions(state).items()
        if name not in sink_names
    ]
    return stored, Recovery(
        last_seq,
        sum(segment.batches_after(position) for segment in stored),
        sum(size_of(segment.file) for segment in stored),
        corrupt,
        unknown,
    )


def recover_seen(stored: list[StoredSegment], after: int, oldest_ns: int, max_hashes: int) -> list[Seen]:
    """Return what the window for duplicates needs of the segments, by number.

    Parameters
    ----------
    after : int
        Batches up to this number are known already.
    oldest_ns : int
        Batches that arrived before are not needed.
    """
    found: list[Seen] = []
    for segment in reversed(stored):
        if segment.last <= after or len(found) >= max_hashes:
            break
        try:
            connection = open_file(segment.file)
        except sqlite3.Error:
            continue
        try:
            rows = connection.execute(
                "SELECT hash, path, seq, received_ns FROM batch WHERE seq > ? AND seq <= ? AND decoded_bytes >= ? "
                "ORDER BY seq DESC LIMIT ?",
                # Readers do not see rows above `last`, so a copy of such a body must be stored.
                (after, segment.last, MIN_DUPLICATE_BYTES, max_hashes - len(found)),
            )
            is_old = False
            for body_hash, path, seq, received_ns in rows:
                is_old = received_ns < oldest_ns
                if is_old:
                    break
                found.append(Seen(window_key(body_hash, path), seq, received_ns))
        except (sqlite3.Error, TypeError, AttributeError):
            continue  # Damage here costs duplicates only; the readers report it.
        finally:
            connection.close()
        if is_old:
            break
    found.reverse()
    return found


def _ends(file: SegmentFile) -> tuple[int, int] | None:
    """Return the last number and the first arrival, None if there is no batch; raises sqlite3.Error."""
    connection = open_file(file)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        # Two queries, because SQLite uses the ends of the index for a single aggregate only.
        ends = connection.execute("SELECT (SELECT min(seq) FROM batch), (SELECT max(seq) FROM batch)").fetchone()
        if version != VERSION:
            raise StateError(
                "state.version", f"{file.path}: it has version {version}, and this program reads version {VERSION}"
            )
        first, last = ends
        if first is None:
            return None
        (first_ns,) = connection.execute("SELECT received_ns FROM batch WHERE seq = ?", (first,)).fetchone()
    finally:
        connection.close()
    return last, first_ns


def _has_readable_row(file: SegmentFile) -> bool:
    for order in ("ASC", "DESC"):
        try:
            connection = open_file(file)
        except sqlite3.Error:
            return False
        try:
            if connection.execute(f"SELECT seq FROM batch ORDER BY seq {order} LIMIT 1").fetchall():
                return True
        except sqlite3.Error:
            continue
        finally:
            connection.close()
    return False
