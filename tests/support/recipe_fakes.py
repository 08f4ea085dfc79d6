"""Stand-ins for the services of the recipes, within this process: S3, Kafka, and an intake over HTTP.

They implement the documented interfaces as far as the recipes use them.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType
from typing import Any

import pytest

# S3, with the interface of boto3


class StreamingBody(io.RawIOBase):
    """The body of an object, as in botocore: `read` returns at most `amt` bytes, and there is no `seek`."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)
        self.largest_read = 0

    def readable(self) -> bool:
        return True

    def read(self, amt: int | None = None) -> bytes:
        data = self._content.read(amt)
        self.largest_read = max(self.largest_read, len(data))
        return data


class S3Client:
    """Buckets in memory."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.bodies: list[StreamingBody] = []
        self.failing_keys: set[str] = set()

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        body = StreamingBody(self.objects[Bucket, Key])
        self.bodies.append(body)
        return {"Body": body, "ContentLength": len(self.objects[Bucket, Key])}

    def upload_fileobj(self, Fileobj: Any, Bucket: str, Key: str) -> None:
        content = Fileobj.read()
        assert isinstance(content, bytes)
        if Key in self.failing_keys:
            raise ConnectionError("upload failed")
        self.objects[Bucket, Key] = content


# Kafka, with the interface of confluent_kafka


class KafkaException(Exception):
    pass


class Message:
    """A message that `consume` returns."""

    def __init__(self, topic: str, partition: int, offset: int, value: bytes | None, error: object = None) -> None:
        self._parts = (topic, partition, offset, value, error)

    def topic(self) -> str:
        return self._parts[0]

    def partition(self) -> int:
        return self._parts[1]

    def offset(self) -> int:
        return self._parts[2]

    def value(self) -> bytes | None:
        return self._parts[3]

    def error(self) -> object:
        return self._parts[4]


class Kafka:
    """A broker with one partition per topic, and its clients."""

    def __init__(self) -> None:
        self.topics: dict[str, list[tuple[bytes | None, Any]]] = {}
        self.committed = 0
        self.log: list[str] = []
        #: The error in delivery reports, None if the delivery succeeds.
        self.fault: object = None
        self.queue_limit = 100_000

    def put(self, topic: str, value: bytes | None, headers: Any = None) -> None:
        self.topics.setdefault(topic, []).append((value, headers))

    def values(self, topic: str) -> list[bytes | None]:
        return [value for value, _ in self.topics.get(topic, [])]

    def consumer(self, configuration: dict[str, Any]) -> Consumer:
        assert configuration["enable.auto.commit"] is False
        return Consumer(self)

    def producer(self, configuration: dict[str, Any]) -> Producer:
        return Producer(self)


class Consumer:
    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._topic = ""
        self._position = kafka.committed

    def subscribe(self, topics: list[str]) -> None:
        (self._topic,) = topics
        self._position = self._kafka.committed

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        values = self._kafka.values(self._topic)[self._position : self._position + num_messages]
        first = self._position
        self._position += len(values)
        return [Message(self._topic, 0, first + number, value) for number, value in enumerate(values)]

    def commit(self, message: Message | None = None, *, asynchronous: bool = True) -> None:
        assert message is None and not asynchronous
        self._kafka.committed = self._position
        self._kafka.log.append("commit")

    def close(self) -> None:
        self._kafka.log.append("close")


class Producer:
    """Keeps messages until `poll` or `flush` delivers them. Raises BufferError above the limit of the broker."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._queue: list[tuple[str, bytes, Any, Callable[[object, object], None]]] = []

    def produce(self, topic: str, value: bytes, *, headers: Any = None, on_delivery: Any = None) -> None:
        if len(self._queue) >= self._kafka.queue_limit:
            raise BufferError("Local: Queue full")
        self._queue.append((topic, value, headers, on_delivery))

    def poll(self, timeout: float = -1) -> int:
        return self._deliver() if timeout else 0

    def flush(self, timeout: float = -1) -> int:
        self._deliver()
        self._kafka.log.append("flush")
        return len(self._queue)

    def _deliver(self) -> int:
        queue, self._queue = self._queue, []
        for topic, value, headers, on_delivery in queue:
            if self._kafka.fault is None:
                self._kafka.put(topic, value, headers)
            on_delivery(self._kafka.fault, None)
        return len(queue)


# A Sekoia.io intake, over HTTP


class Intake:
    """Accepts the lines posted to /plain/batch, as the intake documents it; the first answers have `statuses`."""

    def __init__(self) -> None:
        self.key = "intake-key"
        self.requests: list[list[str]] = []
        self.statuses: list[int] = []
        #: The share of the lines that the answer confirms.
        self.accepted_share = 1.0

    @contextmanager
    def listening(self) -> Iterator[str]:
        """Listen on the loopback interface, and yield the URL."""
        intake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = intake.statuses.pop(0) if intake.statuses else 200
                if self.path != "/plain/batch" or self.headers["X-SEKOIAIO-INTAKE-KEY"] != intake.key:
                    status = 401
                answer = {}
                if status == 200:
                    if self.headers["Content-Encoding"] == "gzip":
                        body = gzip.decompress(body)
                    lines = body.decode("utf-8").split("\n")
                    intake.requests.append(lines)
                    answer = {"event_ids": [str(number) for number in range(int(len(lines) * intake.accepted_share))]}
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/plain/batch"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class Services:
    """All stand-ins."""

    def __init__(self) -> None:
        self.s3 = S3Client()
        self.kafka = Kafka()
        self.intake = Intake()


@contextmanager
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """Make the imports and environment variables of the recipes refer to the stand-ins."""
    found = Services()
    boto3, confluent_kafka = ModuleType("boto3"), ModuleType("confluent_kafka")
    vars(boto3).update(client=lambda service: {"s3": found.s3}[service])
    vars(confluent_kafka).update(
        Consumer=found.kafka.consumer, Producer=found.kafka.producer, KafkaException=KafkaException
    )
    with found.intake.listening() as url:
        monkeypatch.setitem(sys.modules, "boto3", boto3)
        monkeypatch.setitem(sys.modules, "confluent_kafka", confluent_kafka)
        monkeypatch.setenv("OUTPUT_BUCKET", "output")
        monkeypatch.setenv("KAFKA_SERVERS", "kafka.example:9092")
        monkeypatch.setenv("SEKOIA_INTAKE_URL", url)
        monkeypatch.setenv("SEKOIA_INTAKE_KEY", found.intake.key)
        monkeypatch.setenv("no_proxy", "*")
        yield found
