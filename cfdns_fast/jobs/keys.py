"""Secrets from files and the environment. No secret is an argument of the command, where other users could read it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .errors import JobSettingError

__all__ = ["Secret", "access_keys", "file_secret", "key_of_environment", "key_of_file", "token_of"]

TOKEN_VARIABLE = "CLOUDFLARE_API_TOKEN"

#: A line of a keys file of the receiver. A key that ends in = (base64) has no name before it.
_NAMED_KEY = re.compile(r"([A-Za-z0-9_.-]+)[ \t]*=[ \t]*(?!=*$)(\S.*)")
_MAX_SECRET_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A secret and how a POSIX shell reads the same text.

    Attributes
    ----------
    value : str
        The text itself.
    shell : str or None
        An expansion such as ``$(cat FILE)``; None if there is no simple one.
    is_encoded : bool
        Whether the value stands in a URL as it is.
    """

    value: str
    shell: str | None = None
    is_encoded: bool = False

    def __repr__(self) -> str:
        return "Secret(…)"

    @property
    def in_url(self) -> str:
        """The value as a part of a URL: a space is %20."""
        return self.value if self.is_encoded else quote(self.value, safe="")


def key_of_file(path: str | os.PathLike[str], name: str | None = None) -> Secret:
    """Return a key from a file with lines ``name = key``, as the receiver reads it, or with a bare key.

    Parameters
    ----------
    name : str or None
        Which key; None if the file has only one.
    """
    text = _read(path)
    lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    named = [found for line in lines if (found := _NAMED_KEY.fullmatch(line))]
    if not lines:
        raise JobSettingError("job.key", f"{path}: there is no key in this file")
    if name is None and len(lines) > 1:
        names = ", ".join(found[1] for found in named)
        raise JobSettingError("job.key", f"{path}: there are several keys; name one with --key-name ({names})")
    if not named and name is None:
        return _checked(Secret(lines[0], _cat(path) if _is_bare(text) else None), str(path))
    chosen = [found for found in named if name in (None, found[1])]
    if len(chosen) != 1:
        raise JobSettingError("job.key", f"{path}: there is {'no' if not chosen else 'more than one'} key {name!r}")
    pattern = f"s/^[[:space:]]*{re.escape(chosen[0][1])}[[:space:]]*=[[:space:]]*//p"
    shell = f"$(sed -n {shlex.quote(pattern)} {shlex.quote(str(path))})"
    # A byte order mark, or space around the line, would be a part of what sed prints.
    is_same = os.path.isfile(path) and chosen[0].string in text.split("\n")
    return _checked(Secret(chosen[0][2], shell if is_same else None), str(path))


def key_of_environment(name: str, environment: Mapping[str, str] = os.environ) -> Secret:
    """Return a key from an environment variable."""
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise JobSettingError("job.key", f"{name!r} is not the name of an environment variable")
    value = environment.get(name, "").strip()
    if not value:
        raise JobSettingError("job.key", f"the environment variable {name} is not set")
    return _checked(Secret(value, f"${name}"), f"the environment variable {name}")


def token_of(path: str | os.PathLike[str] | None, environment: Mapping[str, str] = os.environ) -> Secret:
    """Return the API token from a file, or from CLOUDFLARE_API_TOKEN if there is no file."""
    shell: str | None = f"${TOKEN_VARIABLE}"
    if path is None:
        value, place = environment.get(TOKEN_VARIABLE, "").strip(), TOKEN_VARIABLE
        if not value:
            raise JobSettingError(
                "api.token", f"there is no API token: set {TOKEN_VARIABLE}, or name a file with --token-file"
            )
    else:
        value, place, shell = _read(path).removeprefix("\ufeff").strip(), str(path), _cat(path)
    if not re.fullmatch(r"[!-~]+", value):
        raise JobSettingError("api.token", f"{place} does not hold an API token, which is one word of ASCII")
    return Secret(value, shell)


def access_keys(path: str | os.PathLike[str]) -> tuple[Secret, Secret]:
    """Return the id and the secret of an access key from a file in the format of AWS's credentials files.

    The names of its lines may be ``aws_access_key_id``, ``access-key-id`` and so on; the first section counts.
    """
    found: dict[str, str] = {}
    for line in _read(path).splitlines():
        name, equals, value = line.partition("=")
        plain = name.strip().lower().replace("-", "_").removeprefix("aws_")
        if equals:
            found.setdefault(plain, value.strip())
    missing = [name for name in ("access_key_id", "secret_access_key") if not found.get(name)]
    if missing:
        raise JobSettingError("job.key", f"{path}: there is no line {missing[0]} = …")
    return _checked(Secret(found["access_key_id"]), str(path)), _checked(Secret(found["secret_access_key"]), str(path))


def file_secret(path: str | os.PathLike[str]) -> Secret:
    """Return the text of a file that stands in a URL as it is."""
    text = _read(path)
    return Secret(text.strip(), _cat(path) if _is_bare(text) else None, is_encoded=True)


def _is_bare(text: str) -> bool:
    """Whether the shell's $(cat FILE) yields the same text: no comment, no space around it, no byte order mark."""
    text = text.rstrip("\n")
    return text == text.strip() and "\n" not in text and text.isascii()


def _cat(path: str | os.PathLike[str]) -> str | None:
    """Return the expansion with the content of a file; None for what can be read only once, such as ``<(command)``."""
    return f"$(cat {shlex.quote(str(path))})" if os.path.isfile(path) else None


def _read(path: str | os.PathLike[str]) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_SECRET_BYTES + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise JobSettingError("job.key", f"{path}: {error.strerror or 'cannot be read'}") from None
    except ValueError:
        raise JobSettingError("job.key", f"{path}: this file is not text") from None
    if len(data) > _MAX_SECRET_BYTES:
        raise JobSettingError("job.key", f"{path}: this file is too large for a secret")
    return text


def _checked(secret: Secret, place: str) -> Secret:
    # A header value: RFC 9110 section 5.5, without the bytes above ASCII, which servers read differently.
    if not re.fullmatch(r"[!-~](?:[ -~]*[!-~])?", secret.value):
        raise JobSettingError("job.key", f"{place}: a key has printable ASCII characters only")
    return secret
