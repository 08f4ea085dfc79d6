"""The process of a sink: what happens to its sink and its dead letters after faults."""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("xxhash", reason="the extra receiver is not installed")

from support.command import needs_posix
from support.processes import run_python

from cfdns_fast.receiver import sink_process
from cfdns_fast.receiver.backoff import Backoff
from cfdns_fast.receiver.dead_letters import dead_letter_line
from cfdns_fast.receiver.settings import SinkSettings
from cfdns_fast.receiver.sink_process import SinkProcess
from cfdns_fast.receiver.sink_task import SinkTask
from cfdns_fast.sinks import Piece, SinkFault, SinkRewind, Stopped
from cfdns_fast.spool import Cursor, StateFolder, tools
from cfdns_fast.spool.cursor import Replay

pytestmark = needs_posix

URL = "http://127.0.0.1:9/x"


class QueueSink:
    """A sink with a queue that a rewind empties, as that of Kafka."""

    wants = "ndjson"

    def __init__(self) -> None:
        self.queue: list[Piece] = []
        self.delivered: list[Piece] = []
        self.at: dict[str, list[Callable[[], object]]] = {"write": [], "commit": [], "is_due": []}
        self.committed = 0
        self.is_stopped = False

    def _hook(self, name: str) -> None:
        if self.at[name]:
            self.at[name].pop(0)()

    def rewind(self) -> None:
        self.queue.clear()
        raise SinkRewind("lost", "the queue is lost")

    def recover(self, pending: Any) -> bool:
        return False

    def write(self, piece: Piece) -> None:
        self._hook("write")
        self.queue.append(piece)

    def is_due(self) -> bool:
        self._hook("is_due")
        return False

    def commit(self, store: Any, *, final: bool = False) -> int:
        self._hook("commit")
        if self.is_stopped:
            return self.committed
        self.delivered += self.queue
        self.committed = self.queue[-1].seq if self.queue else self.committed
        self.queue.clear()
        return self.committed

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def sink() -> QueueSink:
    return QueueSink()


@pytest.fixture
def process(tmp_path: Path, sink: QueueSink, monkeypatch: pytest.MonkeyPatch) -> SinkProcess:
    """A process whose loop ends when it first waits for batches after its work."""
    monkeypatch.setattr(sink_process, "Backoff", lambda: Backoff(0.001, 0.001))
    StateFolder(tmp_path).prepare()
    settings = SinkSettings(name="out", url=URL)
    task = SinkTask(
        sink=settings, state=tmp_path, keep_s=0, drain_s=1, max_dead_letter_bytes=1 << 20, max_reject_bytes=1 << 20
    )
    process = SinkProcess(task)
    opened: list[QueueSink] = []

    def open_sink(*arguments: Any) -> QueueSink:
        assert len(opened) < 2, "the sink is opened again"
        opened.append(sink)
        return sink

    monkeypatch.setattr(sink_process, "open_sink", open_sink)
    monkeypatch.setattr(process, "say", lambda level, message: None)
    return process


def letters(process: SinkProcess, *events: bytes) -> None:
    for number, event in enumerate(events):
        piece = Piece(number + 1, bytes(16), 0, 0, 1, b"", True)
        process.dead_letters.write([dead_letter_line("out", piece, 5, event, "400")])
    cursor = Cursor(process.state, "out")
    tools.replay(process.state, "out", Replay(dead_letters=True))
    assert cursor.is_replay_requested


def deliver(process: SinkProcess) -> None:
    with contextlib.suppress(Stopped):
        process._deliver()


def test_rewind_keeps_what_the_sink_has_learned(process: SinkProcess, sink: QueueSink) -> None:
    sink.at["is_due"] = [sink.rewind, sink.rewind, sink.rewind, process.ending.set]
    deliver(process)
    assert sink.at["is_due"] == []
    assert process.counters.as_dict()["retries"] == {"lost": 3}


@pytest.mark.parametrize("step", ["write", "commit"])
def test_rewind_loses_no_dead_letter(process: SinkProcess, sink: QueueSink, step: str) -> None:
    letters(process, b'{"n":1}', b'{"n":2}', b'{"n":3}')
    sink.at[step] = [lambda: None, sink.rewind] if step == "write" else [sink.rewind]
    sink.at["is_due"] = [process.ending.set]
    deliver(process)
    assert [piece.data for piece in sink.delivered] == [b'{"n":1}\n', b'{"n":2}\n', b'{"n":3}\n']
    assert process.dead_letters.files() == []


def test_stop_leaves_dead_letters_that_wait(process: SinkProcess, sink: QueueSink) -> None:
    """A sink whose process must stop returns from its last commit, although its target is down."""
    letters(process, b'{"n":1}', b'{"n":2}')

    def stop() -> None:
        process.ending.set()
        process.stop.set()
        sink.is_stopped = True

    sink.at["commit"] = [stop]
    deliver(process)
    (path,) = process.dead_letters.files()
    assert [json.loads(line)["event"]["n"] for line in path.read_bytes().splitlines()] == [1, 2]


def test_fault_of_a_redelivery_is_repeated(process: SinkProcess, sink: QueueSink) -> None:
    letters(process, b'{"n":1}', b'{"n":2}')

    def fail() -> None:
        raise SinkFault("503", "busy")

    sink.at["write"] = [fail, fail]
    sink.at["is_due"] = [process.ending.set]
    deliver(process)
    assert [piece.data for piece in sink.delivered] == [b'{"n":1}\n', b'{"n":2}\n']


def test_redelivered_events_are_parts_of_their_batch(process: SinkProcess, sink: QueueSink) -> None:
    """They have the position of the event, are no whole pieces, and end with a newline also if they are not JSON."""
    letters(process, b'{"n":1}', b"not JSON")
    sink.at["is_due"] = [process.ending.set]
    deliver(process)
    assert [(each.seq, each.first_event, each.is_whole) for each in sink.delivered] == [(1, 5, False), (2, 5, False)]
    assert sink.delivered[1].data == b"not JSON\n"


@pytest.mark.parametrize("end", [b"\n", b" ", b"\r", b"\t"])
def test_letter_keeps_every_byte_of_what_is_not_json(process: SinkProcess, sink: QueueSink, end: bytes) -> None:
    """A stored body that cannot be divided is gzip, whose last byte belongs to the length."""
    body = zlib.compress(b"x", wbits=31)[:-1] + end
    sink.wants = "raw"
    letters(process, body)
    sink.at["is_due"] = [process.ending.set]
    deliver(process)
    assert [each.data for each in sink.delivered] == [body]


def test_signal_does_not_wait_for_a_held_lock() -> None:
    """The signal comes while the main thread holds the lock of the event, as within each of its waits."""
    code = """
import os, signal, threading, time
from cfdns_fast.receiver.sink_process import set_on_sigterm
event = threading.Event()
set_on_sigterm(event)
signal.alarm(20)
with event._cond:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.05)
assert event.wait(30)
"""
    assert run_python(code).returncode == 0


@pytest.mark.parametrize(
    ("drain_s", "limits"), [(3600, (10, 10)), (30, (10, 10)), (8, (4, 4)), (1, (0.5, 1)), (0, (0, 1))]
)
def test_end_takes_no_longer_than_the_drain_time(drain_s: float, limits: tuple[float, float]) -> None:
    """Each step has half of it, at most ten seconds; a sink always has a second to stop."""
    assert sink_process.end_limits(drain_s) == limits
