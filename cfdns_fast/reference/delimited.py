"""Read NDJSON in which record delimiters may separate objects within a line. Part of the specification."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..results import RAW_LIMIT_BYTES, Reject
from .framing import DEPTH_LIMIT, Found, Record, cut, lines

__all__ = ["delimited_records"]

# A string up to its closing quote. If no quote follows the match, the string ends there or is invalid.
_STRING = r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*'
_TOKEN = re.compile(rf"[ \t\r]*+(?:(?P<mark>[][{{}}:,])|(?P<string>{_STRING})|(?P<word>[-+.0-9A-Za-z]++))".encode())
# The longest beginning of a literal or a number.
_WORD_START = re.compile(
    rb"t(?:r(?:ue?)?)?|f(?:a(?:l(?:se?)?)?)?|n(?:u(?:ll?)?)?"
    rb"|-?+(?:(?:0|[1-9][0-9]*+)(?:\.(?![0-9])|(?:\.[0-9]++)?+(?:[eE][-+]?+[0-9]*+)?+))?+"
)
_WORD = re.compile(rb"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
#: Maximum number of bytes before a fault in which a delimiter still ends the piece.
_MAX_GAP_BYTES = 64


def delimited_records(data: bytes, delimiter: bytes, max_record_bytes: int) -> Iterator[Found]:
    """Yield the records and rejects of NDJSON, in order; None for a blank line or a run of NULs.

    Parameters
    ----------
    data : bytes
        The input.
    delimiter : bytes
        Separates the objects of a line; empty if there is none. Each piece is then read as a line is.
    max_record_bytes : int
        Maximum size of a record.
    """
    for number, line_offset, line, is_padded in lines(data, nul_delimits=b"\0" in delimiter):
        pieces = list(_pieces(line, delimiter))
        if len(pieces) == 1 and not line.strip(b" \t\r\0"):
            yield None
            continue
        for index, (offset, piece) in enumerate(pieces):
            for start, end, found in cut(piece, max_record_bytes, is_padded=is_padded and index == 0):
                if found is None or isinstance(found, Record):
                    yield found
                else:
                    raw = piece[start : min(end, start + RAW_LIMIT_BYTES)]
                    yield Reject(number, line_offset + offset + start, end - start, found, raw)


def _pieces(line: bytes, delimiter: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield offset and content of the pieces between the delimiters of a line.

    A delimiter counts after a JSON object. Where a piece is not an object, the first delimiter that reaches the byte at
    which the piece stops being one ends the piece, even within brackets and strings.
    """
    start = at = 0
    while delimiter and at < len(line):
        if line.startswith(delimiter, at):
            yield start, line[start:at]
            start = at = at + len(delimiter)
        elif line[at] in b" \t\r\0":
            at += 1
        else:
            end, is_whole = _object_or_fault(line, at)
            at = end if is_whole else line.find(delimiter, max(at, end - len(delimiter)))
            if at < 0:
                break
    yield start, line[start:]


def _object_or_fault(line: bytes, at: int) -> tuple[int, bool]:
    """Return the end of the JSON object at `at` and True, or the end of its valid beginning and False.

    The valid beginning has whole tokens (RFC 8259 section 2), at most 256 open brackets, and at the end the beginning
    of a string. It also includes the bytes before the first invalid byte, except the last 64. Strings may be invalid
    UTF-8, so that a delimiter within such a string does not separate.
    """
    closing: list[str] = []
    # The tokens allowed next: "key", "value" or a mark.
    wanted = {"{"}
    while wanted and (token := _TOKEN.match(line, at)):
        mark = (token["mark"] or b"").decode()
        if token["string"] is not None:
            if wanted.isdisjoint(("key", "value")):
                break
            if not line.startswith(b'"', token.end()):
                return token.end(), False
            at = token.end() + 1
            wanted = {":"} if "key" in wanted else _after_value(closing)
            continue
        if token["word"] is not None:
            if "value" not in wanted or not _WORD.fullmatch(token["word"]):
                break
            wanted = _after_value(closing)
        elif mark in ("{", "["):
            if wanted.isdisjoint((mark, "value")) or len(closing) == DEPTH_LIMIT:
                break
            closing.append("}" if mark == "{" else "]")
            wanted = {"key", "}"} if mark == "{" else {"value", "]"}
        elif mark not in wanted:
            break
        elif mark == ":":
            wanted = {"value"}
        elif mark == ",":
            wanted = {"key"} if closing[-1] == "}" else {"value"}
        else:
            closing.pop()
            wanted = _after_value(closing)
        at = token.end()
    if not wanted:
        return at, True
    fault = len(line) - len(line[at:].lstrip(b" \t\r"))
    if "value" in wanted and (word := _WORD_START.match(line, fault)):
        fault = word.end()
    return max(at, fault - _MAX_GAP_BYTES), False


def _after_value(closing: list[str]) -> set[str]:
    return {",", closing[-1]} if closing else set()
