"""Mapping files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_mapping(folder: Path, text: str, name: str = "my.toml") -> Path:
    """Write a mapping file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def field(**entry: Any) -> str:
    """Return a [[field]] entry."""
    return "[[field]]\n" + "".join(f"{toml(key)} = {toml(value)}\n" for key, value in entry.items())


def toml(value: Any) -> str:
    """Return a scalar or list as JSON, which is valid TOML except for surrogates and a raw DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
