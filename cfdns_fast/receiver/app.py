"""The receiver as a whole: spool, server, sinks, listener of operators, signals, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator

from ..spool import SpoolWriter, StateFolder, positions
from .health import HealthServer
from .keys import Keys, load_keys, reload_keys
from .log import LOGGER, configure_log
from .memory import configure_allocator, configure_collector
from .metrics import Metrics
from .minutes import MinuteLine
from .notify import Notifier, activation_sockets
from .server import Server
from .settings import Settings
from .supervisor import Supervisor
from .tls import Tls, expiry_warnings, load_tls, reload_tls

__all__ = ["EXIT_FAILED", "EXIT_STATE", "EXIT_USAGE", "Receiver", "run"]

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_STATE = 3

#: Exit codes of a process that a signal ends.
_SIGNAL = 128

_TICK_S = 1.0
_MINUTE_S = 60.0
_DAY_S = 86400.0
#: A signal that comes so soon after the first is the same request: timeout(1) sends it to the process and to its group.
_SAME_REQUEST_S = 0.5
#: Sinks end within the drain time; this is for their exit.
_SINK_GRACE_S = 5.0
_METRICS_SOCKET = "metrics"


def run(settings: Settings) -> int:
    """Run the receiver until a signal ends it; returns the exit code.

    Raises
    ------
    SettingsError
        A file or an address of the settings cannot be used.
    StateError
        The state folder cannot be used.
    """
    configure_log(settings.log_format)
    configure_allocator()
    # Until the loop handles it: a renewed certificate at the start must not end the receiver.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    umask = os.umask(0o077)
    os.umask(umask | 0o077)
    keys = load_keys(settings)
    tls = load_tls(settings)
    for warning in (*keys.warnings, *(tls.warnings if tls else ())):
        LOGGER.warning("%s", warning)
    state = StateFolder(settings.state)
    state.prepare()
    for warning in state.warnings:
        LOGGER.warning("%s", warning)
    with state.lock_receiver(sink.name for sink in settings.sinks):
        return asyncio.run(Receiver(settings, state, keys, tls, umask).run())


class _Chores:
    """When the look once a second does what is rarer, and how many looks found the spool stopped."""

    def __init__(self) -> None:
        now_s = time.monotonic()
        self.line = MinuteLine()
        self.looks = 0
        self.minute_s = now_s + _MINUTE_S
        self.day_s = now_s + _DAY_S


class Receiver:
    """One run of the receiver in an event loop; the state folder is locked and prepared.

    The processes of the sinks get `umask`, because an operator's programs read the files of a sink ``file:``.
    """

    def __init__(self, settings: Settings, state: StateFolder, keys: Keys, tls: Tls | None, umask: int) -> None:
        self._settings = settings
        self._state = state
        self._keys = keys
        self._tls = tls
        self._notifier = Notifier()
        self._sockets = activation_sockets()
        self._writer = SpoolWriter(
            state,
            segment_bytes=settings.segment_bytes,
            segment_s=settings.segment_s,
            max_spool_bytes=settings.max_spool_bytes,
            min_free_bytes=settings.min_free_bytes,
            dedupe_s=settings.dedupe_s,
            max_hashes=settings.max_hashes,
            keep_s=settings.keep_s,
            sink_names=[sink.name for sink in settings.sinks],
            on_group=lambda group: self._server.resolve(group),
        )
        self._supervisor = Supervisor(settings, self._position_of, self._end_of_reader, umask=umask)
        self._metrics = Metrics(self._writer.status, self._supervisor.reports)
        self._writer.on_commit = self._metrics.commit
        self._server = Server(
            settings,
            keys,
            self._writer.submit,
            self._metrics,
            tls=None if tls is None else tls.context,
            is_full=lambda: self._writer.status().is_full,
        )
        self._health = HealthServer(self._metrics.text, self._fault, self._not_ready)
        self._end = asyncio.Event()
        self._asked_s = 0.0
        self._is_ending = False
        self._has_failed = False
        self._is_started = False
        self._is_look_faulty = False

    async def run(self) -> int:
        """Run until a signal; returns the exit code."""
        with self._opened_spool():
            self._install_signals()
            tick = None
            try:
                self._start()
                tick = asyncio.ensure_future(self._tick())
                await self._end.wait()
            finally:
                await self._stop()
                if tick is not None:
                    tick.cancel()
        return EXIT_FAILED if self._has_failed else EXIT_DONE

    @contextlib.contextmanager
    def _opened_spool(self) -> Iterator[None]:
        recovery = self._writer.open()
        waiting = f"{recovery.batches} batches wait for sinks" if recovery.batches else "no batch waits for a sink"
        last = f"the last one received is {recovery.last_seq}" if recovery.last_seq else "none was received so far"
        LOGGER.info("recovered: %s, %s", waiting, last)
        for name in recovery.corrupt:
            LOGGER.error("segment %s is damaged; what can be read is delivered", name)
        for name, batches in recovery.unknown_sinks:
            LOGGER.warning(
                "sink %s is not configured and holds %d batches; "
                "configure it again, or remove it with cfdns-fast spool retire-sink",
                name,
                batches,
            )
        try:
            yield
        finally:
            self._writer.close()

    def _start(self) -> None:
        metrics_sockets = self._sockets.pop(_METRICS_SOCKET, None)
        sockets = [each for group in self._sockets.values() for each in group]
        if metrics_sockets or self._settings.metrics_listen != "off":
            self._health.start(self._settings.metrics_listen, metrics_sockets)
        self._server.start(sockets or None)
        self._is_started = True
        self._supervisor.start()
        if self._server.warning:
            LOGGER.warning("%s", self._server.warning)
        urls = ", ".join(self._server.urls)
        metrics = ", ".join(self._health.urls)
        LOGGER.info(
            "ready: receiving on %s%s",
            urls,
            f"; metrics on {metrics}" if metrics else "; metrics are off",
            extra={"fields": {"ports": list(self._server.ports), "metrics_ports": list(self._health.ports)}},
        )
        configure_collector()
        self._notifier.ready(f"receiving on {urls}")

    async def _stop(self) -> None:
        started_s = time.monotonic()
        self._is_ending = True
        self._notifier.stopping()
        open_requests = 0
        if self._is_started:
            open_requests = await self._server.drain(self._settings.drain_s)
            await self._server.close()
        # What was submitted is stored before the sinks end, so that the last position is right.
        await asyncio.to_thread(self._writer.close)
        await self._supervisor.stop(self._settings.drain_s + _SINK_GRACE_S)
        await self._health.stop()
        if not self._is_started:
            return
        status = self._writer.status()
        LOGGER.info(
            "drained in %.1f s: %d requests without an answer, last batch %d, %s",
            time.monotonic() - started_s,
            open_requests,
            status.last_seq,
            ", ".join(f"{each.name} delivered up to {each.seq}" for each in self._supervisor.reports()),
        )

    def _install_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask_to_end, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    def _ask_to_end(self, number: int) -> None:
        now_s = time.monotonic()
        if self._end.is_set():
            if now_s - self._asked_s < _SAME_REQUEST_S:
                return
            LOGGER.warning("a second signal: ending at once; what is not delivered stays in the spool")
            for sink in self._supervisor.sinks:
                sink.kill()
            os._exit(_SIGNAL + number)
        self._asked_s = now_s
        LOGGER.info("%s: ending", signal.Signals(number).name)
        self._end.set()

    def _end_of_reader(self, name: str) -> None:
        LOGGER.info("the reader of sink %s has ended", name)
        self._end.set()

    def _reload(self) -> None:
        self._notifier.reloading()
        keys, key_warnings = reload_keys(self._keys, self._settings)
        tls, tls_warnings = reload_tls(self._tls, self._settings)
        for warning in (*key_warnings, *tls_warnings):
            LOGGER.warning("%s", warning)
        changed = []
        if keys is not self._keys:
            changed.append(f"keys {', '.join(keys.names) or 'not required'}")
        if tls is not self._tls:
            changed.append("certificate")
        if self._supervisor.reload():
            changed.append("feeds and rules, if they have changed")
        self._keys, self._tls = keys, tls
        self._server.reload(keys, None if tls is None else tls.context)
        text = f"read again: {', '.join(changed) or 'nothing'}"
        LOGGER.info("%s", text)
        self._notifier.ready(text)

    async def _tick(self) -> None:
        """Look at the receiver once a second until it fails. An unexpected error does not end this: see /healthz."""
        watchdog_s = self._notifier.watchdog_s
        chores = _Chores()
        next_error_s = 0.0
        while not self._has_failed:
            await asyncio.sleep(_TICK_S if watchdog_s is None else min(_TICK_S, watchdog_s))
            try:
                self._look(chores)
            except Exception:
                self._is_look_faulty = True
                if time.monotonic() >= next_error_s:
                    next_error_s = time.monotonic() + _MINUTE_S
                    LOGGER.exception("an unexpected error in the look once a second; the receiver goes on")
            else:
                self._is_look_faulty = False

    def _look(self, chores: _Chores) -> None:
        """Log changes at once and a line a minute, and tell the service manager that the loop works.

        A chore that fails is due again at the next look.
        """
        if self._is_ending:
            self._notifier.watchdog()
            return
        status = self._writer.status()
        # The first look after the receiver was stopped itself, by SIGSTOP for example, says nothing.
        chores.looks = 0 if status.is_alive else chores.looks + 1
        if not chores.looks:
            self._notifier.watchdog()
        elif chores.looks > 1:
            LOGGER.error("the spool has stopped; the receiver ends, and what it acknowledged is on disk")
            self._has_failed = True
            self._end.set()
            return
        now_s = time.monotonic()
        if now_s >= chores.minute_s:
            text = chores.line.text(self._metrics.batches, self._metrics.records, status, self._supervisor.reports())
            LOGGER.info("%s", text)
            chores.minute_s = now_s + _MINUTE_S
        if now_s >= chores.day_s:
            for warning in expiry_warnings(self._tls, self._settings):
                LOGGER.warning("%s", warning)
            chores.day_s = now_s + _DAY_S

    def _fault(self) -> str:
        if self._is_ending:
            return ""
        if self._is_look_faulty:
            return "an unexpected error; the log names it"
        return "" if self._writer.status().is_alive else "the spool has stopped"

    def _not_ready(self) -> str:
        status = self._writer.status()
        if self._is_ending:
            return "ending"
        if status.is_full:
            return "the spool is full"
        return "the spool cannot be written" if status.failed or not status.is_alive else ""

    def _position_of(self, sink: str) -> int:
        return positions(self._state).get(sink, 0)
