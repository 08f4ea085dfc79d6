"""Secrets of sinks: keys and passwords from files, the environment and systemd credentials, never from a URL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..io import read_regular
from .base import SinkSettingError

__all__ = ["MAX_SECRET_BYTES", "Secret"]

MAX_SECRET_BYTES = 64 << 10


class Secret:
    """A secret that is read when it is used, so that a changed file has effect without a restart.

    Parameters
    ----------
    option : str
        The name of the option in the URL, for messages.
    source : str
        ``file:PATH``, ``env:NAME``, or ``credential:NAME`` for a file in ``$CREDENTIALS_DIRECTORY``.
    environment : mapping
        The environment variables.
    """

    def __init__(self, option: str, source: str, environment: Mapping[str, str]) -> None:
        self._option = option
        self._source = source
        self._environment = environment
        kind, _, name = source.partition(":")
        if kind not in ("file", "env", "credential") or not name:
            raise SinkSettingError(
                f"option {option}: a secret cannot be in the URL; use {option}_file=PATH, {option}=env:NAME or "
                f"{option}=credential:NAME"
            )
        if kind == "credential" and ("/" in name or name in (".", "..")):
            raise SinkSettingError(f"option {option}: the name of a credential has no slash")

    def __repr__(self) -> str:
        return f"Secret({self._option!r}, {self._source!r})"

    def read(self) -> str:
        """Return the secret without white space around it; raises SinkSettingError, which never holds the secret."""
        kind, _, name = self._source.partition(":")
        if kind == "env":
            text = self._environment.get(name)
            if text is None:
                raise SinkSettingError(f"option {self._option}: the environment has no variable {name}")
        else:
            path = Path(name)
            if kind == "credential":
                folder = self._environment.get("CREDENTIALS_DIRECTORY")
                if not folder:
                    raise SinkSettingError(
                        f"option {self._option}: CREDENTIALS_DIRECTORY is not set, so there is no credential {name}"
                    )
                path = Path(folder, name)
            text = self._content(path)
        text = text.strip()
        if not text:
            raise SinkSettingError(f"option {self._option}: {self._source} is empty")
        return text

    def _content(self, path: Path) -> str:
        try:
            data, _ = read_regular(path, MAX_SECRET_BYTES + 1)
        except OSError as error:
            raise SinkSettingError(f"option {self._option}: cannot read {path}: {error.strerror}") from None
        if len(data) > MAX_SECRET_BYTES:
            raise SinkSettingError(f"option {self._option}: {path} is longer than {MAX_SECRET_BYTES} bytes")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise SinkSettingError(f"option {self._option}: {path} is not UTF-8") from None
