"""The envelope of Cloudflare's answers, read as it was sent.

The SDK answers an envelope with ``success: false`` and status 200 with None, so its parsed values are not used.
"""

from __future__ import annotations

import json
from typing import Any

from .errors import JobError

__all__ = ["Refusal", "result_of"]


class Refusal(Exception):
    """An answer that is not a success.

    Attributes
    ----------
    status : int
        The HTTP status.
    errors : tuple of (code, text)
        What Cloudflare gives as the reason; the code is 0 if there is none.
    """

    def __init__(self, status: int, errors: tuple[tuple[int, str], ...]) -> None:
        super().__init__(status, errors)
        self.status = status
        self.errors = errors

    def __str__(self) -> str:
        texts = [f"{code} {text}".strip() if code else text for code, text in self.errors]
        return f"{'; '.join(texts) or 'no reason given'} (HTTP {self.status})"

    @property
    def codes(self) -> frozenset[int]:
        return frozenset(code for code, _ in self.errors)


def result_of(status: int, content_type: str, body: bytes) -> Any:
    """Return the result of an answer, which may be None.

    Raises Refusal if it is not a success, and JobError if it is not an answer of this API.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or "success" not in document:
        kind = content_type.partition(";")[0].strip() or "no content type"
        raise JobError(
            "api.answer",
            f"the answer is not from Cloudflare's API (HTTP {status}, {kind}, {len(body)} bytes); "
            "a proxy may be in between, or CLOUDFLARE_BASE_URL is wrong",
        )
    if status >= 400 or document["success"] is not True:
        raise Refusal(status, tuple(_errors(document.get("errors"))))
    return document.get("result")


def _errors(errors: Any) -> list[tuple[int, str]]:
    found = []
    for each in errors if isinstance(errors, list) else []:
        if isinstance(each, dict):
            code = each.get("code")
            text = str(each.get("message") or "no text")
            source = each.get("source")
            pointer = source.get("pointer") if isinstance(source, dict) else None
            found.append((code if isinstance(code, int) else 0, f"{text} at {pointer}" if pointer else text))
            chain = each.get("error_chain")
            found += _errors(chain)
    return found
