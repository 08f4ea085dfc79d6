"""TLS: the sentences about faulty files, versions, client certificates, and a reload without a restart."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tornado", reason="needs the extra receiver")
pytest.importorskip("xxhash", reason="needs the extra receiver")
pytest.importorskip("resource", reason="the receiver needs POSIX")

from support.receiving import Reply, connect, read_reply, request, running, settings_for

from cfdns_fast.receiver import tls as module
from cfdns_fast.receiver.settings import SettingsError
from cfdns_fast.receiver.tls import Tls, expiry_warnings, load_tls, reload_tls, validity

FOLDER = Path(__file__).parent / "certificates"


@pytest.fixture(autouse=True)
def _keys_of_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of the folder are public on purpose."""
    monkeypatch.setattr(module, "_warnings_of_key", lambda path: ())


def load(cert: str = "server.pem", key: str = "server.key", ca: str | None = None) -> Tls:
    client_ca = FOLDER / ca if ca else None
    tls = load_tls(settings_for(tls_cert=FOLDER / cert, tls_key=FOLDER / key, client_ca=client_ca))
    assert tls is not None
    return tls


def client(**changes: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(FOLDER / "ca.pem"))
    for name, value in changes.items():
        setattr(context, name, value)
    return context


def send(port: int, context: ssl.SSLContext, data: bytes) -> tuple[Reply, dict[str, Any]]:
    """Send a request by TLS. Returns the answer and the certificate of the server."""
    with connect(port) as plain, context.wrap_socket(plain, server_hostname="localhost") as connection:
        connection.sendall(data)
        return read_reply(connection), dict(connection.getpeercert() or {})


def test_batch_is_acknowledged_by_tls() -> None:
    with running(tls=load().context) as run:
        reply, _ = send(run.port, client(), request(gzip.compress(b"{}\n" * 100_000)))
        assert reply.json["accepted"] == 100_000


def test_old_versions_are_refused() -> None:
    with running(tls=load().context) as run:
        assert send(run.port, client(maximum_version=ssl.TLSVersion.TLSv1_2), request(b"test"))[0].code == 200
        context = client(verify_flags=ssl.VerifyFlags.VERIFY_DEFAULT)
        with pytest.warns(DeprecationWarning):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            send(run.port, context, request(b"test"))


def test_client_certificate_is_required() -> None:
    with running(tls=load(ca="ca.pem").context) as run:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            send(run.port, client(), request(b"test"))
        run.wait_until(lambda: run.counts.reasons == ["tls"])
        context = client()
        context.load_cert_chain(FOLDER / "client.pem", FOLDER / "client.key")
        assert send(run.port, context, request(b"test"))[0].code == 200
        assert run.counts.reasons == ["tls"]


def test_refused_certificate_is_counted() -> None:
    """It would be silence otherwise, for example after the certificate has expired."""
    with running(tls=load("expired.pem", "expired.key").context) as run:
        with pytest.raises(ssl.SSLCertVerificationError):
            send(run.port, client(), request(b"test"))
        run.wait_until(lambda: run.counts.reasons == ["tls"])
        assert run.counts.requests == []


def test_new_connections_use_a_reloaded_certificate() -> None:
    with (
        running(tls=load().context) as run,
        connect(run.port) as plain,
        client().wrap_socket(plain, server_hostname="localhost") as kept,
    ):
        kept.sendall(request(b"test"))
        assert read_reply(kept).code == 200
        serial = (kept.getpeercert() or {})["serialNumber"]
        run.call(lambda: run.server.reload(tls=load("other.pem", "other.key").context))
        _, certificate = send(run.port, client(), request(b"test"))
        assert certificate["serialNumber"] != serial
        kept.sendall(request(b"test"))
        assert read_reply(kept).code == 200


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", bytes(200)])
def test_faulty_handshake_is_closed(sent: bytes) -> None:
    with running(tls=load().context, header_timeout_s=1) as run:
        with connect(run.port) as connection:
            connection.sendall(sent)
            try:
                while connection.recv(4096):
                    pass
            except ConnectionResetError:
                pass
        assert send(run.port, client(), request(b"test"))[0].code == 200


def test_trickled_handshake_is_closed() -> None:
    hello = ssl.MemoryBIO()
    side = client().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        side.do_handshake()
    with running(tls=load().context, header_timeout_s=1) as run, connect(run.port) as connection:
        connection.settimeout(0.02)
        assert is_closed_while_trickling(connection, hello.read())


def is_closed_while_trickling(connection: socket.socket, data: bytes) -> bool:
    """Send a byte after each time-out of the socket; return whether the server closed before the end."""
    for position in range(len(data)):
        try:
            connection.sendall(data[position : position + 1])
            if connection.recv(4096) == b"":
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


def test_no_certificate_is_plain_http() -> None:
    assert load_tls(settings_for()) is None
    assert reload_tls(None, settings_for()) == (None, ())


@pytest.mark.parametrize(
    ("cert", "key", "ca", "message"),
    [
        (
            "missing.pem",
            "server.key",
            None,
            "tls: the certificate {}/missing.pem cannot be read (No such file or directory)",
        ),
        ("server.pem", "missing.key", None, "tls: the key {}/missing.key cannot be read (No such file or directory)"),
        ("server.pem", "other.key", None, "tls: the key {}/other.key is not the key of {}/server.pem"),
        ("server.pem", "make.py", None, "tls: {}/server.pem and {}/make.py are not a certificate and a key in PEM"),
        ("make.py", "server.key", None, "tls: {}/make.py and {}/server.key are not a certificate and a key in PEM"),
        ("server.pem", "encrypted.key", None, "tls: the key {}/encrypted.key has a password; store it without one"),
        (
            "server.pem",
            "server.key",
            "missing.pem",
            "tls: the client CA {}/missing.pem cannot be read (No such file or directory)",
        ),
        ("server.pem", "server.key", "make.py", "tls: {}/make.py holds no certificates in PEM"),
    ],
)
def test_faulty_files_are_named(cert: str, key: str, ca: str | None, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(cert, key, ca)
    assert str(caught.value) == message.replace("{}", str(FOLDER))


@pytest.mark.parametrize("name", ["server.pem", "server.key", "ca.pem"])
def test_fifo_is_refused_at_once(tmp_path: Path, name: str) -> None:
    files = {each: FOLDER / each for each in ("server.pem", "server.key", "ca.pem")}
    files[name] = tmp_path / name
    os.mkfifo(files[name])
    settings = settings_for(tls_cert=files["server.pem"], tls_key=files["server.key"], client_ca=files["ca.pem"])
    with pytest.raises(SettingsError, match=rf"{name} cannot be read \(it is not a regular file\)"):
        load_tls(settings)


def test_end_of_a_certificate_is_read() -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    assert validity((FOLDER / "expired.pem").read_text()) == (start, datetime(2021, 2, 3, 4, 5, 6, tzinfo=UTC))
    end = datetime(2120, 1, 1, tzinfo=UTC)
    assert validity("text before\n" + (FOLDER / "server.pem").read_text()) == (start, end)


@pytest.mark.parametrize("fault", [ValueError, IndexError])
def test_unknown_form_of_a_certificate_is_served(fault: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL reads a "TRUSTED CERTIFICATE" as well, for example."""

    def fail(pem: str) -> None:
        raise fault

    monkeypatch.setattr(module, "validity", fail)
    assert load().not_after is None


def test_certificate_of_the_future_is_warned_of() -> None:
    """The clock was set back, or is wrong."""
    start, end, now = (datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2120, 2001))
    (warning,) = module._warnings(FOLDER, start, end, now)
    assert "is valid from 2020-01-01 00:00 UTC on, and the clock of this machine says 2001-01-01 00:00" in warning


def test_key_that_all_users_can_read_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    path = tmp_path / "server.key"
    shutil.copy(FOLDER / "server.key", path)
    settings = settings_for(tls_cert=FOLDER / "server.pem", tls_key=path)
    path.chmod(0o640)
    assert load_tls(settings).warnings == ()  # type: ignore[union-attr]
    path.chmod(0o644)
    (warning,) = load_tls(settings).warnings  # type: ignore[union-attr]
    assert f"every user of this machine can read the key {path}" in warning


def test_expired_certificate_is_warned_of() -> None:
    tls = load("expired.pem", "expired.key")
    assert tls.warnings == (f"tls: the certificate {FOLDER}/expired.pem expired on 2021-02-03; senders refuse it",)
    assert load().warnings == ()


def test_certificate_that_ends_soon_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EARLY_WARNING", timedelta(days=365 * 200))
    assert load().warnings == (f"tls: the certificate {FOLDER}/server.pem expires on 2120-01-01",)
    assert (
        expiry_warnings(load(), settings_for(tls_cert=FOLDER / "server.pem", tls_key=FOLDER / "x")) == load().warnings
    )
    assert expiry_warnings(None, settings_for()) == ()


def test_reload_keeps_the_certificate_of_faulty_files(tmp_path: Path) -> None:
    for name in ("server.pem", "server.key"):
        shutil.copy(FOLDER / name, tmp_path / name)
    settings = settings_for(tls_cert=tmp_path / "server.pem", tls_key=tmp_path / "server.key")
    tls = load_tls(settings)
    shutil.copy(FOLDER / "other.pem", tmp_path / "server.pem")
    kept, (warning,) = reload_tls(tls, settings)
    assert kept is tls
    assert re.fullmatch(r"tls: the key .* is not the key of .*; the certificate in use stays", warning)
    shutil.copy(FOLDER / "other.key", tmp_path / "server.key")
    changed, warnings = reload_tls(tls, settings)
    assert changed is not tls and warnings == ()
