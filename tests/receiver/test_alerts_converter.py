"""Alerts of a sink: what is delivered and counted, also if the process is killed at any point."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("isal", reason="the extra receiver is not installed")
pytest.importorskip("xxhash", reason="the extra receiver is not installed")

from support.alerts import nop, record
from support.command import needs_posix

from cfdns_fast.detect import Indicators, Sliver
from cfdns_fast.receiver import alerts_converter
from cfdns_fast.receiver.alert_states import AlertStates
from cfdns_fast.receiver.alerts_converter import AlertsConverter
from cfdns_fast.receiver.settings import SettingsError, SinkSettings
from cfdns_fast.sinks import Counters
from cfdns_fast.spool import Arrival, Batch, hash_of

pytestmark = needs_posix

SETTINGS = SinkSettings(name="alerts", url="-", schema="ecs", alerts=True)


class Detectors:
    """What a test looks for, which it can replace."""

    def __init__(self, *current: Any) -> None:
        self.current = current
        self.refused: list[str] = []

    def refuse(self, error: SettingsError) -> None:
        self.refused.append(str(error))


class Sink:
    """A sink process: a converter, and a position that moves as the converter allows. `kill` begins it anew."""

    def __init__(self, folder: Path, detectors: Detectors) -> None:
        self.folder = folder
        self.detectors = detectors
        self.after = 0
        self.delivered: list[bytes] = []
        self.messages: list[str] = []
        self.kill()

    def kill(self) -> None:
        self.counters = Counters()
        self.written = self.after
        self.converter = AlertsConverter(
            SETTINGS, self.detectors, self.folder, lambda: self.after, self.counters, lambda _, text: self.say(text)
        )

    def say(self, text: str) -> None:
        self.messages.append(text)

    def write(self, batch: Batch) -> None:
        pieces = [part.piece for part in self.converter.parts(batch) if part.piece]
        assert [piece.is_last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
        for number, piece in enumerate(pieces):
            assert (piece.seq, piece.part, piece.events) == (batch.seq, number, piece.data.count(b"\n"))
            self.delivered += piece.data.splitlines()
        self.written = batch.seq

    def commit(self, seq: int, *, at_once: bool = False) -> None:
        """Move the position after a delivery of all batches up to `seq`."""
        self.after = max(self.after, self.converter.keep(seq, at_once=at_once))

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.delivered]


def batch_of(seq: int, *records: bytes) -> Batch:
    body = gzip.compress(b"".join(records), mtime=0)
    plain_bytes = sum(map(len, records))
    return Batch(seq, 0, Arrival("key", "/x", "dns_logs", len(records), plain_bytes, hash_of(body), body))


@pytest.fixture(autouse=True)
def stores_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts_converter, "_STORE_EVERY_S", 0.0)
    monkeypatch.setattr(alerts_converter, "_MAX_SHARE", 1e9)


@pytest.fixture
def detectors(tmp_path: Path) -> Detectors:
    (tmp_path / "feed.txt").write_text("bad.example\nworse.example\n")
    return Detectors(Sliver(), Indicators.load(tmp_path / "feed.txt"))


@pytest.fixture
def sink(tmp_path: Path, detectors: Detectors) -> Sink:
    return Sink(tmp_path / "states", detectors)


def summary(sink: Sink) -> list[tuple[str, str, int]]:
    alerts = [each["cfdns"]["alert"] for each in sink.documents()]
    return [(each["key"].partition(" ")[0], each["state"], each["count"]) for each in alerts]


def test_alert_is_delivered_once_and_counted(sink: Sink) -> None:
    for seq in range(1, 5):
        sink.write(batch_of(seq, record("x.bad.example", seq), record("fine.example", seq)))
    assert summary(sink) == [("bad.example", "open", 1)]
    assert sink.counters.as_dict()["detections"] == 4
    # The window is closed by an event in which nothing is found.
    sink.write(batch_of(5, record("fine.example", 1300)))
    assert summary(sink)[1:] == [("bad.example", "closed", 4)]


def test_batch_without_events_is_one_last_piece(sink: Sink) -> None:
    for seq, body in enumerate((b"", b"not json\n", b"\n\n", b"\xff\xfe\x00"), 1):
        sink.write(batch_of(seq, body))
    assert sink.delivered == []
    broken = batch_of(5)._replace(arrival=batch_of(5).arrival._replace(body=b"\x1f\x8bbroken"))
    sink.write(broken)
    sink.commit(5)
    assert sink.after == 5


def test_kill_keeps_open_alerts_and_sessions(sink: Sink) -> None:
    sink.write(batch_of(1, record("x.bad.example"), record(nop(7_000_000, 1, "c2.example"), 1)))
    sink.commit(1)
    sink.kill()
    sink.write(batch_of(2, record("y.bad.example", 2), record(nop(7_000_000, 2, "c2.example"), 3)))
    sink.commit(2)
    sink.kill()
    sink.write(batch_of(3, record("fine.example", 1300)))
    levels = [(each["cfdns"]["alert"]["level"], each["cfdns"]["alert"]["count"]) for each in sink.documents()]
    assert levels == [("high", 1), ("medium", 1), ("critical", 1), ("high", 2)]


def test_position_does_not_pass_a_change(sink: Sink) -> None:
    """While requests are in flight, the position moves to the last state only."""
    sink.write(batch_of(1, record("fine.example")))
    sink.write(batch_of(2, record("x.bad.example")))  # is held
    sink.write(batch_of(3, record("fine.example")))
    sink.write(batch_of(4, record("y.bad.example")))
    sink.write(batch_of(5, record("fine.example")))
    sink.commit(1)
    assert sink.after == 1
    sink.commit(4)
    assert sink.after == 3
    assert sink.converter.is_due()
    sink.commit(5)
    assert sink.after == 5
    assert not sink.converter.is_due()


def test_states_are_not_written_too_often(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts_converter, "_STORE_EVERY_S", 1000.0)
    sink.write(batch_of(1, record("x.bad.example")))
    sink.commit(1)
    assert sink.after == 1
    sink.write(batch_of(2, record("x.bad.example")))
    sink.commit(2)
    assert sink.after == 1
    assert not sink.converter.is_due()
    sink.commit(2, at_once=True)
    assert sink.after == 2


def test_only_equal_documents_have_equal_ids(sink: Sink, detectors: Detectors, tmp_path: Path) -> None:
    """Of two documents with one id, a store keeps the first: a batch that comes again may have found something else."""

    def ids(batch: Batch) -> list[bytes]:
        sink.kill()
        return [part.piece.batch_id for part in sink.converter.parts(batch) if part.piece and part.piece.events]

    batch = batch_of(1, record("new.example"), record("x.bad.example"))
    first = ids(batch)
    assert len(first) == 1
    assert ids(batch) == first
    (tmp_path / "other.txt").write_text("new.example\n")
    detectors.current = (Indicators.load(tmp_path / "other.txt"),)
    assert ids(batch) != first


def test_new_detectors_keep_open_alerts(sink: Sink, detectors: Detectors, tmp_path: Path) -> None:
    sink.write(batch_of(1, record("x.bad.example"), record("new.example")))
    (tmp_path / "other.txt").write_text("bad.example\nnew.example\n")
    detectors.current = (Indicators.load(tmp_path / "other.txt"),)
    sink.write(batch_of(2, record("x.bad.example"), record("new.example")))
    sink.write(batch_of(3, record("fine.example", 1300)))
    assert summary(sink) == [("bad.example", "open", 1), ("new.example", "open", 1), ("bad.example", "closed", 2)]


def test_detectors_that_fit_no_event_are_refused(sink: Sink, detectors: Detectors) -> None:
    class Wrong:
        def matcher(self) -> Any:
            raise ValueError("it does not fit")

    sink.write(batch_of(1, record("x.bad.example")))
    detectors.current = (Wrong(),)
    sink.write(batch_of(2, record("y.bad.example")))
    assert detectors.refused == ["sink alerts: it does not fit"]
    assert sink.counters.as_dict()["detections"] == 2


def test_full_disk_delays_nothing(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AlertStates, "store", full)
    for seq in (1, 2):
        sink.write(batch_of(seq, record("x.bad.example")))
        sink.commit(seq)
    assert sink.after == 2
    assert len(sink.messages) == 1


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"window_ns": 7}', '{"window_ns": 600000000000, "spans": [[1, 2]]}']
)
def test_damaged_state_begins_again(sink: Sink, content: str) -> None:
    sink.folder.mkdir()
    (sink.folder / f"{0:020d}.json").write_text(content)
    sink.write(batch_of(1, record("x.bad.example")))
    assert summary(sink) == [("bad.example", "open", 1)]


def test_later_states_are_not_used(sink: Sink) -> None:
    """A process was killed after it stored the state, before the position: the batches come again."""
    sink.write(batch_of(1, record("x.bad.example")))
    sink.commit(1)
    sink.write(batch_of(2, record("x.bad.example")))
    assert sink.converter.keep(2, at_once=True) == 2
    sink.kill()
    sink.write(batch_of(2, record("x.bad.example")))
    sink.write(batch_of(3, record("fine.example", 1300)))
    assert summary(sink)[-1] == ("bad.example", "closed", 2)
    assert len(list(sink.folder.iterdir())) == 1


def _batches(source: random.Random, count: int) -> Iterator[Batch]:
    names = ["x.bad.example", "worse.example", *(nop(7_000_000 + n % 2, n, "c2.example") for n in range(6))]
    second = 0.0
    for seq in range(1, count + 1):
        second += source.choice([1, 5, 60, 400])
        found = source.choices(names, k=source.choice([0, 0, 1, 3]))
        records = [record(name, second + source.uniform(-30, 0)) for name in found]
        yield batch_of(seq, *records, record("fine.example", second))


def _without_times(documents: list[dict[str, Any]]) -> list[str]:
    for each in documents:
        del each["event"]["created"]
    return [json.dumps(each, sort_keys=True) for each in documents]


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(each, marks=pytest.mark.slow) for each in range(2, 20))])
def test_kills_change_no_alert(tmp_path: Path, detectors: Detectors, seed: int) -> None:
    """Each document comes at least once, and none that a run without kills does not have."""
    source = random.Random(seed)
    batches = list(_batches(source, 60))
    plain = Sink(tmp_path / "plain", detectors)
    for each in batches:
        plain.write(each)
    killed = Sink(tmp_path / "killed", detectors)
    delivered = 0
    while killed.after < len(batches):
        for each in batches[killed.written : killed.written + source.randint(1, 6)]:
            killed.write(each)
            if source.random() < 0.3:
                delivered = max(delivered, source.randint(killed.after, killed.written))
                killed.commit(delivered)
        if source.random() < 0.3:
            killed.commit(killed.written, at_once=source.random() < 0.5)
            delivered = killed.written
        elif source.random() < 0.5:
            delivered = killed.after
            killed.kill()
    expected = _without_times(plain.documents())
    assert len(expected) > 10
    assert set(_without_times(killed.documents())) == set(expected)
