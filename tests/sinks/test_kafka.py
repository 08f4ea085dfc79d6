"""The sink for Kafka with Confluent's client, against librdkafka's mock cluster and against tansu."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("the receiver and its sinks need POSIX", allow_module_level=True)
pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed")

import confluent_kafka as kafka
from support.deliveries import Caller, batches_of, events_of, lines_in, record_line
from support.servers import Relay, kafka_mock, tansu
from support.sinks import Record, batch_id, wait_until

from cfdns_fast import Normalizer
from cfdns_fast.sinks import Piece, SinkFault, SinkRewind, SinkSettingError, check_sink, kafka_sink, open_sink
from cfdns_fast.sinks.event_keys import registered_domain

PARTITIONS = 4


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    with kafka_mock() as address:
        yield address


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with tansu() as server:
        yield server.address


def make_topic(address: str, topic: str) -> None:
    from confluent_kafka.admin import AdminClient

    with AdminClient({"bootstrap.servers": address}) as admin:
        created = admin.create_topics([kafka.admin.NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1)])
        created[topic].result(20)


def consumed(address: str, topic: str, count: int) -> list[Any]:
    """Return the messages of a topic: at least `count`, and what follows within a moment."""
    settings = {"bootstrap.servers": address, "group.id": "test", "auto.offset.reset": "earliest", "log_level": 0}
    consumer = kafka.Consumer({**settings, "enable.auto.commit": False})
    messages: list[Any] = []
    try:
        # Consumer groups of tansu do not answer, so the partitions are assigned.
        consumer.assign([kafka.TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        end = time.monotonic() + 20
        while len(messages) < count:
            assert time.monotonic() < end, f"{len(messages)} of {count} messages came"
            messages += consumer.consume(10_000, 0.2)
        messages += consumer.consume(10_000, 0.3)
    finally:
        consumer.close()
    assert all(message.error() is None for message in messages)
    return messages


def some_batches(count: int = 3, events: int = 120, per_piece: int = 50) -> list[list[Piece]]:
    data = {seq: events_of(b"".join(record_line(seq, i) for i in range(events))) for seq in range(1, count + 1)}
    return batches_of(data, per_piece)


def check(messages: list[Any], batches: list[list[Piece]]) -> None:
    """Check that each event came once, with its key and headers, and each key to one partition."""
    assert Counter(message.value() for message in messages) == Counter(lines_in(batches))
    by_place = {
        (piece.batch_id.hex().encode(), b"%d" % (piece.first_event + number)): line
        for batch in batches
        for piece in batch
        for number, line in enumerate(piece.data.splitlines())
    }
    partitions: dict[bytes, set[int]] = {}
    for message in messages:
        headers = dict(message.headers())
        assert by_place[headers["cfdns-batch"], headers["cfdns-index"]] == message.value()
        event = json.loads(message.value())
        assert message.key().decode() == event["dns"]["question"]["registered_domain"]
        partitions.setdefault(message.key(), set()).add(message.partition())
    assert len(partitions) == 37 and all(len(numbers) == 1 for numbers in partitions.values())
    assert len(set.union(*partitions.values())) == PARTITIONS


def test_each_event_is_one_message_with_its_key(mock: str, tmp_path: Path) -> None:
    batches = some_batches()
    record = Record(tmp_path)
    caller = Caller(record, f"kafka://{mock}/dns.events?linger=5ms")
    caller.run(batches)
    assert caller.after == 3 and record.counts()["events"] == 360
    check(consumed(mock, "dns.events", 360), batches)


def test_another_broker_gets_each_event(broker: str, tmp_path: Path) -> None:
    make_topic(broker, "dns")
    batches = some_batches()
    caller = Caller(Record(tmp_path), f"kafka://{broker}/dns?linger=5ms")
    caller.run(batches)
    assert caller.after == 3
    check(consumed(broker, "dns", 360), batches)


@pytest.mark.parametrize(
    "options", ["pack=4KiB", pytest.param("pack=4KiB&headers=off", marks=pytest.mark.slow), "pack=1B"]
)
def test_packed_values_hold_each_event(mock: str, tmp_path: Path, options: str) -> None:
    topic = "packed" + str(abs(hash(options)) % 10_000)
    batches = some_batches(2, 60, 25)
    record = Record(tmp_path)
    Caller(record, f"kafka://{mock}/{topic}?linger=5ms&{options}").run(batches)
    messages = consumed(mock, topic, 120 if options == "pack=1B" else 20)
    assert Counter(line for each in messages for line in each.value().split(b"\n")) == Counter(lines_in(batches))
    assert all(each.key() is None for each in messages)
    if "1B" not in options:
        assert max(len(each.value()) for each in messages) <= 4096
        assert len(messages) < 60
    if "off" not in options:
        by_place = {(batch_id(1 + n // 60).hex(), n % 60): line for n, line in enumerate(lines_in(batches))}
        for each in messages:
            headers = {name: value.decode() for name, value in each.headers()}
            assert by_place[headers["cfdns-batch"], int(headers["cfdns-index"])] == each.value().split(b"\n")[0]


@pytest.mark.slow
def test_a_full_queue_takes_each_event_once(mock: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = kafka.Producer
    monkeypatch.setattr(kafka, "Producer", lambda c: real({**c, "queue.buffering.max.messages": 7}))
    batches = some_batches(2, 100)
    for headers in ("on", "off"):
        caller = Caller(Record(tmp_path), f"kafka://{mock}/full-{headers}?linger=1ms&headers={headers}")
        caller.run(batches)
        messages = consumed(mock, f"full-{headers}", 200)
        assert Counter(each.value() for each in messages) == Counter(lines_in(batches))
        assert all(each.key() for each in messages)


@pytest.mark.parametrize("headers", ["on", "off"])
def test_an_event_that_is_too_large_is_a_dead_letter(mock: str, tmp_path: Path, headers: str) -> None:
    batches = some_batches(1, 10)
    lines = batches[0][0].data.splitlines(keepends=True)
    lines[6] = lines[6].replace(b'"ColoCode":"CDG"', b'"ColoCode":"%b"' % (b"C" * 4000))
    batches = batches_of({1: b"".join(lines)}, 4)
    record = Record(tmp_path)
    topic = f"large-{headers}"
    Caller(record, f"kafka://{mock}/{topic}?max_message=4KB&linger=5ms&headers={headers}").run(batches)
    good = lines[:6] + lines[7:]
    messages = consumed(mock, topic, 9)
    assert Counter(each.value() + b"\n" for each in messages) == Counter(good)
    assert record.letters == [(1, 6, lines[6].rstrip(b"\n"), "message_too_large")]


@pytest.mark.slow
def test_a_cut_network_loses_nothing(tmp_path: Path) -> None:
    with Relay() as relay, tansu(relay.port) as server:
        relay.target_port = server.port
        make_topic(relay.address, "dns")
        batches = some_batches(30, 60)
        record = Record(tmp_path)

        def disturb(seq: int) -> None:
            if seq in (10, 20):
                wait_until(lambda: relay.is_up)
                relay.cut()
                threading.Timer(0.3, relay.mend).start()

        caller = Caller(record, f"kafka://{relay.address}/dns?linger=1ms&commit=100ms")
        caller.run(batches, between=disturb)
        assert caller.after == 30
        # The producer is idempotent, so that requests which were cut are not stored twice.
        found = Counter(each.value() for each in consumed(relay.address, "dns", 1800))
        assert found == Counter(lines_in(batches))


@pytest.mark.slow
def test_a_broker_that_starts_again_gets_the_rest(tmp_path: Path) -> None:
    server = tansu()
    server.start()
    try:
        make_topic(server.address, "dns")
        batches = some_batches(20, 60)
        record = Record(tmp_path)
        caller = Caller(record, f"kafka://{server.address}/dns?linger=1ms&commit=100ms")
        caller.run(batches[:8])
        assert caller.after == 8
        stored = {each.value() for each in consumed(server.address, "dns", 480)}

        def restart() -> None:
            server.start()
            make_topic(server.address, "dns")

        def end(seq: int) -> None:
            if seq == 9:
                server.kill()
                threading.Timer(0.5, restart).start()

        caller.run(batches, between=end)
        assert caller.after == 20
        stored |= {each.value() for each in consumed(server.address, "dns", 600)}
        missing = set(lines_in(batches)) - stored
        # What the broker had of batch 9 was in its memory.
        assert missing <= set(lines_in(batches[8:9]))
    finally:
        server.kill()


def test_a_stopped_process_waits_for_no_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A target that is down gets none of this time.
    monkeypatch.setattr(kafka_sink, "GRACE_S", 60)
    monkeypatch.setattr(kafka_sink, "DOWN_AFTER_S", 0.1)
    record = Record(tmp_path)
    caller = Caller(record, f"kafka://127.0.0.1:{tansu().port}/dns?queue=1MiB")
    threading.Timer(0.5, record.context.stop.set).start()
    running = threading.Thread(target=caller.run, args=(some_batches(2),), daemon=True)
    running.start()
    running.join(30)
    assert not running.is_alive() and caller.after == 0
    assert record.counts()["up"] == 0 and len(record.messages) == 1


def test_short_commits_show_that_no_broker_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With few events no write waits, and each commit is shorter than what counts as down."""
    monkeypatch.setattr(kafka_sink, "POLL_S", 0.02)
    monkeypatch.setattr(kafka_sink, "COMMIT_WAIT_S", 0.05)
    monkeypatch.setattr(kafka_sink, "DOWN_AFTER_S", 0.3)
    record = Record(tmp_path)
    sink = open_sink(f"kafka://127.0.0.1:{tansu().port}/dns", record.context)
    for piece in some_batches(1)[0]:
        sink.write(piece)
    assert sink.commit(lambda pending: None) == 0
    assert record.counts()["up"] == 1
    wait_until(lambda: sink.commit(lambda pending: None) == 0 and record.counts()["up"] == 0)
    assert len(record.messages) == 1
    sink.close()


class StubError:
    """An error as confluent_kafka has them."""

    def __init__(self, name: str, is_fatal: bool = False) -> None:
        self._name, self._is_fatal = name, is_fatal

    def name(self) -> str:
        return self._name

    def str(self) -> str:
        return f"Broker: {self._name}"

    def fatal(self) -> bool:
        return self._is_fatal


class StubMessage:
    def __init__(self, value: bytes, key: bytes | None) -> None:
        self._value, self._key = value, key

    def value(self) -> bytes:
        return self._value

    def key(self) -> bytes | None:
        return self._key


class StubBroker:
    """A broker with a smaller limit than the sink knows: it fails whole requests, as librdkafka reports them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.delivered: list[bytes] = []
        self.fatal = self.missing = 0

    def producer(self, request_bytes: int, on_delivery: Any, on_error: Any) -> StubProducer:
        return StubProducer(self, request_bytes, on_delivery, on_error)


class StubProducer:
    def __init__(self, broker: StubBroker, request_bytes: int, on_delivery: Any, on_error: Any) -> None:
        self._broker, self._request_bytes = broker, request_bytes
        self._on_delivery, self._on_error = on_delivery, on_error
        self._queue: list[StubMessage] = []

    def produce(self, topic: str, value: bytes, key: bytes | None, headers: Any = None) -> None:
        self._queue.append(StubMessage(value, key))

    def poll(self, seconds: float) -> int:
        return 0

    def flush(self, seconds: float) -> int:
        queue, self._queue = self._queue, []
        if self._broker.fatal and queue:
            self._broker.fatal -= 1
            self._queue = queue
            self._on_error(StubError("_FATAL", True))
            return len(queue)
        if self._broker.missing and queue:
            self._broker.missing -= 1
            for each in queue:
                self._on_delivery(StubError("UNKNOWN_TOPIC_OR_PART"), each)
            return 0
        while queue:
            request = [queue.pop(0)]
            while queue and sum(len(each.value()) for each in [*request, queue[0]]) <= self._request_bytes:
                request.append(queue.pop(0))
            if sum(len(each.value()) for each in request) > self._broker.limit:
                for each in request:
                    self._on_delivery(StubError("MSG_SIZE_TOO_LARGE"), each)
            else:
                self._broker.delivered += [each.value() for each in request]
        return 0

    def __len__(self) -> int:
        return len(self._queue)

    def purge(self) -> None:
        self._queue.clear()

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("pack_bytes", [0, 3000])
def test_a_smaller_limit_of_the_broker_is_learned(tmp_path: Path, pack_bytes: int) -> None:
    batches = some_batches(3, 20)
    lines = batches[0][0].data.splitlines(keepends=True)
    lines[6] = lines[6].replace(b'"ColoCode":"CDG"', b'"ColoCode":"%b"' % (b"C" * 4000))
    batches[:1] = batches_of({1: b"".join(lines)}, 7)
    broker = StubBroker(2000)
    record = Record(tmp_path)
    sink = kafka_sink.KafkaSink(record.context, broker.producer, "dns", pack_bytes=pack_bytes, commit_s=0)
    caller = Caller(record, lambda: sink)
    caller.run(batches)
    assert caller.after == 3
    good = set(lines_in(batches)) - {lines[6].rstrip(b"\n")}
    assert {line for value in broker.delivered for line in value.split(b"\n")} == good
    assert {letter[:2] + letter[3:] for letter in record.letters} == {(1, 6, "message_too_large")}
    # Later batches do not fail.
    failures = len(caller.faults)
    more = batches_of({4: batches[1][0].data})
    caller.run([*batches, *more])
    assert caller.after == 4 and len(caller.faults) == failures


def test_what_failed_is_not_committed(tmp_path: Path) -> None:
    broker = StubBroker(1_000_000)
    broker.missing = 1
    sink = kafka_sink.KafkaSink(Record(tmp_path).context, broker.producer, "dns", commit_s=0)
    batches = some_batches(2, 10)
    sink.write(batches[0][0])
    assert sink.is_due()
    with pytest.raises(SinkRewind):
        sink.commit(lambda pending: None)
    assert not sink.is_due()
    assert sink.commit(lambda pending: None, final=True) == 0
    assert broker.delivered == []
    for batch in batches:
        sink.write(batch[0])
    assert sink.commit(lambda pending: None, final=True) == 2
    assert Counter(broker.delivered) == Counter(lines_in(batches))


def test_a_letter_that_cannot_be_kept_repeats_nothing(tmp_path: Path) -> None:
    broker = StubBroker(1_000_000)
    batches = some_batches(1, 10)
    lines = batches[0][0].data.splitlines(keepends=True)
    lines[6] = lines[6].replace(b'"ColoCode":"CDG"', b'"ColoCode":"%b"' % (b"C" * 4000))
    batches = batches_of({1: b"".join(lines)})
    record = Record(tmp_path)
    record.letter_faults = [SinkFault("disk", "the disk is full")]
    sink = kafka_sink.KafkaSink(record.context, broker.producer, "dns", max_message_bytes=4000)
    caller = Caller(record, lambda: sink)
    caller.run(batches)
    assert caller.after == 1 and caller.faults == ["disk"]
    assert Counter(broker.delivered) == Counter(lines_in(batches)) - Counter([lines[6].rstrip()])
    assert [letter[1] for letter in record.letters] == [6]
    assert record.counts()["events"] == 9


def test_a_fatal_error_gets_a_new_producer(tmp_path: Path) -> None:
    broker = StubBroker(1_000_000)
    broker.fatal = 2
    record = Record(tmp_path)
    sink = kafka_sink.KafkaSink(record.context, broker.producer, "dns")
    batches = some_batches(3)
    caller = Caller(record, lambda: sink)
    caller.run(batches)
    assert caller.after == 3 and caller.faults == ["fatal", "fatal"]
    assert Counter(broker.delivered) == Counter(lines_in(batches))
    assert record.counts()["events"] == 360


def test_a_topic_that_is_missing_is_waited_for(tmp_path: Path) -> None:
    broker = StubBroker(1_000_000)
    broker.missing = 2
    record = Record(tmp_path)
    sink = kafka_sink.KafkaSink(record.context, broker.producer, "dns")
    batches = some_batches(3)
    caller = Caller(record, lambda: sink)
    caller.run(batches)
    assert caller.after == 3 and caller.faults == ["unknown_topic_or_part"] * 2
    assert Counter(broker.delivered) == Counter(lines_in(batches))
    assert record.letters == []


NAMES = [
    "www.example.com",
    "example.co.uk",
    "com",
    "",
    "a}.example.com",
    "{.example.com",
    '\\"registered_domain\\":\\"x.evil.com',
    '\\",\\"dns\\":{\\"question\\":{\\"registered_domain\\":\\"evil\\"}}.example.com',
    "b\\\\.example.com",
    "\\u00fc.example.com",
    "xn--bcher-kva.example.de",
    "a\\u0022.x\\u0022.com",
    "\\ud800.com",
]


@pytest.mark.parametrize("schema", ["sekoia", "ecs"])
def test_the_key_is_that_of_the_parsed_event(schema: str) -> None:
    records = b"".join(record_line(1, number, name) for number, name in enumerate(NAMES))
    found = 0
    for line in Normalizer(schema).to_ndjson(records).output.splitlines():
        domain = json.loads(line).get("dns", {}).get("question", {}).get("registered_domain")
        key = registered_domain(line)
        assert key == (None if domain is None else domain.encode("utf-8", "surrogatepass"))
        found += key is not None
    assert found >= 8


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (b'{"dns":{"question":{"registered_domain":"a.com"}}}', b"a.com"),
        (b'{"dns":{"question":{"name":"x"},"registered_domain":"a.com"}}', None),
        (b'{"dns":{"question":{"name":"x"}},"source":{"registered_domain":"a.com"}}', None),
        (b'{"dns":{"question":{"n":{},"registered_domain":"a.com"}}}', b"a.com"),
        (b'{"dns":{"type":"q","question":{"registered_domain":"a.com"}}}', b"a.com"),
        (b'{"dns":{"question":{"registered_domain":"a\\u002ecom"}}}', b"a.com"),
        (b'{"dns":{"question":{"registered_domain":1}}}', None),
        (b'{"a":"\\"dns\\":{\\"question\\":{\\"registered_domain\\":\\"a.com\\"}}"}', None),
        (b'{"a\\"dns":{"question":{"registered_domain":"a.com"}}}', None),
        (b"{}", None),
    ],
)
def test_the_key_of_other_forms_is_found(line: bytes, key: bytes | None) -> None:
    assert registered_domain(line) == key


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("kafka://host:9092/", "the path is the topic"),
        ("kafka:///dns", "no host"),
        ("kafka://host/dns?pack=big", "option pack"),
        ("kafka://host/dns?pack=0", "minimum"),
        ("kafka://host/dns?sasl=PLAIN&user=me", "belong together"),
        ("kafka://host/dns?user=me&password=env:P", "belong together"),
        ("kafka://host/dns?tls=on&cert_file=x.pem", "belong together"),
        ("kafka://host/dns?ca_file=/x.pem", "needs tls=on"),
        ("kafka://host/dns?tls=on&ca_file=/no/such.pem", "cannot read"),
        ("kafka://host,other host/dns", "each host"),
        ("kafka://host:1,other:2,me:secret@third/dns", "cannot be in the URL"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, part: str) -> None:
    with pytest.raises(SinkSettingError, match=part) as caught:
        check_sink(url, environment={"P": "hush"})
    assert "secret" not in str(caught.value) and "hush" not in str(caught.value)


def test_several_brokers_are_all_used(tmp_path: Path) -> None:
    with kafka_mock(3) as addresses:
        batches = some_batches(1)
        dead = f"127.0.0.1:{tansu().port}"
        caller = Caller(Record(tmp_path), f"kafka://{dead},{addresses}/dns?linger=1ms")
        caller.run(batches)
        assert Counter(each.value() for each in consumed(addresses, "dns", 120)) == Counter(lines_in(batches))
