"""Events with dotted targets in place of objects."""

from __future__ import annotations

from typing import Any

__all__ = ["flatten"]


def flatten(event: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return `{"a.b": value}` for `{"a": {"b": value}}`; a dot within a key is not escaped."""
    flat: dict[str, Any] = {}
    for key, value in event.items():
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
