"""The signals that end the command, and messages that need no other module of the package.

The command imports this module before anything that takes time, so it imports little. Signals raise no exception: an
exception could arise between any two instructions, and Python loses the ones that arise in some of its callbacks.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import NoReturn, Protocol

    class Stoppable(Protocol):
        """What can be asked to stop."""

        def request(self) -> None: ...


__all__ = ["EXIT_SIGNAL", "INTERRUPTS", "Interrupts", "is_out_of_memory", "signal_text"]

#: Added to the number of the signal that ends the run, as shells do.
EXIT_SIGNAL = 128

#: Signals within this time after the first one are the same request: timeout, systemd (SendSIGHUP=) and a closed
#: terminal send several at once.
_SAME_REQUEST_S = 0.5

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_NO_MEMORY_TEXTS = ("can't start new thread", "failed to map", "cannot allocate memory", "cannot map", "cannot create")


class Interrupts:
    """The effect of SIGINT, SIGTERM and SIGHUP.

    Without a `Stop` a signal ends the process at once: after the clean-up, with one line and without unwinding. With a
    `Stop` the first signal requests the stop, and the caller ends the run; the next signal ends the process at once.
    """

    def __init__(self) -> None:
        self.number = 0  # of the first signal that requested the Stop
        self._requested_s = 0.0
        self._stop: Stoppable | None = None
        self._clean_ups: list[Callable[[], object]] = []
        self._is_ignoring = False

    def install(self) -> None:
        """Handle the signals from now on, except those that are ignored (nohup) or have a handler of the caller."""
        for number in _SIGNALS:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, self._handle)

    def add_clean_up(self, clean_up: Callable[[], object]) -> None:
        """Call `clean_up` before a signal ends the process. The call may come at any time, and more than once."""
        self._clean_ups.append(clean_up)

    def defer(self, stop: Stoppable | None) -> None:
        """Let the first signal only request `stop`; with None it ends the process again."""
        self._stop = stop

    @contextmanager
    def ignored(self) -> Iterator[None]:
        """Let no signal interrupt the block."""
        self._is_ignoring = True
        try:
            yield
        finally:
            self._is_ignoring = False

    def uninstall(self) -> None:
        """Let the system end the process at a signal, because Python cannot handle signals while it exits."""
        for number in _SIGNALS:
            if signal.getsignal(number) == self._handle:
                signal.signal(number, signal.SIG_DFL)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._is_ignoring or (self.number and time.monotonic() - self._requested_s < _SAME_REQUEST_S):
            return
        if self._stop is not None and not self.number:
            # In this order, because another handler may run in between.
            self._requested_s = time.monotonic()
            self.number = number
            self._stop.request()
        else:
            self._end(number, frame)

    def _end(self, number: int, frame: FrameType | None) -> NoReturn:
        self._is_ignoring = True
        try:
            if os.environ.get("CFDNS_DEBUG") == "1":
                import traceback

                traceback.print_stack(frame)
            for clean_up in self._clean_ups:
                with suppress(Exception):
                    clean_up()
            # Not through sys.stderr, which the signal may have interrupted, and only if the write cannot block.
            if _can_write(2):
                os.write(2, f"cfdns-fast: {signal_text(number)}\n".encode())
        finally:
            os._exit(EXIT_SIGNAL + number)


#: One object for the process, because signals are sent to processes.
INTERRUPTS = Interrupts()


def _can_write(descriptor: int) -> bool:
    import select

    try:
        return bool(select.select([], [descriptor], [], 1)[1])
    except OSError:
        # Windows cannot select on files.
        return True


def signal_text(number: int) -> str:
    """Return how a signal ended the run."""
    return "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an exception, or one of its causes, means that memory or a thread could not be allocated."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        # The dynamic linker and Python's threads have no exception of their own for this.
        text = str(error).lower()
        if isinstance(error, (ImportError, RuntimeError)) and any(part in text for part in _NO_MEMORY_TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False
