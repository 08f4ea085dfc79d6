"""Buckets of S3, R2, Google Cloud Storage and Azure as stores."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

from ..io.paths import reason_of, text_of
from ..io.temporaries import is_temporary, system_folder
from .disk_errors import disk_error
from .errors import StoreError
from .locations import Location, endpoint_of
from .object_client import AlreadyExistsError, BaseError, NotSupportedError, PreconditionError, obstore, open_client
from .object_errors import store_error
from .object_reader import ObjectReader, etag_of
from .object_settings import ProfileCredentials, bucket_settings
from .store import Entry, StoreOptions
from .temporary_files import TemporaryFiles

__all__ = ["ObjectStore"]

_Names: TypeAlias = list[str]
T = TypeVar("T")

#: Size of the parts of an upload. S3 requires at least 5 MiB and allows 10,000 parts.
_PART_BYTES = 8 << 20
#: Maximum number of parts that one upload sends at a time; each is in memory.
_MAX_PARTS_AT_ONCE = 3
#: S3 lists at most 1,000 keys in an answer.
_PAGE_KEYS = 1000
_RETRIES: dict[str, Any] = {"max_retries": 10, "retry_timeout": timedelta(minutes=3)}
#: The second limit is for a whole object, whose reader may wait for long between reads.
_TIMEOUTS = {
    "connect_timeout": timedelta(seconds=10),
    "read_timeout": timedelta(minutes=2),
    "timeout": timedelta(hours=24),
}
_MAX_CREATE_TRIES = 5
_PROBE = ".cfdns-fast-probe-"
#: The services that list keys in the order of their bytes. Servers elsewhere may list folder by folder.
_SORTED_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".r2.cloudflarestorage.com")
#: Errors that obstore raises. OSError is for files on disk, and FileNotFoundError also for missing objects.
_ERRORS = (BaseError, OSError, ValueError, NotImplementedError)

#: The process that has used obstore. Its threads do not exist in a forked process, where calls would never return.
_process: int | None = None
#: What the probe of each bucket has found.
_has_conditions: dict[str, bool] = {}


class ObjectStore:
    """A bucket and a prefix, as `stores.Store` describes it. No request is sent before the first use.

    Parameters
    ----------
    location : Location
        The bucket and the prefix.
    options : StoreOptions
        The options of `open_store`.
    """

    is_local = False

    def __init__(self, location: Location, options: StoreOptions) -> None:
        self._location = location
        self._options = options
        self.url = location.text.rstrip("/")
        prefix = location.path.removesuffix("/")
        self._prefix = f"{prefix}/" if prefix else ""
        if prefix:
            self._full("", prefix)
        self._endpoint = endpoint_of(location, options)
        self._lock = threading.Lock()
        self._client: Any = None
        self._credentials: ProfileCredentials | None = None
        self._temporaries = TemporaryFiles(system_folder(), 0o600)

    def __repr__(self) -> str:
        return f"ObjectStore({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return ObjectStore, (self._location, self._options)

    @property
    def delivers_stored_bytes(self) -> bool:
        """Whether an object has the size that its answer says. Google decompresses some objects on the way."""
        return self._location.scheme != "gs"

    @property
    def is_sorted(self) -> bool:
        if self._location.scheme != "s3":
            return True
        host = urlsplit(self._endpoint).hostname
        # Directory buckets have no order.
        return (host is None or host.endswith(_SORTED_HOSTS)) and not self._location.bucket.endswith("--x-s3")

    @property
    def location(self) -> tuple[str, str]:
        scheme, bucket = self._location.scheme, self._location.bucket
        return f"{scheme}://{self._endpoint}/{bucket}", f"/{self._prefix}"

    def list(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        offset = self._offset(max(_before(prefix), after))
        folder = self._prefix + prefix.rpartition("/")[0]
        is_found = self.is_sorted
        stream = self.call(
            "list", "", lambda client: obstore.list(client, folder.strip("/"), offset=offset, chunk_size=_PAGE_KEYS)
        )
        while page := self.call("list", "", lambda _: next(stream, None)):
            for meta in page:
                if not meta["path"].startswith(self._prefix):
                    # An empty object that tools make as a folder; obstore removes the slash at the end of its key.
                    continue
                key = meta["path"].removeprefix(self._prefix)
                if not key.startswith(prefix):
                    # All keys with the prefix come together, in any order that servers use.
                    if is_found and key > prefix:
                        return
                    continue
                is_found = True
                if key > after and not _is_own(key):
                    yield Entry(key, meta["size"], etag_of(meta))

    def folders(self, prefix: str = "") -> _Names:
        folder = (self._prefix + prefix).strip("/")
        found = self.call("list", "", lambda client: obstore.list_with_delimiter(client, folder))
        return sorted(f"{path.removeprefix(self._prefix)}/" for path in found["common_prefixes"])

    def open(self, key: str, etag: str | None = None) -> BinaryIO:
        return cast(BinaryIO, ObjectReader(self, key, etag))

    def read(self, key: str) -> bytes:
        full = self._full(key)
        return self.call("read", key, lambda client: bytes(obstore.get(client, full).bytes()))

    def size(self, key: str) -> int | None:
        full = self._full(key)

        def size(client: Any) -> int | None:
            try:
                return int(obstore.head(client, full)["size"])
            except FileNotFoundError:
                return None

        return self.call("examine", key, size)

    def create(self, key: str, data: bytes) -> bool:
        full = self._full(key)

        def create(client: Any) -> bool:
            try:
                obstore.put(client, full, data, mode="create")
            except (AlreadyExistsError, PreconditionError):
                return False
            return True

        has_conditions = self.has_conditional_writes()
        for _ in range(_MAX_CREATE_TRIES):
            if not has_conditions and self.size(key) is not None:
                return False
            if self.call("write", key, create):
                return True
            # S3 also refuses a write that meets the deletion of the object or another write.
            if self.size(key) is not None:
                return False
        raise StoreError("store.unavailable", f"cannot write {self._place(key)}: other writes have always come first")

    def put(self, key: str, data: bytes) -> None:
        full = self._full(key)
        self.call(
            "write",
            key,
            lambda client: obstore.put(
                client, full, data, chunk_size=_PART_BYTES, max_concurrency=_MAX_PARTS_AT_ONCE, mode="overwrite"
            ),
        )

    def put_file(self, key: str, path: str) -> None:
        full = self._full(key)
        if not os.path.exists(path):
            raise StoreError("store.missing", f"cannot write {self._place(key)}: its temporary file is gone")
        self.call(
            "write",
            key,
            lambda client: obstore.put(
                client, full, Path(path), chunk_size=_PART_BYTES, max_concurrency=_MAX_PARTS_AT_ONCE
            ),
        )
        self._temporaries.remove(path)

    def temporary(self) -> str:
        try:
            return self._temporaries.create()
        except OSError as error:
            raise disk_error("create a file in", self._temporaries.folder, error) from None

    def remove_stale(self) -> None:
        self._temporaries.remove_stale()

    def delete(self, key: str) -> None:
        full = self._full(key)

        def delete(client: Any) -> None:
            with suppress(FileNotFoundError):
                obstore.delete(client, full)

        self.call("remove", key, delete)

    def has_conditional_writes(self) -> bool:
        bucket = self.location[0]
        if bucket not in _has_conditions:
            key = f"{_PROBE}{os.urandom(8).hex()}"
            full = self._full(key)

            def probe(client: Any) -> bool:
                for _ in range(2):
                    try:
                        obstore.put(client, full, b"probe", mode="create")
                    except (AlreadyExistsError, PreconditionError):
                        return True
                    except (NotSupportedError, NotImplementedError):
                        return False
                return False

            try:
                _has_conditions[bucket] = self.call("write to", "", probe)
            finally:
                # The right to delete may be missing.
                with suppress(StoreError):
                    self.delete(key)
        return _has_conditions[bucket]

    def get(self, key: str, options: dict[str, Any]) -> Any:
        """Return obstore's answer for an object. `options` are those of `obstore.get`."""
        full = self._full(key)
        return self.call("read", key, lambda client: obstore.get(client, full, options=options))

    def call(self, action: str, key: str, function: Callable[[Any], T]) -> T:
        """Return the result of a function of the client, and raise its errors as StoreError.

        Parameters
        ----------
        action : str
            What is done, for messages.
        key : str
            The key in messages; empty for the store.
        """
        client = self._opened()
        try:
            # A call of obstore cannot be interrupted, so that the main thread would handle no signal.
            if threading.current_thread() is threading.main_thread():
                return _on_a_thread(lambda: function(client))
            return function(client)
        except _ERRORS as error:
            raise self._error(error, action, key) from None

    def _opened(self) -> Any:
        global _process
        if _process is None:
            _process = os.getpid()
        elif _process != os.getpid():
            raise StoreError(
                "store.unsupported",
                f"cannot use {self.url} in a process that was forked after the first use of a bucket; "
                "start processes by spawn or forkserver",
            )
        with self._lock:
            if self._client is None:
                self._credentials, self._client = self._opened_client()
            return self._client

    def _opened_client(self) -> tuple[Any, Any]:
        settings = bucket_settings(self._location, self._options)
        options = {**_TIMEOUTS, **settings.client_options}
        scheme, bucket = self._location.scheme, self._location.bucket
        try:
            client = open_client(scheme, bucket, settings.config, options, _RETRIES, settings.credentials)
        except _ERRORS as error:
            raise store_error(error, "open", self.url) from None
        return settings.credentials, client

    def _error(self, error: BaseException, action: str, key: str) -> StoreError:
        place = self._place(key)
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, FileNotFoundError):
            return StoreError("store.unavailable", f"cannot {action} {place}: {reason_of(error)}")
        failure = self._credentials.failure if self._credentials is not None else ""
        if failure:
            made = StoreError("store.denied", f"cannot {action} {place}: the profile gives no credentials ({failure})")
        else:
            made = store_error(error, action, place)
        if made.code == "store.denied":
            # The next call looks for credentials again: another program may have renewed them.
            with self._lock:
                self._client = None
        return made

    def _offset(self, start: str) -> str | None:
        """Return the key after which the server lists, so that no key greater than `start` is left out."""
        if not self.is_sorted:
            # These servers list folder by folder: a-b follows a/z, although it is less. Without the characters that are
            # less than a slash, both orders agree. SeaweedFS 4.48 leaves out a folder whose name is the whole text.
            start = re.split(r"[\0-.]", start, maxsplit=1)[0].rstrip("/")[:-1]
            while start.endswith("/"):
                start = start.rstrip("/")[:-1]
            if self._location.bucket.endswith("--x-s3"):
                start = ""
        return self._prefix + start if start else None

    def _full(self, key: str, prefix: str | None = None) -> str:
        full = prefix or f"{self._prefix}{key}"
        if any(part in ("", ".", "..") for part in full.split("/")):
            raise StoreError(
                "store.unsupported", f"{self.url}: {text_of(key or full)!r} has an empty part, or the part '.' or '..'"
            )
        return full

    def _place(self, key: str) -> str:
        return text_of(f"{self.url}/{key}") if key else self.url


def _is_own(key: str) -> bool:
    """Return whether an object is no data, but a probe of this module."""
    name = key.rpartition("/")[2]
    return name.startswith(_PROBE) or is_temporary(name)


def _before(prefix: str) -> str:
    """Return a text that is less than all keys with a prefix, and greater than most other lesser keys.

    Listing from there is faster in a folder with many names, because stores list only whole folders.
    """
    if not prefix or prefix.endswith("/"):
        return ""
    last = prefix[-1]
    if not "0" < last <= "~":
        return prefix[:-1]
    return f"{prefix[:-1]}{chr(ord(last) - 1)}~"


def _on_a_thread(function: Callable[[], T]) -> T:
    """Return the result of a function that runs on a thread, so that signals are handled while it runs."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="cfdns-fast-store", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.5)
    if errors:
        raise errors[0]
    return results[0]
