"""Detect input that must be decompressed or decoded first, by its first bytes.

No record is rejected by mistake, because the first line of input that begins with a signature is never a record.
tests/formats/test_signatures.py gives the reason for every signature.
"""

from __future__ import annotations

from .errors import InputFormatError

__all__ = ["FIRST_BYTES", "HEAD_BYTES", "SECOND_BYTES", "check", "foreign_format"]

#: Maximum number of bytes by which a format is detected. Only the signature of zlib needs more than 20 bytes.
HEAD_BYTES = 1024

_MAGICS = {
    b"\x1f\x8b": "format.gzip",
    b"\x28\xb5\x2f\xfd": "format.zstd",
    # Skippable frames, which for example parallel compressors write.
    **{bytes([first]) + b"*M\x18": "format.zstd" for first in range(0x50, 0x60)},
    b"\x04\x22M\x18": "format.lz4",
    b"\xfd7zXZ\x00": "format.xz",
    # After the size, the start of a block or of the end of the stream.
    **{b"BZh%d1AY&SY" % size: "format.bzip2" for size in range(1, 10)},
    **{b"BZh%d\x17\x72\x45\x38\x50\x90" % size: "format.bzip2" for size in range(1, 10)},
    b"\xff\x06\x00\x00sNaPpY": "format.snappy",
    b"PK\x03\x04": "format.zip",
    b"PK\x05\x06": "format.zip",
    b"PK\x07\x08": "format.zip",
    # With the first byte of the page or footer that follows.
    b"PAR1\x15": "format.parquet",
    b"Obj\x01": "format.avro",
}
_ZLIB_HEADERS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_ZLIB_SAMPLE_BYTES = 16

#: Code, byte order mark, size of a code unit in bytes, and the index of the byte that holds ASCII.
_ENCODINGS = (
    ("format.utf32", b"\xff\xfe\x00\x00", 4, 0),
    ("format.utf32", b"\x00\x00\xfe\xff", 4, 3),
    ("format.utf16", b"\xff\xfe", 2, 0),
    ("format.utf16", b"\xfe\xff", 2, 1),
)
_STARTS = (*_MAGICS, *_ZLIB_HEADERS, *(mark for _, mark, _, _ in _ENCODINGS))
#: The first and the second bytes of all signatures, for a fast check. UTF-16 and UTF-32 without a mark have a zero
#: byte.
FIRST_BYTES = frozenset(start[0] for start in _STARTS)
SECOND_BYTES = frozenset(start[1] for start in _STARTS)

#: Maximum number of bytes of text that are examined.
_TEXT_BYTES = 16
_MIN_UNITS = 2
_BLANK = frozenset(b" \t\r\n")
_ASCII = frozenset(range(0x20, 0x7F)) | _BLANK


def check(head: bytes) -> None:
    """Check that input that begins with `head` is of no foreign format.

    Raises
    ------
    InputFormatError
        The input must be decompressed or decoded first.
    """
    code = foreign_format(head, complete=True)
    if code:
        raise InputFormatError(code)


def foreign_format(head: bytes, *, complete: bool) -> str | None:
    """Return the code of the format that begins with `head`; "" if there is none, None if more bytes are needed.

    Further bytes do not change a code or "". With `HEAD_BYTES` the result is never None.

    Parameters
    ----------
    head : bytes
        The first bytes of an input. Bytes after `HEAD_BYTES` are ignored.
    complete : bool
        The input ends with `head`, or further bytes are not needed.
    """
    head = head[:HEAD_BYTES]
    complete = complete or len(head) == HEAD_BYTES
    if complete and head[:1] and head[0] not in FIRST_BYTES and 0 not in head[:_TEXT_BYTES]:
        # Most inputs: each object of a bucket is examined.
        return ""
    is_open = False
    for magic, code in _MAGICS.items():
        if head.startswith(magic):
            return code
        is_open = is_open or magic.startswith(head)
    for found in (_zlib(head, complete), *(_encoding(head, complete, *encoding) for encoding in _ENCODINGS)):
        if found:
            return found
        is_open = is_open or found is None
    return None if is_open and not complete else ""


def _zlib(head: bytes, complete: bool) -> str | None:
    """Detect zlib by its header and by text that inflates, because ``x^`` may also begin text."""
    if not head.startswith(_ZLIB_HEADERS):
        return None if any(header.startswith(head) for header in _ZLIB_HEADERS) else ""
    import zlib

    decoder = zlib.decompressobj()
    sample = b""
    # Byte by byte, because a call that meets an error returns no output.
    for at in range(len(head)):
        try:
            sample += decoder.decompress(head[at : at + 1])
        except zlib.error:
            return ""
        if len(sample) >= _ZLIB_SAMPLE_BYTES or decoder.eof:
            break
    else:
        if not complete:
            return None
    is_text = all(byte >= 0x80 or byte in _ASCII for byte in sample[:_ZLIB_SAMPLE_BYTES])
    return "format.zlib" if is_text and (sample or decoder.eof) else ""


def _encoding(head: bytes, complete: bool, code: str, mark: bytes, unit_bytes: int, at: int) -> str | None:
    """Detect ASCII text in UTF-16 or UTF-32, with or without a byte order mark, by its zero bytes."""
    if len(head) < len(mark) and mark.startswith(head) and not complete:
        return None
    is_marked = head.startswith(mark)
    start = len(mark) if is_marked else 0
    text = head[start : start + _TEXT_BYTES]
    if not all(byte in _ASCII if index % unit_bytes == at else not byte for index, byte in enumerate(text)):
        return ""
    if len(text) < _TEXT_BYTES and not complete:
        return None
    # Without the mark, NULs and space can be blank lines of NDJSON.
    units = text[at::unit_bytes][: len(text) // unit_bytes]
    is_text = len(units) >= _MIN_UNITS and not _BLANK.issuperset(units)
    return code if is_marked or is_text else ""
