"""Sessions of Sliver: what the messages of one implant say together, which no single name says."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

__all__ = ["MAX_SESSIONS", "Sessions"]

#: Sessions, and parents with a bootstrap message, that are remembered; about 35 MB if all are in use.
MAX_SESSIONS = 65_536

#: Of a session: the hashes of the two names that were seen last, and when.
_Names = list[int]


class Sessions:
    """Remembers names, to find a second one of the same session. Use it on one thread at a time.

    A session is a parent domain and the lowest 24 bits of the id. Resolvers ask again, and several resolvers ask for
    one name, so a name that is seen twice proves no more than once. Only different names count. The session that was
    seen longest ago is forgotten first.

    Parameters
    ----------
    window_ns : int
        The time within which two messages belong together, in nanoseconds. Messages may come in any order.
    max_sessions : int
        How many sessions, and how many parents, are remembered.
    """

    def __init__(self, window_ns: int, max_sessions: int = MAX_SESSIONS) -> None:
        self._window_ns = window_ns
        self._max_sessions = max_sessions
        self._names: OrderedDict[tuple[str, int], _Names] = OrderedDict()
        self._bootstraps: OrderedDict[str, list[int]] = OrderedDict()

    def __len__(self) -> int:
        """The number of sessions that are remembered."""
        return len(self._names)

    def state(self) -> dict[str, Any]:
        """Return what is remembered, as JSON values."""
        return {
            "names": [[*key, *names] for key, names in self._names.items()],
            "bootstraps": [[parent, *seen] for parent, seen in self._bootstraps.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember what `state` has returned. Raises KeyError, TypeError or ValueError if it is something else."""
        names = OrderedDict(
            ((str(parent), int(number)), [int(each) for each in seen]) for parent, number, *seen in state["names"]
        )
        if any(len(seen) not in (2, 4) for seen in names.values()):
            raise ValueError("a session has one name or two")
        bootstraps = OrderedDict((str(parent), [int(first), int(last)]) for parent, first, last in state["bootstraps"])
        self._names, self._bootstraps = names, bootstraps

    def add_bootstrap(self, parent: str, time_ns: int) -> None:
        """Remember a message that has no session (TOTP and TOTP0).

        Parameters
        ----------
        parent : str
            In lower case.
        time_ns : int
            The time of the event, in nanoseconds since 1970.
        """
        seen = self._bootstraps.get(parent)
        if seen is None:
            self._bootstraps[parent] = [time_ns, time_ns]
            _limit(self._bootstraps, self._max_sessions)
            return
        self._bootstraps.move_to_end(parent)
        # The newest time, and the last one, which may be that of a late record.
        seen[:] = max(*seen, time_ns), time_ns

    def add(self, parent: str, session: int, name: str, time_ns: int) -> bool:
        """Remember a message, and return whether it is confirmed.

        Parameters
        ----------
        parent, name : str
            In lower case. Case does not count, because resolvers change it.
        session : int
            The lowest 24 bits of the id; 0 for messages of v1.4 and earlier.
        time_ns : int
            The time of the event, in nanoseconds since 1970.

        Returns
        -------
        bool
            Whether another name of the session, or a bootstrap message below the same parent, was seen within the
            window before or after it.
        """
        near_ns = self._window_ns
        bootstraps = self._bootstraps.get(parent)
        is_confirmed = bootstraps is not None and min(abs(time_ns - seen_ns) for seen_ns in bootstraps) <= near_ns
        key = parent, session
        mark = _mark_of(name)
        names = self._names.get(key)
        if names is None:
            self._names[key] = [mark, time_ns]
            _limit(self._names, self._max_sessions)
            return is_confirmed
        self._names.move_to_end(key)
        if names[0] == mark:
            names[1] = max(names[1], time_ns)
            return is_confirmed or (len(names) == 4 and abs(time_ns - names[3]) <= near_ns)
        is_confirmed = is_confirmed or abs(time_ns - names[1]) <= near_ns
        if len(names) == 2:
            names += mark, time_ns
        elif names[2] == mark:
            names[3] = max(names[3], time_ns)
        else:
            is_confirmed = is_confirmed or abs(time_ns - names[3]) <= near_ns
            # The two newest names are kept: they are the nearest to names to come.
            oldest = 0 if names[1] <= names[3] else 2
            if time_ns > names[oldest + 1]:
                names[oldest : oldest + 2] = mark, time_ns
        return is_confirmed


def _mark_of(name: str) -> int:
    """Return a number that stands for a name, the same in each process."""
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest())


def _limit(table: OrderedDict[str, list[int]] | OrderedDict[tuple[str, int], _Names], size: int) -> None:
    if len(table) > size:
        table.popitem(last=False)
