"""Read an object from its beginning to its end, over lost connections."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from .errors import StoreError

__all__ = ["ObjectReader", "etag_of"]

T = TypeVar("T")

#: Minimum size of the pieces that obstore returns, except the last one. A smaller object is one piece, which one call
#: gets: a stream takes a third more time for objects of 30 KB (2026-12-01).
_PIECE_BYTES = 1 << 18
#: Maximum number of requests in a row that bring no bytes. obstore itself repeats requests for three minutes only, from
#: the first request on.
_MAX_TRIES = 3
_PAUSE_S = 1.0


class _Source(Protocol):
    """What the reader uses of a store."""

    url: str

    @property
    def delivers_stored_bytes(self) -> bool: ...

    def get(self, key: str, options: dict[str, Any]) -> Any: ...

    def call(self, action: str, key: str, function: Callable[[Any], T]) -> T: ...


class ObjectReader(io.RawIOBase):
    """A raw reader of an object. If the connection is lost, it reads on where it was, if the object is the same.

    Parameters
    ----------
    store : ObjectStore
        The store.
    key : str
        The key of the object.
    etag : str or None
        StoreError with ``store.changed`` if the object has another one.
    """

    def __init__(self, store: _Source, key: str, etag: str | None) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._etag = etag
        self._offset = 0
        self._piece = memoryview(b"")
        self._stream: Any = None
        self._size_bytes = 0
        self._request()

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most `size` bytes; empty bytes at the end only."""
        if size is None or size < 0:
            return self.readall()
        if not self._piece:
            self._piece = memoryview(self._next())
        data = self._piece[:size]
        self._piece = self._piece[size:]
        return bytes(data)

    def readall(self) -> bytes:
        pieces = [bytes(self._piece)]
        self._piece = memoryview(b"")
        while piece := self._next():
            pieces.append(piece)
        return b"".join(pieces)

    def readinto(self, buffer: Any, /) -> int:
        with memoryview(buffer).cast("B") as target:
            data = self.read(len(target))
            target[: len(data)] = data
            return len(data)

    def close(self) -> None:
        self._stream = None
        self._piece = memoryview(b"")
        super().close()

    def _next(self) -> bytes:
        tries = 0
        while True:
            try:
                if self._stream is None:
                    self._request()
                piece: bytes = self._store.call("read", self._key, lambda _: next(self._stream, b""))
            except StoreError as error:
                tries += 1
                # A stream that has failed ends, so another read would return the end of the object.
                self._stream = None
                if error.code != "store.unavailable" or tries >= _MAX_TRIES:
                    raise
                time.sleep(_PAUSE_S * tries)
                continue
            self._offset += len(piece)
            return piece

    def _request(self) -> None:
        options: dict[str, Any] = {}
        if self._offset:
            if self._offset >= self._size_bytes:
                self._stream = iter(())
                return
            options["range"] = {"offset": self._offset}
        if self._etag and not self._etag.startswith(("time-", "W/")):
            options["if_match"] = f'"{self._etag}"'
        answer = self._store.get(self._key, options)
        etag = etag_of(answer.meta)
        # Some stores ignore the condition.
        if self._etag is not None and etag != self._etag:
            place = f"{self._store.url}/{self._key}"
            raise StoreError("store.changed", f"cannot read {place}: the object has changed since it was listed")
        self._etag = etag
        self._size_bytes = answer.meta["size"]
        if self._size_bytes <= _PIECE_BYTES and not self._offset and self._store.delivers_stored_bytes:
            self._stream = _whole(answer)
        else:
            self._stream = iter(answer.stream(min_chunk_size=_PIECE_BYTES))


def _whole(answer: Any) -> Iterator[Any]:
    """Yield the content of an object, if it is not empty, when it is asked for."""
    if content := answer.bytes():
        yield content


def etag_of(meta: Any) -> str:
    """Return the ETag of an object without its quotes; its time and size if the store has no ETags."""
    tag = meta["e_tag"]
    if tag:
        return str(tag).strip('"')
    return f"time-{meta['last_modified'].timestamp():.6f}-{meta['size']}"
