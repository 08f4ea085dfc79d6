"""Recognise the files that Logpush writes when a destination is checked.

They hold no logs, so the command skips them. A file with any name that holds a record is never skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .. import InputFormatError, Normalizer
from .report import UNKNOWN
from .schema import Schema

__all__ = ["CheckFile", "log_blocks"]

#: Longer inputs are logs.
_MAX_BYTES = 4096

_NAME = re.compile(r"(?:.*[/\\])?(?:test\.txt\.gz|ownership-challenge(?:-[0-9a-f]+)?\.txt)", re.IGNORECASE | re.DOTALL)
_BODIES = (
    b"test",
    b"tests",
    b'{"content":"test"}',
    b'{"content":"tests"}',
    b'{"content": "test"}',
    b'{"content": "tests"}',
)
#: The beginning of an ownership token, which is a JSON Web Token, or all of it.
_TOKEN_START = re.compile(rb"e(?:y(?:J[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){0,2}\s*)?)?")
_TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\s*")
_TEXT_LINE = re.compile(rb"[ -~]*\s*")
#: Why plain text is not converted. All other codes name a format that must be decompressed or decoded.
_TEXT_CODES = ("format.unknown", "format.no_header", "format.other_header")


class CheckFile(Exception):
    """An input that Logpush wrote to check a destination."""


def log_blocks(name: str, blocks: Iterable[bytes], normalizer: Normalizer, schema: Schema) -> Iterator[bytes]:
    """Yield the blocks of the input `name`. Blocks are kept only as long as the input may be a check file.

    Parameters
    ----------
    normalizer : Normalizer
        Converts the input if it is not a check file; it collects rejects.
    schema : Schema
        Names its mapping.

    Raises
    ------
    CheckFile
        The whole input is the body of a check; raised before any block was yielded.
    """
    blocks = iter(blocks)
    is_named = _NAME.fullmatch(name) is not None
    kept: list[bytes] = []
    head = b""
    try:
        for block in blocks:
            kept.append(block)
            head += block
            if len(head) > _MAX_BYTES or not (is_named or _may_be_body(head)):
                break
            # Complete records must not wait for the next block. An empty block says that the writer pauses.
            if (not block or b"\n" in block) and _holds_record(head, normalizer):
                break
        else:
            if _is_check(head, is_named, normalizer, schema):
                raise CheckFile
    except CheckFile:
        raise
    except Exception:
        yield from kept
        raise
    yield from kept
    yield from blocks


def _may_be_body(head: bytes) -> bool:
    return (
        any(body.startswith(head) or body == head.rstrip() for body in _BODIES)
        or _TOKEN_START.fullmatch(head) is not None
    )


def _is_check(content: bytes, is_named: bool, normalizer: Normalizer, schema: Schema) -> bool:
    if content.rstrip() not in _BODIES and not _TOKEN.fullmatch(content):
        # The body of a check may change. A damaged record must not get lost.
        is_line = is_named and _TEXT_LINE.fullmatch(content) is not None
        known = schema.known() if is_line else ()
        if not known or any(field.encode() in content for field in known):
            return False
    return not _holds_record(content, normalizer)


def _holds_record(content: bytes, normalizer: Normalizer) -> bool:
    """Return whether a record in the content has a key that the mapping reads, or may have one after decompression."""
    try:
        result = normalizer.to_ndjson(content)
    except InputFormatError as error:
        return error.code not in _TEXT_CODES
    return result.events > result.problems.get(UNKNOWN, 0)
