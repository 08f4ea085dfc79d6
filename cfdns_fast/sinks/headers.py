"""HTTP headers: those that a file adds to requests, and Retry-After of answers."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime

from .base import SinkSettingError

__all__ = ["parsed_headers", "retry_after_s"]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e\x80-\xff]+")
#: The sink sets these, or they would break the request.
_RESERVED = {
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-cfdns-batch",
}


def parsed_headers(text: str) -> dict[str, str]:
    """Return the headers of lines ``Name: value``; raises SinkSettingError with the number of the line only."""
    headers: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, separator, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not separator or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise SinkSettingError(f"option headers: line {number} is not 'Name: value'")
        if name.lower() in _RESERVED:
            raise SinkSettingError(f"option headers: line {number} sets {name}, which the sink sets itself")
        headers[name] = value
    return headers


def retry_after_s(value: str | None) -> float | None:
    """Return the seconds of a header Retry-After, a number or a date (RFC 9110 section 10.2.3); None for others."""
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
