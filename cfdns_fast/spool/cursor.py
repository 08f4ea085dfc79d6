"""The position of a sink in the spool, and what it must remember before it publishes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .drops import drop_delivered
from .files import is_full_disk, replace_file
from .segment_file import list_segments
from .state import StateError, StateFolder, check_name

__all__ = ["Cursor", "Replay", "min_position", "positions", "request_replay", "requested_replay", "spare_path"]

_SPARE_BYTES = 1 << 16


class Replay(NamedTuple):
    """What `cfdns-fast spool replay` asks of a sink.

    Attributes
    ----------
    after : int or None
        The number after which batches are delivered again; None leaves the position as it is.
    dead_letters : bool
        Whether the dead letters are sent again.
    """

    after: int | None = None
    dead_letters: bool = False


class Cursor:
    """The position of one sink, in a file that is replaced atomically. One thread of the process of the sink uses it.

    A sink without a file begins at the oldest stored batch. Numbers of batches grow, and may have gaps.

    Parameters
    ----------
    state : StateFolder
        The state folder.
    sink_name : str
        The name of the sink.
    keep_s : float
        How long delivered segments are kept.

    Attributes
    ----------
    after : int
        The last delivered batch; all batches up to this number are delivered.
    pending : mapping or None
        What was given to `store` last.

    Raises
    ------
    StateError
        The file cannot be read or created.
    """

    def __init__(self, state: StateFolder, sink_name: str, *, keep_s: float = 0) -> None:
        check_name(sink_name)
        self.name = sink_name
        self._state = state
        self._keep_s = keep_s
        self._path = state.sinks / f"{sink_name}.json"
        # A sink that stores what is pending frees space only afterwards. On a disk that others filled, it uses this.
        self._spare = spare_path(state, sink_name)
        self.after = 0
        self.pending: Mapping[str, Any] | None = None
        try:
            content = _read(state, sink_name)
            if content is None:
                self._start()
            else:
                self.after, self.pending = content
        except OSError as error:
            raise StateError.of(self._path, error) from error

    def store(self, *, after: int | None = None, pending: Mapping[str, Any] | None = None) -> None:
        """Drop the segments that every sink has delivered now, then make the position and `pending` durable.

        The space is freed before anything is written, so that a sink can go on with a full disk. After a crash in
        between, the older position leads to the oldest segment that exists, because a missing one was delivered.

        Parameters
        ----------
        after : int or None
            The last delivered batch; None keeps the position.
        pending : mapping or None
            A JSON object to remember; None forgets the last one.

        Raises
        ------
        StateError
            Nothing is stored: ``"state.full"`` or ``"state.unwritable"``.
        ValueError
            `after` is less than the position.
        """
        if after is None:
            after = self.after
        if after < self.after:
            raise ValueError(f"the position of a sink only grows: {after} after {self.after}")
        try:
            if after > self.after:
                drop_delivered(self._state, min_position(self._state, {self.name: after}), self._keep_s)
            self._write(after, pending)
        except OSError as error:
            raise StateError.of(self._path, error) from error

    @property
    def replay_from(self) -> int | None:
        """The position that a replay asks for; None without such a request."""
        return requested_replay(self._state, self.name).after

    @property
    def is_replay_requested(self) -> bool:
        """Whether there is a request for `take_replay`."""
        return requested_replay(self._state, self.name) != Replay()

    def take_replay(self) -> Replay | None:
        """Apply and remove the request of `cfdns-fast spool replay`; None if there is none.

        Call it when nothing is pending. A request for batches moves the position before it is removed. A request
        for dead letters is lost if the process is killed before it is done.

        Raises
        ------
        StateError
            The position could not be stored; the request remains.
        """
        if not self.is_replay_requested:
            return None
        try:
            # Otherwise a request that joins this one before it is removed would be lost.
            with self._state.lock_requests():
                request = requested_replay(self._state, self.name)
                if request.after is not None:
                    # Not `store`: the position may go back, and nothing is dropped.
                    self._write(min(request.after, self.after), None)
                _request_path(self._state, self.name).unlink(missing_ok=True)
        except OSError as error:
            raise StateError.of(self._path, error) from error
        return request

    def _start(self) -> None:
        segments = list_segments(self._state)
        others = positions(self._state)
        oldest = segments[0].first - 1 if segments else max(others.values(), default=0)
        self._write(oldest, None)

    def _write(self, after: int, pending: Mapping[str, Any] | None) -> None:
        text = json.dumps({"after": after, "pending": None if pending is None else dict(pending)})
        content = text.encode() + b"\n"
        try:
            replace_file(self._path, content)
        except OSError as error:
            if not is_full_disk(error) or not self._spare.exists():
                raise
            self._spare.unlink()
            replace_file(self._path, content)
        else:
            self._keep_spare()
        self.after, self.pending = after, pending

    def _keep_spare(self) -> None:
        if not self._spare.exists():
            with suppress(OSError):
                replace_file(self._spare, bytes(_SPARE_BYTES))


def spare_path(state: StateFolder, sink_name: str) -> Path:
    """Return the file whose space a cursor uses when the disk is full."""
    return state.sinks / f".{sink_name}.spare"


def positions(state: StateFolder) -> dict[str, int]:
    """Return the last delivered batch of every sink that has a position, also of sinks that are not configured.

    A position that cannot be read counts as 0, which holds all segments; the sink itself sets the file aside.
    """
    found: dict[str, int] = {}
    for path in sorted(state.sinks.glob("*.json")):
        if path.name.startswith("."):
            continue
        try:
            found[path.stem] = _parse(path.read_bytes())[0]
        except FileNotFoundError:
            continue
        except (OSError, ValueError):
            found[path.stem] = 0
    return found


def min_position(state: StateFolder, known: Mapping[str, int] | None = None) -> int:
    """Return the smallest position of all sinks, 0 if there are none.

    Parameters
    ----------
    known : mapping or None
        Positions that are used instead of the stored ones.
    """
    return min({**positions(state), **(known or {})}.values(), default=0)


def request_replay(state: StateFolder, sink_name: str, request: Replay) -> None:
    """Leave a request for a sink, together with one that is there already; raises OSError."""
    with state.lock_requests():
        present = requested_replay(state, sink_name)
        after = present.after if request.after is None else request.after
        merged = {"after": after, "dead_letters": request.dead_letters or present.dead_letters}
        replace_file(_request_path(state, sink_name), json.dumps(merged).encode() + b"\n")


def _request_path(state: StateFolder, sink_name: str) -> Any:
    return state.sinks / f"{sink_name}.replay"


def requested_replay(state: StateFolder, sink_name: str) -> Replay:
    """Return what is asked of a sink and not taken yet; ``Replay()`` if nothing is, or if the file is damaged."""
    try:
        content = json.loads(_request_path(state, sink_name).read_bytes())
        after, dead_letters = content.get("after"), content.get("dead_letters") is True
    except (OSError, ValueError, AttributeError):
        return Replay()
    is_number = isinstance(after, int) and not isinstance(after, bool) and after >= 0
    return Replay(after if is_number else None, dead_letters)


def _read(state: StateFolder, sink_name: str) -> tuple[int, Mapping[str, Any] | None] | None:
    """Return position and pending, None without a file; a damaged file is copied to the corrupt folder.

    It stays until the caller replaces it, so that other sinks drop nothing in between.
    """
    path = state.sinks / f"{sink_name}.json"
    try:
        content = path.read_bytes()
        return _parse(content)
    except FileNotFoundError:
        return None
    except ValueError:
        replace_file(state.corrupt / path.name, content)
        return None


def _parse(content: bytes) -> tuple[int, Mapping[str, Any] | None]:
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    after, pending = document.get("after"), document.get("pending")
    if not isinstance(after, int) or isinstance(after, bool) or after < 0:
        raise ValueError("no position")
    if pending is not None and not isinstance(pending, dict):
        raise ValueError("pending is not an object")
    return after, pending
