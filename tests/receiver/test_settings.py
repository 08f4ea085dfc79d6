"""The settings: every fault has one sentence that names the setting."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from cfdns_fast.receiver.settings import (
    Listen,
    Settings,
    SettingsError,
    SinkSettings,
    parse_duration,
    parse_listen,
    parse_networks,
    parse_size,
)

OUT = SinkSettings(name="out", url="-")


def settings(**changes: Any) -> Settings:
    return Settings(**{"state": Path("s"), "sinks": (OUT,), "keys_file": Path("k"), **changes})


def test_defaults_are_valid() -> None:
    assert settings().listen == "127.0.0.1:8443"
    assert settings(keys_file=None, allow_no_key=True).allow_no_key
    assert settings(metrics_listen="off", dedupe_s=0, keep_s=0, min_free_bytes=0).dedupe_s == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sinks": ()}, "sinks: give at least one sink"),
        ({"sinks": (OUT, OUT)}, "sinks: the name out is given twice"),
        ({"keys_file": None}, "keys: give a file, an environment variable or a credential"),
        ({"keys_environment": "K"}, "keys: give one of a file, an environment variable and a credential"),
        ({"allow_no_key": True}, "keys: keys are given, so"),
        ({"keys_file": None, "keys_credential": "../k"}, "keys: the name of a credential"),
        ({"paths": ()}, "paths: name at least one path"),
        ({"paths": ("/a", "/a")}, "paths: name at least one path, and each path once"),
        ({"paths": ("a",)}, "paths: use paths such as /plain/batch"),
        ({"paths": ("/a?b",)}, "paths: use paths such as /plain/batch"),
        ({"key_header": "a b"}, "key_header: use the name of a header"),
        ({"key_header": "Content-Length"}, "key_header: use the name of a header"),
        ({"tls_cert": Path("c")}, "tls_cert, tls_key: give both or neither"),
        ({"client_ca": Path("c")}, "client_ca: needs tls_cert and tls_key"),
        ({"max_body_bytes": 0}, "max_body_bytes: use a value from 1024 to 1073741824, not 0"),
        ({"max_members": True}, "max_members: use a value from 1 to"),
        ({"max_ratio": 5000}, "max_ratio: use a value from 10 to 1032, not 5000"),
        ({"body_timeout_s": float("nan")}, "body_timeout_s: use a value from"),
        ({"drain_s": -1}, "drain_s: use a value from 0 to 3600, not -1"),
        ({"in_flight_bytes": 1 << 20}, "in_flight_bytes: must not be below max_body_bytes"),
        ({"max_spool_bytes": 1 << 20}, "segment_bytes: must not be above max_spool_bytes"),
        ({"answer": "long"}, "answer: use short or event_ids"),
        ({"log_format": "xml"}, "log_format: use text or json"),
        ({"dataset": ""}, "dataset: use the name of a Logpush dataset"),
        ({"listen": "8443"}, "listen: use HOST:PORT, [IPv6]:PORT or unix:PATH, not '8443'"),
        ({"metrics_listen": "x:99999"}, "metrics_listen: use HOST:PORT"),
    ],
)
def test_faulty_settings_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**changes)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["", "Out", "a/b", "-a", "a" * 65, "a\n"])
def test_faulty_names_of_sinks_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="sink name"):
        SinkSettings(name=name, url="-")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("123", 123),
        ("64MiB", 64 << 20),
        ("1 GiB", 1 << 30),
        ("1.5kib", 1536),
        ("500kB", 500_000),
        ("2M", 2_000_000),
    ],
)
def test_sizes_are_parsed(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1XB", "1.5", "0.3kB5", "1e3", "９", "1 2"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="max_body: use a number of bytes, or a size such as 64MiB"):
        parse_size(text, "max_body")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("off", 0), ("0", 0), ("30", 30), ("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86400), ("0.5s", 0.5)],
)
def test_durations_are_parsed(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-1s", "1w", "1h30m", "inf", "nan"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="dedupe: use seconds, or a time such as 30s"):
        parse_duration(text, "dedupe")


def test_addresses_are_parsed() -> None:
    assert parse_listen("0.0.0.0:80") == Listen("0.0.0.0", 80)
    assert parse_listen("logs.example.com:0") == Listen("logs.example.com", 0)
    assert parse_listen("[::1]:8443") == Listen("::1", 8443)
    assert parse_listen("unix:/run/cfdns/socket") == Listen(path="/run/cfdns/socket")


@pytest.mark.parametrize("text", ["", ":80", "host", "host:", "host:65536", "::1:80", "unix:", "http://a:1", "a b:1"])
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="use HOST:PORT"):
        parse_listen(text)


def test_networks_are_parsed() -> None:
    assert parse_networks(["192.0.2.0/24", " 2001:db8::/32", "192.0.2.1"]) == (
        ip_network("192.0.2.0/24"),
        ip_network("2001:db8::/32"),
        ip_network("192.0.2.1/32"),
    )


@pytest.mark.parametrize("text", ["", "192.0.2.1/24", "cloudflare", "192.0.2.0/33"])
def test_other_networks_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="allow_from: use addresses or ranges"):
        parse_networks([text])
