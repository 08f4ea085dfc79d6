"""Destinations: what is built, what is refused, and which texts are the same destination."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import needs_posix

from cfdns_fast.jobs import (
    JobSettingError,
    Secret,
    file_secret,
    given_destination,
    key_of_file,
    r2_destination,
    receiver_destination,
    s3_destination,
    sekoia_url,
    token_of,
)
from cfdns_fast.jobs.destination import is_same_destination

KEYS = (Secret("AKIAEXAMPLE"), Secret("wJalr/K7MD+ENG="))


@pytest.mark.parametrize(
    ("url", "key", "expected"),
    [
        (
            "https://logs.example.com/plain/batch",
            "abc123",
            "https://logs.example.com/plain/batch?header_X-SEKOIAIO-INTAKE-KEY=abc123",
        ),
        ("https://logs.example.com", "k", "https://logs.example.com/plain/batch?header_X-SEKOIAIO-INTAKE-KEY=k"),
        (
            "https://logs.example.com:8443/in?tags=dns",
            "a b+c&d=e%f#g/h",
            "https://logs.example.com:8443/in?tags=dns&header_X-SEKOIAIO-INTAKE-KEY=a%20b%2Bc%26d%3De%25f%23g%2Fh",
        ),
        ("https://LOGS.Example.com/a b", None, "https://logs.example.com/a%20b"),
        ("https://bücher.example/x", None, "https://xn--bcher-kva.example/x"),
        ("https://[2001:DB8::1]:8443/x", None, "https://[2001:db8::1]:8443/x"),
        ("https://h.example/x?a=1+1&b=%20", None, "https://h.example/x?a=1%2B1&b=%20"),
        (
            "https://h.example/x?header_Content-Type=application%2Fjson",
            None,
            "https://h.example/x?header_Content-Type=application%2Fjson",
        ),
        ("https://h.example/it's", None, "https://h.example/it%27s"),
    ],
)
def test_receiver_url_becomes_a_destination(url: str, key: str | None, expected: str) -> None:
    assert receiver_destination(url, None if key is None else Secret(key)).conf == expected


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://logs.example.com/x", "https://"),
        ("logs.example.com/x", "https://"),
        ("https://user:hunter2@logs.example.com/x", "user or password"),
        ("https:///x", "no host"),
        ("https://h.example:99999/x", "cannot be read"),
        ("https://[::1/x", "cannot be read"),
        ("https://h.example/x#y", "after #"),
        ("https://h.example/%zz", "hexadecimal"),
        ("https://h.example/x?a=%", "hexadecimal"),
        ("https://h.example/x?header_x-sekoiaio-intake-key=1", "twice"),
        ("https://h.example/x?a=1&A=2", "twice"),
        ("https://h.example/x?header_Host=evil", "cannot set"),
        ("https://h.example/x?a=%0d%0ab", "control character"),
        ("https://h ost.example/x", "host name"),
        ("https://h.example/" + "x" * 5000, "4096"),
    ],
)
def test_receiver_url_is_refused(url: str, fault: str) -> None:
    with pytest.raises(JobSettingError, match=re.escape(fault)) as caught:
        receiver_destination(url, Secret("k"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("header", ["", "X Y", "X:Y", "X&Y", "Host", "content-length", "X\r\nY"])
def test_key_header_is_refused(header: str) -> None:
    with pytest.raises(JobSettingError, match="header of the key"):
        receiver_destination("https://h.example/x", Secret("k"), header)


def test_sekoia_url_depends_on_the_region() -> None:
    assert sekoia_url() == "https://intake.sekoia.io/plain/batch"
    assert sekoia_url("MCO1") == "https://intake.mco1.sekoia.io/api/v1/intake-http/plain/batch"
    with pytest.raises(JobSettingError, match="region"):
        sekoia_url("evil.example/")


def test_r2_destination_holds_its_keys() -> None:
    made = r2_destination("my-bucket/dns/{DATE}", "a" * 32, KEYS)
    assert made.conf == (
        f"r2://my-bucket/dns/{{DATE}}?account-id={'a' * 32}&access-key-id=AKIAEXAMPLE"
        "&secret-access-key=wJalr%2FK7MD%2BENG%3D"
    )
    assert not made.needs_ownership
    assert made.secrets == ("AKIAEXAMPLE", "wJalr/K7MD+ENG=")


def test_s3_destination_needs_ownership_without_keys() -> None:
    made = s3_destination("bucket/dns/{DATE}/", "eu-west-3", encrypted=True)
    assert made.conf == "s3://bucket/dns/{DATE}?region=eu-west-3&sse=AES256"
    assert made.needs_ownership and made.bucket is not None and made.bucket.name == "bucket"
    compatible = s3_destination("bucket", "auto", endpoint="s3.example.com", keys=KEYS)
    assert compatible.conf.endswith("&secret-access-key=wJalr%2FK7MD%2BENG%3D&endpoint=s3.example.com")
    assert not compatible.needs_ownership


@pytest.mark.parametrize("bucket", ["", "/x", "UPPER", "a//b", "b/../x?y#z&", "b/\n"])
def test_bucket_is_refused_or_encoded(bucket: str) -> None:
    try:
        made = s3_destination(bucket, "eu-west-3")
    except JobSettingError:
        return
    assert made.conf.count("?") == 1 and "#" not in made.conf and "&" not in made.conf


def test_given_destination_keeps_its_text() -> None:
    text = "azure://container/path?sv=2025&sig=a%2Bb%3D"
    made = given_destination(Secret(text, is_encoded=True))
    assert made.conf == text and made.needs_ownership and made.bucket is None
    assert given_destination(Secret("s3://b/p?region=eu-west-3", is_encoded=True)).bucket is not None
    for wrong in ("", "no url", "azure://a b", 'x://"', "x://'", "x://a\nb"):
        with pytest.raises(JobSettingError):
            given_destination(Secret(wrong, is_encoded=True))


def test_repr_of_a_destination_has_no_secret() -> None:
    made = receiver_destination("https://h.example/x", Secret("topsecret"))
    assert "topsecret" not in repr(made) and "topsecret" not in repr(made.parts)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("https://h/x?header_A=%2f", "https://H/x?header_a=%2F", True),
        ("https://h/x?a=1&b=2", "https://h/x?b=2&a=1", True),
        ("https://h/x?a=1", "https://h/x?a=2", False),
        ("https://h/x", "https://h/y", False),
        ("https://h/X", "https://h/x", False),
    ],
)
def test_same_destination_is_recognised(one: str, other: str, expected: bool) -> None:
    assert is_same_destination(one, other) is expected


def test_keys_file_names_are_those_of_the_receiver(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# rotation\nold = k1\nnew=k2 with space\n\n")
    assert key_of_file(path, "new").value == "k2 with space"
    with pytest.raises(JobSettingError, match=r"several keys.*old, new"):
        key_of_file(path)
    with pytest.raises(JobSettingError, match="no key 'other'"):
        key_of_file(path, "other")
    path.write_text("only = k1\n")
    assert key_of_file(path).value == "k1"
    path.write_bytes(b"\xef\xbb\xbfonly = k1\r\n")
    assert key_of_file(path).value == "k1"
    path.write_text("YWJj==\n")
    assert key_of_file(path).value == "YWJj=="


@needs_posix
@pytest.mark.parametrize(
    ("content", "read"), [("k1\n", key_of_file), ("a = k1\n", key_of_file), ("k1\n", file_secret), ("k1\n", token_of)]
)
def test_secret_of_a_pipe_is_read_once(content: str, read: Callable[[Path], Secret]) -> None:
    """`--key-file <(command)` is a pipe, of which a pasted command would get nothing."""
    reader, writer = os.pipe()
    os.write(writer, content.encode())
    os.close(writer)
    secret = read(Path(f"/dev/fd/{reader}"))
    os.close(reader)
    assert (secret.value, secret.shell) == ("k1", None)


@pytest.mark.parametrize("line", ["\ufeffa = k1", "a = k1\r", "a = k1 "])
def test_key_that_sed_would_change_is_not_expanded(tmp_path: Path, line: str) -> None:
    (tmp_path / "keys").write_bytes(f"{line}\n".encode())
    secret = key_of_file(tmp_path / "keys")
    assert (secret.value, secret.shell) == ("k1", None)


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe", b"k\x00y", "clé".encode(), b"a\rb"])
def test_unusable_key_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(JobSettingError, match=str(path)):
        key_of_file(path)
    with pytest.raises(JobSettingError, match="No such file"):
        key_of_file(tmp_path / "absent")


def test_access_keys_are_read_from_credentials(tmp_path: Path) -> None:
    from cfdns_fast.jobs import access_keys

    path = tmp_path / "credentials"
    path.write_text("[default]\naws_access_key_id = AKIA\naws_secret_access_key = s3/c=\n[b]\naws_access_key_id=B\n")
    assert [each.value for each in access_keys(path)] == ["AKIA", "s3/c="]
    path.write_text("access-key-id = AKIA\n")
    with pytest.raises(JobSettingError, match="secret_access_key"):
        access_keys(path)
