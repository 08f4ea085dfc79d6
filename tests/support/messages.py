"""The messages in the source of the package, and whether a page quotes them; ``…`` stands for a part that differs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["matches", "quotes", "raised", "templates"]


def _text_of(node: ast.expr) -> str:
    """Return a text with ``…`` in place of what is not literal."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text_of, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text_of(node.left) + _text_of(node.right)
    return "…"


def templates(folder: Path) -> set[str]:
    """Return all texts in the modules below a folder."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.JoinedStr, ast.BinOp, ast.Constant)):
                found.add(_text_of(node))
    return {text for text in found if " " in text}


def raised(folder: Path, names: frozenset[str]) -> Iterator[tuple[Path, str]]:
    """Yield the module and the text of each call of a function or an error with one of these names."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in names:
                texts = [_text_of(argument) for argument in node.args]
                # A code, such as "files.version", is no message.
                yield from ((path, text) for text in texts if " " in text and re.search("[a-z]{4}", text))


def quotes(page: str) -> list[str]:
    """Return the messages of a page: the code in the first cell of each row of a table headed ``message``."""
    found = []
    for table in re.findall(r"^\| message \|.*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE):
        for row in table.splitlines():
            found += re.findall(r"`([^`]+)`", row.split(" | ")[0])
    return found


def matches(quote: str, text: str) -> bool:
    """Return whether a text of the source is what a quote says."""
    parts = quote.split("…")
    # Most texts are excluded by this comparison, which is faster than an expression.
    return max(parts, key=len) in text and _expression(quote).fullmatch(text) is not None


@cache
def _expression(quote: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, quote.split("…"))), re.DOTALL)
