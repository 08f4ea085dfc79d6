"""Names of outputs that mirror the names of inputs."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b

from .state import STATE_FOLDER

__all__ = ["mirrored_name"]

_COMPRESSED = re.compile(r"\.(gz|gzip|zst|zstd)\Z", re.IGNORECASE)
_TEXT = re.compile(r"\.(log|json|jsonl|ndjson|csv|tsv|txt)\Z", re.IGNORECASE)
#: File systems allow 255 bytes in a name, and buckets 1,024 bytes in a key, both with the suffix.
_MAX_NAME_BYTES = 230
_MAX_KEY_BYTES = 900


def mirrored_name(key: str, root: int, is_taken: Callable[[str], bool]) -> str:
    """Return the name of an input's output without suffix, such as ``20260825/20260825T12…_9af500e2``.

    Parameters
    ----------
    key : str
        The key of the input.
    root : int
        The number of its root. Names of all roots but the first begin with ``source-N/``.
    is_taken : callable
        Returns whether a name is the name of another input.
    """
    start = f"source-{root}/" if root else ""
    stem = _TEXT.sub("", _COMPRESSED.sub("", key)) or key
    for name in (stem, key):
        if _is_usable(name) and not is_taken(start + name):
            return start + name
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{start}{digest}"


def _is_usable(name: str) -> bool:
    """Return whether folders and buckets can have a file of this name."""
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    parts = encoded.split(b"/")
    if parts[0] == STATE_FOLDER.encode() or any(part in (b"", b".", b"..") for part in parts):
        return False
    # Windows refuses some of these characters, and buckets list others with escapes.
    if re.search(rb'[\x00-\x1f\x7f\\:*?"<>|]', encoded):
        return False
    return len(encoded) <= _MAX_KEY_BYTES and max(map(len, parts)) <= _MAX_NAME_BYTES
