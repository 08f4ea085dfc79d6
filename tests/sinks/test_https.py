"""The HTTP sink and TLS: trusted certificates only."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("the receiver and its sinks need POSIX", allow_module_level=True)
pytest.importorskip("urllib3", reason="requests are sent by urllib3")

from support.http_targets import HttpTarget
from support.sinks import Record, ndjson_batch, wait_until

from cfdns_fast.sinks import SinkSettingError, check_sink, open_sink, window

CERTIFICATES = Path(__file__).parents[1] / "receiver" / "certificates"

pytestmark = pytest.mark.skipif(not (CERTIFICATES / "ca.pem").exists(), reason="no certificates for the test server")


def target_with(name: str) -> Iterator[HttpTarget]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{name}.pem", CERTIFICATES / f"{name}.key")
    made = HttpTarget(context)
    yield made
    made.close()


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    yield from target_with("server")


@pytest.fixture
def expired_target() -> Iterator[HttpTarget]:
    yield from target_with("expired")


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    monkeypatch.setattr(window, "MIN_DELAY_S", 0.002)
    monkeypatch.setattr(window, "MAX_DELAY_S", 0.01)
    return Record(tmp_path)


def test_https_delivers_to_a_trusted_target(target: HttpTarget, record: Record) -> None:
    sink = open_sink(target.url(f"send=ecs&ca_file={CERTIFICATES}/ca.pem", "https"), record.context)
    sink.write(next(ndjson_batch(1, 5)))
    assert sink.commit(lambda _: None, final=True) == 1
    sink.close()
    assert sum(target.events().values()) == 5


@pytest.mark.parametrize("is_expired", [False, True])
def test_https_sends_nothing_without_trust(
    target: HttpTarget, expired_target: HttpTarget, record: Record, is_expired: bool
) -> None:
    used = expired_target if is_expired else target
    options = f"send=ecs&ca_file={CERTIFICATES}/ca.pem" if is_expired else "send=ecs"
    sink = open_sink(used.url(options, "https"), record.context)
    sink.write(next(ndjson_batch(1, 5)))
    wait_until(lambda: record.messages)
    record.context.stop.set()
    assert sink.commit(lambda _: None, final=True) == 0
    sink.close()
    assert used.seen == []
    assert set(record.counts()["retries"]) == {"tls"}
    reason = "certificate has expired" if is_expired else "unable to get local issuer certificate"
    assert record.messages == [f"delivery waits: https://127.0.0.1:{used.port}/in: TLS failed: {reason}"]


def test_ca_file_without_certificates_is_named() -> None:
    path = CERTIFICATES / "make.py"
    with pytest.raises(SinkSettingError, match=f"option ca_file: {path} has no certificate in PEM form"):
        check_sink(f"https://host/in?ca_file={path}")
