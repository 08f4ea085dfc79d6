"""A folder as a store. Files appear whole: each is written under a hidden name in the root, and renamed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO, TypeAlias, TypeVar, cast

from ..io.paths import text_of
from .disk_errors import disk_error
from .durable import in_folder, make_folders, replace, sync_folder
from .errors import StoreError
from .local_reader import LocalReader
from .local_walk import etag_of, folders_in, walk
from .store import Entry
from .temporary_files import TemporaryFiles

__all__ = ["LocalStore"]

_Names: TypeAlias = list[str]
T = TypeVar("T")

#: File systems without hard links answer with these.
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES}
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class LocalStore:
    """A folder, as `stores.Store` describes it. Symbolic links in it are followed.

    Parameters
    ----------
    root : str
        The path of the folder.
    create : bool
        Whether a missing folder is created, with its parents.
    """

    is_local = True
    is_sorted = True

    def __init__(self, root: str, *, create: bool = False) -> None:
        self._root = os.path.abspath(root)
        self.url = text_of(root.rstrip("/") or "/")
        #: Outputs get the usual permissions of new files.
        self._temporaries = TemporaryFiles(self._root, 0o666)
        self._has_links: bool | None = None
        try:
            if create:
                make_folders(self._root)
            if not stat.S_ISDIR(os.stat(self._root).st_mode):
                raise StoreError("store.settings", f"{self.url}: is a file, not a folder")
        except OSError as error:
            raise disk_error("open", self.url, error) from None

    def __repr__(self) -> str:
        return f"LocalStore({self._root!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return LocalStore, (self._root,)

    @property
    def location(self) -> tuple[str, str]:
        return "file", os.path.realpath(self._root).rstrip(os.sep) + os.sep

    def list(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        return walk(self._root, prefix, after)

    def folders(self, prefix: str = "") -> _Names:
        return folders_in(self.path_of(prefix[:-1]) if prefix else self._root, prefix)

    def open(self, key: str, etag: str | None = None) -> BinaryIO:
        path = self.path_of(key)
        try:
            # O_NONBLOCK keeps the call from waiting for a writer of a FIFO.
            reader = LocalReader(os.open(path, os.O_RDONLY | _BINARY | getattr(os, "O_NONBLOCK", 0)), text_of(path))
        except NotADirectoryError:
            raise StoreError("store.missing", f"cannot open {text_of(path)}: there is no such file") from None
        except OSError as error:
            raise disk_error("open", path, error) from None
        try:
            status = os.fstat(reader.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise StoreError("store.unsupported", f"{text_of(path)}: is not a regular file")
            if etag is not None and etag != etag_of(status):
                raise StoreError("store.changed", f"{text_of(path)}: has changed since it was listed")
        except BaseException:
            reader.close()
            raise
        return cast(BinaryIO, reader)

    def read(self, key: str) -> bytes:
        with self.open(key) as reader:
            pieces = []
            while piece := reader.read(1 << 20):
                pieces.append(piece)
            return b"".join(pieces)

    def size(self, key: str) -> int | None:
        path = self.path_of(key)
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise disk_error("examine", path, error) from None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def create(self, key: str, data: bytes) -> bool:
        path = self.path_of(key)
        if os.path.lexists(path):
            return False
        temporary = self._written(data)
        try:
            is_new = in_folder(path, lambda: self._linked(temporary, path))
            sync_folder(os.path.dirname(path))
        except OSError as error:
            raise disk_error("write", path, error) from None
        finally:
            self._temporaries.remove(temporary)
        return is_new

    def put(self, key: str, data: bytes) -> None:
        path = self.path_of(key)
        temporary = self._written(data)
        try:
            self._replace(temporary, path)
        finally:
            self._temporaries.remove(temporary)

    def put_file(self, key: str, path: str) -> None:
        target = self.path_of(key)
        try:
            descriptor = os.open(path, os.O_RDWR | _BINARY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise disk_error("sync", path, error) from None
        self._replace(path, target)
        self._temporaries.release(path)

    def temporary(self) -> str:
        try:
            return self._temporaries.create()
        except OSError as error:
            raise disk_error("create a file in", self._root, error) from None

    def remove_stale(self) -> None:
        self._temporaries.remove_stale()

    def delete(self, key: str) -> None:
        path = self.path_of(key)
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise disk_error("remove", path, error) from None

    def has_conditional_writes(self) -> bool:
        if self._has_links is not None:
            return self._has_links
        temporary, link = self.temporary(), self.temporary()
        try:
            os.unlink(link)
            os.link(temporary, link)
            self._has_links = True
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise disk_error("create a link in", self._root, error) from None
            self._has_links = False
        finally:
            self._temporaries.remove(temporary)
            self._temporaries.remove(link)
        return self._has_links

    def path_of(self, key: str) -> str:
        """Return the path of a key, which may not exist."""
        parts = key.split("/")
        is_bad = any(part in ("", ".", "..") or "\0" in part for part in parts)
        if is_bad or (
            os.name == "nt" and any(part.strip(". ") != part or set(part) & set('\\:*?"<>|') for part in parts)
        ):
            raise StoreError("store.unsupported", f"{self.url}: {text_of(key)!r} cannot be the name of a file")
        return os.path.join(self._root, *parts)

    def _written(self, data: bytes) -> str:
        """Write a synced temporary file, and return its path."""
        path = self.temporary()
        try:
            descriptor = os.open(path, os.O_WRONLY | _BINARY)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            self._temporaries.remove(path)
            raise disk_error("write to", self._root, error) from None
        return path

    def _linked(self, temporary: str, path: str) -> bool:
        """Give a temporary file a second name; False if there is a file with this name."""
        try:
            os.link(temporary, path)
        except FileExistsError:
            # A client of NFS that sends a request twice answers so for the link that the first one made.
            return os.path.samefile(temporary, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(path):
                return False
            os.replace(temporary, path)
        return True

    def _replace(self, temporary: str, path: str) -> None:
        try:
            replace(temporary, path)
        except OSError as error:
            raise disk_error("write", path, error) from None
