"""Kafka as the way to an engine: what a consumer group reads from the topic of two receivers is what they received."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.logpush_sender import KEY_HEADER, Job, compress, destination_conf, records, render
from support.receivers import KEY, Receiver, wait_for
from support.servers import kafka_mock

from cfdns_fast import Normalizer

for _library in ("tornado", "xxhash", "prometheus_client"):
    pytest.importorskip(_library, reason="the extra receiver")
pytest.importorskip("fcntl", reason="the receiver needs POSIX")
kafka: Any = pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed")

TOPIC = "dns.events"
BATCHES, BATCH_RECORDS = 60, 50


@contextmanager
def engine(address: str) -> Iterator[Any]:
    """Subscribe to the topic as a member of a consumer group, as the connectors of engines do."""
    settings = {"bootstrap.servers": address, "group.id": "engine", "auto.offset.reset": "earliest", "log_level": 0}
    consumer = kafka.Consumer({**settings, "enable.auto.commit": False})
    try:
        consumer.subscribe([TOPIC])
        yield consumer
    finally:
        consumer.close()


def read(consumer: Any, count: int) -> list[Any]:
    """Return the messages: until `count` different events are there, and what follows within a moment."""
    messages: list[Any] = []
    deadline_s = time.monotonic() + 60
    while len({identity(message) for message in messages}) < count:
        assert time.monotonic() < deadline_s, f"{len(messages)} messages came"
        messages += [each for each in consumer.consume(10_000, 0.2) if each.error() is None]
    return messages + [each for each in consumer.consume(10_000, 0.5) if each.error() is None]


def identity(message: Any) -> tuple[bytes, bytes]:
    """Return what an engine uses to remove repeated events."""
    headers = dict(message.headers())
    return headers["cfdns-batch"], headers["cfdns-index"]


def plain_batch(number: int) -> bytes:
    """Return the records of a batch; other numbers have other records."""
    return render(records(BATCH_RECORDS, number * BATCH_RECORDS))


@pytest.mark.slow
def test_engine_reads_the_events_of_two_receivers(tmp_path: Path) -> None:
    """One receiver and its sinks are killed under way, so that some events come again, with the same headers."""
    expected: list[bytes] = []
    with kafka_mock() as address:
        sinks = [f"engine=kafka://{address}/{TOPIC}?linger=5ms&commit=100ms"]
        one, two = (Receiver(tmp_path / name, sinks) for name in ("one", "two"))
        with one, two:
            senders = []
            jobs = [Job(destination_conf(each.url, {KEY_HEADER: KEY})) for each in (one, two)]
            for first, job in enumerate(jobs):
                plain = [plain_batch(number) for number in range(first, BATCHES, 2)]
                expected += [line for text in plain for line in Normalizer().to_ndjson(text).output.splitlines()]
                uploads = [(compress(text), BATCH_RECORDS) for text in plain]
                senders.append(threading.Thread(target=job.push_all, args=[uploads]))
                senders[-1].start()
            wait_for(lambda: len(jobs[0].acknowledged) >= BATCHES // 6, "some batches")
            one.kill()
            one.start()
            for sender, job in zip(senders, jobs, strict=True):
                sender.join()
                assert len(job.acknowledged) == BATCHES // 2 and not job.dropped
                job.close()
            with engine(address) as consumer:
                messages = read(consumer, BATCHES * BATCH_RECORDS)
            for receiver in (one, two):
                assert receiver.value("cfdns_sink_dead_letters_total") == 0
                assert receiver.stop() == 0, receiver.log()
    events = {identity(message): message.value() for message in messages}
    assert all(events[identity(message)] == message.value() for message in messages), "a repeated event is the same"
    assert sorted(events.values()) == sorted(expected)
    partitions: dict[bytes, set[int]] = {}
    for message in messages:
        partitions.setdefault(message.key(), set()).add(message.partition())
    assert all(len(numbers) == 1 for numbers in partitions.values()), "a domain is in one partition"
