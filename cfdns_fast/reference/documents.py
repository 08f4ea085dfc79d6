"""Find the records of JSON documents by recursive descent over their bytes. Part of the specification."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from ..results import RAW_LIMIT_BYTES, Reject
from .framing import Found, Record, decode_json, reject_code
from .members import STRING, begins_with_object, read_members, value_end

__all__ = ["Documents", "Fault"]

#: Start, end, and True for an element or document, False for the rest after a fault.
Item = tuple[int, int, bool]

_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(rb"[ \t\r\n]*")
_SPACE_OR_PADDING = re.compile(rb"[ \t\r\n\0]*")


class Fault(Exception):
    """The data is invalid or ends from the byte `at` on."""

    def __init__(self, at: int) -> None:
        self.at = at


class Documents:
    """The JSON documents of an input, with space, commas or record delimiters between them.

    A document is a record, or a wrapper of records:

    1. An array at the top is a wrapper, and its elements are records.
    2. An object is a wrapper if none of its keys is mapped and a member is an array that begins with an object. The
       elements of all such arrays are records, and other members are ignored. Only the first `max_record_bytes` of the
       object are searched for mapped keys.
    3. An object whose only member is an empty array is a wrapper of no records.
    4. An object whose only member is an object, and whose key is not mapped, stands for that object if it has at most
       `max_record_bytes`.
    5. An element of a wrapper is a record, whatever arrays it contains. NULs before a record are skipped.

    Parameters
    ----------
    data : bytes
        The input.
    known : set of str
        The keys that the mapping reads; they are the mapped keys.
    delimiter : bytes
        Separates documents and elements; empty if there is none.
    max_record_bytes : int
        Maximum size of a record.
    """

    def __init__(self, data: bytes, known: set[str], delimiter: bytes, max_record_bytes: int) -> None:
        self.data = data
        self._known = known
        self._delimiter = delimiter
        self._max_record_bytes = max_record_bytes

    def records(self) -> Iterator[Found]:
        """Yield records and rejects, in order, and None for a run of NULs before a document or an element.

        The bytes after a fault are one reject, even if there are none: the rest of the line if the first document ends
        in its first line, else the rest of the input.
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
        """Yield the elements and documents, and the rest after a fault; None for a run of NULs.

        If the first document ends in its first line, every following line is read as an input of its own.
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
        """Yield the items of the documents from `at` on, which may span lines."""
        try:
            at = yield from self._between(at)
            while at < len(self.data):
                at = yield from self.document(at)
                at = yield from self._between(at)
        except Fault as fault:
            yield fault.at, len(self.data), False

    def document(self, at: int) -> Generator[Item | None, None, int]:
        """Yield the items of the document at `at` and return its end.

        Raises
        ------
        Fault
            The document is incomplete or invalid.
        """
        if self.data.startswith(b"[", at):
            return (yield from self._array(at + 1))
        is_object = self.data.startswith(b"{", at)
        if is_object and self.is_wrapper(at):
            return (yield from self._wrapper(at + 1))
        end = value_end(self.data, at, len(self.data), at_end=not is_object)
        if end is None:
            raise Fault(at)
        yield self._record(at, end)
        return end

    def is_wrapper(self, at: int) -> bool:
        """Return whether the object or array at `at` is a wrapper of records."""
        if self.data.startswith(b"[", at):
            return True
        found = read_members(self.data, at, min(len(self.data), at + self._max_record_bytes), self._known)
        if found.mapped:
            return False
        if found.members is not None and len(found.members) == 1:
            _, start, end = found.members[0]
            if self.data[start:end].translate(None, b" \t\r\n") == b"[]":
                return True
        return found.holds_records

    def frames_record(self, end: int) -> bool:
        """Return whether the data up to `end` is an object that stands for the record in it (rule 4)."""
        start, inner_end, _ = self._record(0, end)
        return start != 0 and read_members(self.data, start, inner_end, self._known).mapped

    def _between(self, at: int) -> Generator[None, None, int]:
        """Skip the bytes between documents and return the next offset. A delimiter ends a run of NULs."""
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
        """Skip space and NULs; raises Fault at the end of the data."""
        match = _SPACE_OR_PADDING.match(self.data, at)
        end = match.end() if match else at
        if b"\0" in self.data[at:end]:
            yield None
        if end == len(self.data):
            raise Fault(end)
        return end

    def _space(self, at: int) -> int:
        """Skip space; raises Fault at the end of the data."""
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
            end = value_end(self.data, at, len(self.data))
            if end is None:
                raise Fault(at)
            yield self._record(at, end)
            at = yield from self._after_element(end)
            if self.data.startswith(b"]", at):
                return at + 1

    def _after_element(self, at: int) -> Generator[None, None, int]:
        """Skip a comma or delimiter, which may also follow the last element and may lack before an object."""
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
            if self.data.startswith(b"[", value) and begins_with_object(self.data, value, len(self.data)):
                at = yield from self._array(value + 1)
            else:
                end = value_end(self.data, value, len(self.data))
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
        key = STRING.match(self.data, at)
        if key is None:
            raise Fault(at)
        try:
            colon = self._space(key.end())
            if not self.data.startswith(b":", colon):
                raise Fault(at)
            return self._space(colon + 1)
        except Fault:
            raise Fault(at) from None

    def _record(self, start: int, end: int) -> Item:
        """Return an element or document as an item, or the object that it stands for (rule 4)."""
        if self.data.startswith(b"{", start) and end - start <= self._max_record_bytes:
            found = read_members(self.data, start, end, self._known)
            if not found.mapped and found.members is not None and len(found.members) == 1:
                name, inner_start, inner_end = found.members[0]
                if name is not None and self.data.startswith(b"{", inner_start):
                    return inner_start, inner_end, True
        return start, end, True
