"""Objects as lines of JSON, for other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..io.paths import text_of

__all__ = ["json_line"]


def json_line(members: Mapping[str, Any]) -> bytes:
    """Return an object as one line. Bytes of names that are not UTF-8 become ``\\xNN``, as JSON cannot hold them."""
    return json.dumps(_texts(members), ensure_ascii=False).encode("utf-8") + b"\n"


def _texts(value: Any) -> Any:
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, Mapping):
        return {text_of(key): _texts(each) for key, each in value.items()}
    return [_texts(each) for each in value] if isinstance(value, list | tuple) else value
