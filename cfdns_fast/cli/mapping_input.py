"""Read the inputs of ``cfdns-fast mapping``: the head of a file, standard input, or a record that is an argument."""

from __future__ import annotations

from typing import NamedTuple

from ..io import InputFault, read_plain

__all__ = ["Head", "head_of", "is_record", "whole_of"]

# Maximum number of plain bytes that a command for single records reads.
_MAX_BYTES = 1 << 24


class Head(NamedTuple):
    """The first plain bytes of an input.

    Attributes
    ----------
    data : bytes
    note : str
        What an error adds if there is more of the input; else empty.
    """

    data: bytes
    note: str = ""


def is_record(argument: str) -> bool:
    """Return whether an argument is JSON and not the name of a file."""
    return argument.lstrip()[:1] in ("{", "[")


def head_of(source: str) -> Head:
    """Return the head of an input: at most the first 16 MiB, without the line that is cut.

    Raises
    ------
    InputFault
        The input cannot be read, or is damaged.
    """
    head = bytearray()
    for piece in read_plain(source):
        head += piece
        if len(head) > _MAX_BYTES:
            del head[_MAX_BYTES:]
            del head[head.rfind(b"\n") + 1 :]
            return Head(bytes(head), f" (whole lines of the first {_MAX_BYTES >> 20} MiB are read)")
    return Head(bytes(head))


def whole_of(source: str) -> bytes:
    """Return a small file; InputFault as `head_of`, also if it has more than 16 MiB."""
    content = bytearray()
    for piece in read_plain(source):
        content += piece
        if len(content) > _MAX_BYTES:
            raise InputFault(f"has more than {_MAX_BYTES >> 20} MiB")
    return bytes(content)
