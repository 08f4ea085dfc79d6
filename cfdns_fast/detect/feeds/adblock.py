"""Filter lists of ad blockers: the rules ``||name^`` and ``@@||name^``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .collector import Collector
from .lines import LineBlock, numbered_lines
from .values import ALLOW, BOTH

__all__ = ["ADBLOCK_LINE", "read_adblock"]

ADBLOCK_LINE = re.compile(r"(?:@@)?\|\|[^/$*^|\s]+\^")

_RULE = re.compile(rb"\|\|([A-Za-z0-9_-][A-Za-z0-9_.-]*)\^")
_TEXT_RULE = re.compile(r"(@@)?\|\|([^/$*^|\s]+)\^")


def read_adblock(blocks: Iterator[LineBlock], collector: Collector) -> None:
    """Read a filter list. Rules with options, paths or patterns are skipped: they are about parts of pages."""
    for block in blocks:
        clean, numbers = [], []
        for number, line in numbered_lines(block):
            if (found := _RULE.fullmatch(line)) is not None:
                clean.append(found[1])
                numbers.append(number)
                continue
            text = line.decode("utf-8", "replace")
            if text.startswith(("!", "[", "# ")) or text == "#":
                continue
            rule = _TEXT_RULE.fullmatch(text)
            if rule is None:
                collector.skip("rule.options", number, text)
            else:
                collector.add_name(rule[2], number, BOTH | ALLOW if rule[1] else BOTH)
        if clean:
            collector.add_clean_lines(b"\n".join(clean), BOTH, numbers)
