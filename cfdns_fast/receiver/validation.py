"""Recognise the uploads by which Logpush checks a destination; they hold no record."""

from __future__ import annotations

import json
import re

__all__ = ["MAX_VALIDATION_BYTES", "is_validation"]

MAX_VALIDATION_BYTES = 4096

_WORDS = (b"test", b"tests")

# The ownership challenge of other destinations is one JSON web token.
_TOKEN = re.compile(rb"eyJ[\w-]+\.[\w-]+\.[\w-]+")


def is_validation(body: bytes) -> bool:
    """Return whether this decoded body is an upload by which Logpush checks a destination."""
    if len(body) > MAX_VALIDATION_BYTES:
        return False
    text = body.strip(b" \t\r\n")
    if not text or text in _WORDS or _TOKEN.fullmatch(text):
        return True
    if not text.startswith(b"{") or b"content" not in text:
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.keys() == {"content"} and value["content"] in ("test", "tests")
