"""The keys: what a file may hold, which request shows one, and that no message shows a key."""

from __future__ import annotations

import base64
import hmac
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from cfdns_fast.receiver import keys as module
from cfdns_fast.receiver.keys import Keys, load_keys, reload_keys
from cfdns_fast.receiver.settings import Settings, SettingsError, SinkSettings

SECRET = "a-secret-of-a-sender"
OTHER = "the-key-of-another-one"
TEXT = f"# keys\n\nold = {SECRET}\r\n  new={OTHER}  \n"


def settings(**changes: Any) -> Settings:
    return Settings(state=Path("s"), sinks=(SinkSettings(name="out", url="-"),), **changes)


def test_lines_are_read() -> None:
    keys = Keys("\ufeff" + TEXT + "third = with=signs and spaces\n")
    assert keys.names == ("old", "new", "third")
    assert keys.warnings == ()
    assert keys.name_of(SECRET) == "old"
    assert keys.name_of(OTHER) == "new"
    assert keys.name_of("with=signs and spaces") == "third"


@pytest.mark.parametrize(
    "shown", [None, "", " ", SECRET[:-1], SECRET + "x", SECRET.upper(), f"{SECRET},{OTHER}", "é" * 9]
)
def test_other_keys_are_not_valid(shown: str | None) -> None:
    assert Keys(TEXT).name_of(shown) is None


def test_keys_outside_ascii_are_compared_as_bytes() -> None:
    keys = Keys("one = schlüssel-für-den-test\n")
    assert keys.name_of("schlüssel-für-den-test".encode().decode("latin-1")) == "one"


def basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


def test_basic_password_is_a_key() -> None:
    keys = Keys(TEXT + "colon = a:b:c:d:e:f:g:h:i\n")
    assert keys.name_of(None, basic(b"any:" + SECRET.encode())) == "old"
    assert keys.name_of(None, basic(b":" + SECRET.encode()).replace("Basic", "bASIC")) == "old"
    assert keys.name_of(None, basic(b"user:a:b:c:d:e:f:g:h:i")) == "colon"
    assert keys.name_of("wrong", basic(b"any:" + SECRET.encode())) is None


@pytest.mark.parametrize(
    "shown", ["", "Basic", "Basic ", "Basic ~", basic(b"no colon"), basic(b"empty:"), f"Bearer {SECRET}", "Basic é"]
)
def test_other_authorizations_are_not_valid(shown: str) -> None:
    assert Keys(TEXT).name_of(None, shown) is None


def test_every_key_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number and the sizes of the comparisons do not depend on the shown key."""
    keys = Keys(TEXT + "third = of-the-three-keys\n")
    sizes: list[tuple[int, int]] = []

    def compare(left: bytes, right: bytes) -> bool:
        sizes.append((len(left), len(right)))
        return hmac.compare_digest(left, right)

    monkeypatch.setattr(module, "compare_digest", compare)
    for shown in (SECRET, OTHER, "x", ""):
        sizes.clear()
        keys.name_of(shown)
        assert sizes == [(32, 32)] * 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no key"),
        ("# only a comment\n\n", "there is no key"),
        (f"{SECRET}\n", "line 1 is not name = key"),
        (f"= {SECRET}\n", "line 1 is not name = key"),
        (f"\na name = {SECRET}\n", "line 2 is not name = key"),
        ("name =\n", "the key name in line 1 is empty"),
        (f"name = {SECRET}\x01\n", "the key name in line 1 is empty or holds control characters"),
        (f"a = {SECRET}\na = {OTHER}\n", "the name a in line 2 is given twice"),
        (f"a = {SECRET}\nb = {SECRET}\n", "the key b in line 2 is equal to another key"),
    ],
)
def test_faulty_lines_are_named(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Keys(text, "keys file x")
    assert str(caught.value).startswith(f"keys file x: {message}")
    assert SECRET not in str(caught.value)


def test_no_representation_shows_a_key() -> None:
    keys = Keys(TEXT)
    assert repr(keys) == "<Keys old, new>"
    held = repr(vars(keys)).encode() + pickle.dumps(keys)
    assert SECRET.encode() not in held


def test_short_keys_are_warned_of() -> None:
    assert Keys("a = short\nb = a-long-enough-key\n").warnings == ("keys: the keys a have fewer than 16 characters",)


def test_number_of_keys_is_limited() -> None:
    lines = [f"key{number} = {number:020d}\n" for number in range(1001)]
    assert len(Keys("".join(lines[:-1])).names) == 1000
    with pytest.raises(SettingsError, match="there are more than 1000 keys"):
        Keys("".join(lines))


def test_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(TEXT)
    path.chmod(0o600)
    keys = load_keys(settings(keys_file=path))
    assert (keys.names, keys.warnings) == (("old", "new"), ())


def test_file_that_everyone_reads_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(TEXT)
    path.chmod(0o644)
    (warning,) = load_keys(settings(keys_file=path)).warnings
    assert warning == f"keys file {path}: every user of this machine can read it; use chmod 600"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"a = \xff\xff", "is not UTF-8"),
        (b"#" * ((1 << 20) + 1), "is larger than 1 MiB"),
    ],
)
def test_file_that_cannot_be_used_is_named(tmp_path: Path, data: bytes | None, reason: str) -> None:
    path = tmp_path / "keys"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SettingsError) as caught:
        load_keys(settings(keys_file=path))
    assert str(caught.value) == f"keys file {path}: {reason}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="FIFOs are of POSIX")
def test_fifo_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(TEXT)
    given = settings(keys_file=path)
    keys = load_keys(given)
    path.unlink()
    os.mkfifo(path)
    kept, (warning,) = reload_keys(keys, given)
    assert kept is keys
    assert warning == f"keys file {path}: cannot be read (it is not a regular file); the keys in use stay valid"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads every file")
def test_file_without_permission_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(TEXT)
    path.chmod(0)
    with pytest.raises(SettingsError, match=r"cannot be read \(Permission denied\)"):
        load_keys(settings(keys_file=path))


@pytest.mark.parametrize("key", ["logpush = 0123456789abcdef", "MDEyMzQ1Njc4OWFiY2RlZg=="])
def test_key_instead_of_a_file_is_not_shown(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_keys(settings(keys_file=tmp_path / key))
    assert str(caught.value) == "keys: this is the name of a file, and looks like a key (not shown)"


def test_environment_is_read() -> None:
    given = settings(keys_environment="RECEIVER_KEYS")
    assert load_keys(given, {"RECEIVER_KEYS": TEXT}).names == ("old", "new")
    with pytest.raises(SettingsError, match="the environment variable RECEIVER_KEYS is not set"):
        load_keys(given, {})


def test_credential_is_read(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(TEXT)
    given = settings(keys_credential="keys")
    assert load_keys(given, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).names == ("old", "new")
    with pytest.raises(SettingsError, match="there is no credential keys"):
        load_keys(given, {})


def test_reload_keeps_the_keys_of_a_faulty_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(TEXT)
    path.chmod(0o600)
    given = settings(keys_file=path)
    keys = load_keys(given)
    path.write_text("nothing")
    kept, (warning,) = reload_keys(keys, given)
    assert kept is keys
    assert warning.endswith("; the keys in use stay valid")
    path.write_text(f"other = {SECRET}")
    changed, warnings = reload_keys(keys, given)
    assert (changed.names, warnings) == (("other",), ())
    path.unlink()
    assert reload_keys(changed, given)[0] is changed
