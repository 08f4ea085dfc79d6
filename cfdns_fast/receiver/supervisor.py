"""The processes of the sinks: start them, read their counters and logs, and start them again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

from .backoff import Backoff
from .log import LOGGER
from .metrics import SinkReport
from .settings import Settings
from .sink_task import EXIT_CLOSED, SinkTask

__all__ = ["HANG_S", "SinkSupervisor", "Supervisor"]

#: A process is started again if its target takes data and its counters do not change for this time.
HANG_S = 300.0
#: The back-off begins again after a process that ran for this time, or that delivered something.
_STABLE_S = 60.0
_LINE_BYTES = 1 << 20
#: Gauges, which are not summed over the processes of a sink.
_GAUGES = frozenset({"indicators", "lag_batches", "lag_seconds", "oldest_ns", "seq", "up"})


class SinkSupervisor:
    """One sink: its process now, and the sums over all of its processes. It is for the thread of the event loop.

    Parameters
    ----------
    task : SinkTask
    position : callable
        Returns the last batch that is delivered, from the state folder.
    on_closed : callable
        Called with the name of the sink when the reader of its output has ended.
    hang_s : float
    umask : int
        Of the process; -1 keeps that of this one.
    """

    def __init__(
        self,
        task: SinkTask,
        position: Callable[[], int],
        on_closed: Callable[[str], object],
        hang_s: float = HANG_S,
        umask: int = -1,
    ) -> None:
        self.name = task.sink.name
        self.restarts = 0
        #: Whether the sink looks for something.
        self.looks = task.looks
        self._task = task
        self._on_closed = on_closed
        self._hang_s = hang_s
        self._umask = umask
        self._process: asyncio.subprocess.Process | None = None
        self._is_stopping = False
        self._ended: Counter[str] = Counter()
        self._ended_by_label: dict[str, Counter[str]] = {}
        self._position = position
        self._now: dict[str, Any] = {"seq": position()}
        self._quiet_s = 0.0
        self._log = logging.LoggerAdapter(LOGGER, {"sink": self.name})

    @property
    def process_id(self) -> int | None:
        """The id of the process that runs, if any."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def report(self) -> SinkReport:
        """Return the state of the sink."""
        totals: dict[str, Any] = dict(self._ended)
        totals |= {name: Counter(counts) for name, counts in self._ended_by_label.items()}
        for name, value in self._now.items():
            if name in _GAUGES:
                continue
            if isinstance(value, dict):
                totals.setdefault(name, Counter()).update(value)
            else:
                totals[name] = totals.get(name, 0) + value
        is_up = self.process_id is not None and bool(self._now.get("up", 0))
        seq, oldest_ns = int(self._now.get("seq", 0)), int(self._now.get("oldest_ns", 0))
        indicators = int(self._now.get("indicators", 0)) if self.looks else None
        return SinkReport(self.name, totals, is_up, self.restarts, seq, oldest_ns, indicators)

    async def run(self) -> None:
        """Run the process, and start it again when it ends, until `stop`."""
        backoff = Backoff()
        while not self._is_stopping:
            started_s, started_seq = time.monotonic(), self._now.get("seq", 0)
            try:
                code = await self._run_once()
            except OSError as error:
                self._log.error("the process could not be started: %s", error.strerror)
                code = None
            self._fold()
            if self._is_stopping:
                return
            if code == EXIT_CLOSED:
                self._on_closed(self.name)
                return
            if time.monotonic() - started_s > _STABLE_S or self._now.get("seq", 0) > started_seq:
                backoff.reset()
            wait_s = backoff.next()
            self.restarts += 1
            if code is not None:
                self._log.error("the process ended with %s; it is started again in %.1f s", _how(code), wait_s)
            deadline_s = time.monotonic() + wait_s
            while not self._is_stopping and time.monotonic() < deadline_s:
                await asyncio.sleep(min(0.1, wait_s))

    def reload(self) -> None:
        """Ask the process to load feeds and rules again."""
        process = self._process
        if self.looks and process is not None and process.returncode is None and process.stdin is not None:
            process.stdin.write(b"load\n")

    def stop(self) -> None:
        """Ask the process to end: what is complete is committed."""
        self._is_stopping = True
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """End the process at once; what is not committed comes again."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _run_once(self) -> int:
        task, descriptor = self._task.with_standard_output()
        try:
            process = await self._start(task, descriptor)
        finally:
            if descriptor is not None:
                os.close(descriptor)
        self._process = process
        self._log.info("runs as process %d", process.pid)
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        self._quiet_s = 0.0
        with contextlib.suppress(ConnectionError):
            process.stdin.write(task.to_line())
            await process.stdin.drain()
        if self._is_stopping:
            self.stop()
        watch = asyncio.ensure_future(self._watch(process))
        try:
            await asyncio.gather(self._read_counters(process.stdout), self._read_log(process.stderr))
            return await process.wait()
        finally:
            watch.cancel()
            process.stdin.close()

    async def _start(self, task: SinkTask, descriptor: int | None) -> asyncio.subprocess.Process:
        # The process imports from where this one does, and from the working directory only if this one does.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path)}
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "cfdns_fast.receiver.sink_process",
            task.sink.name,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=() if descriptor is None else (descriptor,),
            env=environment,
            umask=self._umask,
            limit=_LINE_BYTES,
            # An interrupt from the keyboard is for the receiver, which ends the sinks after it has stored everything.
            start_new_session=True,
        )

    async def _read_counters(self, lines: asyncio.StreamReader) -> None:
        async for line in _lines_of(lines):
            with contextlib.suppress(ValueError):
                counters = json.loads(line)
                if isinstance(counters, dict):
                    self._count({"seq": self._now.get("seq", 0), **counters})

    def _count(self, counters: dict[str, Any]) -> None:
        def sums(values: dict[str, Any]) -> dict[str, Any]:
            return {name: value for name, value in values.items() if name not in _GAUGES}

        # A target that is down may have asked for a long wait.
        if sums(counters) != sums(self._now) or not counters.get("up", 1):
            self._quiet_s = 0.0
        self._now = counters

    async def _read_log(self, lines: asyncio.StreamReader) -> None:
        async for line in _lines_of(lines):
            text = line.decode("utf-8", "replace").strip()
            try:
                members = json.loads(text)
                level, message = logging.getLevelNamesMapping()[members["level"].upper()], str(members["message"])
            except (ValueError, KeyError, TypeError, AttributeError):
                # The line is from a library or the interpreter.
                level, message = logging.ERROR, text
            if message:
                self._log.log(level, "%s", message)

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """End a process that hangs."""
        step_s = min(1.0, self._hang_s / 4)
        while process.returncode is None:
            await asyncio.sleep(step_s)
            # Not the difference of two times: a receiver that was stopped itself has read no counters meanwhile.
            self._quiet_s += step_s
            if self._quiet_s > self._hang_s:
                self._log.error("no progress for %d s: the process is ended", round(self._hang_s))
                self.kill()
                return

    def _fold(self) -> None:
        """Add the counts of the process that has ended to those of the earlier ones."""
        for name, value in self._now.items():
            if name in _GAUGES:
                continue
            if isinstance(value, dict):
                self._ended_by_label.setdefault(name, Counter()).update(value)
            else:
                self._ended[name] += value
        # A process that was killed may have delivered more than it reported.
        self._now = {"seq": self._position(), "oldest_ns": self._now.get("oldest_ns", 0)}


class Supervisor:
    """All sinks of a receiver."""

    def __init__(
        self,
        settings: Settings,
        position_of: Callable[[str], int],
        on_closed: Callable[[str], object],
        hang_s: float = HANG_S,
        umask: int = -1,
    ) -> None:
        self.sinks = [
            SinkSupervisor(SinkTask.of(settings, sink), partial(position_of, sink.name), on_closed, hang_s, umask)
            for sink in settings.sinks
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def reports(self) -> Sequence[SinkReport]:
        """Return the states of the sinks."""
        return [sink.report() for sink in self.sinks]

    def start(self) -> None:
        """Start the processes; the event loop must run."""
        self._tasks = [asyncio.ensure_future(sink.run()) for sink in self.sinks]

    def reload(self) -> bool:
        """Ask the processes to load feeds and rules again; returns whether one of them looks for something."""
        for sink in self.sinks:
            sink.reload()
        return any(sink.looks for sink in self.sinks)

    async def stop(self, timeout_s: float) -> None:
        """Return when all processes have ended; those that take longer than the timeout are killed."""
        for sink in self.sinks:
            sink.stop()
        if not self._tasks:
            return
        _, open_tasks = await asyncio.wait(self._tasks, timeout=timeout_s)
        for sink in self.sinks:
            sink.kill()
        if open_tasks:
            await asyncio.wait(open_tasks, timeout=5)


async def _lines_of(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            # A line that is too long is dropped in pieces.
            await reader.readexactly(error.consumed)
            continue
        except asyncio.IncompleteReadError as error:
            if error.partial:
                yield error.partial
            return
        yield line


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
