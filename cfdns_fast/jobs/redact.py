"""Replaces secrets in everything that is shown: destinations, jobs, texts of the API and log lines."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

__all__ = ["REDACTED", "RedactingFilter", "Redactor", "redacted_destination", "redacted_parameters", "secrets_in"]

REDACTED = "REDACTED"

#: Parameters of destinations that hold no secret. All other values are replaced, because any service may name its
#: token as it likes.
_OPEN_PARAMETERS = frozenset(
    ("account-id", "endpoint", "format", "header_content-type", "insecure-skip-verify", "region", "sourcetype", "sse")
)
#: Some services have their token in the path: Sumo Logic's has 80 characters or more.
_TOKEN_IN_PATH = re.compile(r"(?<=/)[A-Za-z0-9_=%-]{32,}(?=/|$)")
# The patterns for text begin where a word begins, because texts of the API have any length.
_URL = re.compile(r"(?<![a-zA-Z0-9+.-])[a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s\"'<>\\]+")
_PARAMETER = re.compile(r"(?<![\w-])([\w-]+)=[^&\s\"'\\]+")
_PARAMETER_OF_URL = re.compile(r"(?<=[?&])([^=&]+)=[^&]+")
_SECRET_NAME = re.compile(r"(?i)header_|secret|access[-_]?key|api[-_]?key|intake_key|token|password|signature|^sig$")
_BEARER = re.compile(r"(?i)\b(Bearer|Basic|Splunk)( +)[A-Za-z0-9._~+/=-]{8,}")
_MAX_TEXT_CHARACTERS = 2000
#: Shorter secrets would be found within other words.
_MIN_SECRET_CHARACTERS = 4
#: Values of parameters that are no secrets, such as true, are shorter.
_MIN_PARAMETER_CHARACTERS = 8


def redacted_destination(conf: str) -> str:
    """Return a destination_conf without user information, values of unknown parameters and tokens in the path."""
    base, mark, query = conf.partition("?")
    scheme, colon, rest = base.partition("://")
    if colon:
        authority, slash, path = rest.partition("/")
        if "@" in authority:
            authority = f"{REDACTED}@{authority.rpartition('@')[2]}"
        path = f"{slash}{path}"
        if scheme.lower() in ("http", "https"):
            path = _TOKEN_IN_PATH.sub(REDACTED, path)
        base = f"{scheme}://{authority}{path}"
    parts = []
    for part in query.split("&") if mark else []:
        name, equals, _ = part.partition("=")
        if not part or name.lower() in _OPEN_PARAMETERS:
            parts.append(part)
        else:
            parts.append(f"{name}={REDACTED}" if equals else REDACTED)
    return base + mark + "&".join(parts)


def redacted_parameters(text: str) -> str:
    """Return a part of a destination_conf without the values of parameters that are named like secrets."""

    def redacted(found: re.Match[str]) -> str:
        name = found[1]
        is_secret = _SECRET_NAME.search(name) is not None and name.lower() not in _OPEN_PARAMETERS
        return f"{name}={REDACTED}" if is_secret else found[0]

    return _PARAMETER_OF_URL.sub(redacted, text)


def secrets_in(conf: str) -> list[str]:
    """Return the values in a destination_conf that may be secrets and can be recognised in other texts."""
    found = []
    for part in conf.partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        text = unquote(value)
        if name.lower() not in _OPEN_PARAMETERS and len(text) >= _MIN_PARAMETER_CHARACTERS:
            found.append(text)
    return found


class Redactor:
    """Replaces the secrets that are known, and what looks like one. All methods may be called from any thread."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        self.add(*secrets)

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"

    def add(self, *secrets: str) -> None:
        """Replace these texts too, in every encoding that a URL or JSON may have."""
        forms = set(self._forms)
        for secret in secrets:
            if len(secret) >= _MIN_SECRET_CHARACTERS:
                encoded = quote(secret, safe="")
                forms |= {secret, encoded, encoded.lower(), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
        # The longest first: one form may be a part of another.
        self._forms = sorted(forms, key=len, reverse=True)

    def text(self, text: object) -> str:
        """Return a text on one line, of bounded length, without secrets and control characters."""
        line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
        line = _URL.sub(lambda found: _redacted_url(found[0]), self._without_known(line))
        line = _without_parameters(line)
        return line if len(line) <= _MAX_TEXT_CHARACTERS else f"{line[:_MAX_TEXT_CHARACTERS]}…"

    def lines(self, text: str) -> str:
        """Return a text of several lines without secrets."""
        text = _URL.sub(lambda found: _redacted_url(found[0]), self._without_known(text))
        return _without_parameters(text)

    def value(self, value: Any, key: str = "") -> Any:
        """Return a copy of a value of JSON without secrets: a job, a list of jobs, a body."""
        if isinstance(value, dict):
            # The error message of a job may quote a key of its destination.
            self.add(*secrets_in(str(value.get("destination_conf") or "")))
            return {name: self.value(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [self.value(each, key) for each in value]
        if not isinstance(value, str):
            return value
        if key == "destination_conf":
            return self._without_known(redacted_destination(value))
        if key == "ownership_challenge":
            return REDACTED
        return self.lines(value)

    def _without_known(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return text


def _without_parameters(text: str) -> str:
    text = _PARAMETER.sub(lambda found: f"{found[1]}={REDACTED}" if _SECRET_NAME.search(found[1]) else found[0], text)
    return _BEARER.sub(rf"\1\2{REDACTED}", text)


def _redacted_url(url: str) -> str:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return REDACTED
    # Links to the documentation have long words in the path.
    if host.endswith(".cloudflare.com") and "@" not in url and "?" not in url:
        return url
    return redacted_destination(url)


class RedactingFilter(logging.Filter):
    """Removes secrets from log records of the SDK, whose debug lines hold bodies of requests."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self.redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = self.redactor.text(record.getMessage())
        record.args = ()
        return True
