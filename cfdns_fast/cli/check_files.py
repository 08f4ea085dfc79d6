"""Recognise the files that Logpush writes when a destination is checked.

They hold no logs, so the command skips them. A file is never skipped if it holds a record, whatever its name is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..errors import InputFormatError
from ..normalizer import Normalizer
from ..signatures import foreign_format

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


class CheckFile(Exception):
    """An input that Logpush wrote to check a destination."""


def log_blocks(name: str, blocks: Iterable[bytes], normalizer: Normalizer) -> Iterator[bytes]:
    """Yield the blocks of the input `name`. Blocks are kept only as long as the input may be a check file.

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
            # Complete records must not wait for what comes next. An empty block says that the writer pauses.
            if (not block or b"\n" in block) and _holds_record(head, normalizer):
                break
        else:
            if _is_check(head, is_named, normalizer):
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


def _is_check(content: bytes, is_named: bool, normalizer: Normalizer) -> bool:
    if content.rstrip() in _BODIES or _TOKEN.fullmatch(content):
        return not _holds_record(content, normalizer)
    # The body of a check may change. What may be a record that is damaged must not get lost.
    return (
        is_named
        and _TEXT_LINE.fullmatch(content) is not None
        and not any(field.encode() in content for field in normalizer._known)
        and not foreign_format(content, complete=True)
        and not _holds_record(content, normalizer)
    )


def _holds_record(content: bytes, normalizer: Normalizer) -> bool:
    """Return whether a record in `content` has a field that the mapping reads."""
    # Not at the top: few inputs need it.
    from ..reference.formats import input_records
    from ..reference.framing import Record

    options = {key: normalizer._options[key] for key in ("input_format", "columns", "record_delimiter")}
    known = set(normalizer._known)
    try:
        found = list(input_records(content, normalizer._options["max_record_bytes"], known=known, **options))
    except InputFormatError:
        return False
    return any(isinstance(record, Record) and not known.isdisjoint(record.members) for record in found)
