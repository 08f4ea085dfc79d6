"""The window of requests: repeats, halves, order of completion, and the end of the process."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from support.sinks import Record, batch_id, lines_of, ndjson_batch, wait_until

from cfdns_fast.sinks import Piece, SinkFault, SinkRefused, Stopped, window
from cfdns_fast.sinks.window import Sent, Window


@pytest.fixture(autouse=True)
def _short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "MIN_DELAY_S", 0.002)
    monkeypatch.setattr(window, "MAX_DELAY_S", 0.01)


class Target:
    """A target that keeps what it takes, and refuses or fails as a test asks."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.bad: set[bytes] = set()
        self.faults: list[SinkFault] = []
        self.gates: dict[int, threading.Event] = {}
        self.started: list[int] = []
        self.lock = threading.Lock()

    def send(self, piece: Piece) -> Sent:
        with self.lock:
            self.started.append(piece.seq)
        if piece.seq in self.gates:
            assert self.gates[piece.seq].wait(30)
        with self.lock:
            if self.faults:
                raise self.faults.pop()
            if self.bad & set(piece.data.splitlines()):
                raise SinkRefused("400", "a bad line")
            self.lines += piece.data.splitlines()
        return Sent(piece.events, len(piece.data))


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path)


def test_window_delivers_every_event(record: Record) -> None:
    target = Target()
    opened = Window(record.context, 4, target.send)
    for seq in range(1, 51):
        for piece in ndjson_batch(seq, 25, 10):
            opened.write(piece)
    assert opened.commit(final=True) == 50
    opened.close()
    assert sorted(target.lines) == sorted(b"".join(lines_of(s, range(25)) for s in range(1, 51)).splitlines())
    counts = record.counts()
    assert (counts["events"], counts["writes"], counts["up"]) == (1250, 150, 1)
    assert counts["bytes"] == sum(len(line) + 1 for line in target.lines)
    assert record.messages == []


def test_window_completes_batches_in_order(record: Record) -> None:
    target = Target()
    target.gates = {2: threading.Event()}
    opened = Window(record.context, 4, target.send, commit_s=0)
    for seq in (1, 2, 3, 4):
        opened.write(next(ndjson_batch(seq, 3)))
    wait_until(lambda: record.counts().get("events") == 9)
    assert opened.is_due()
    assert opened.commit() == 1
    assert not opened.is_due()
    target.gates[2].set()
    wait_until(opened.is_due)
    assert opened.commit(final=True) == 4
    opened.close()


def test_batch_is_complete_with_its_last_piece(record: Record) -> None:
    target = Target()
    opened = Window(record.context, 2, target.send)
    first, second = ndjson_batch(7, 4, 2)
    opened.write(first)
    wait_until(lambda: record.counts().get("events") == 2)
    assert opened.commit(final=True) == 0
    opened.write(second)
    assert opened.commit(final=True) == 7
    opened.write(Piece(8, batch_id(8), 0, 0, 0, b"", True))
    assert opened.commit() == 8
    opened.close()


def test_window_repeats_until_success(record: Record) -> None:
    target = Target()
    target.faults = [SinkFault("503", "x answered 503", 0.01 if n % 2 else None) for n in range(20)]
    opened = Window(record.context, 3, target.send)
    for seq in range(1, 6):
        opened.write(next(ndjson_batch(seq, 2)))
    assert opened.commit(final=True) == 5
    opened.close()
    assert len(target.lines) == 10
    assert record.counts()["retries"] == {"503": 20}


def test_retry_after_holds_all_threads(record: Record) -> None:
    calls: list[int] = []

    def send(piece: Piece) -> Sent:
        calls.append(piece.seq)
        raise SinkFault("429", "busy", 3000.0)

    opened = Window(record.context, 3, send)
    opened.write(next(ndjson_batch(1, 1)))
    wait_until(lambda: record.counts().get("retries") == {"429": 1})
    opened.write(next(ndjson_batch(2, 1)))
    threading.Event().wait(0.05)
    assert calls == [1]
    record.context.stop.set()
    opened.close()


def test_window_logs_changes_of_state_only(record: Record) -> None:
    target = Target()
    target.faults = [SinkFault("401", "x answered 401: check the key") for _ in range(30)]
    opened = Window(record.context, 1, target.send)
    opened.write(next(ndjson_batch(1, 2)))
    assert opened.commit(final=True) == 1
    opened.close()
    waits, continues = record.messages
    assert waits == "delivery waits: x answered 401: check the key"
    assert continues.startswith("delivery continues after ")
    assert record.counts()["up"] == 1


def test_refused_events_become_dead_letters(record: Record) -> None:
    target = Target()
    target.bad = {lines_of(2, [at]).strip() for at in (0, 13, 14, 29)}
    record.letter_faults = [SinkFault("disk", "full")] * 3
    opened = Window(record.context, 2, target.send)
    for seq in (1, 2, 3):
        for piece in ndjson_batch(seq, 30, 20):
            opened.write(piece)
    assert opened.commit(final=True) == 3
    opened.close()
    expected = [(2, at, lines_of(2, [at]).strip(), "400") for at in (0, 13, 14, 29)]
    assert sorted(record.letters) == expected
    assert len(target.lines) == len(set(target.lines)) == 86
    assert record.counts()["retries"] == {"disk": 3}
    assert record.counts()["events"] == 86


def test_halves_keep_their_order_and_are_marked(record: Record) -> None:
    seen: list[tuple[int, int, bool]] = []

    def send(piece: Piece) -> Sent:
        seen.append((piece.first_event, piece.events, piece.is_whole))
        assert piece.data == lines_of(1, range(piece.first_event, piece.first_event + piece.events))
        if piece.events > 2:
            raise SinkRefused("413", "too large")
        return Sent(piece.events, len(piece.data))

    opened = Window(record.context, 1, send)
    opened.write(next(ndjson_batch(1, 8)))
    opened.commit(final=True)
    opened.close()
    assert seen[0] == (0, 8, True)
    assert [(first, events) for first, events, is_whole in seen if events <= 2 and not is_whole][-1] == (6, 2)
    assert sum(events for _, events, _ in seen if events <= 2) == 8
    assert seen == sorted(seen, key=lambda part: (part[0], -part[1]))


def test_rest_of_a_fault_is_sent_next(record: Record) -> None:
    seen: list[int] = []

    def send(piece: Piece) -> Sent:
        seen.append(piece.events)
        if piece.events > 1:
            rest = piece._replace(first_event=piece.first_event + 1, events=piece.events - 1)
            raise SinkFault("429", "busy", rest=rest)
        return Sent(piece.events, len(piece.data))

    opened = Window(record.context, 1, send)
    opened.write(next(ndjson_batch(1, 4)))
    assert opened.commit(final=True) == 1
    opened.close()
    assert seen == [4, 3, 2, 1]


def test_write_waits_while_the_window_is_full(record: Record) -> None:
    target = Target()
    target.gates = {1: threading.Event(), 2: threading.Event()}
    opened = Window(record.context, 2, target.send)
    pieces = [next(ndjson_batch(seq, 1)) for seq in (1, 2, 3)]
    opened.write(pieces[0])
    opened.write(pieces[1])
    writer = threading.Thread(target=opened.write, args=(pieces[2],))
    writer.start()
    writer.join(0.05)
    assert writer.is_alive()
    assert opened.commit() == 0
    target.gates[1].set()
    writer.join(30)
    assert not writer.is_alive()
    target.gates[2].set()
    assert opened.commit(final=True) == 3
    opened.close()


def test_window_bounds_the_bytes_of_open_pieces(record: Record) -> None:
    target = Target()
    target.gates = {1: threading.Event()}
    opened = Window(record.context, 8, target.send, max_open_bytes=100)
    large = Piece(1, batch_id(1), 0, 0, 1, b"x" * 1000 + b"\n", True)
    opened.write(large)
    writer = threading.Thread(target=opened.write, args=(next(ndjson_batch(2, 1)),))
    writer.start()
    writer.join(0.05)
    assert writer.is_alive()
    target.gates[1].set()
    writer.join(30)
    assert opened.commit(final=True) == 2
    opened.close()


def test_stop_ends_every_wait(record: Record) -> None:
    def send(piece: Piece) -> Sent:
        raise SinkFault("503", "down", 3000.0)

    opened = Window(record.context, 1, send)
    opened.write(next(ndjson_batch(1, 1)))
    threading.Timer(0.05, record.context.stop.set).start()
    with pytest.raises(Stopped):
        opened.write(next(ndjson_batch(2, 1)))
    assert opened.commit(final=True) == 0
    opened.close()


def test_close_waits_once_for_all_threads(record: Record) -> None:
    """Requests that hang end with the process; it must not wait for one after the other."""
    target = Target()
    gate = threading.Event()
    target.gates = dict.fromkeys(range(1, 17), gate)
    opened = Window(record.context, 16, target.send, grace_s=0)
    for seq in target.gates:
        opened.write(next(ndjson_batch(seq, 1)))
    wait_until(lambda: len(target.started) == 16)
    # Without the bound, 16 threads take 19 s.
    late = threading.Timer(8, gate.set)
    late.start()
    opened.close()
    assert not gate.is_set()
    late.cancel()
    gate.set()


def test_stop_keeps_requests_in_progress(record: Record) -> None:
    target = Target()
    target.gates = {1: threading.Event()}
    opened = Window(record.context, 1, target.send)
    opened.write(next(ndjson_batch(1, 3)))
    wait_until(lambda: target.started)
    record.context.stop.set()
    threading.Timer(0.05, target.gates[1].set).start()
    assert opened.commit(final=True) == 1
    opened.close()


def test_fault_of_the_program_is_raised_to_the_caller(record: Record) -> None:
    def send(piece: Piece) -> Sent:
        raise ZeroDivisionError

    opened = Window(record.context, 1, send)
    opened.write(next(ndjson_batch(1, 1)))
    with pytest.raises(ZeroDivisionError):
        opened.commit(final=True)
    with pytest.raises(ZeroDivisionError):
        opened.write(next(ndjson_batch(2, 1)))
    opened.close()


def test_recovery_ends_the_delays_of_all_threads(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "MIN_DELAY_S", 600)
    monkeypatch.setattr(window, "MAX_DELAY_S", 600)
    failed = threading.Barrier(3)
    calls: list[int] = []

    def send(piece: Piece) -> Sent:
        calls.append(piece.seq)
        if calls.count(piece.seq) == 1 and piece.seq < 4:
            failed.wait(30)
            raise SinkFault("connect", "down")
        return Sent(piece.events, len(piece.data))

    opened = Window(record.context, 4, send)
    for seq in range(1, 4):
        opened.write(next(ndjson_batch(seq, 1)))
    wait_until(lambda: record.counts().get("retries") == {"connect": 3})
    assert record.counts()["up"] == 0
    opened.write(next(ndjson_batch(4, 1)))
    assert opened.commit(final=True) == 4
    opened.close()
    assert sorted(calls) == [1, 1, 2, 2, 3, 3, 4]
