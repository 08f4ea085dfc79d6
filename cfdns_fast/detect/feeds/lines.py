"""Read a feed as blocks of whole lines, within the limit on the length of a line."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

from ...io import InputFault, read_plain
from .errors import FeedError

__all__ = ["LineBlock", "line_blocks", "numbered_lines", "plain_pieces", "text_lines"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LineBlock(NamedTuple):
    """Whole lines that end with LF, except perhaps the last of the file; `first_line` is the number of the first."""

    first_line: int
    data: bytes

    def numbers(self) -> range:
        """Return the numbers of the lines."""
        return range(self.first_line, self.first_line + self.data.count(b"\n") + 1)


def plain_pieces(path: str, file: str) -> Generator[bytes, None, None]:
    """Yield the bytes of a feed, decompressed and without a byte order mark.

    Raises
    ------
    FeedError
        ``feed.unreadable``: the file cannot be opened, read or decompressed.
    """
    head = b""
    try:
        pieces = read_plain(path)
        while len(head) < len(_BYTE_ORDER_MARK) and (piece := next(pieces, b"")):
            head += piece
        if head := head.removeprefix(_BYTE_ORDER_MARK):
            yield head
        for piece in pieces:
            yield piece
    except InputFault as fault:
        raise FeedError("feed.unreadable", file, None, str(fault)) from fault


def line_blocks(pieces: Iterator[bytes], file: str, max_line_bytes: int) -> Iterator[LineBlock]:
    """Yield all lines in blocks; CR before LF is removed.

    Raises
    ------
    FeedError
        ``feed.line_too_long``. At most that size and one piece are held in memory.
    """
    line, rest = 1, b""
    for piece in pieces:
        cut = piece.rfind(b"\n") + 1
        start = piece.find(b"\n")
        if len(rest) + (start if start >= 0 else len(piece)) > max_line_bytes:
            raise _too_long(file, line, max_line_bytes)
        if cut == 0:
            rest += piece
            continue
        data = (rest + piece[:cut]).replace(b"\r\n", b"\n")
        rest = piece[cut:]
        # A cheap test first: a block that has no long run without LF is by far the usual one.
        if len(data) > max_line_bytes:
            _check_lengths(data, file, line, max_line_bytes)
        yield LineBlock(line, data)
        line += data.count(b"\n")
    if len(rest) > max_line_bytes:
        raise _too_long(file, line, max_line_bytes)
    if rest:
        yield LineBlock(line, rest)


def numbered_lines(block: LineBlock) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of each line of a block, without surrounding white space."""
    for number, line in enumerate(block.data.split(b"\n"), block.first_line):
        if stripped := line.strip():
            yield number, stripped


def text_lines(blocks: Iterator[LineBlock]) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is not blank. Bytes that are not UTF-8 become U+FFFD."""
    for block in blocks:
        for number, line in numbered_lines(block):
            yield number, line.decode("utf-8", "replace")


def _check_lengths(data: bytes, file: str, line: int, max_line_bytes: int) -> None:
    start = 0
    while len(data) - start > max_line_bytes:
        # A line that begins at `start` and is not too long ends in this window; jump to the last end in it.
        end = data.rfind(b"\n", start, start + max_line_bytes + 1)
        if end < 0:
            raise _too_long(file, line + data.count(b"\n", 0, start), max_line_bytes)
        start = end + 1


def _too_long(file: str, line: int, max_line_bytes: int) -> FeedError:
    return FeedError("feed.line_too_long", file, line, f"a line of a feed has at most {max_line_bytes} bytes")
