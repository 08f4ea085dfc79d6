"""Examine a body before it is acknowledged: is it whole, within the limits, and how many records does it hold?

Memory stays flat for every body: 64 KiB of input and of output at a time. The work is bounded by the limits for
members, for the decoded size, and for the ratio of both sizes.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from isal import igzip_lib, isal_zlib

from ..io.gunzip import IsalError
from .line_counter import LineCounter
from .settings import Settings
from .validation import MAX_VALIDATION_BYTES, is_validation

__all__ = ["Examination", "Examined", "Limits", "Refused", "examination"]

PIECE_BYTES = 65536

#: The ratio limit counts above this decoded size: small bodies of equal records compress very well.
MIN_RATIO_BYTES = 1 << 20

#: An examination pauses after each of these steps, which take about a millisecond. Input weighs more than output,
#: because a body can hold deflate blocks without output.
STEP_BYTES = 1 << 20
INPUT_WEIGHT = 8

_GZIP_MAGIC = b"\x1f\x8b"


class Refused(Exception):
    """A body that cannot be accepted; `word` is the word of the answer."""

    def __init__(self, word: str) -> None:
        self.word = word
        super().__init__(word)


class Limits(NamedTuple):
    """Limits of one body, as in `Settings`."""

    max_decoded_bytes: int
    max_members: int
    max_ratio: int

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Return the limits of these settings."""
        return cls(settings.max_decoded_bytes, settings.max_members, settings.max_ratio)


class Examined(NamedTuple):
    """A body that can be accepted.

    Attributes
    ----------
    body : bytes
        Gzip, the same object if it was compressed before; empty if there is nothing to store.
    records : int
        The number of lines that are not blank.
    decoded_bytes : int
        The decoded size.
    """

    body: bytes
    records: int
    decoded_bytes: int


#: A generator that pauses between steps, and returns the result.
Examination = Generator[None, None, Examined]


def examination(body: bytes, is_gzip: bool, limits: Limits) -> Examination:
    """Examine a body in steps, so that large bodies need not delay small ones.

    Parameters
    ----------
    body : bytes
        As received.
    is_gzip : bool
        Whether the headers say gzip; gzip is detected as well.
    limits : Limits
        The limits.

    Raises
    ------
    Refused
        With the word ``gzip`` or ``too_large``.
    """
    if is_validation(body):
        return Examined(b"", 0, len(body))
    if is_gzip or body.startswith(_GZIP_MAGIC):
        return (yield from _examine_gzip(body, limits))
    return (yield from _examine_plain(body, limits))


def _examine_plain(body: bytes, limits: Limits) -> Examination:
    if len(body) > limits.max_decoded_bytes:
        raise Refused("too_large")
    counter = LineCounter()
    compressor = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
    compressed = []
    for start in range(0, len(body), PIECE_BYTES):
        if start and not start % STEP_BYTES:
            yield
        piece = body[start : start + PIECE_BYTES]
        counter.feed(piece)
        compressed.append(compressor.compress(piece))
    if not counter.lines:
        return Examined(b"", 0, len(body))
    compressed.append(compressor.flush())
    return Examined(b"".join(compressed), counter.lines, len(body))


def _examine_gzip(body: bytes, limits: Limits) -> Examination:
    max_decoded_bytes = min(limits.max_decoded_bytes, max(MIN_RATIO_BYTES, limits.max_ratio * len(body)))
    counter = LineCounter()
    data = memoryview(body)
    position = members = decoded_bytes = 0
    pause_bytes = STEP_BYTES
    start = b""
    while position < len(body):
        if members and body[position] == 0:
            if not _is_padding(data[position:]):
                raise Refused("gzip")
            break
        members += 1
        if members > limits.max_members:
            raise Refused("too_large")
        # RFC 1952 2.3.1.2: reserved flags must be refused. isal ignores them, and zlib, which others use, does not.
        if body[position + 3 : position + 4] >= b"\x20":
            raise Refused("gzip")
        member = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP)
        while not member.eof:
            if member.needs_input:
                if position == len(body):
                    raise Refused("gzip")
                fed = data[position : position + PIECE_BYTES]
                position += len(fed)
            else:
                fed = data[:0]
            try:
                piece = member.decompress(fed, PIECE_BYTES)
            except IsalError:
                raise Refused("gzip") from None
            if piece:
                decoded_bytes += len(piece)
                if decoded_bytes > max_decoded_bytes:
                    raise Refused("too_large")
                if len(start) <= MAX_VALIDATION_BYTES:
                    start += piece
                counter.feed(piece)
            if decoded_bytes + position * INPUT_WEIGHT >= pause_bytes:
                pause_bytes = decoded_bytes + position * INPUT_WEIGHT + STEP_BYTES
                yield
        position -= len(member.unused_data)
    if not counter.lines or (decoded_bytes <= MAX_VALIDATION_BYTES and is_validation(start)):
        return Examined(b"", 0, decoded_bytes)
    return Examined(body, counter.lines, decoded_bytes)


def _is_padding(data: memoryview) -> bool:
    return not any(data[at : at + PIECE_BYTES].tobytes().strip(b"\0") for at in range(0, len(data), PIECE_BYTES))
