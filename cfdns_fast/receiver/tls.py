"""TLS contexts of the server, from files that are checked with one clear sentence for each fault."""

from __future__ import annotations

import os
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from ..io import read_regular
from .settings import Settings, SettingsError

__all__ = ["Tls", "expiry_warnings", "load_tls", "reload_tls", "validity"]

#: A warning is given this long before a certificate expires.
EARLY_WARNING = timedelta(days=14)

_SEQUENCE, _CONTEXT_0, _UTC_TIME = 0x30, 0xA0, 0x17


class Tls(NamedTuple):
    """A context for new connections, the end of its certificate if that is known, and sentences for the operator."""

    context: ssl.SSLContext
    not_after: datetime | None
    warnings: tuple[str, ...]


def load_tls(settings: Settings) -> Tls | None:
    """Return the context that the settings describe, None without a certificate; raises SettingsError."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    certificate = _read(settings.tls_cert, "certificate")
    _read(settings.tls_key, "key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingsError(f"tls: the key {settings.tls_key} is not the key of {settings.tls_cert}") from None
        raise SettingsError(
            f"tls: {settings.tls_cert} and {settings.tls_key} are not a certificate and a key in PEM"
        ) from None
    except _Encrypted:
        raise SettingsError(f"tls: the key {settings.tls_key} has a password; store it without one") from None
    if settings.client_ca is not None:
        _read(settings.client_ca, "client CA")
        try:
            context.load_verify_locations(settings.client_ca)
        except ssl.SSLError:
            raise SettingsError(f"tls: {settings.client_ca} holds no certificates in PEM") from None
        context.verify_mode = ssl.CERT_REQUIRED
    warnings = _warnings_of_key(settings.tls_key)
    try:
        start, end = validity(certificate)
    except (ValueError, IndexError):  # OpenSSL reads some forms that this module does not
        return Tls(context, None, warnings)
    return Tls(context, end, warnings + _warnings(settings.tls_cert, start, end, datetime.now(UTC)))


def reload_tls(current: Tls | None, settings: Settings) -> tuple[Tls | None, tuple[str, ...]]:
    """Load the files again. Returns the context and warnings; the current one and the reason if they are faulty."""
    try:
        tls = load_tls(settings)
    except SettingsError as error:
        return current, (f"{error}; the certificate in use stays",)
    return tls, tls.warnings if tls else ()


def expiry_warnings(tls: Tls | None, settings: Settings) -> tuple[str, ...]:
    """Return a warning if the certificate in use has expired or expires soon."""
    if tls is None or tls.not_after is None or settings.tls_cert is None:
        return ()
    now = datetime.now(UTC)
    return _warnings(settings.tls_cert, now, tls.not_after, now)


def _warnings_of_key(path: Path) -> tuple[str, ...]:
    if os.stat(path).st_mode & stat.S_IROTH:
        return (f"tls: every user of this machine can read the key {path}; use chmod 600",)
    return ()


def _warnings(path: Path, start: datetime, end: datetime, now: datetime) -> tuple[str, ...]:
    if start > now:
        return (
            f"tls: the certificate {path} is valid from {start:%Y-%m-%d %H:%M} UTC on, and the clock of this machine "
            f"says {now:%Y-%m-%d %H:%M}",
        )
    if end < now:
        return (f"tls: the certificate {path} expired on {end:%Y-%m-%d}; senders refuse it",)
    if end < now + EARLY_WARNING:
        return (f"tls: the certificate {path} expires on {end:%Y-%m-%d}",)
    return ()


class _Encrypted(Exception):
    """The private key has a password."""


def _no_password() -> str:
    raise _Encrypted  # without this, OpenSSL asks for the password on the terminal


def _read(path: Path, kind: str) -> str:
    try:
        return read_regular(path)[0].decode("latin-1")
    except OSError as error:
        raise SettingsError(f"tls: the {kind} {path} cannot be read ({error.strerror})") from None


def validity(pem: str) -> tuple[datetime, datetime]:
    """Return the start and the end of the first certificate's validity; raises ValueError and IndexError.

    The ssl module shows them only for a peer that it verified.

    RFC 5280, section 4.1: the certificate is a sequence that begins with a sequence of version (optional), serial
    number, signature algorithm, issuer and validity, which is a sequence of two times.
    """
    first = pem.index(ssl.PEM_HEADER)
    last = pem.index(ssl.PEM_FOOTER, first) + len(ssl.PEM_FOOTER)
    der = ssl.PEM_cert_to_DER_cert(pem[first:last])
    body = _children(_children(der)[0][1])[0][1]
    fields = [field for field in _children(body) if field[0] != _CONTEXT_0]
    start_time, end_time = _children(fields[3][1])[:2]
    return _time(*start_time), _time(*end_time)


def _time(tag: int, value: bytes) -> datetime:
    text = value.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year, from 1950 to 2049
        text = ("19" if text >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _children(der: bytes) -> list[tuple[int, bytes]]:
    found = []
    position = 0
    while position < len(der):
        tag, length = der[position], der[position + 1]
        position += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(der[position : position + size], "big")
            position += size
        found.append((tag, der[position : position + length]))
        position += length
    return found
