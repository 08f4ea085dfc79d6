"""The nginx example of the documentation: with one receiver, and with two, of which one is killed and started again."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from support.logpush_sender import KEY_HEADER, Job, compress, destination_conf, records, render
from support.receivers import KEY, PATH, Receiver, free_port

pytest.importorskip("tornado", reason="the extra receiver")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "receiver" / "nginx.conf"
NGINX = shutil.which("nginx", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))
OPENSSL = shutil.which("openssl")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
    pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed"),
    pytest.mark.skipif(not EXAMPLE.exists(), reason="no documentation around the tests"),
]

BATCH_RECORDS = 50


def certificate(folder: Path) -> tuple[Path, Path]:
    """Return a self-signed certificate for localhost, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    assert OPENSSL is not None
    command = [OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    subprocess.run([*command, *names, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


def replaced(text: str, old: str, new: str) -> str:
    """Replace a text that is there once."""
    assert text.count(old) == 1, old
    return text.replace(old, new)


def configured(folder: Path, port: int, upstreams: Sequence[int], cert: Path, key: Path) -> str:
    """Return the example with the addresses and files of a test."""
    text = EXAMPLE.read_text(encoding="utf-8")
    for documented, upstream in zip(("127.0.0.1:8443", "127.0.0.1:8444"), upstreams, strict=True):
        text = replaced(text, documented, f"127.0.0.1:{upstream}")
    text = replaced(text, "listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    text = replaced(text, "/etc/ssl/logs.example.com.pem", str(cert))
    text = replaced(text, "/etc/ssl/logs.example.com.key", str(key))
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log warn;\n"
        f"events {{ worker_connections 512; }}\nhttp {{\n{temporary}access_log off;\n{text}\n}}\n"
    )


@contextmanager
def nginx(folder: Path, upstreams: Sequence[int]) -> Iterator[tuple[str, ssl.SSLContext]]:
    """Run nginx with the example; yield the URL of batches and how to check its certificate."""
    assert NGINX is not None
    folder.mkdir()
    cert, key = certificate(folder)
    port = free_port()
    path = folder / "nginx.conf"
    path.write_text(configured(folder, port, upstreams, cert, key), encoding="utf-8")
    command = [NGINX, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(path)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert checked.returncode == 0 and "warn" not in checked.stderr, checked.stderr
    process = subprocess.Popen(command)
    try:
        deadline_s = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline_s
                time.sleep(0.02)
        yield f"https://localhost:{port}{PATH}", ssl.create_default_context(cafile=str(cert))
    finally:
        process.terminate()
        process.wait(30)


def batch(number: int) -> tuple[bytes, int]:
    """Return the body of a batch and its records; other numbers have other records."""
    return compress(render(records(BATCH_RECORDS, number * BATCH_RECORDS))), BATCH_RECORDS


def batch_of(event: dict[str, dict[str, dict[str, str]]]) -> int:
    """Return the number of the batch from which an event is."""
    found = re.match(r"n(\d+)\.", event["dns"]["question"]["name"])
    assert found is not None
    return int(found[1]) // BATCH_RECORDS


def test_documented_proxy_passes_batches_and_refusals(tmp_path: Path) -> None:
    with (
        Receiver(tmp_path / "one", options=("--max-body", "64KiB")) as receiver,
        nginx(tmp_path / "nginx", [receiver.port, free_port()]) as (url, context),
    ):
        conf = destination_conf(url, {KEY_HEADER: KEY})
        with Job(conf, context=context) as job:
            job.validate()
            assert job.push_all(batch(number) for number in range(4))
            last = max(int(delivery.answer["batch"]) for delivery in job.acknowledged)
        receiver.wait_delivered(last)
        assert Counter(map(batch_of, receiver.delivered())) == dict.fromkeys(range(4), BATCH_RECORDS)
        with Job(destination_conf(url, {KEY_HEADER: quote("wrong")}), context=context, give_up_s=0) as job:
            assert not job.push(0, *batch(9))
            assert "error 401" in str(job.error_message)
        with Job(conf, context=context, give_up_s=0) as job:
            assert not job.push(0, os.urandom(1 << 17), 1)
            assert "error 413" in str(job.error_message)


def test_two_receivers_deliver_every_batch_once(tmp_path: Path) -> None:
    """One of two receivers is killed and started again under load.

    A batch whose answer was lost can be stored by both; every other one is in exactly one of the states.
    """
    batches = 400
    one, two = Receiver(tmp_path / "one"), Receiver(tmp_path / "two")
    with one, two, nginx(tmp_path / "nginx", [one.port, two.port]) as (url, context):
        with Job(destination_conf(url, {KEY_HEADER: KEY}), context=context) as job:
            job.validate()
            sending = threading.Thread(
                target=job.push_all, args=(map(batch, range(batches)),), kwargs={"connections": 8}
            )
            sending.start()
            for share in (0.2, 0.5):
                while len(job.acknowledged) < share * batches and sending.is_alive():
                    time.sleep(0.005)
                one.kill()
                time.sleep(0.3)
                one.start()
            sending.join()
            acknowledged = {delivery.index: delivery.attempts for delivery in job.acknowledged}
        assert sorted(acknowledged) == list(range(batches)) and not job.dropped
        for receiver in (one, two):
            receiver.wait_all_delivered()
            assert receiver.stop() == 0, receiver.log()
        places = [Counter(map(batch_of, receiver.delivered())) for receiver in (one, two)]
    assert all(counts for counts in places), "both receivers have taken batches"
    for number, attempts in acknowledged.items():
        counts = [place[number] for place in places]
        assert all(count in (0, BATCH_RECORDS) for count in counts), "no batch is half or twice in one state"
        assert any(counts), f"batch {number} is lost"
        assert attempts > 1 or not all(counts), f"batch {number} was sent once and is in both states"
