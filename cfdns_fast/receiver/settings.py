"""The settings of the receiver and of its sinks, checked; how they are given is the command's concern."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import NamedTuple

from .detect_settings import DetectSettings
from .errors import SettingsError

__all__ = [
    "Listen",
    "Settings",
    "SettingsError",
    "SinkSettings",
    "parse_duration",
    "parse_listen",
    "parse_networks",
    "parse_size",
]

MIB = 1 << 20
GIB = 1 << 30

_SINK_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PATH = re.compile(r"/[A-Za-z0-9._~/-]*")
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_CREDENTIAL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")
_LISTEN = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?((?:[kmgt]i?)?b?)", re.IGNORECASE)
_SIZE_UNITS = {
    prefix + i + b: 1000**power if not i else 1024**power
    for power, prefix in enumerate(("", "k", "m", "g", "t"))
    for i in ("", "i")
    for b in ("", "b")
}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(|ms|s|m|h|d)")
_DURATION_UNITS = {"": 1, "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}

#: These headers have a meaning of their own in HTTP.
_FRAMING_HEADERS = {
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "transfer-encoding",
}

_DAY_S = 86400
_RANGES: dict[str, tuple[float, float]] = {
    "max_body_bytes": (1024, GIB),
    "max_decoded_bytes": (1024, 64 * GIB),
    "max_members": (1, 1_000_000),
    "max_ratio": (10, 1032),
    "in_flight_bytes": (1024, 1024 * GIB),
    "max_requests_per_key": (1, 1_000_000),
    "header_timeout_s": (0.01, 3600),
    "body_timeout_s": (0.01, 3600),
    "drain_s": (0, 3600),
    "idle_timeout_s": (0.01, 3600),
    "max_connections": (0, 1_000_000),
    "max_spool_bytes": (MIB, 1 << 60),
    "min_free_bytes": (0, 1 << 60),
    "segment_bytes": (4096, 16 * GIB),
    "segment_s": (0.01, 30 * _DAY_S),
    "dedupe_s": (0, 30 * _DAY_S),
    "max_hashes": (0, 100_000_000),
    "keep_s": (0, 3650 * _DAY_S),
    "max_dead_letter_bytes": (0, 1 << 60),
    "max_reject_bytes": (0, 1 << 60),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSettings:
    """One sink.

    Attributes
    ----------
    name : str
        1 to 64 characters of a-z, 0-9, hyphen and underscore; files of the state folder have it.
    url : str
        Where to deliver; `cfdns_fast.sinks` lists the kinds and their options.
    schema, dataset, keep_message, private_suffixes, input_format
        As for `Normalizer`; raw sinks do not use them.
    alerts : bool
        Whether the sink gets alerts in place of events.
    annotate : bool or None
        Whether what was found is added to events; None takes `DetectSettings.annotate`.
    """

    name: str
    url: str
    schema: str = "sekoia"
    dataset: str = "dns_logs"
    keep_message: bool = True
    private_suffixes: bool = False
    input_format: str = "auto"
    alerts: bool = False
    annotate: bool | None = None

    def __post_init__(self) -> None:
        if not _SINK_NAME.fullmatch(self.name):
            raise SettingsError(f"sink name {self.name!r}: use 1 to 64 characters of a-z, 0-9, - and _")
        if self.alerts and self.annotate:
            raise SettingsError(f"sink {self.name}: alerts and annotate exclude each other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The receiver.

    Attributes
    ----------
    state : Path
        The folder of the spool, on a local file system.
    keys_file : Path or None
        Lines ``name = key``; None if `keys_environment` is used, or if no key is required (`allow_no_key`).
    keys_environment, keys_credential : str or None
        The name of an environment variable, or of a systemd credential, that holds such lines.
    listen, metrics_listen : str
        ``HOST:PORT``, ``[IPv6]:PORT`` or ``unix:PATH``; port 0 takes a free one. Metrics can be ``"off"``.
    paths : tuple of str
        The paths that take batches.
    key_header : str
        The header that holds the key.
    max_body_bytes, max_decoded_bytes, max_members, max_ratio : int
        Limits of one request; a ratio is decoded by compressed bytes and counts above 1 MiB decoded.
    in_flight_bytes : int
        Compressed bytes of all requests that are being received or stored.
    max_requests_per_key : int
        Requests of one key at once; more are answered with 429.
    header_timeout_s, body_timeout_s, drain_s : float
        Time for the headers, time for the body, and time for open requests, and then for sinks, at the end.
    idle_timeout_s : float
        How long a connection may be idle after a request whose key was right.
    max_connections : int
        Open connections; 0 takes what the limit for open files allows. Above it, the connection that has waited longest
        for its first headers is closed.
    max_spool_bytes, min_free_bytes : int
        Batches are refused with 503 above the first, and below the second.
    segment_bytes, segment_s
        A segment that has this size or age is closed.
    dedupe_s : float
        The window for duplicates; 0 turns it off.
    keep_s : float
        How long delivered segments are kept, as long as there is space for new ones.
    answer : {"short", "event_ids"}
        The body of a 200.
    allow_from : tuple of networks
        Addresses that may send; empty allows all.
    detect : DetectSettings
        What to look for.
    """

    state: Path
    sinks: tuple[SinkSettings, ...]
    keys_file: Path | None = None
    keys_environment: str | None = None
    keys_credential: str | None = None
    allow_no_key: bool = False
    listen: str = "127.0.0.1:8443"
    metrics_listen: str = "127.0.0.1:9090"
    paths: tuple[str, ...] = ("/plain/batch",)
    key_header: str = "X-SEKOIAIO-INTAKE-KEY"
    dataset: str = "dns_logs"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    allow_from: tuple[IPv4Network | IPv6Network, ...] = ()
    max_body_bytes: int = 64 * MIB
    max_decoded_bytes: int = GIB
    max_members: int = 1000
    max_ratio: int = 100
    in_flight_bytes: int = 256 * MIB
    max_requests_per_key: int = 256
    header_timeout_s: float = 10
    body_timeout_s: float = 30
    drain_s: float = 30
    idle_timeout_s: float = 75
    max_connections: int = 0
    max_spool_bytes: int = 20 * GIB
    min_free_bytes: int = GIB
    segment_bytes: int = 128 * MIB
    segment_s: float = 3600
    dedupe_s: float = 600
    max_hashes: int = 200_000
    keep_s: float = 0
    max_dead_letter_bytes: int = GIB
    max_reject_bytes: int = GIB
    answer: str = "short"
    log_format: str = "text"
    detect: DetectSettings = field(default_factory=DetectSettings)

    def __post_init__(self) -> None:
        _check_names(self.sinks)
        _check_detection(self.sinks, self.detect)
        self._check_keys()
        for path in self.paths:
            if not _PATH.fullmatch(path):
                raise SettingsError("paths: use paths such as /plain/batch, without a query, space or percent sign")
        if not self.paths or len(set(self.paths)) < len(self.paths):
            raise SettingsError("paths: name at least one path, and each path once")
        if not _HEADER.fullmatch(self.key_header) or self.key_header.lower() in _FRAMING_HEADERS:
            raise SettingsError("key_header: use the name of a header of your own, such as X-SEKOIAIO-INTAKE-KEY")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingsError("tls_cert, tls_key: give both or neither")
        if self.client_ca is not None and self.tls_cert is None:
            raise SettingsError("client_ca: needs tls_cert and tls_key")
        for name, (lowest, highest) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
                raise SettingsError(f"{name}: use a value from {lowest} to {highest}, not {value!r}")
        if self.in_flight_bytes < self.max_body_bytes:
            raise SettingsError("in_flight_bytes: must not be below max_body_bytes, or no large body could be received")
        if self.segment_bytes > self.max_spool_bytes:
            raise SettingsError("segment_bytes: must not be above max_spool_bytes")
        if self.answer not in ("short", "event_ids"):
            raise SettingsError("answer: use short or event_ids")
        if self.log_format not in ("text", "json"):
            raise SettingsError("log_format: use text or json")
        if not isinstance(self.dataset, str) or not self.dataset:
            raise SettingsError("dataset: use the name of a Logpush dataset, such as dns_logs")
        parse_listen(self.listen, "listen")
        if self.metrics_listen != "off":
            parse_listen(self.metrics_listen, "metrics_listen")

    def _check_keys(self) -> None:
        sources = [self.keys_file, self.keys_environment, self.keys_credential]
        given = sum(source is not None for source in sources)
        if given > 1:
            raise SettingsError("keys: give one of a file, an environment variable and a credential")
        if not given and not self.allow_no_key:
            raise SettingsError(
                "keys: give a file, an environment variable or a credential; or allow requests without a key"
            )
        if given and self.allow_no_key:
            raise SettingsError("keys: keys are given, so requests without a key cannot be allowed")
        if self.keys_credential is not None and not _CREDENTIAL.fullmatch(self.keys_credential):
            raise SettingsError("keys: the name of a credential holds letters, digits, dots, hyphens and underscores")


def _check_names(sinks: tuple[SinkSettings, ...]) -> None:
    if not sinks:
        raise SettingsError("sinks: give at least one sink")
    names = [sink.name for sink in sinks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(f"sinks: the name {twice[0]} is given twice")


def _check_detection(sinks: tuple[SinkSettings, ...], detect: DetectSettings) -> None:
    is_shown = detect.annotate or any(sink.alerts or sink.annotate for sink in sinks)
    if is_shown and not detect.is_used:
        raise SettingsError("detect: alerts and annotate need something to look for: sliver, indicators or rules")
    if detect.is_used and not is_shown:
        raise SettingsError("detect: nothing would be done with what is found; give alerts, annotate or both")


class Listen(NamedTuple):
    """An address to listen on: a host and a port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""


def parse_listen(text: str, name: str = "listen") -> Listen:
    """Return the address that ``HOST:PORT``, ``[IPv6]:PORT`` or ``unix:PATH`` names; raises SettingsError."""
    if text.startswith("unix:") and len(text) > len("unix:"):
        return Listen(path=text.removeprefix("unix:"))
    found = _LISTEN.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise SettingsError(f"{name}: use HOST:PORT, [IPv6]:PORT or unix:PATH, not {text!r}")
    return Listen(found["v6"] or found["host"], int(found["port"]))


def parse_size(text: str, name: str = "size") -> int:
    """Return the bytes that ``64MiB``, ``1GiB``, ``500kB`` or a plain number names; raises SettingsError."""
    found = _SIZE.fullmatch(text.strip())
    size = float(found[1]) * _SIZE_UNITS[found[2].lower()] if found else -1.0
    if found is None or size != int(size):
        raise SettingsError(f"{name}: use a number of bytes, or a size such as 64MiB or 1GiB, not {text!r}")
    return int(size)


def parse_duration(text: str, name: str = "duration") -> float:
    """Return the seconds that ``30s``, ``10m``, ``2h``, ``1d``, ``off`` (0) or a plain number names."""
    text = text.strip()
    if text == "off":
        return 0
    found = _DURATION.fullmatch(text)
    if found is None:
        raise SettingsError(f"{name}: use seconds, or a time such as 30s, 10m, 2h or off, not {text!r}")
    return float(found[1]) * _DURATION_UNITS[found[2]]


def parse_networks(texts: Iterable[str], name: str = "allow_from") -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks that addresses and CIDR ranges name; raises SettingsError."""
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text.strip()))
        except ValueError:
            raise SettingsError(
                f"{name}: use addresses or ranges such as 192.0.2.0/24, whose host bits are zero, not {text!r}"
            ) from None
    return tuple(networks)
