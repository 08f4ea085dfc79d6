"""The listening sockets, and the connections whose client has sent nothing yet.

A connection of tornado is about 50 objects and 6 kB even if the client never sends a byte, and a full garbage
collection looks at all of them. Here it is a socket in a selector of its own, which the event loop watches as one file.
Everything here runs in the event loop's thread, in steps that leave time for others.
"""

from __future__ import annotations

import asyncio
import errno
import selectors
import socket
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

__all__ = ["Door"]

#: At most so many connections are accepted, passed on or closed between two turns of the event loop. Passing on takes
#: most of the time, about 150 us with the end of the connection.
MAX_ACCEPTED, MAX_PASSED_ON, MAX_CLOSED = 32, 8, 128
#: The pause of `accept` without file descriptors or memory.
PAUSE_S = 1.0
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Door:
    """Accepts connections, and passes them on when their first byte is there.

    Parameters
    ----------
    loop : AbstractEventLoop
        The event loop.
    timeout_s : float
        A client that has sent nothing after this time is closed.
    has_room : callable
        Returns whether a further connection may be open; it may close others.
    pass_on : callable
        ``pass_on(connection, address, deadline_s)`` takes over a connection; the deadline is the time of the loop at
        which the headers must be complete.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeout_s: float,
        has_room: Callable[[], bool],
        pass_on: Callable[[socket.socket, Any, float], None],
    ) -> None:
        self._loop = loop
        self._timeout_s = timeout_s
        self._has_room = has_room
        self._pass_on = pass_on
        self._listening: list[socket.socket] = []
        self._silent = selectors.DefaultSelector()
        self._readable: deque[tuple[selectors.SelectorKey, int]] = deque()
        #: Connection, address and deadline by file descriptor, the oldest first.
        self._waiting: dict[int, tuple[socket.socket, Any, float]] = {}
        loop.add_reader(self._silent, self._look)

    def __len__(self) -> int:
        return len(self._waiting)

    def listen(self, listening: Iterable[socket.socket]) -> None:
        """Accept connections of sockets that listen, and do not block."""
        for each in listening:
            self._listening.append(each)
            self._loop.add_reader(each, self._accept, each)

    def stop(self) -> None:
        """Close the listening sockets."""
        for each in self._listening:
            self._loop.remove_reader(each)
            each.close()
        self._listening.clear()

    def close(self) -> None:
        """Close everything."""
        self.stop()
        self.close_all()
        self._loop.remove_reader(self._silent)
        self._silent.close()

    def close_all(self) -> None:
        """Close all connections whose client has sent nothing."""
        for descriptor in list(self._waiting):
            self._take(descriptor)[0].close()

    def close_oldest(self) -> bool:
        """Close the oldest connection; return whether there is one."""
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            return False
        self._take(oldest)[0].close()
        return True

    def sweep(self, now_s: float) -> bool:
        """Close connections whose time is over; return whether there may be more of them."""
        expired = []
        for descriptor, (_, _, deadline_s) in islice(self._waiting.items(), MAX_CLOSED):
            if deadline_s > now_s:
                break
            expired.append(descriptor)
        for descriptor in expired:
            self._take(descriptor)[0].close()
        return len(expired) == MAX_CLOSED

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(MAX_ACCEPTED):
            try:
                connection, address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # the client closed it already
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._loop.remove_reader(listening)
                self._loop.call_later(PAUSE_S, self._continue, listening)
                return
            if not self._has_room():
                connection.close()
                continue
            connection.setblocking(False)
            self._silent.register(connection, selectors.EVENT_READ)
            self._waiting[connection.fileno()] = connection, address, self._loop.time() + self._timeout_s

    def _continue(self, listening: socket.socket) -> None:
        if listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening)

    def _look(self) -> None:
        """Pass on connections that can be read, and close those that ended; the event loop calls until none is left."""
        if not self._readable:
            # One call returns all of them: a call for each step would take quadratic time.
            self._readable.extend(self._silent.select(0))
        passed_on = 0
        for _ in range(min(len(self._readable), MAX_CLOSED)):
            key, _ = self._readable.popleft()
            if self._waiting.get(key.fd, (None,))[0] is not key.fileobj:
                continue  # closed meanwhile
            connection, address, deadline_s = self._take(key.fd)
            if not _has_data(connection):
                connection.close()
                continue
            self._pass_on(connection, address, deadline_s)
            passed_on += 1
            if passed_on == MAX_PASSED_ON:
                return

    def _take(self, descriptor: int) -> tuple[socket.socket, Any, float]:
        self._silent.unregister(descriptor)
        return self._waiting.pop(descriptor)


def _has_data(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except OSError:
        return False
