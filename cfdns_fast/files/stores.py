"""Open the stores that URLs and paths name."""

from __future__ import annotations

from .errors import StoreError
from .locations import Location, parse_location, redacted
from .store import Entry, Store, StoreOptions

__all__ = ["Entry", "Store", "StoreOptions", "open_at", "open_store"]

_DEFAULTS = StoreOptions()


def open_store(url_or_path: str, options: StoreOptions = _DEFAULTS, *, create: bool = False) -> Store:
    """Open a folder or a bucket.

    Parameters
    ----------
    url_or_path : str
        ``s3://BUCKET/PREFIX``, ``gs://BUCKET/PREFIX``, ``az://CONTAINER/PREFIX``,
        ``https://ACCOUNT.r2.cloudflarestorage.com/BUCKET/PREFIX``, ``file:///PATH`` or a path. Keys in ``s3:``, ``gs:``
        and ``az:`` are taken as they are; ``file:`` and ``https:`` have percent-encoding.
    options : StoreOptions
        Options of buckets, which have no effect on folders.
    create : bool
        Whether a missing folder is created. Buckets are never created.

    Raises
    ------
    StoreError
        The URL cannot be used, a library is missing, or there is no such folder. No request is sent to a bucket.
    """
    location = parse_location(url_or_path)
    if location.scheme != "file" and "?" in location.path:
        raise StoreError(
            "store.settings",
            f"{redacted(url_or_path)}: a store has no query in its URL; use --endpoint-url and --region",
        )
    return open_at(location, options, create=create)


def open_at(location: Location, options: StoreOptions, *, create: bool = False) -> Store:
    """Open the folder or bucket of a location, as `open_store` does."""
    if location.scheme == "file":
        from .local_store import LocalStore

        return LocalStore(location.path, create=create)
    try:
        from .object_store import ObjectStore
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "obstore":
            raise
        raise StoreError(
            "store.settings", f"{location.text}: buckets need the library obstore: pip install 'cfdns-fast[files]'"
        ) from None
    return ObjectStore(location, options)
