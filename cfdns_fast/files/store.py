"""The methods that folders and buckets have in common.

A store is a folder, or a bucket with a prefix: its root. Keys are relative to the root, with ``/`` between their parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, Protocol, TypeAlias

__all__ = ["Entry", "Store", "StoreOptions"]

_Names: TypeAlias = list[str]


class Entry(NamedTuple):
    """A file or an object.

    Attributes
    ----------
    key : str
        The name, relative to the root of the store.
    size_bytes : int
        The stored size. A store may deliver another number of bytes if it decompresses objects.
    etag : str
        Changes with the content. For a file it is made of the time of the last change, the size and the inode.
    """

    key: str
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Options of buckets. Credentials are no options: they come from the environment.

    Attributes
    ----------
    endpoint_url : str or None
        The URL of a store that is not the usual one of the provider, ``http://`` or ``https://``. None uses the
        environment (``AWS_ENDPOINT_URL``).
    region : str or None
        The region of a bucket of S3. None uses the environment (``AWS_REGION``).
    profile : str or None
        A profile in ``~/.aws``, for S3. It needs boto3. None uses the environment (``AWS_PROFILE``).
    anonymous : bool
        Whether requests are not signed, for public buckets.
    """

    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    anonymous: bool = False


class Store(Protocol):
    """A folder or a bucket. All methods may be called from any thread, and raise StoreError.

    A store can be pickled; unpickling opens it again, with the credentials that the other machine has. A store of
    objects cannot be used in a process that was forked after the first use of one.
    """

    @property
    def url(self) -> str:
        """The root, for messages: without secrets, and without a slash at its end."""

    @property
    def is_local(self) -> bool:
        """Whether the store is a folder of this machine's file systems."""

    @property
    def is_sorted(self) -> bool:
        """Whether `list` is sorted by key. If not, all keys of a folder still come together."""

    @property
    def location(self) -> tuple[str, str]:
        """The place of the store and the path of the root, which ends in a slash.

        A store is inside another if the places are equal, and its path begins with the path of the other.
        """

    def list(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        """Return a lazy iterator over all entries below the root, in folders too, sorted by key if `is_sorted`.

        Other servers of S3 (SeaweedFS, for example) list folder by folder, ``a/z`` before ``a-b``. Temporary files of
        this package are not listed. A missing root has no entries.

        Parameters
        ----------
        prefix : str
            Only keys that begin with it are listed. It may end inside a name.
        after : str
            Only greater keys are listed.
        """

    def folders(self, prefix: str = "") -> _Names:
        """Return the folders directly below a prefix, sorted: `prefix`, the name of the folder, and a slash.

        Parameters
        ----------
        prefix : str
            It ends in a slash, or is empty.
        """

    def open(self, key: str, etag: str | None = None) -> BinaryIO:
        """Return a raw reader with ``read(n)`` and ``close()``. Its ``read`` raises StoreError too.

        Parameters
        ----------
        etag : str or None
            The etag of the entry; StoreError with ``store.changed`` if it is another now. None reads what there is.
        """

    def read(self, key: str) -> bytes:
        """Return the content of a file or an object."""

    def size(self, key: str) -> int | None:
        """Return the size in bytes, or None if there is no such key."""

    def create(self, key: str, data: bytes) -> bool:
        """Create a file or an object whole and durable; return False if there is one with this key.

        Two callers at the same time cannot both get True, if `has_conditional_writes` returns True.
        """

    def put(self, key: str, data: bytes) -> None:
        """Write a file or an object; it is whole and durable when the method returns. One with this key is replaced."""

    def put_file(self, key: str, path: str) -> None:
        """Make a file of `temporary` a file or an object, as `put` does; the file is gone afterwards.

        After an error the file is still there, so that the caller can try again or remove it.
        """

    def temporary(self) -> str:
        """Create an empty temporary file on the disk that `put_file` needs, and return its path.

        The caller writes to this path, and then calls `put_file` or removes the file.
        """

    def remove_stale(self) -> None:
        """Remove temporary files of processes that have ended; errors are ignored."""

    def delete(self, key: str) -> None:
        """Remove a file or an object; a missing one is no error."""

    def has_conditional_writes(self) -> bool:
        """Return whether `create` is safe against other callers. The first call tries it with a key of its own."""
