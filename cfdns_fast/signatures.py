"""Recognise by its first bytes input that must be decompressed or decoded first.

No record is refused by mistake: what begins with a signature has at least a first line that is no record. For every
signature, tests/formats/test_signatures.py says why.
"""

from __future__ import annotations

from .errors import InputFormatError

__all__ = ["FIRST_BYTES", "HEAD_BYTES", "SECOND_BYTES", "check", "foreign_format"]

#: How much of an input is looked at. All signatures but that of zlib are shorter than 21 bytes.
HEAD_BYTES = 1024

_MAGICS = {
    b"\x1f\x8b": "format.gzip",
    b"\x28\xb5\x2f\xfd": "format.zstd",
    # Frames that decoders skip, for example where a file was compressed in parallel.
    **{bytes([first]) + b"*M\x18": "format.zstd" for first in range(0x50, 0x60)},
    b"\x04\x22M\x18": "format.lz4",
    b"\xfd7zXZ\x00": "format.xz",
    # With what follows the size: the beginning of a block, or of the end.
    **{b"BZh%d1AY&SY" % size: "format.bzip2" for size in range(1, 10)},
    **{b"BZh%d\x17\x72\x45\x38\x50\x90" % size: "format.bzip2" for size in range(1, 10)},
    b"\xff\x06\x00\x00sNaPpY": "format.snappy",
    b"PK\x03\x04": "format.zip",
    b"PK\x05\x06": "format.zip",
    b"PK\x07\x08": "format.zip",
    # With the first byte of the structure that follows, a page or the footer.
    b"PAR1\x15": "format.parquet",
    b"Obj\x01": "format.avro",
}
_ZLIB_HEADERS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_ZLIB_SAMPLE_BYTES = 16

#: (code, byte order mark, bytes of a code unit, which of them holds ASCII)
_ENCODINGS = (
    ("format.utf32", b"\xff\xfe\x00\x00", 4, 0),
    ("format.utf32", b"\x00\x00\xfe\xff", 4, 3),
    ("format.utf16", b"\xff\xfe", 2, 0),
    ("format.utf16", b"\xfe\xff", 2, 1),
)
_STARTS = (*_MAGICS, *_ZLIB_HEADERS, *(mark for _, mark, _, _ in _ENCODINGS))
#: The first and the second bytes of all of these, for a quick look. UTF-16 and UTF-32 without a mark have a zero byte.
FIRST_BYTES = frozenset(start[0] for start in _STARTS)
SECOND_BYTES = frozenset(start[1] for start in _STARTS)

#: How many bytes of text are looked at.
_TEXT_BYTES = 16
_MIN_UNITS = 2
_BLANK = frozenset(b" \t\r\n")
_ASCII = frozenset(range(0x20, 0x7F)) | _BLANK


def check(head: bytes) -> None:
    """Raise InputFormatError if input that begins with `head` must be decompressed or decoded first."""
    code = foreign_format(head, complete=True)
    if code:
        raise InputFormatError(code)


def foreign_format(head: bytes, *, complete: bool) -> str | None:
    """Return the code of the format that begins with `head`, "" if there is none, None if more bytes must be seen.

    What is returned for some bytes is returned for the same bytes and more. With `HEAD_BYTES` it is never None.

    Parameters
    ----------
    head : bytes
        The first bytes of an input; those after `HEAD_BYTES` are not looked at.
    complete : bool
        The input ends with `head`, or is not needed beyond it.
    """
    head = head[:HEAD_BYTES]
    complete = complete or len(head) == HEAD_BYTES
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
    """Recognise zlib by its header and by text that inflates: ``x^`` may begin text, which does not."""
    if not head.startswith(_ZLIB_HEADERS):
        return None if any(header.startswith(head) for header in _ZLIB_HEADERS) else ""
    import zlib

    decoder = zlib.decompressobj()
    sample = b""
    # Byte by byte, because a call that meets an error gives nothing of what stands before the error.
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
    """Recognise ASCII text in UTF-16 or UTF-32, with or without a byte order mark, by the zero bytes in it."""
    if len(head) < len(mark) and mark.startswith(head) and not complete:
        return None
    is_marked = head.startswith(mark)
    start = len(mark) if is_marked else 0
    text = head[start : start + _TEXT_BYTES]
    if not all(byte in _ASCII if place % unit_bytes == at else not byte for place, byte in enumerate(text)):
        return ""
    if len(text) < _TEXT_BYTES and not complete:
        return None
    # Without the mark, NULs and space may be blank lines of NDJSON.
    units = text[at::unit_bytes][: len(text) // unit_bytes]
    is_text = len(units) >= _MIN_UNITS and not _BLANK.issuperset(units)
    return code if is_marked or is_text else ""
