"""Batches that are large enough for several threads."""

from __future__ import annotations

import random

from support.records import GOOD, MIXED


def shuffled_lines(size_bytes: int, seed: int) -> bytes:
    """Return good, bad, blank, doubled and long lines in random order; the last line has no newline."""
    pick = random.Random(seed)
    lines = [GOOD, GOOD, GOOD, MIXED + b"\n", b"\n", b"\xff\n", b'{"a":"' + b"x" * 3000 + b'"}\n', b" \t\r\n", b"[1]\n"]
    made = bytearray()
    while len(made) < size_bytes:
        made += pick.choice(lines)
    return bytes(made) + b"{"


DATA = {
    "mixed": shuffled_lines(2_000_000, 1),
    "one line longer than several pieces": GOOD * 2000 + b'{"a":"' + b"x" * 700_000 + b'"}\n' + GOOD * 2000,
    "no newline": b'{"QueryName":"a.example"}' * 40_000,
    "lines that end where a piece does": (GOOD.rstrip() + b" " * (1024 - len(GOOD)) + b"\n") * 1024,
    "blank lines": b"\n" * 1_000_000,
    "output larger than its buffer": (b'{"\x01a":1,"ColoCode":"' + b"\\u0001" * 40 + b'"}\n') * 6000,
    "no data": b"",
    "less than a piece": MIXED,
}
