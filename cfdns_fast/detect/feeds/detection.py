"""Detect the format of a feed by its content."""

from __future__ import annotations

import csv
import re

from .adblock import ADBLOCK_LINE
from .csv_rows import columns_of_header, delimiter_of
from .dnsmasq import DNSMASQ_LINE, UNBOUND_LINE
from .errors import FeedError
from .hosts import HOSTS_LINE
from .rpz import RPZ_LINE

__all__ = ["HEAD_BYTES", "detect_format"]

#: Maximum number of bytes at the start of a feed that are looked at.
HEAD_BYTES = 1 << 16
_MAX_LINES = 200

_COMMENT = re.compile(r"[#;!]|//|\[Adblock", re.IGNORECASE)
_LATER_COMMENT = re.compile(r"\s[#].*", re.DOTALL)
_MARKUP = re.compile(r"<(?:!doctype|html|head|\?xml|rss|stix:)", re.IGNORECASE)
_MISP = re.compile(r'"(?:Event|response)"\s*:\s*[\[{]')
_MISP_MANIFEST = re.compile(r'"[0-9a-f]{8}-[0-9a-f-]{27}"\s*:\s*\{')
_STIX = re.compile(r'"(?:objects|items|pattern|spec_version|more|next)"\s*:')
_BY_LINE = (
    ("rpz", RPZ_LINE),
    ("adblock", ADBLOCK_LINE),
    ("dnsmasq", DNSMASQ_LINE),
    ("unbound", UNBOUND_LINE),
    ("hosts", HOSTS_LINE),
)


def detect_format(head: bytes, file: str) -> str:
    """Return the format of a feed.

    Parameters
    ----------
    head : bytes
        The first `HEAD_BYTES` without a byte order mark, or all bytes if there are fewer.
    file : str
        The name of the feed, for errors.

    Raises
    ------
    FeedError
        ``feed.format``: the content is markup, binary, or JSON of another kind.
    """
    if b"\0" in head:
        raise FeedError("feed.format", file, None, "binary or UTF-16 data, not a feed")
    text = head.decode("utf-8", "replace").lstrip()
    if _MARKUP.match(text):
        raise FeedError("feed.format", file, 1, "HTML or XML, as an error page has it, not a feed")
    if text.startswith("{") or (text.startswith("[") and not text.startswith("[Adblock")):
        return _json_format(text, file)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(head) >= HEAD_BYTES and len(lines) > 1:
        lines.pop()
    content = [line for line in lines if not _COMMENT.match(line)][:_MAX_LINES]
    counts = {name: sum(pattern.match(line) is not None for line in content) for name, pattern in _BY_LINE}
    best = max(counts, key=lambda name: counts[name])
    # A zone has few lines of its own form at its start, before those of policies.
    if counts["rpz"]:
        return "rpz"
    if counts[best] * 2 > len(content):
        return best
    if text.startswith(("[Adblock", "! ")):
        return "adblock"
    return "csv" if _is_csv(lines, content) else "plain"


def _json_format(text: str, file: str) -> str:
    if _MISP.search(text):
        return "misp"
    if _STIX.search(text) or re.fullmatch(r"\{\s*\}|\[\s*\]", text.rstrip()):
        return "stix"
    if _MISP_MANIFEST.search(text) and '"Orgc"' in text:
        raise FeedError("feed.format", file, 1, "a manifest of a MISP feed: name the files of its events instead")
    raise FeedError("feed.format", file, 1, "JSON, and neither STIX nor MISP: name the format if it is one of them")


def _is_csv(lines: list[str], content: list[str]) -> bool:
    """Return whether a header is known, or most rows have the same number of delimiters."""
    # A comment after an entry may have commas.
    content = [_LATER_COMMENT.sub("", line) for line in content]
    if not content:
        return False
    comments = [line for line in lines if _COMMENT.match(line)]
    for line in (content[0], *(comment.lstrip("# ") for comment in comments)):
        delimiter = delimiter_of(line)
        if delimiter in line:
            row = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
            if len(columns_of_header(row)) > 1:
                return True
    delimiter = delimiter_of(content[0])
    count = content[0].count(delimiter)
    return count > 0 and sum(line.count(delimiter) >= count for line in content) * 2 > len(content)
