"""Secrets: where they are read from, and messages that do not hold them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.command import needs_posix

from cfdns_fast.sinks import SinkSettingError, check_sink
from cfdns_fast.sinks.secrets import MAX_SECRET_BYTES, Secret


def test_secret_comes_from_a_file_at_each_reading(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(" one \r\n")
    secret = Secret("key", f"file:{path}", {})
    assert secret.read() == "one"
    path.write_text("two\n")
    assert secret.read() == "two"


def test_secret_comes_from_the_environment() -> None:
    assert Secret("key", "env:TOKEN", {"TOKEN": "a b\n"}).read() == "a b"


def test_secret_comes_from_a_systemd_credential(tmp_path: Path) -> None:
    (tmp_path / "intake").write_text("three\n")
    assert Secret("key", "credential:intake", {"CREDENTIALS_DIRECTORY": str(tmp_path)}).read() == "three"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("file:{}/none", "option key: cannot read {}/none: No such file or directory"),
        ("file:{}", "option key: cannot read {}: Is a directory"),
        ("file:{}/empty", "option key: file:{}/empty is empty"),
        ("file:{}/long", "option key: {}/long is longer than 65536 bytes"),
        ("file:{}/latin", "option key: {}/latin is not UTF-8"),
        ("env:NONE", "option key: the environment has no variable NONE"),
        ("env:BLANK", "option key: env:BLANK is empty"),
        ("credential:x", "option key: CREDENTIALS_DIRECTORY is not set, so there is no credential x"),
    ],
)
def test_secret_that_cannot_be_read_is_named(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "long").write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    (tmp_path / "latin").write_bytes(b"\xe9")
    with pytest.raises(SinkSettingError) as caught:
        Secret("key", source.format(tmp_path), {"BLANK": " "}).read()
    assert str(caught.value) == message.format(tmp_path)


@needs_posix
def test_fifo_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SinkSettingError, match=r"option key: cannot read .*fifo: it is not a regular file"):
        Secret("key", f"file:{tmp_path}/fifo", {}).read()


@needs_posix
@pytest.mark.parametrize(
    ("library", "url", "option"),
    [
        ("urllib3", "https://host/in?ca_file={}", "ca_file"),
        ("elasticsearch", "elasticsearch+https://host/index?ca_file={}", "ca_file"),
        ("confluent_kafka", "kafka://host/dns?tls=on&ca_file={}", "ca_file"),
        ("obstore", "gs://bucket/dns?service_account_file={}", "service_account_file"),
    ],
)
def test_fifo_for_a_library_is_refused(tmp_path: Path, library: str, url: str, option: str) -> None:
    """The library would wait for a writer."""
    pytest.importorskip(library)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SinkSettingError, match=f"option {option}: cannot read .*fifo: it is not a regular file"):
        check_sink(url.format(tmp_path / "fifo"))


@pytest.mark.parametrize("source", ["hunter2", "file:", "pass:hunter2", ""])
def test_secret_in_a_url_is_refused(source: str) -> None:
    with pytest.raises(SinkSettingError, match="a secret cannot be in the URL") as caught:
        Secret("key", source, {})
    assert "hunter2" not in str(caught.value)
