"""Errors of file systems as StoreError."""

from __future__ import annotations

import errno

from ..io.paths import reason_of, text_of
from .errors import StoreError

__all__ = ["disk_error"]

_CODES = {
    errno.ENOENT: "store.missing",
    errno.EACCES: "store.denied",
    errno.EPERM: "store.denied",
    errno.EROFS: "store.denied",
    errno.ENOSPC: "store.full",
    errno.EDQUOT: "store.full",
    errno.EFBIG: "store.full",
    errno.ENAMETOOLONG: "store.unsupported",
    errno.EINVAL: "store.unsupported",
    errno.EILSEQ: "store.unsupported",
    errno.EISDIR: "store.unsupported",
    errno.ENOTDIR: "store.unsupported",
}


def disk_error(what: str, path: str, error: OSError) -> StoreError:
    """Return the error for something that could not be done to a path."""
    code = _CODES.get(error.errno or 0, "store.unavailable")
    return StoreError(code, f"cannot {what} {text_of(path)}: {reason_of(error)}")
