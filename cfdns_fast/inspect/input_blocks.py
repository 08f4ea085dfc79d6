"""The bytes of an input: its beginning, larger blocks, and whole lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from ..io import InputFault
from .event_lines import is_event
from .parquet_events import PARQUET_MAGIC

__all__ = ["Head", "LongLine", "RecentLines", "joined", "whole_lines"]

#: Bytes and lines in which the first record of an input is looked for. An event may be longer than its record.
_HEAD_BYTES = 1 << 23
_HEAD_LINES = 8
#: Bytes that are kept of a line that is too long.
_BEGINNING_BYTES = 256
_BLANK = b" \t\r\n\0\xef\xbb\xbf"


class Head:
    """The beginning of an input, which says what it is.

    Parameters
    ----------
    blocks : iterator of bytes
        It is read until the first lines are complete. If it raises InputFault, `blocks` raises that again.

    Attributes
    ----------
    is_empty : bool
        Whether there are no bytes, perhaps because of a fault.
    is_parquet : bool
    is_event : bool
        Whether the first record is a converted event.
    has_lines : bool
        Whether the first record is a JSON object on one line.
    first_object : bytes
        The first record, if it is a JSON object on one line; else empty.
    first_line : bytes
        The first line that is not blank, with its end; it may be cut.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._fault: InputFault | None = None
        self._read: list[bytes] = []
        size_bytes = 0
        has_content = False
        try:
            for block in blocks:
                self._read.append(block)
                size_bytes += len(block)
                content = block if has_content else block.lstrip(_BLANK)
                has_content = has_content or bool(content)
                if size_bytes >= _HEAD_BYTES or b"\n" in content:
                    break
        except InputFault as error:
            self._fault = error
        first = b"".join(self._read)
        self.is_empty = not first
        self.is_parquet = first.startswith(PARQUET_MAGIC)
        self.first_object = b"" if self.is_parquet else _first_object(first)
        self.has_lines = bool(self.first_object)
        self.first_line = first.lstrip(_BLANK).partition(b"\n")[0] + b"\n"
        self.is_event = self.has_lines and is_event(self.first_object)

    def blocks(self) -> Iterator[bytes]:
        """Return all blocks, also those that were read."""
        read, self._read = self._read, []
        yield from chain(read, self._blocks if self._fault is None else ())
        if self._fault is not None:
            raise self._fault


def _first_object(head: bytes) -> bytes:
    """Return the first line that is a JSON object; empty if none of the first lines is."""
    for line in head.lstrip(_BLANK).split(b"\n", _HEAD_LINES)[:_HEAD_LINES]:
        try:
            if line.lstrip(_BLANK).startswith(b"{") and isinstance(json.loads(line.strip(_BLANK)), dict):
                return line.strip(_BLANK)
        except (ValueError, RecursionError):
            continue
    return b""


class RecentLines:
    """The last blocks that were fed, to find a record in them."""

    def __init__(self) -> None:
        self._before = self._last = b""
        self._starts_line = True

    def feed(self, block: bytes) -> None:
        """Append a block, and forget the last block but one."""
        self._starts_line = not self._before or self._before.endswith(b"\n")
        self._before, self._last = self._last, block

    def lines(self) -> bytes:
        """Return the lines whose beginning is known. The last one may not be complete."""
        text = self._before + self._last
        return text if self._starts_line else text[text.find(b"\n") + 1 :]


def joined(blocks: Iterator[bytes], size_bytes: int) -> Iterator[bytes]:
    """Yield the same bytes in blocks of at least this size, the last excepted; also those before an InputFault."""
    held: list[bytes] = []
    held_bytes = 0
    fault = None
    try:
        for block in blocks:
            held.append(block)
            held_bytes += len(block)
            if held_bytes >= size_bytes:
                yield b"".join(held)
                held, held_bytes = [], 0
    except InputFault as error:
        fault = error
    if held_bytes:
        yield b"".join(held)
    if fault is not None:
        raise fault


class LongLine(NamedTuple):
    """The beginning of a line that is too long."""

    beginning: bytes


def whole_lines(blocks: Iterator[bytes], max_bytes: int) -> Iterator[bytes | LongLine]:
    """Yield whole lines, many at a time; a `LongLine` stands for a line that is longer than `max_bytes`."""
    rest = b""
    is_skipping = False
    fault = None
    try:
        for block in blocks:
            end = block.rfind(b"\n") + 1
            if not end:
                rest = b"" if is_skipping else rest + block
            else:
                if is_skipping:
                    first = block.index(b"\n") + 1
                    lines, is_skipping = block[first:end], False
                else:
                    lines = rest + block[:end]
                if lines:
                    yield lines
                rest = block[end:]
            if len(rest) > max_bytes:
                yield LongLine(rest[:_BEGINNING_BYTES])
                rest, is_skipping = b"", True
    except InputFault as error:
        fault = error
    if rest:
        yield rest
    if fault is not None:
        raise fault
