"""JSON documents in plain Python: where records stand in one, by descent over its bytes. Part of the specification."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import NamedTuple

from ..results import RAW_LIMIT_BYTES, Reject
from .framing import Record, decode_json, reject_code

__all__ = ["Documents", "Fault"]

#: Start, end, and whether it is in the place of a record; otherwise it is what follows a fault.
Item = tuple[int, int, bool]

_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(rb"[ \t\r\n]*")
_SPACE_OR_PADDING = re.compile(rb"[ \t\r\n\0]*")
# A newline is never part of a string, escaped or not.
_STRING = re.compile(rb'"(?:[^"\\\n]|\\[^\n])*+"')
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\\n]|\\[^\n])*+"?|[][{}]')
_WORD = re.compile(rb'[^ \t\r\n,:"\[\]{}]+')


class Fault(Exception):
    """Nothing can be read from this byte on."""

    def __init__(self, at: int) -> None:
        self.at = at


class _Look(NamedTuple):
    """What the members of an object say about it; `members` is None if it is cut or broken."""

    mapped: bool = False
    holds_records: bool = False
    members: list[tuple[str | None, int, int]] | None = None


class Documents:
    """Documents in `data`: objects and arrays around records, and records, with space or commas between them.

    An array at the top is around records. So is an object without a key that the mapping reads, if a member is an array
    that begins with an object (the records of all such members count, other members are ignored), or if an empty array
    is its only member. A mapped key must come in its first `max_record_bytes` bytes to make it a record. An object
    without a mapped key whose only member is an object stands for that, if it is no longer than `max_record_bytes`. An
    array within an element is not looked into: the element is the record, and without a mapped key of its own it is an
    unknown one. Where a record may begin, NULs are skipped.
    """

    def __init__(self, data: bytes, known: set[str], delimiter: bytes, max_record_bytes: int) -> None:
        self.data = data
        self._known = known
        self._delimiter = delimiter
        self._max_record_bytes = max_record_bytes

    def records(self) -> Iterator[Record | Reject | None]:
        """Give records and rejects, in order, and None for a run of NULs before a document or an element.

        What follows a fault is one reject, even if it is empty. That is the rest of its line if the first document
        ended in its line, else all of the rest.
        """
        line, counted = 1, 0
        for item in self.items():
            if item is None:
                yield None
                continue
            start, end, is_item = item
            line += self.data.count(b"\n", counted, start)
            counted = start
            raw = self.data[start:end]
            code = reject_code(raw, self._max_record_bytes) if is_item else "json.syntax"
            if code == "json.not_object" and raw.startswith(b"{"):
                text = raw.decode("utf-8")
                yield Record(text, decode_json(text))
            else:
                yield Reject(line, start, end - start, code, raw[:RAW_LIMIT_BYTES])

    def items(self) -> Iterator[Item | None]:
        """Give start and end of what stands in the place of a record, and of the rest behind a fault; None for padding.

        If the first document ends in the line in which it began, every line behind it is read as data of its own.
        """
        first = yield from self._between(0)
        try:
            at = (yield from self.document(first)) if first < len(self.data) else first
        except Fault as fault:
            yield fault.at, len(self.data), False
            return
        if b"\n" in self.data[first:at]:
            yield from self._documents(at)
            return
        while at < len(self.data):
            newline = self.data.find(b"\n", at)
            next_line = len(self.data) if newline < 0 else newline + 1
            line = self.data[at:] if newline < 0 else self.data[at:newline].removesuffix(b"\r")
            documents = Documents(line, self._known, self._delimiter, self._max_record_bytes)
            for item in documents._documents(0):
                yield None if item is None else (at + item[0], at + item[1], item[2])
            at = next_line

    def _documents(self, at: int) -> Iterator[Item | None]:
        """Give the items of documents wherever their lines end."""
        try:
            at = yield from self._between(at)
            while at < len(self.data):
                at = yield from self.document(at)
                at = yield from self._between(at)
        except Fault as fault:
            yield fault.at, len(self.data), False

    def document(self, at: int) -> Generator[Item | None, None, int]:
        """Give the items of the document at `at` and return its end.

        Raises
        ------
        Fault
            It does not end, or cannot be read.
        """
        if self.data.startswith(b"[", at):
            return (yield from self._array(at + 1))
        is_object = self.data.startswith(b"{", at)
        if is_object and self.is_wrapper(at):
            return (yield from self._wrapper(at + 1))
        end = self.value_end(at, len(self.data), at_end=not is_object)
        if end is None:
            raise Fault(at)
        yield self._record(at, end)
        return end

    def is_wrapper(self, at: int) -> bool:
        """Whether the object or array at `at` is around records."""
        if self.data.startswith(b"[", at):
            return True
        look = self._look(at, min(len(self.data), at + self._max_record_bytes))
        if look.mapped:
            return False
        if look.members is not None and len(look.members) == 1:
            _, start, end = look.members[0]
            if self.data[start:end].translate(None, b" \t\r\n") == b"[]":
                return True
        return look.holds_records

    def frames_record(self, end: int) -> bool:
        """Whether the data up to `end` is an object that is nothing but the frame of a record."""
        start, inner_end, _ = self._record(0, end)
        return start != 0 and self._look(start, inner_end).mapped

    def value_end(self, at: int, limit: int, *, at_end: bool = False) -> int | None:
        """Return the end of the value at `at`, by brackets, quotes or what can follow a word; None if there is none.

        A word must end before `limit`, or with `at_end` at it.
        """
        if self.data[at : at + 1] in (b"{", b"["):
            depth = 0
            for match in _STRING_OR_BRACKET.finditer(self.data, at, limit):
                token = match.group()
                if token in (b"{", b"["):
                    depth += 1
                elif token in (b"}", b"]"):
                    depth -= 1
                elif not _STRING.fullmatch(token):
                    return None
                if depth == 0:
                    return match.end()
            return None
        string = _STRING.match(self.data, at, limit)
        if string is not None:
            return string.end()
        word = _WORD.match(self.data, at, limit)
        if word is None or (word.end() == limit and not at_end):
            return None
        try:
            decode_json(word.group().decode("utf-8"))
        except ValueError:
            return None
        return word.end()

    def _between(self, at: int) -> Generator[None, None, int]:
        """Skip what may stand between documents; a delimiter ends a run of NULs."""
        is_padded = False
        while at < len(self.data):
            if self._delimiter and self.data.startswith(self._delimiter, at):
                if is_padded:
                    yield None
                is_padded = False
                at += len(self._delimiter)
            elif self.data.startswith(_BOM, at):
                at += len(_BOM)
            elif self.data[at] in b", \t\r\n\0":
                is_padded = is_padded or self.data[at] == 0
                at += 1
            else:
                break
        if is_padded:
            yield None
        return at

    def _before_element(self, at: int) -> Generator[None, None, int]:
        """Skip space and NULs; the data must not end there."""
        match = _SPACE_OR_PADDING.match(self.data, at)
        end = match.end() if match else at
        if b"\0" in self.data[at:end]:
            yield None
        if end == len(self.data):
            raise Fault(end)
        return end

    def _space(self, at: int) -> int:
        """Skip space; the data must not end there."""
        match = _SPACE.match(self.data, at)
        end = match.end() if match else at
        if end == len(self.data):
            raise Fault(end)
        return end

    def _array(self, at: int) -> Generator[Item | None, None, int]:
        at = yield from self._before_element(at)
        if self.data.startswith(b"]", at):
            return at + 1
        while True:
            end = self.value_end(at, len(self.data))
            if end is None:
                raise Fault(at)
            yield self._record(at, end)
            at = yield from self._behind_element(end)
            if self.data.startswith(b"]", at):
                return at + 1

    def _behind_element(self, at: int) -> Generator[None, None, int]:
        """Skip a comma or delimiter; the last element may have one too, and an object that follows needs none."""
        start = at
        delimiter = self._delimiter
        while at < len(self.data) and self.data[at] in b" \t\r\n\0":
            if delimiter and self.data.startswith(delimiter, at):
                break
            at += 1
        if b"\0" in self.data[start:at]:
            yield None
        if delimiter and self.data.startswith(delimiter, at):
            return (yield from self._before_element(at + len(delimiter)))
        if self.data.startswith(b",", at):
            return (yield from self._before_element(at + 1))
        if not self.data.startswith((b"]", b"{"), at):
            raise Fault(at)
        return at

    def _wrapper(self, at: int) -> Generator[Item | None, None, int]:
        while True:
            at = self._space(at)
            value = self._value_of_member(at)
            if self.data.startswith(b"[", value) and self._begins_with_object(value, len(self.data)):
                at = yield from self._array(value + 1)
            else:
                end = self.value_end(value, len(self.data))
                if end is None:
                    raise Fault(at)
                at = end
            at = self._space(at)
            if self.data.startswith(b"}", at):
                return at + 1
            if not self.data.startswith(b",", at):
                raise Fault(at)
            at += 1

    def _value_of_member(self, at: int) -> int:
        key = _STRING.match(self.data, at)
        if key is None:
            raise Fault(at)
        try:
            colon = self._space(key.end())
            if not self.data.startswith(b":", colon):
                raise Fault(at)
            return self._space(colon + 1)
        except Fault:
            raise Fault(at) from None

    def _begins_with_object(self, at: int, limit: int) -> bool:
        match = _SPACE.match(self.data, at + 1, limit)
        return match is not None and self.data[match.end() : min(match.end() + 1, limit)] == b"{"

    def _record(self, start: int, end: int) -> Item:
        """Return an element or document as an item: itself, or the object that is all it holds.

        What is longer than max_record_bytes stands for itself.
        """
        if self.data.startswith(b"{", start) and end - start <= self._max_record_bytes:
            look = self._look(start, end)
            if not look.mapped and look.members is not None and len(look.members) == 1:
                name, inner_start, inner_end = look.members[0]
                if name is not None and self.data.startswith(b"{", inner_start):
                    return inner_start, inner_end, True
        return start, end, True

    def _look(self, at: int, limit: int) -> _Look:
        """Read the members of the object at `at` up to the first mapped key, and no further than `limit`."""
        members: list[tuple[str | None, int, int]] = []
        holds_records = False
        rest = re.compile(rb"[ \t\r\n]*")

        def space(position: int) -> int:
            match = rest.match(self.data, position, limit)
            return match.end() if match else position

        def byte(position: int) -> bytes:
            return self.data[position : min(position + 1, limit)]

        at = space(at + 1)
        if byte(at) == b"}":
            return _Look(members=[])
        while True:
            key = _STRING.match(self.data, at, limit)
            if key is None:
                return _Look(holds_records=holds_records)
            name = _key(key.group())
            if name in self._known:
                return _Look(mapped=True)
            at = space(key.end())
            if byte(at) != b":":
                return _Look(holds_records=holds_records)
            at = space(at + 1)
            if byte(at) == b"[" and self._begins_with_object(at, limit):
                holds_records = True
            end = self.value_end(at, limit)
            if end is None:
                return _Look(holds_records=holds_records)
            members.append((name, at, end))
            at = space(end)
            if byte(at) == b"}":
                return _Look(holds_records=holds_records, members=members)
            if byte(at) != b",":
                return _Look(holds_records=holds_records)
            at = space(at + 1)


def _key(written: bytes) -> str | None:
    """Return the text of a key, None if it is no valid one."""
    try:
        name: str = json.loads(written.decode("utf-8"))
        name.encode("utf-8")
    except ValueError:
        return None
    return name
