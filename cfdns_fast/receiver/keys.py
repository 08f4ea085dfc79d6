"""The keys of senders: read from a file, an environment variable or a systemd credential, and compared.

A request shows its key in the configured header, or as the password of Basic authentication. A key in the query of the
URL is not accepted, because proxies and senders write URLs to their logs.

Only keyed hashes of the keys are kept, so that no message, representation or memory dump of this module shows a key.
"""

from __future__ import annotations

import binascii
import os
import re
import secrets
import stat
from base64 import b64decode
from collections.abc import Mapping
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path

from ..io import read_regular
from .settings import Settings, SettingsError

__all__ = ["ANONYMOUS", "Keys", "load_keys", "reload_keys"]

#: The key name of requests if no key is required.
ANONYMOUS = "anonymous"

MAX_FILE_BYTES = 1 << 20
MIN_KEY_BYTES = 16
#: Each request is compared with all keys: 1,000 take 50 us (measured).
MAX_KEYS = 1000

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Keys:
    """The keys that are valid. Instances do not change; threads may share them.

    Parameters
    ----------
    text : str or None
        Lines ``name = key``; empty lines and lines that begin with # are skipped. None accepts every request.
    origin : str
        The source of the text, for messages.

    Attributes
    ----------
    names : tuple of str
        The names of the keys.
    warnings : tuple of str
        Sentences for the operator.

    Raises
    ------
    SettingsError
        A line is no key, two keys have the same name or value, or there is no key.
    """

    def __init__(self, text: str | None, origin: str = "keys") -> None:
        self._salt = secrets.token_bytes(32)
        self._digests: dict[str, bytes] = {}
        self.warnings: tuple[str, ...] = ()
        self._is_open = text is None
        if text is not None:
            self._read(text.removeprefix("\ufeff"), origin)
        self.names = tuple(self._digests)

    def __repr__(self) -> str:
        return f"<Keys {', '.join(self.names) or ANONYMOUS}>"

    def _read(self, text: str, origin: str) -> None:
        short = []
        for number, line in enumerate(text.splitlines(), 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            name, equals, key = (part.strip() for part in line.partition("="))
            if not equals or not _NAME.fullmatch(name):
                raise SettingsError(
                    f"{origin}: line {number} is not name = key; names hold up to 64 letters, digits, dots, hyphens "
                    "and underscores"
                )
            if not key or not key.isprintable():
                raise SettingsError(f"{origin}: the key {name} in line {number} is empty or holds control characters")
            if len(self._digests) == MAX_KEYS:
                raise SettingsError(f"{origin}: there are more than {MAX_KEYS} keys")
            if name in self._digests:
                raise SettingsError(f"{origin}: the name {name} in line {number} is given twice")
            digest = self._digest(key.encode())
            if any(compare_digest(digest, other) for other in self._digests.values()):
                raise SettingsError(f"{origin}: the key {name} in line {number} is equal to another key")
            self._digests[name] = digest
            if len(key.encode()) < MIN_KEY_BYTES:
                short.append(name)
        if not self._digests:
            raise SettingsError(f"{origin}: there is no key; write lines such as name = key")
        if short:
            self.warnings = (f"{origin}: the keys {', '.join(short)} have fewer than {MIN_KEY_BYTES} characters",)

    def _digest(self, key: bytes) -> bytes:
        return blake2b(key, key=self._salt, digest_size=32).digest()

    def name_of(self, header: str | None, authorization: str | None = None) -> str | None:
        """Return the name of the key that a request shows, or None.

        Parameters
        ----------
        header : str or None
            The value of the key header, as Latin-1.
        authorization : str or None
            The value of the Authorization header, whose Basic password is the key if the key header is missing.
        """
        if self._is_open:
            return ANONYMOUS
        key = header.encode("latin-1", "replace") if header is not None else _basic_password(authorization)
        if key is None:
            return None
        digest = self._digest(key)
        found = None
        for name, other in self._digests.items():  # without an early exit, so that the time is always the same
            if compare_digest(digest, other):
                found = name
        return found


def _basic_password(authorization: str | None) -> bytes | None:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded.partition(b":")[2] or None


def load_keys(settings: Settings, environment: Mapping[str, str] = os.environ) -> Keys:
    """Read the keys that the settings name; raises SettingsError."""
    if settings.allow_no_key:
        return Keys(None)
    if settings.keys_environment is not None:
        name = settings.keys_environment
        if name not in environment:
            raise SettingsError(f"keys: the environment variable {name} is not set")
        return Keys(environment[name], f"keys of the environment variable {name}")
    if settings.keys_credential is not None:
        folder = environment.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise SettingsError(
                f"keys: there is no credential {settings.keys_credential}, because the service has none"
            )
        return _keys_of_file(Path(folder, settings.keys_credential))
    assert settings.keys_file is not None  # the settings check it
    return _keys_of_file(settings.keys_file)


def _keys_of_file(path: Path) -> Keys:
    origin = f"keys file {path}"
    try:
        data, mode = read_regular(path, MAX_FILE_BYTES + 1)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and "=" in str(path):
            # A line of a keys file, or a key in base64: the log must not have it.
            raise SettingsError("keys: this is the name of a file, and looks like a key (not shown)") from None
        raise SettingsError(f"{origin}: cannot be read ({error.strerror})") from None
    if len(data) > MAX_FILE_BYTES:
        raise SettingsError(f"{origin}: is larger than 1 MiB")
    try:
        keys = Keys(data.decode(), origin)
    except UnicodeDecodeError:
        raise SettingsError(f"{origin}: is not UTF-8") from None
    if mode & stat.S_IROTH:
        keys.warnings += (f"{origin}: every user of this machine can read it; use chmod 600",)
    return keys


def reload_keys(
    current: Keys, settings: Settings, environment: Mapping[str, str] = os.environ
) -> tuple[Keys, tuple[str, ...]]:
    """Read the keys again. Returns them and warnings; the current keys and the reason if they cannot be read."""
    try:
        keys = load_keys(settings, environment)
    except SettingsError as error:
        return current, (f"{error}; the keys in use stay valid",)
    return keys, keys.warnings
