"""From the body of a Logpush job to OpenSearch and files: every record arrives once, as the event that it must be."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.logpush_sender import KEY_HEADER, Job, Rejected, compress, destination_conf, job_batches, records, render
from support.receivers import KEY, Receiver, environment, wait_for, write_keys

from cfdns_fast import Normalizer

for _library in ("tornado", "xxhash", "prometheus_client"):
    pytest.importorskip(_library, reason="the extra receiver")
pytest.importorskip("fcntl", reason="the receiver needs POSIX")

CERTIFICATES = Path(__file__).parent / "certificates"
INDEX = "logs-cloudflare.dns-default"


def events_of(plain: bytes) -> list[bytes]:
    """Return the events of records."""
    return Normalizer().to_ndjson(plain).output.splitlines()


def job_body(receiver: Receiver, *options: str) -> dict[str, Any]:
    """Return the body that ``cfdns-fast job create`` would send for a receiver with TLS."""
    command = [
        *(sys.executable, "-P", "-m", "cfdns_fast", "job", "create", "--zone", "0" * 32, "--dataset", "dns_logs"),
        *("--receiver", f"https://localhost:{receiver.port}/plain/batch", "--key-file", str(receiver.keys)),
        *("--max-upload-records", "1000", "--dry-run", "--json", "--show-secrets", *options),
    ]
    printed = subprocess.run(command, capture_output=True, env=environment(), check=True)
    body: dict[str, Any] = json.loads(printed.stdout)["body"]
    return body


def documents(url: str) -> list[dict[str, Any]]:
    """Return all documents of the index."""
    import opensearchpy

    found: list[dict[str, Any]] = []
    with opensearchpy.OpenSearch([url]) as client:
        client.indices.refresh(index=INDEX)
        query: dict[str, Any] = {"size": 2000, "sort": ["_id"], "query": {"match_all": {}}}
        while hits := client.search(index=INDEX, body=query)["hits"]["hits"]:
            found += [hit["_source"] for hit in hits]
            query["search_after"] = hits[-1]["sort"]
    return found


def text_of(event: object) -> str:
    return json.dumps(event, sort_keys=True)


def test_acknowledged_records_become_exact_events(tmp_path: Path) -> None:
    plain = [render(records(count, first)) for count, first in ((3, 0), (40, 3), (1, 43))]
    with Receiver(tmp_path / "r") as receiver, Job(destination_conf(receiver.url, {KEY_HEADER: KEY})) as job:
        job.validate()
        for number, text in enumerate(plain):
            assert job.push(number, compress(text), text.count(b"\n"))
        receiver.wait_delivered(3)
        assert receiver.lines() == events_of(b"".join(plain))
        assert receiver.stop() == 0


@pytest.mark.slow
def test_job_delivers_to_opensearch_and_files(tmp_path: Path) -> None:
    """The job is Cloudflare's, the destination has TLS, and the receiver and its sinks are killed under way."""
    pytest.importorskip("opensearchpy", reason="opensearch-py is not installed")
    from support.servers import osmem

    count = 8_000
    context = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
    tls = ("--tls-cert", str(CERTIFICATES / "server.pem"), "--tls-key", str(CERTIFICATES / "server.key"))
    with osmem() as server:
        # This server is slow with several requests at once.
        search = f"search=opensearch+{server.url}/{INDEX}?concurrency=1&timeout=15s"
        receiver = Receiver(tmp_path / "r", [search], tls)
        body = job_body(receiver)
        assert body["enabled"] and body["max_upload_records"] == 1000
        batches = list(job_batches(body, count))
        with receiver, Job(body["destination_conf"], context=context) as job:
            job.validate()
            sending = threading.Thread(target=job.push_all, args=[((upload, length) for _, upload, length in batches)])
            sending.start()
            wait_for(lambda: len(job.acknowledged) >= 3, "three batches")
            receiver.kill()
            time.sleep(0.2)
            receiver.start()
            sending.join()
            assert not job.dropped and job.enabled
            assert sum(delivery.records for delivery in job.acknowledged) == count
            receiver.wait_all_delivered()
            assert receiver.value("cfdns_sink_dead_letters_total") == 0
            found = documents(server.url)
            assert receiver.stop() == 0, receiver.log()
    expected = [line for plain, _, _ in batches for line in events_of(plain)]
    assert len(expected) == count
    files = Counter(receiver.lines())
    assert files == Counter(expected), "each event is in the files once"
    wanted = Counter(text_of(json.loads(line)) for line in expected)
    assert Counter(map(text_of, found)) == wanted, "each event is in the index once"


@pytest.mark.slow
def test_job_with_an_old_key_is_disabled(tmp_path: Path) -> None:
    with Receiver(tmp_path / "r") as receiver:
        old = destination_conf(receiver.url, {KEY_HEADER: "an-old-key-of-the-tests"})
        with Job(old, disable_after_s=0.3) as job:
            with pytest.raises(Rejected, match=r'error 401.*"error":"key"'):
                job.validate()
            assert not job.push_all([(b"test", 0)] * 3, connections=1)
            assert not job.enabled and len(job.dropped) == 3
            assert "error 401" in str(job.error_message)
        # The same key is valid after it was added to the keys file.
        write_keys(receiver.keys, "an-old-key-of-the-tests")
        assert receiver.process is not None
        receiver.process.send_signal(1)
        wait_for(lambda: "read again" in receiver.log(), "the keys")
        with Job(old) as job:
            job.validate()
