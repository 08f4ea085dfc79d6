"""Detect formats that are not read by the first bytes of an input. Part of the specification."""

from __future__ import annotations

import re
import zlib

from ..errors import InputFormatError

__all__ = ["check_signature"]

_SIGNATURES = {
    "format.gzip": rb"\x1f\x8b",
    "format.zstd": rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18",
    "format.lz4": rb"\x04\x22\x4d\x18",
    "format.xz": rb"\xfd7zXZ\x00",
    "format.bzip2": rb"BZh[1-9](?:\x31\x41\x59\x26\x53\x59|\x17\x72\x45\x38\x50\x90)",
    "format.snappy": rb"\xff\x06\x00\x00sNaPpY",
    "format.zip": rb"PK(?:\x03\x04|\x05\x06|\x07\x08)",
    "format.parquet": rb"PAR1\x15",
    "format.avro": rb"Obj\x01",
}
#: Codec, code, byte order mark.
_CODECS = (
    ("utf-32-le", "format.utf32", b"\xff\xfe\x00\x00"),
    ("utf-32-be", "format.utf32", b"\x00\x00\xfe\xff"),
    ("utf-16-le", "format.utf16", b"\xff\xfe"),
    ("utf-16-be", "format.utf16", b"\xfe\xff"),
)
_TEXT = re.compile(r"[\t\n\r -~]*")


def check_signature(data: bytes) -> None:
    """Check that data is of no format that is not read.

    - zlib is detected by its header and by text: the first 16 inflated bytes must be text. At most 1,024 bytes are
      inflated.
    - UTF-16 and UTF-32 are detected by ASCII text in the first 16 bytes. Without a byte order mark, they need at least
      two characters that are not all space.

    Raises
    ------
    InputFormatError
        The data must be decompressed or decoded first.
    """
    for code, pattern in _SIGNATURES.items():
        if re.match(pattern, data):
            raise InputFormatError(code)
    if re.match(rb"\x78[\x01\x5e\x9c\xda]", data) and _inflates(data[:1024]):
        raise InputFormatError("format.zlib")
    for codec, code, mark in _CODECS:
        if _is_encoded(data, codec, mark):
            raise InputFormatError(code)


def _inflates(data: bytes) -> bool:
    inflater = zlib.decompressobj()
    plain = b""
    rest = data
    while rest and len(plain) < 16 and not inflater.eof:
        try:
            plain += inflater.decompress(rest[:1])
        except zlib.error:
            return False
        rest = rest[1:]
    return bool(re.fullmatch(rb"[\t\n\r -~\x80-\xff]*", plain[:16])) and (plain != b"" or inflater.eof)


def _is_encoded(data: bytes, codec: str, mark: bytes) -> bool:
    is_marked = data.startswith(mark)
    sample = data.removeprefix(mark)[:16]
    # Complete an incomplete last character with bytes of "a".
    cut = len(sample) % len("a".encode(codec))
    ending = "a".encode(codec)[cut:] if cut else b""
    try:
        text = (sample + ending).decode(codec)
    except UnicodeDecodeError:
        return False
    whole = text[:-1] if cut else text
    return bool(_TEXT.fullmatch(text)) and (is_marked or (len(whole) >= 2 and not whole.isspace()))
