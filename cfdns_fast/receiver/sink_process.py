"""The process of one sink; the receiver starts it as ``python -m cfdns_fast.receiver.sink_process NAME``.

Standard input: a `SinkTask`, and then a line for each request to load feeds and rules again; its end means that the
receiver ended. Standard output: the counters once a second, as JSON. Standard error: the log, as JSON. SIGTERM, and the
end of standard input, let the process end.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .. import CfdnsError
from ..sinks import (
    Counters,
    Piece,
    Sink,
    SinkContext,
    SinkFault,
    SinkRewind,
    SinkSettingError,
    Stopped,
    check_sink,
    open_sink,
)
from ..spool import Cursor, SpoolReader, StateError, StateFolder
from .backoff import Backoff
from .dead_letters import dead_letter_line, redeliver
from .delivery import Delivery, Room
from .detection import Detection
from .lines import LineFiles
from .settings import SettingsError
from .sink_task import EXIT_CLOSED, EXIT_FAILED, EXIT_LOCKED, EXIT_SETTINGS, SinkTask

__all__ = ["main", "set_on_sigterm"]

T = TypeVar("T")

#: The time to wait for the lock: after a receiver was killed, its sink processes still finish.
_LOCK_WAIT_S = 30
_LOCK_EVERY_S = 0.2
_COUNTERS_EVERY_S = 1.0
#: The maximum time of each step of the end; what is not delivered then is delivered after the next start.
_MAX_FINISH_S = 10.0
_MIN_STOP_S = 1.0
_CHECK_EVERY_S = 0.1
#: The names of files and objects would replace those of whole batches.
_SINKS_OF_REQUESTS = frozenset({"http", "elasticsearch", "opensearch", "kafka"})


class SinkProcess:
    """One sink: its files, its threads, and its delivery."""

    def __init__(self, task: SinkTask) -> None:
        self.task = task
        self.name = task.sink.name
        self.ending = threading.Event()
        self.stop = threading.Event()
        self.counters = Counters()
        self._backoff = Backoff()
        self.state = StateFolder(task.state)
        self.rejects = LineFiles(self.state.rejects(self.name), task.max_reject_bytes)
        self.dead_letters = LineFiles(self.state.dead(self.name), task.max_dead_letter_bytes)
        self.detection = Detection(task, self.counters, self.say)

    def say(self, level: str, message: str) -> None:
        """Write a line to the log of the receiver."""
        line = json.dumps({"level": level, "message": message})
        with contextlib.suppress(OSError):
            os.write(2, line.encode("ascii") + b"\n")

    def run(self) -> int:
        """Deliver until the end is asked for; returns the exit code."""
        self._start_threads()
        try:
            with self._locked():
                self.detection.start()
                self._deliver()
        except StateError as error:
            self.say("error", str(error))
            return EXIT_LOCKED
        except (SettingsError, SinkSettingError) as error:
            self.say("error", str(error))
            return EXIT_SETTINGS
        except Stopped:
            pass
        except CfdnsError as error:
            self.say("error", str(error))
            return EXIT_FAILED
        finally:
            self._report()
        # Only the sink of standard output asks for the end itself.
        return 0 if self.ending.is_set() else EXIT_CLOSED

    def _deliver(self) -> None:
        self.dead_letters.cut_torn_line()
        folder = self.state.temporary(self.name)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        cursor = Cursor(self.state, self.name, keep_s=self.task.keep_s)
        try:
            while not self.ending.is_set() and not self.stop.is_set():
                self._serve_requests(cursor, folder)
                with contextlib.closing(self._try(lambda: self._open_sink(folder))) as sink:
                    # The same sink goes on after a rewind: it has learned what the target does not take.
                    while not self._deliver_with(sink, cursor, folder):
                        pass
        finally:
            self.rejects.close()
            self.dead_letters.close()

    def _deliver_with(self, sink: Sink, cursor: Cursor, folder: Path) -> bool:
        """Deliver the batches after the cursor; returns False if those that are not committed must come again."""
        started = cursor.after
        with (
            contextlib.closing(self.detection.converter(sink.wants, folder, lambda: cursor.after)) as converter,
            contextlib.closing(SpoolReader(self.state, cursor.after)) as reader,
        ):
            try:
                Delivery(sink, reader, cursor, converter, self._room(cursor)).run()
            except SinkRewind as fault:
                if cursor.after > started:
                    self._backoff.reset()
                self._wait_after_rewind(fault)
                return False
        self._backoff.reset()
        return True

    def _wait_after_rewind(self, fault: SinkRewind) -> None:
        self.counters.add("retries", 1, fault.reason)
        self.counters.set("up", 0)
        self.say("error", f"delivering again what was not committed: {fault}")
        if self.ending.wait(self._backoff.next(fault.retry_after_s)):
            raise Stopped from fault

    def _serve_requests(self, cursor: Cursor, folder: Path) -> None:
        """Do what an operator asked for; everything that was delivered is committed."""
        if cursor.pending:
            return
        after = cursor.replay_from
        if after is not None:
            # Before the cursor moves, so that no line of a batch that is not stored any more is removed.
            self._try(lambda: self.rejects.restart_marks(min(after, cursor.after)))
        request = cursor.take_replay()
        if request is None:
            return
        if request.after is not None:
            self.say("info", f"delivering again the batches after {request.after}")
        if request.dead_letters:
            self._redeliver(folder)

    def _redeliver(self, folder: Path) -> None:
        if check_sink(self.task.sink.url).kind not in _SINKS_OF_REQUESTS:
            self.say("error", "dead letters can be delivered again to sinks of requests only")
            return
        count = 0
        for path in self.dead_letters.begin_file():
            with contextlib.closing(self._try(lambda: self._open_sink(folder))) as sink:
                count += self._redeliver_file(path, sink)
            # Events that are refused again are in another file now.
            self.dead_letters.sync()
            path.unlink()
        self.say("info", f"{count} dead letters are delivered again")

    def _redeliver_file(self, path: Path, sink: Sink) -> int:
        while True:
            try:
                return redeliver(path, sink, self._try)
            except SinkRewind as fault:
                self._wait_after_rewind(fault)

    def _open_sink(self, folder: Path) -> Sink:
        context = SinkContext(
            name=self.name,
            stop=self.stop,
            counters=self.counters,
            dead_letter=self._dead_letter,
            warn=lambda message: self.say("warning", message),
            folder=folder,
        )
        return open_sink(self.task.sink.url, context)

    def _room(self, cursor: Cursor) -> Room:
        return Room(
            name=self.name,
            counters=self.counters,
            rejects=self.rejects,
            dead_letters=self.dead_letters,
            ending=self.ending,
            stop=self.stop,
            has_request=lambda: cursor.is_replay_requested,
            say=self.say,
        )

    def _dead_letter(self, piece: Piece, index: int, event: bytes, code: str) -> None:
        self.dead_letters.write([dead_letter_line(self.name, piece, index, event, code)])
        self.counters.add("dead_letters", 1, code)

    def _try(self, action: Callable[[], T]) -> T:
        """Return the result of an action, which is done again while it raises `SinkFault`; raises SinkRewind."""
        backoff = Backoff()
        is_down = False
        while True:
            try:
                return action()
            except SinkRewind:
                raise
            except SinkFault as fault:
                self.counters.add("retries", 1, fault.reason)
                self.counters.set("up", 0)
                if not is_down:
                    is_down = True
                    self.say("error", f"waiting, and trying again: {fault}")
                if self.ending.wait(backoff.next(fault.retry_after_s)):
                    raise Stopped from fault

    def _locked(self) -> contextlib.ExitStack:
        """Return the lock of the sink, which a process of an earlier receiver may hold until it has finished."""
        deadline_s = time.monotonic() + _LOCK_WAIT_S
        held = contextlib.ExitStack()
        while True:
            try:
                held.enter_context(self.state.lock_sink(self.name))
                return held
            except StateError as error:
                if error.code != "state.locked" or time.monotonic() > deadline_s:
                    raise
            if self.ending.wait(_LOCK_EVERY_S):
                raise Stopped

    def _start_threads(self) -> None:
        for target in (self._watch_parent, self._report_repeatedly, self._watch_end):
            threading.Thread(target=target, name=target.__name__, daemon=True).start()

    def _watch_parent(self) -> None:
        """Let the process end when the receiver has ended; everything else that it writes is a request to load."""
        while os.read(0, 4096):
            self.detection.ask()
        self.ending.set()

    def _watch_end(self) -> None:
        """Bound the time of the end: finish what is in flight, but not for a target that is down, then stop."""
        self.ending.wait()
        finish_s, stop_s = end_limits(self.task.drain_s)
        deadline_s = time.monotonic() + finish_s
        while time.monotonic() < deadline_s and self.counters.as_dict().get("up", 1):
            time.sleep(_CHECK_EVERY_S)
        self.stop.set()
        time.sleep(stop_s)
        # Everything that is not committed comes again.
        os._exit(EXIT_FAILED)

    def _report_repeatedly(self) -> None:
        while True:
            self._report()
            time.sleep(_COUNTERS_EVERY_S)

    def _report(self) -> None:
        with contextlib.suppress(OSError):
            os.write(1, json.dumps(self.counters.as_dict()).encode("ascii") + b"\n")


def end_limits(drain_s: float) -> tuple[float, float]:
    """Return the maximum seconds for what is in flight at the end, and then for a sink that was told to stop.

    Together they are at most `drain_s`, except that a sink always has a second to stop.
    """
    limit_s = min(drain_s / 2, _MAX_FINISH_S)
    return limit_s, max(limit_s, _MIN_STOP_S)


def set_on_sigterm(event: threading.Event) -> None:
    """Set an event when the process gets SIGTERM. Call it before other threads start.

    A thread waits for the signal: a handler would run between two steps of this thread, which may hold the lock of the
    event just then, and wait for it for ever.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> None:
        signal.sigwait({signal.SIGTERM})
        event.set()

    threading.Thread(target=wait, name="wait_for_sigterm", daemon=True).start()


def main() -> int:
    """Run the process; returns the exit code."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return 0
        line += byte
    process = SinkProcess(SinkTask.from_line(bytes(line)))
    set_on_sigterm(process.ending)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return process.run()
    except Exception as error:
        # The text of an unexpected error may hold record content.
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        process.say("error", f"internal error, {type(error).__name__}{where}")
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
