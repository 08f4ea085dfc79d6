"""The exceptions of conversions from and to folders and buckets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..errors import CfdnsError

__all__ = ["STORE_CODES", "FilesError", "StoreError"]

#: The codes of `StoreError`. They are part of the API; their texts may change.
STORE_CODES: Mapping[str, str] = MappingProxyType(
    {
        "store.missing": "there is no such file, object, folder or bucket",
        "store.denied": "the credentials are absent, wrong or expired, or do not allow the access",
        "store.changed": "the file or object is another than the one that was listed",
        "store.unavailable": "the store does not answer, or answers with an error, after all retries",
        "store.settings": "the URL or an option cannot be used, or a library is not installed",
        "store.full": "the disk is full, or a quota is used up",
        "store.unsupported": "the store, or the library, does not support a name or an operation",
    }
)


class FilesError(CfdnsError):
    """A conversion from or to folders and buckets cannot begin or go on.

    The message is one sentence without credentials, queries of URLs and content of records.

    Attributes
    ----------
    code : str
        A stable code.
    reason : str
        The message.
    """

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.code, self.reason)


class StoreError(FilesError):
    """An access to a folder or a bucket failed. `code` is a key of `STORE_CODES`."""
