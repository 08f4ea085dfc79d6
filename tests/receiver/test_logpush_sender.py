"""The sender of the tests behaves as Logpush does: otherwise the tests with it say nothing."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support import logpush_sender
from support.logpush_sender import Destination, Job, Rejected, compress, destination_conf, records, render

CUT = 0


@contextmanager
def destination(*statuses: int) -> Iterator[tuple[str, list[Any]]]:
    """Serve these statuses one after another, and the last one from then on; yield the URL and the requests.

    A request is its path, its headers and its body.

    `CUT` closes the connection without an answer.
    """
    seen: list[Any] = []
    waiting = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, dict(self.headers), body))
            status = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if status == CUT:
                self.close_connection = True
                return
            text = b'{"error":"busy"}' if status >= 300 else b'{"accepted":1}'
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/plain/batch", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_header_parameters_become_headers() -> None:
    parsed = Destination.parse("https://h.example/p?header_X-Key=a%20b%3D+c&tags=x%2Fy&header_Content-Type=t")
    assert parsed == Destination("https://h.example/p?tags=x%2Fy", {"X-Key": "a b=+c", "Content-Type": "t"})


def test_destination_conf_is_read_back() -> None:
    text = destination_conf("https://h.example/p?tags=1", {"X-Key": "ä &=%"})
    assert Destination.parse(text) == Destination("https://h.example/p?tags=1", {"X-Key": "ä &=%"})


@pytest.mark.parametrize("text", ["ftp://h/", "https:///p", "https://h/p?a=" + "b" * 4096])
def test_unusable_destination_raises(text: str) -> None:
    with pytest.raises(ValueError, match="a destination"):
        Destination.parse(text)


def test_validation_comes_first_with_the_headers() -> None:
    with destination(200) as (url, seen), Job(destination_conf(url + "?t=1", {"X-Key": "k"})) as job:
        job.validate()
        job.validate([b"test"])
    (path, headers, body), (_, _, bare) = seen
    assert (path, headers["X-Key"], headers["Content-Encoding"]) == ("/plain/batch?t=1", "k", "gzip")
    assert (gzip.decompress(body), bare) == (b'{"content":"tests"}', b"test")


def test_refused_validation_raises_the_text() -> None:
    with destination(415) as (url, _), Job(url) as job, pytest.raises(Rejected, match="error uploading: error 415"):
        job.validate()


def test_failed_uploads_are_repeated_with_equal_bytes() -> None:
    body = compress(b"{}\n")
    with destination(503, 401, CUT, 302, 200) as (url, seen), Job(url) as job:
        assert job.push(0, body, 1)
        assert (job.acknowledged[0].attempts, job.error_message) == (5, None)
    assert [upload[2] for upload in seen] == [body] * 5


def test_batch_is_dropped_after_the_deadline() -> None:
    with destination(415) as (url, seen), Job(url, give_up_s=0.2) as job:
        assert not job.push(7, b"x", 1)
        assert job.dropped == [7] and len(seen) > 1
        assert job.error_message == 'error 415: error pushing: error uploading to https: 415 {"error":"busy"}'


def test_failing_job_is_disabled() -> None:
    with destination(503) as (url, seen), Job(url, disable_after_s=0.2) as job:
        assert not job.push_all([(b"a", 1), (b"b", 1)], connections=2)
        sent = len(seen)
        assert not job.enabled and not job.push(2, b"c", 1)
        assert len(seen) == sent and sorted(job.dropped) == [0, 1, 2]


def test_records_are_written_as_the_job_says() -> None:
    options = {"field_names": ["Timestamp", "QueryName"], "timestamp_format": "rfc3339"}
    job = {"max_upload_records": 2, "output_options": options}
    batches = list(logpush_sender.job_batches(job, 3))
    assert [count for _, _, count in batches] == [2, 1]
    assert b"".join(gzip.decompress(body) for _, body, _ in batches) == render(records(3), options)
    assert json.loads(batches[1][0]) == {
        "Timestamp": "2026-01-01T00:00:00Z",
        "QueryName": "n2.example2.co.uk.",
    }


def test_script_sends_and_counts(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("# keys\nlogpush = secret\n")
    with destination(200, 503, 200) as (url, seen):
        command = [sys.executable, logpush_sender.__file__, url, "--key-file", str(tmp_path / "keys")]
        ended = subprocess.run([*command, "--batches", "2", "--records", "3"], capture_output=True, text=True)
    summary = {"acknowledged": 2, "records": 6, "dropped": 0, "uploads": 4, "error": None}
    assert (ended.returncode, json.loads(ended.stdout)) == (0, summary), ended.stderr
    assert {upload[1]["X-SEKOIAIO-INTAKE-KEY"] for upload in seen} == {"secret"}
    sent = b"".join(gzip.decompress(body) for body in sorted({upload[2] for upload in seen[1:]}))
    assert sorted(sent.splitlines()) == sorted(render(records(6)).splitlines())


def test_script_sends_as_a_job_says(tmp_path: Path) -> None:
    with destination(200) as (url, seen):
        conf = destination_conf("https://logs.example.com/plain/batch", {"X-Key": "k"})
        body = {"destination_conf": conf, "max_upload_records": 2, "output_options": {"timestamp_format": "unix"}}
        (tmp_path / "job.json").write_text(json.dumps({"body": body}))
        command = [sys.executable, logpush_sender.__file__, "--job", str(tmp_path / "job.json")]
        to = url.removesuffix("/plain/batch")
        ended = subprocess.run([*command, "--to", to, "--records", "3"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert {(path, headers["X-Key"]) for path, headers, _ in seen} == {("/plain/batch", "k")}
    sent = [gzip.decompress(upload).count(b"\n") for _, _, upload in seen[1:]]
    assert sorted(sent) == [1, 2] and b'"Timestamp":1767225600}' in gzip.decompress(seen[1][2])


def test_script_fails_if_the_destination_refuses() -> None:
    with destination(401) as (url, _):
        command = [sys.executable, logpush_sender.__file__, url, "--seconds", "0.2"]
        ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1 and "error 401" in ended.stderr
