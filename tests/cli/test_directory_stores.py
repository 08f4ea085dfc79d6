"""``convert`` to and from buckets of running servers, and ``status`` of what it wrote."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from support.command import CliHere, numbered, records
from support.logpush_names import log_name, write_logs
from support.object_servers import Bucket, bucket_environment

parquet: Any = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
pytest.importorskip("obstore", reason="obstore is not installed")

pytestmark = pytest.mark.slow

NAMES = [log_name(day, hour) for day in ("20260825", "20260826") for hour in (0, 12)]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[Bucket], Bucket]:
    """Return a function that puts the credentials of a server into the environment, but not its address."""

    def opened(bucket: Bucket) -> Bucket:
        for name, value in bucket_environment(bucket.endpoint).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        return bucket

    return opened


def store_of(bucket: Bucket, prefix: str) -> Any:
    from cfdns_fast.files import StoreOptions, open_store

    return open_store(f"{bucket.url}/{prefix}", StoreOptions(endpoint_url=bucket.endpoint))


def events(bucket: Bucket, prefix: str) -> list[str]:
    store = store_of(bucket, prefix)
    found: list[str] = []
    for entry in store.list():
        if entry.key.endswith(".parquet"):
            table = parquet.read_table(io.BytesIO(store.read(entry.key)), columns=["dns_question_name"])
            found += table["dns_question_name"].to_pylist()
    return sorted(found)


def test_bucket_to_bucket_and_again(cli_here: CliHere, seaweed: Bucket, opened: Callable[[Bucket], Bucket]) -> None:
    bucket = opened(seaweed)
    source = store_of(bucket, "cli in ü%20")
    for number, name in enumerate(NAMES):
        source.put(name, gzip.compress(records(2, number * 2)))
    source.put("test.txt.gz", b"x")
    arguments = ["convert", f"{bucket.url}/cli in ü%20/", "-o", f"{bucket.url}/cli out ü%20"]
    store = ["--endpoint-url", bucket.endpoint]
    run = cli_here(*arguments, *store, "--dry-run")
    assert (run.code, run.output.decode().splitlines()[1].partition(" (")[0]) == (0, "left: objects 4")
    run = cli_here(*arguments, *store, "--json", "--rejects", f"{bucket.url}/cli rejects/")
    report = json.loads(run.output)
    assert (run.code, report["tasks"], report["skipped"]) == (0, 4, {"check file": 1})
    assert events(bucket, "cli out ü%20") == numbered(8)
    source.put(log_name("20260825", 0, 5), records(1, 8))
    run = cli_here(*arguments, *store)
    assert (run.code, events(bucket, "cli out ü%20")) == (0, numbered(9))
    assert cli_here(*arguments, *store).lines == ["cfdns-fast: nothing new, skipped 1 (check file 1)"]
    run = cli_here("status", f"{bucket.url}/cli out ü%20/", *store, "--json")
    status = json.loads(run.output)
    assert (run.code, status["tasks"], status["events"], status["tasks_left"]) == (0, 5, 9, 0)
    # Other options, and an input in the output.
    run = cli_here(*arguments, *store, "--no-message")
    assert (run.code, len(run.lines)) == (2, 1)
    run = cli_here("convert", f"{bucket.url}/cli out ü%20/x/", "-o", f"{bucket.url}/cli out ü%20", *store)
    assert (run.code, len(run.lines)) == (2, 1)


def test_folder_to_bucket_and_back(cli_here: CliHere, seaweed: Bucket, opened: Callable[[Bucket], Bucket]) -> None:
    bucket = opened(seaweed)
    write_logs(cli_here.directory / "logs", *NAMES)
    store = ["--endpoint-url", bucket.endpoint, "-q"]
    run = cli_here("convert", "logs", "-o", f"{bucket.url}/cli ndjson/", "--format", "ndjson.gz", *store)
    assert (run.code, run.lines) == (0, [])
    found = [entry.key for entry in store_of(bucket, "cli ndjson").list() if not entry.key.startswith("_cfdns/")]
    assert found == [name.replace(".log.gz", ".ndjson.gz") for name in NAMES]
    # The events are records of another dataset, so that nothing of them is known.
    run = cli_here("convert", f"{bucket.url}/cli ndjson/20260825/", "-o", "back/", *store)
    assert (run.code, len(run.lines)) == (1, 1)
    assert "none of 4 records has a key that the mapping reads" in run.lines[0]


def test_refused_credentials_are_one_sentence(
    cli_here: CliHere, seaweed: Bucket, opened: Callable[[Bucket], Bucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = opened(seaweed)
    write_logs(cli_here.directory / "logs", *NAMES)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    store = ["--endpoint-url", bucket.endpoint, "-q"]
    for arguments in (
        ["convert", f"{bucket.url}/x/", "-o", "out"],
        ["convert", f"{bucket.url}/x/", "-o", "out/"],
        ["convert", "logs", "-o", f"{bucket.url}/cli denied/"],
        ["status", f"{bucket.url}/cli denied/"],
    ):
        run = cli_here(*arguments, *(store if arguments[0] == "convert" else store[:2]))
        assert (run.code, len(run.lines)) == (1, 1)
        assert "the credentials are wrong" in run.lines[0] and "hush" not in run.errors


def test_bucket_that_is_missing_is_one_sentence(
    cli_here: CliHere, seaweed: Bucket, opened: Callable[[Bucket], Bucket]
) -> None:
    bucket = opened(seaweed)
    write_logs(cli_here.directory / "logs", *NAMES)
    for arguments in (["s3://no-such-bucket/x/", "-o", "out/"], ["logs", "-o", "s3://no-such-bucket/x/"]):
        run = cli_here("convert", *arguments, "--endpoint-url", bucket.endpoint, "-q")
        assert (run.code, len(run.lines)) == (1, 1)
        assert "s3://no-such-bucket" in run.lines[0]


def test_store_without_conditions_needs_one_writer(
    cli_here: CliHere, rclone_store: Bucket, opened: Callable[[Bucket], Bucket]
) -> None:
    bucket = opened(rclone_store)
    write_logs(cli_here.directory / "logs", *NAMES)
    arguments = ["convert", "logs", "-o", f"{bucket.url}/single/", "--endpoint-url", bucket.endpoint, "-q"]
    run = cli_here(*arguments)
    assert (run.code, len(run.lines)) == (2, 1)
    assert "--single-writer" in run.lines[0]
    for _ in range(2):
        assert cli_here(*arguments, "--single-writer").code == 0
        assert events(bucket, "single") == numbered(8)
