"""The processes of the sinks: their restarts, and their sums."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("prometheus_client", reason="the extra receiver is not installed")
pytest.importorskip("xxhash", reason="the extra receiver is not installed")

from support.command import needs_posix
from support.receiver_process import batch, delivered

from cfdns_fast.receiver import supervisor as supervisor_module
from cfdns_fast.receiver.settings import Settings, SinkSettings
from cfdns_fast.receiver.supervisor import Supervisor
from cfdns_fast.spool import Arrival, SpoolWriter, StateFolder, hash_of, positions

pytestmark = needs_posix

TIMEOUT_S = 60


class World:
    """A spool with batches, and a supervisor of one sink."""

    def __init__(self, folder: Path) -> None:
        self.state = StateFolder(folder / "state")
        self.state.prepare()
        self.out = folder / "out"
        self.closed: list[str] = []
        self.writer = SpoolWriter(self.state, on_group=lambda group: None, sink_names=["out"], min_free_bytes=0)
        self.writer.open()

    def store(self, first: int, count: int) -> None:
        body = batch(first, count)
        self.writer.submit(Arrival("key", "/", "dns_logs", count, 2000, hash_of(body), body), None)

    def supervisor(self, url: str | None = None, hang_s: float = 300) -> Supervisor:
        sink = SinkSettings(name="out", url=url or f"file://{self.out}/?format=ndjson&rotate=1s")
        settings = Settings(state=self.state.path, sinks=(sink,), allow_no_key=True)
        return Supervisor(settings, lambda name: positions(self.state)[name], self.closed.append, hang_s)


def run(folder: Path, test: Callable[[World], Coroutine[object, object, None]]) -> None:
    world = World(folder)
    try:
        asyncio.run(asyncio.wait_for(test(world), TIMEOUT_S))
    finally:
        world.writer.close()


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.02)


def test_killed_process_is_started_again(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.store(0, 10)
        supervisor = world.supervisor()
        supervisor.start()
        (sink,) = supervisor.sinks
        await until(lambda: sink.report().totals.get("events") == 10)
        first = sink.process_id
        assert first is not None and sink.report().is_up
        os.kill(first, signal.SIGKILL)
        await until(lambda: sink.process_id not in (None, first))
        world.store(10, 10)
        # The counts of the process before are part of the sum.
        await until(lambda: sink.report().totals.get("events") == 20)
        assert sink.report().restarts == 1 and sink.report().seq == 2
        await supervisor.stop(20)
        assert sink.process_id is None and not sink.report().is_up

    run(tmp_path, test)
    assert delivered(tmp_path / "out") == list(range(20))


@pytest.mark.slow
def test_hanging_process_is_killed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(world: World) -> None:
        supervisor = world.supervisor(hang_s=2)
        supervisor.start()
        (sink,) = supervisor.sinks
        await until(lambda: sink.report().is_up)
        first = sink.process_id
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        await until(lambda: sink.process_id not in (None, first))
        await supervisor.stop(20)

    run(tmp_path, test)
    assert "no progress" in caplog.text


def test_stopped_receiver_ends_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that was stopped for a long time has read no counters, which is no fault of the process."""

    async def test(world: World) -> None:
        supervisor = world.supervisor(hang_s=0.8)
        (sink,) = supervisor.sinks
        ended: list[bool] = []
        monkeypatch.setattr(sink, "kill", lambda: ended.append(True))
        watch = asyncio.ensure_future(sink._watch(SimpleNamespace(returncode=None)))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        monkeypatch.setattr(supervisor_module, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 1000))
        for loops in range(4):
            await asyncio.sleep(0.2)
            sink._count({"loops": loops})
        assert not ended
        await watch
        assert ended

    run(tmp_path, test)


def test_wrong_sink_waits_before_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The URL is checked before; here it stands for what a process finds later, such as a secret that is missing."""

    async def test(world: World) -> None:
        supervisor = world.supervisor("file:///relative/?rotate=never")
        supervisor.start()
        (sink,) = supervisor.sinks
        await until(lambda: sink.restarts)
        await supervisor.stop(20)

    caplog.set_level(logging.INFO)
    run(tmp_path, test)
    assert "rotate" in caplog.text and "exit code 2" in caplog.text


@pytest.mark.slow
def test_lock_keeps_two_processes_apart(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.store(0, 10)
        first, second = world.supervisor(), world.supervisor()
        first.start()
        await until(lambda: first.sinks[0].report().totals.get("events") == 10)
        second.start()
        await until(lambda: second.sinks[0].process_id)
        assert not second.sinks[0].report().is_up
        await first.stop(20)
        world.store(10, 10)
        await until(lambda: second.sinks[0].report().totals.get("events") == 10)
        await second.stop(20)

    run(tmp_path, test)
    assert delivered(tmp_path / "out") == list(range(20))


def test_parent_that_is_gone_ends_the_process(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        supervisor = world.supervisor()
        supervisor.start()
        (sink,) = supervisor.sinks
        await until(lambda: sink.report().is_up)
        process = sink._process
        assert process is not None and process.stdin is not None
        sink._is_stopping = True  # or it would be started again
        process.stdin.close()
        assert await process.wait() == 0
        await supervisor.stop(20)

    run(tmp_path, test)
