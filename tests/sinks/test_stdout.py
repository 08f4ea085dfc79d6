"""The sink for trials: lines on a file descriptor, and its end with its reader."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pytest

if sys.platform == "win32":
    pytest.skip("the receiver and its sinks need POSIX", allow_module_level=True)

from support.sinks import Record, lines_of, ndjson_batch, wait_until

from cfdns_fast.sinks import Sink, SinkFault, Stopped, open_sink


class Pipe(NamedTuple):
    reader: BinaryIO
    writer: BinaryIO


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", 0) as reading, os.fdopen(writer, "wb", 0) as writing:
        yield Pipe(reading, writing)


def opened(record: Record, descriptor: int) -> Sink:
    return open_sink(f"stdout:?fd={descriptor}", record.context)


def test_stdout_writes_every_event(tmp_path: Path) -> None:
    record = Record(tmp_path)
    with (tmp_path / "out").open("wb") as file:
        sink = opened(record, file.fileno())
        for seq in (1, 2, 3):
            for piece in ndjson_batch(seq, 700, 300):
                assert sink.is_due() == (seq > 1)
                sink.write(piece)
        assert sink.is_due()
        assert sink.commit(lambda _: None) == 3
        assert not sink.is_due()
        sink.close()
    assert (tmp_path / "out").read_bytes() == b"".join(lines_of(seq, range(700)) for seq in (1, 2, 3))
    assert record.counts()["events"] == 2100


def test_batch_counts_with_its_last_piece(tmp_path: Path, pipe: Pipe) -> None:
    sink = opened(Record(tmp_path), pipe.writer.fileno())
    first, second = ndjson_batch(1, 2, 1)
    sink.write(first)
    assert not sink.is_due()
    assert sink.commit(lambda _: None) == 0
    sink.write(second)
    assert sink.commit(lambda _: None) == 1


def test_closed_reader_ends_the_sink(tmp_path: Path, pipe: Pipe) -> None:
    record = Record(tmp_path)
    sink = opened(record, pipe.writer.fileno())
    pipe.reader.close()
    with pytest.raises(Stopped):
        sink.write(next(ndjson_batch(1, 1)))
    assert record.context.stop.is_set()
    assert record.messages == ["the reader of standard output has closed it, so the sink ends"]
    assert sink.commit(lambda _: None) == 0


def test_stop_ends_the_wait_for_a_reader(tmp_path: Path, pipe: Pipe) -> None:
    record = Record(tmp_path)
    sink = opened(record, pipe.writer.fileno())
    raised: list[bool] = []

    def write() -> None:
        with pytest.raises(Stopped):
            for seq in range(1, 1000):
                sink.write(next(ndjson_batch(seq, 1000)))
        raised.append(True)

    thread = threading.Thread(target=write)
    thread.start()
    wait_until(lambda: record.counts().get("events", 0) > 0)
    record.context.stop.set()
    thread.join(30)
    assert raised == [True]


def test_full_device_is_a_fault(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("the system has no /dev/full")
    record = Record(tmp_path)
    with open("/dev/full", "wb", buffering=0) as file:
        sink = opened(record, file.fileno())
        with pytest.raises(SinkFault, match="cannot write to standard output: No space left on device"):
            sink.write(next(ndjson_batch(1, 1)))
