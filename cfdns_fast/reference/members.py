"""Read the members of an object of a JSON document by their bytes. Part of the specification."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from .framing import decode_json

__all__ = ["STRING", "Members", "begins_with_object", "read_members", "value_end"]

#: A string, which cannot contain a newline, even an escaped one.
STRING = re.compile(rb'"(?:[^"\\\n]|\\[^\n])*+"')
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\\n]|\\[^\n])*+"?|[][{}]')
_WORD = re.compile(rb'[^ \t\r\n,:"\[\]{}]+')
_SPACE = re.compile(rb"[ \t\r\n]*")


class Members(NamedTuple):
    """The members of an object, up to the position where reading stopped.

    Attributes
    ----------
    mapped : bool
        A key is one that the mapping reads.
    holds_records : bool
        A member is an array that begins with an object.
    members : list of (str or None, int, int) or None
        Key, start and end of each value. None if the object is incomplete or invalid, or if a key is mapped.
    """

    mapped: bool = False
    holds_records: bool = False
    members: list[tuple[str | None, int, int]] | None = None


def value_end(data: bytes, at: int, limit: int, *, at_end: bool = False) -> int | None:
    """Return the end of the value at `at`; None if it is invalid or incomplete.

    Only brackets, quotes and words are checked, not the grammar within objects and arrays.

    Parameters
    ----------
    data : bytes
        The input.
    at : int
        Where the value begins.
    limit : int
        Where the data ends.
    at_end : bool
        A literal or number may end at `limit`; otherwise a byte must follow it.
    """
    if data[at : at + 1] in (b"{", b"["):
        depth = 0
        for match in _STRING_OR_BRACKET.finditer(data, at, limit):
            token = match.group()
            if token in (b"{", b"["):
                depth += 1
            elif token in (b"}", b"]"):
                depth -= 1
            elif not STRING.fullmatch(token):
                return None
            if depth == 0:
                return match.end()
        return None
    string = STRING.match(data, at, limit)
    if string is not None:
        return string.end()
    word = _WORD.match(data, at, limit)
    if word is None or (word.end() == limit and not at_end):
        return None
    try:
        decode_json(word.group().decode("utf-8"))
    except ValueError:
        return None
    return word.end()


def begins_with_object(data: bytes, at: int, limit: int) -> bool:
    """Return whether the array at `at` begins with an object before `limit`."""
    match = _SPACE.match(data, at + 1, limit)
    return match is not None and data[match.end() : min(match.end() + 1, limit)] == b"{"


def read_members(data: bytes, at: int, limit: int, known: set[str]) -> Members:
    """Read the members of the object at `at` up to the first mapped key, or up to `limit`."""
    members: list[tuple[str | None, int, int]] = []
    holds_records = False

    def space(position: int) -> int:
        match = _SPACE.match(data, position, limit)
        return match.end() if match else position

    def byte(position: int) -> bytes:
        return data[position : min(position + 1, limit)]

    at = space(at + 1)
    if byte(at) == b"}":
        return Members(members=[])
    while True:
        key = STRING.match(data, at, limit)
        if key is None:
            return Members(holds_records=holds_records)
        name = _key(key.group())
        if name in known:
            return Members(mapped=True)
        at = space(key.end())
        if byte(at) != b":":
            return Members(holds_records=holds_records)
        at = space(at + 1)
        if byte(at) == b"[" and begins_with_object(data, at, limit):
            holds_records = True
        end = value_end(data, at, limit)
        if end is None:
            return Members(holds_records=holds_records)
        members.append((name, at, end))
        at = space(end)
        if byte(at) == b"}":
            return Members(holds_records=holds_records, members=members)
        if byte(at) != b",":
            return Members(holds_records=holds_records)
        at = space(at + 1)


def _key(written: bytes) -> str | None:
    """Return the unescaped text of a key; None if it is invalid."""
    try:
        name: str = json.loads(written.decode("utf-8"))
        name.encode("utf-8")
    except ValueError:
        return None
    return name
