"""The spool against a model: receivers that start, end and fail, sinks that deliver, and what must be there."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("xxhash", reason="the extra receiver")
pytest.importorskip("hypothesis", reason="the extra test")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the receiver needs POSIX")

from hypothesis import settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule  # noqa: E402
from support.spool import Writer, arrival, read_all  # noqa: E402

from cfdns_fast.spool import Cursor, Replay, StateFolder  # noqa: E402
from cfdns_fast.spool.cursor import request_replay  # noqa: E402
from cfdns_fast.spool.segment_file import list_segments  # noqa: E402
from cfdns_fast.spool.tools import listing, retire_sink  # noqa: E402

SINKS = ("one", "two", "three")


class Spool(RuleBasedStateMachine):
    """Acknowledged batches stay until all sinks have delivered them, have growing numbers, and are read in order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.state = StateFolder(self.folder / "state")
        self.state.prepare()
        self.stored: dict[int, int] = {}  # the numbers of arrivals by the numbers of batches
        self.cursors: dict[str, Cursor] = {}
        self.next = 1
        self.writer: Writer | None = None

    def teardown(self) -> None:
        if self.writer is not None:
            self.writer.spool.close()
        shutil.rmtree(self.folder)

    @precondition(lambda self: self.writer is None)
    @rule(sinks=st.integers(1, 3), segment_bytes=st.sampled_from([1, 100_000]))
    def start(self, sinks: int, segment_bytes: int) -> None:
        names = SINKS[:sinks]
        self.writer = Writer(self.state, sink_names=names, segment_bytes=segment_bytes)
        assert self.writer.recovery.last_seq >= max(self.stored, default=0)
        assert self.writer.recovery.corrupt == []
        for name in names:
            self.cursors.setdefault(name, Cursor(self.state, name))

    @precondition(lambda self: self.writer is not None)
    @rule()
    def end(self) -> None:
        assert self.writer is not None
        self.writer.spool.close()
        self.writer = None

    @precondition(lambda self: self.writer is not None)
    @rule(count=st.integers(1, 5))
    def store(self, count: int) -> None:
        assert self.writer is not None
        numbers = range(self.next, self.next + count)
        self.next += count
        last = max(self.stored, default=0)
        for number, (code, seq) in zip(numbers, self.writer.store([arrival(n) for n in numbers]), strict=True):
            assert code == "stored"
            assert seq > last
            self.stored[seq] = number
            last = seq

    @precondition(lambda self: self.writer is not None and self.stored)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """A body that is sent again is known, although its batch may be delivered and dropped."""
        assert self.writer is not None
        seq = data.draw(st.sampled_from(sorted(self.stored)))
        assert self.writer.store([arrival(self.stored[seq])]) == [("duplicate", seq)]

    @precondition(lambda self: self.writer is not None)
    @rule()
    def fail(self) -> None:
        """The segment is lost for writing, as after a failed sync."""
        assert self.writer is not None
        file = self.writer.spool._active.file
        if file is not None:
            moved = file.wal.rename(self.folder / "wal")
            assert self.writer.codes([arrival(self.next)]) == ["failed"]
            self.next += 1
            if file.path.exists():
                moved.rename(file.wal)
            else:
                moved.unlink()

    @precondition(lambda self: self.cursors)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        cursor = self.cursors[data.draw(st.sampled_from(sorted(self.cursors)))]
        waiting = [seq for seq in sorted(self.stored) if seq > cursor.after]
        if waiting:
            cursor.store(after=data.draw(st.sampled_from(waiting)))

    @precondition(lambda self: self.cursors)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.cursors)))
        after = data.draw(st.integers(0, self.cursors[name].after))
        request_replay(self.state, name, Replay(after))
        assert self.cursors[name].take_replay() == Replay(after)

    @precondition(lambda self: self.cursors)
    @rule(data=st.data())
    def retire(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.cursors)))
        if len(self.cursors) > 1:
            retire_sink(self.state, name, is_discarding=True)
            del self.cursors[name]

    @invariant()
    def all_that_is_needed_is_there(self) -> None:
        found = {batch.seq: batch.arrival for batch in read_all(self.state)}
        assert list(found) == sorted(found)
        for seq, body in found.items():
            assert body == arrival(self.stored[seq])
        position = min((cursor.after for cursor in self.cursors.values()), default=0)
        oldest = list_segments(self.state)[0].first if list_segments(self.state) else max(self.stored, default=0) + 1
        # A replay asks for batches that may be gone; those that any sink has not delivered are there.
        needed = {seq for seq in self.stored if seq > position}
        assert needed - set(found) == {seq for seq in needed if seq < oldest}
        highest = self.delivered = max(getattr(self, "delivered", 0), position)
        assert {seq for seq in self.stored if seq > highest} <= set(found)
        assert [each.is_damaged for each in listing(self.state).segments if each.is_damaged] == []
        assert list(self.state.corrupt.iterdir()) == []


TestSpool = Spool.TestCase
TestSpool.settings = settings(max_examples=6, stateful_step_count=12)


@pytest.mark.slow
def test_model_agrees_often() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Spool, settings=settings(max_examples=150, stateful_step_count=40))
