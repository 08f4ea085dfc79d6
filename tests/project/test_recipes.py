"""The recipes of the documentation keep their promises about failures, order and memory."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import io
import json
import os
import subprocess
import sys
import tracemalloc
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import recipe_fakes
from support.command import numbered, query_names
from support.documentation import ROOT, Page, blocks
from support.recipe_fakes import KafkaException, Services

RECIPES = ROOT / "docs" / "recipes"

pytestmark = pytest.mark.skipif(not RECIPES.exists(), reason="no documentation around the tests")


def records(count: int, first: int = 0) -> bytes:
    line = b'{"QueryName":"n%d.example.com","QueryType":1,"Timestamp":1657233726}\n'
    return b"".join(line % number for number in range(first, first + count))


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """Return the stand-ins for the services of the recipes."""
    with recipe_fakes.services(monkeypatch) as found:
        yield found


def load(page: str, name: str = "recipe") -> dict[str, Any]:
    """Run the Python of a page as a module of this name; return what it defines."""
    names: dict[str, Any] = {"__name__": name}
    for block in blocks(RECIPES / page):
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, block.page, "exec"), names)
    return names


# Vector and Fluent Bit


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell")
def test_collectors_leave_a_damaged_batch(tmp_path: Path) -> None:
    """The other batches are converted and moved."""
    page = Page(tmp_path)
    page.folder.joinpath("logs/one.log.gz").write_bytes(gzip.compress(records(5)) + b"damage")
    page.run(next(block for block in blocks(RECIPES / "collectors.md") if block.language == "sh"))
    assert sorted(path.name for path in page.folder.glob("done/*")) == ["two.log.gz"]
    assert sorted(path.name for path in page.folder.glob("logs/*")) == ["one.log.gz"]
    assert query_names(page.folder.joinpath("events/one.ndjson").read_bytes()) == numbered(5)


# AWS Lambda


def s3_event(*keys: str) -> dict[str, Any]:
    return {"Records": [{"s3": {"bucket": {"name": "logs"}, "object": {"key": key}}} for key in keys]}


def read(services: Services, key: str) -> bytes:
    return gzip.decompress(services.s3.objects["output", key])


def outputs(services: Services) -> set[str]:
    return {key for bucket, key in services.s3.objects if bucket == "output"}


def test_lambda_stores_events_and_rejects(services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    """Each reject has its position in the object."""
    recipe = load("aws_lambda.md")
    bad = b"\xff" * 70_000
    services.s3.objects["logs", "20260101/a b.log.gz"] = gzip.compress(records(2) + bad + b"\n" + records(1, first=2))
    recipe["handler"](s3_event("20260101/a+b.log.gz"), None)
    assert query_names(read(services, "events/20260101/a b.ndjson.gz")) == numbered(3)
    (reject,) = map(json.loads, read(services, "rejects/20260101/a b.ndjson.gz").splitlines())
    assert base64.b64decode(reject.pop("raw_base64")) == bad
    place = {"line": 3, "byte_offset": len(records(2)), "byte_length": 70_000, "code": "json.utf8"}
    assert reject == {"input": "20260101/a b.log.gz", **place}
    totals = {"key": "20260101/a b.log.gz", "events": 3, "blank": 0, "rejects": 1, "problems": {}}
    assert json.loads(capsys.readouterr().out) == totals


def test_lambda_converts_a_large_object_in_pieces(services: Services) -> None:
    recipe = load("aws_lambda.md")
    recipe["BLOCK_BYTES"] = 1000
    batch = records(2000) + b"oops\n" + records(1)
    services.s3.objects["logs", "a.log.gz"] = gzip.compress(batch[:50_000]) + gzip.compress(batch[50_000:])
    recipe["convert"]("logs", "a.log.gz")
    assert query_names(read(services, "events/a.ndjson.gz")) == [*numbered(2000), *numbered(1)]
    (reject,) = map(json.loads, read(services, "rejects/a.ndjson.gz").splitlines())
    assert (reject["line"], reject["byte_offset"]) == (2001, len(records(2000)))


def test_lambda_memory_is_small_for_a_large_object(services: Services) -> None:
    recipe = load("aws_lambda.md")
    recipe["BLOCK_BYTES"] = 1 << 16
    services.s3.objects["logs", "a.log.gz"] = gzip.compress(records(100_000))
    tracemalloc.start()
    try:
        recipe["convert"]("logs", "a.log.gz")
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The stand-in for S3 keeps the output, which is compressed.
    assert peak_bytes < len(records(100_000)) / 2
    assert services.s3.bodies[0].closed
    assert services.s3.bodies[0].largest_read < 1 << 20


def test_lambda_without_rejects_stores_no_rejects(services: Services) -> None:
    services.s3.objects["logs", "a.log.gz"] = gzip.compress(records(1))
    load("aws_lambda.md")["handler"](s3_event("a.log.gz"), None)
    assert outputs(services) == {"events/a.ndjson.gz"}


def test_lambda_ignores_objects_that_are_no_batch(services: Services) -> None:
    recipe = load("aws_lambda.md")
    recipe["handler"](s3_event("20260101/test.txt.gz", "ownership-challenge-0a1b2c3d.txt"), None)
    recipe["handler"]({"Service": "Amazon S3", "Event": "s3:TestEvent"}, None)
    assert not services.s3.objects


def test_lambda_of_a_damaged_object_stores_nothing(services: Services) -> None:
    recipe = load("aws_lambda.md")
    services.s3.objects["logs", "a.log.gz"] = gzip.compress(records(1000))[:-20]
    with pytest.raises(EOFError):
        recipe["handler"](s3_event("a.log.gz"), None)
    assert not outputs(services)


def test_lambda_retry_after_failure_duplicates_nothing(services: Services) -> None:
    recipe = load("aws_lambda.md")
    services.s3.objects["logs", "a.log.gz"] = gzip.compress(records(2) + b"oops\n")
    services.s3.failing_keys = {"events/a.ndjson.gz"}
    with pytest.raises(ConnectionError):
        recipe["handler"](s3_event("a.log.gz"), None)
    services.s3.failing_keys = set()
    recipe["handler"](s3_event("a.log.gz"), None)
    assert outputs(services) == {"events/a.ndjson.gz", "rejects/a.ndjson.gz"}
    assert query_names(read(services, "events/a.ndjson.gz")) == numbered(2)


def test_lambda_queue_handler_returns_failed_messages(services: Services) -> None:
    recipe = load("aws_lambda.md")
    services.s3.objects["logs", "good.log.gz"] = gzip.compress(records(1))
    keys = {"1": "good.log.gz", "2": "missing.log.gz", "3": "good.log.gz"}
    messages = [{"messageId": number, "body": json.dumps(s3_event(key))} for number, key in keys.items()]
    answer = recipe["queue_handler"]({"Records": messages}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert outputs(services) == {"events/good.ndjson.gz"}


#: Runs the recipe of Lambda with the packages of one folder beside the standard library.
ALONE = """
import gzip, io, sys, types
sys.path[:] = [path for path in sys.path if path.endswith((".zip", "lib-dynload")) or path.endswith(version)] + [folder]
class S3:
    stored = {}
    def get_object(self, Bucket, Key):
        return {"Body": io.BytesIO(gzip.compress(b'{"QueryName":"www.example.co.uk"}\\noops\\n'))}
    def upload_fileobj(self, file, bucket, key):
        self.stored[key] = gzip.decompress(file.read())
sys.modules["boto3"] = types.SimpleNamespace(client=lambda name: S3())
names = {"__name__": "recipe"}
exec(code, names)
names["convert"]("bucket", "one.log.gz")
assert b'"registered_domain":"example.co.uk"' in S3.stored["events/one.ndjson.gz"], S3.stored
assert b"json.syntax" in S3.stored["rejects/one.ndjson.gz"]
"""


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_lambda_needs_two_packages(tmp_path: Path) -> None:
    for package in ("cfdns_fast", "tldextract"):
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.submodule_search_locations
        (tmp_path / package).symlink_to(spec.submodule_search_locations[0])
    code = "".join(block.text for block in blocks(RECIPES / "aws_lambda.md") if block.language == "python")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    given = f"code, folder, version = {code!r}, {str(tmp_path)!r}, {version!r}\n"
    command = [sys.executable, "-I", "-S", "-c", given + ALONE]
    environment = {**os.environ, "OUTPUT_BUCKET": "output"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


# Kafka


def run_kafka(recipe: dict[str, Any], times: int = 1) -> None:
    """Run the loop of the recipe this number of times."""
    turns = iter([True] * times + [False])
    recipe["run"](lambda: next(turns))


def test_kafka_converts_records_and_batches_in_order(services: Services) -> None:
    for value in (records(1), records(3, first=1), records(1, first=4).rstrip(), None, b""):
        services.kafka.put("cloudflare-dns", value)
    run_kafka(load("kafka.md"))
    events = services.kafka.values("ecs-dns")
    assert query_names(b"\n".join(filter(None, events))) == numbered(5)
    assert services.kafka.values("cloudflare-dns-rejects") == []
    assert services.kafka.committed == 5


def test_kafka_sends_rejects_with_their_origin(services: Services) -> None:
    values = [records(1), b"\xff\xfe", records(1, first=1) + b"[1]\n", b'{"QueryName":"cut', records(1, first=2)]
    for value in values:
        services.kafka.put("cloudflare-dns", value)
    run_kafka(load("kafka.md"))
    assert query_names(b"\n".join(filter(None, services.kafka.values("ecs-dns")))) == numbered(3)
    assert services.kafka.topics["cloudflare-dns-rejects"] == [
        (b"\xff\xfe", [("code", b"json.utf8"), ("origin", b"cloudflare-dns/0/1")]),
        (b"[1]", [("code", b"json.not_object"), ("origin", b"cloudflare-dns/0/2")]),
        (b'{"QueryName":"cut', [("code", b"json.syntax"), ("origin", b"cloudflare-dns/0/3")]),
    ]


def test_kafka_commits_after_delivery(services: Services) -> None:
    services.kafka.put("cloudflare-dns", records(1))
    run_kafka(load("kafka.md"), times=2)  # the second time has nothing to read
    assert services.kafka.log == ["flush", "commit", "close"]


def test_kafka_failed_delivery_commits_nothing(services: Services) -> None:
    """The next run reads the same messages."""
    services.kafka.put("cloudflare-dns", records(1))
    services.kafka.fault = "broker away"
    with pytest.raises(KafkaException, match="broker away"):
        run_kafka(load("kafka.md"))
    assert services.kafka.committed == 0
    assert services.kafka.log == ["flush", "close"]
    services.kafka.fault = None
    run_kafka(load("kafka.md"))
    assert len(services.kafka.values("ecs-dns")) == services.kafka.committed == 1


def test_kafka_waits_for_a_full_producer(services: Services) -> None:
    services.kafka.put("cloudflare-dns", records(50))
    services.kafka.queue_limit = 7
    run_kafka(load("kafka.md"))
    assert query_names(b"\n".join(filter(None, services.kafka.values("ecs-dns")))) == numbered(50)


def test_kafka_raises_broker_errors(services: Services) -> None:
    recipe = load("kafka.md")
    with pytest.raises(KafkaException, match="unknown topic"):
        recipe["forward"]([recipe_fakes.Message("cloudflare-dns", 0, 0, None, "unknown topic")])


# Sekoia.io


@pytest.fixture
def waits_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make time.sleep return immediately, and return the list of its arguments."""
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    return waits


def batch(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "batch.log.gz"
    path.write_bytes(gzip.compress(content))
    return path


def test_sekoia_sends_the_wanted_raw_records(services: Services, tmp_path: Path) -> None:
    rejects = io.BytesIO()
    content = records(1) + b"oops\n" + b'{"QueryName":"7.2.0.192.in-addr.arpa."}\n{"QueryType": 1}{"QueryType": 2}'
    sent = load("sekoia.md")["forward"](batch(tmp_path, content), rejects)
    assert services.intake.requests == [[records(1).decode().rstrip(), '{"QueryType": 1}', '{"QueryType": 2}']]
    assert rejects.getvalue() == b"oops\n"
    assert sent == 3


def test_sekoia_program_forwards_the_given_files(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    batch(tmp_path, records(2) + b"oops")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["forward.py", "batch.log.gz", "batch.log.gz"])
    load("sekoia.md", "__main__")
    assert capsys.readouterr().out == "batch.log.gz 2\n" * 2
    assert (tmp_path / "rejects.ndjson").read_bytes() == b"oops\n" * 2
    assert len(services.intake.requests) == 2


def test_sekoia_requests_hold_a_thousand_records(services: Services, tmp_path: Path) -> None:
    assert load("sekoia.md")["forward"](batch(tmp_path, records(2001)), io.BytesIO()) == 2001
    assert [len(lines) for lines in services.intake.requests] == [1000, 1000, 1]
    assert "\n".join(line for lines in services.intake.requests for line in lines) + "\n" == records(2001).decode()


def test_sekoia_without_wanted_records_sends_nothing(services: Services, tmp_path: Path) -> None:
    assert load("sekoia.md")["forward"](batch(tmp_path, b"oops\n"), io.BytesIO()) == 0
    assert services.intake.requests == []


def test_sekoia_retries_with_longer_waits(services: Services, waits_s: list[float]) -> None:
    services.intake.statuses = [503, 429, 500]
    assert load("sekoia.md")["post"](["{}"]) == 1
    assert services.intake.requests == [["{}"]]
    assert waits_s == [1, 2, 4]


def test_sekoia_raises_after_the_last_retry(
    services: Services, waits_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEKOIA_INTAKE_URL", "http://127.0.0.1:9/plain/batch")
    with pytest.raises(OSError):
        load("sekoia.md")["post"](["{}"])
    assert len(waits_s) == 5


def test_sekoia_wrong_key_raises_without_retry(
    services: Services, waits_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEKOIA_INTAKE_KEY", "wrong")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        load("sekoia.md")["post"](["{}"])
    assert waits_s == []


def test_sekoia_raises_if_the_intake_takes_too_few(services: Services) -> None:
    services.intake.accepted_share = 0.5
    with pytest.raises(RuntimeError, match="1 of 2"):
        load("sekoia.md")["post"](["{}", "{}"])
