"""Read a TOML file, with one kind of error that has the line."""

from __future__ import annotations

import re
import tomllib
from typing import Any

__all__ = ["TomlFault", "read_toml"]

#: Maximum number of tables and lists within each other. Keys with dots nest without brackets, and Python's limit for
#: recursion is lower than what they can reach.
_MAX_DEPTH = 100
_LINE = re.compile(r"\(at line (\d+), column \d+\)$")


class TomlFault(ValueError):
    """Bytes that are not TOML; `line` is where, from 1, or None if that is not known."""

    def __init__(self, reason: str, line: int | None) -> None:
        self.line = line
        super().__init__(reason)


def read_toml(content: bytes) -> tuple[str, dict[str, Any]]:
    """Return the text and the document of a file; raises TomlFault."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TomlFault(f"not UTF-8 at byte {error.start}", content.count(b"\n", 0, error.start) + 1) from None
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # An integer of more digits than Python converts is a ValueError and no TOMLDecodeError.
        raise TomlFault(f"not TOML: {error}", _line_of(str(error), text)) from None
    if _is_too_deep(document):
        raise TomlFault(f"tables and lists may be at most {_MAX_DEPTH} deep", None)
    return text, document


def _is_too_deep(document: dict[str, Any]) -> bool:
    level: list[Any] = [document]
    for _ in range(_MAX_DEPTH):
        values = (value for each in level for value in (each.values() if isinstance(each, dict) else each))
        level = [value for value in values if isinstance(value, (dict, list))]
    return bool(level)


def _line_of(reason: str, text: str) -> int | None:
    """Return the line that an error of tomllib names; None if it names none."""
    if reason.endswith("(at end of document)"):
        return len(text.splitlines()) or 1
    found = _LINE.search(reason)
    return int(found[1]) if found else None
