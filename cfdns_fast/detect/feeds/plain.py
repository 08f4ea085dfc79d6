"""Plain lists: one name, address or URL a line, with comments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .collector import Collector
from .lines import LineBlock, numbered_lines

__all__ = ["read_plain_list"]

_CLEAN_BYTES = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_\n"
_CLEAN_LINE = re.compile(rb"[A-Za-z0-9_.-]+")
#: A comment begins with one of these characters, at the start of the line or after white space.
_COMMENT = re.compile(r"(?:^|\s)(?:[#;!]|//).*", re.DOTALL)


def read_plain_list(blocks: Iterator[LineBlock], collector: Collector) -> None:
    """Read a plain list. Blocks of nothing but names are handed on whole, at millions of lines a second."""
    flags = collector.default_flags
    for block in blocks:
        if (
            not block.data.translate(None, _CLEAN_BYTES)
            and not block.data.startswith(b".")
            and b"\n." not in block.data
        ):
            collector.add_clean_lines(block.data, flags, block.numbers())
            continue
        clean, numbers = [], []
        for number, line in numbered_lines(block):
            if _CLEAN_LINE.fullmatch(line) and not line.startswith(b"."):
                clean.append(line)
                numbers.append(number)
                continue
            text = _COMMENT.sub("", line.decode("utf-8", "replace")).strip()
            if text:
                collector.add_text(text, number, flags)
        if clean:
            collector.add_clean_lines(b"\n".join(clean), flags, numbers)
