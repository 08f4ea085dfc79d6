"""The inputs of a task as open readers, of which the next ones are fetched ahead."""

from __future__ import annotations

import io
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from ..io.read_ahead import ReadAhead
from .errors import StoreError
from .stores import Store
from .tasks import TaskInput

__all__ = ["Fetcher", "InputsAhead"]

#: Inputs that are fetched before the conversion needs them.
_MAX_AHEAD = 3
#: A smaller object is fetched whole; of a larger one, only the beginning.
_WHOLE_BYTES = 4 << 20
#: Reads of a large object on a thread of its own: their size, and how many wait.
_READ_BYTES = 1 << 20
_READS_AHEAD = 4


class Fetcher:
    """Threads that open inputs for all tasks of a run. Leaving the context ends them, each with its current input.

    They are daemon threads: a request to a store can take minutes to fail, and must not keep a process alive.

    Parameters
    ----------
    threads : int
        Without threads, each input is opened when it is needed.
    """

    def __init__(self, threads: int) -> None:
        self._requests: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name="cfdns-fetch", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def start(self, store: Store, each: TaskInput) -> Fetched:
        """Begin to open an input."""
        fetched = Fetched(store, each)
        if self._threads:
            self._requests.put(fetched.open)
        else:
            fetched.open()
        return fetched

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *exception: object) -> None:
        for _ in self._threads:
            self._requests.put(None)

    def _run(self) -> None:
        while (request := self._requests.get()) is not None:
            request()


class Fetched:
    """An input that a thread opens."""

    def __init__(self, store: Store, each: TaskInput) -> None:
        self._store = store
        self._input = each
        self._is_open = threading.Event()
        self._reader: BinaryIO | None = None
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self._is_dropped = False

    def open(self) -> None:
        """Open the input; on a thread of the fetcher."""
        try:
            if not self._is_dropped:
                reader = self._opened()
                with self._lock:
                    if self._is_dropped:
                        reader.close()
                    else:
                        self._reader = reader
        except BaseException as failure:
            self._failure = failure
        finally:
            self._is_open.set()

    def reader(self) -> BinaryIO:
        """Return the reader, which the caller closes. Raises StoreError."""
        self._is_open.wait()
        if self._failure is not None:
            raise self._failure
        reader, self._reader = self._reader, None
        assert reader is not None
        return reader

    def drop(self) -> None:
        """Close the reader, which is not needed."""
        with self._lock:
            self._is_dropped = True
            reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _opened(self) -> BinaryIO:
        reader = self._store.open(self._input.key, self._input.etag)
        if self._input.size_bytes > _WHOLE_BYTES:
            return cast(BinaryIO, _LargeObject(reader))
        # The store may deliver more than the listed size, if it decompresses objects.
        beginning = _read_all(reader, 8 * _WHOLE_BYTES)
        if len(beginning) < 8 * _WHOLE_BYTES:
            reader.close()
            return io.BytesIO(beginning)
        return cast(BinaryIO, _LargeObject(reader, beginning))


def _read_all(reader: BinaryIO, size_bytes: int) -> bytes:
    """Return what a reader has, or as many bytes of it. Closes it after an error."""
    pieces = []
    left = size_bytes
    try:
        while left and (piece := reader.read(min(left, _READ_BYTES))):
            pieces.append(piece)
            left -= len(piece)
    except BaseException:
        reader.close()
        raise
    return b"".join(pieces)


class _LargeObject:
    """A raw reader over a reader that a thread reads ahead. Reads are complete, so that blocks are always the same."""

    def __init__(self, reader: BinaryIO, beginning: bytes = b"") -> None:
        self._reader = reader
        self._ahead: ReadAhead[bytes] | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._rest = memoryview(beginning)

    def read(self, size: int) -> bytes:
        if self._ahead is None:
            # Not at the opening: the thread would wait while earlier inputs are converted.
            self._ahead = ReadAhead(iter(lambda: self._reader.read(_READ_BYTES), b""), _READS_AHEAD)
            self._pieces = iter(self._ahead)
        parts = []
        left = size
        while left:
            if not self._rest:
                self._rest = memoryview(next(self._pieces, b""))
                if not self._rest:
                    break
            parts.append(self._rest[:left])
            left -= len(parts[-1])
            self._rest = self._rest[len(parts[-1]) :]
        return b"".join(parts)

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.__exit__()
        self._reader.close()


class InputsAhead:
    """The inputs of a task with their readers. Opening begins with the object, so that another task can run meanwhile.

    Parameters
    ----------
    store : Store
    inputs : tuple of TaskInput
    fetcher : Fetcher
    """

    def __init__(self, store: Store, inputs: tuple[TaskInput, ...], fetcher: Fetcher) -> None:
        self._store = store
        self._left = deque(inputs)
        self._fetcher = fetcher
        self._started: deque[tuple[TaskInput, Fetched]] = deque()
        if not store.is_local:
            self._start()

    def __iter__(self) -> Iterator[tuple[TaskInput, BinaryIO | StoreError]]:
        """Yield each input with its open reader, or with the error of opening it. The caller closes the readers."""
        while self._left or self._started:
            reader: Any
            try:
                if self._store.is_local:
                    # A folder of small files has nothing to wait for.
                    each = self._left.popleft()
                    reader = self._store.open(each.key, each.etag)
                else:
                    each, fetched = self._started.popleft()
                    self._start()
                    reader = fetched.reader()
            except StoreError as error:
                reader = error
            yield each, reader

    def close(self) -> None:
        """Close what was opened and not taken."""
        self._left.clear()
        for _, fetched in self._started:
            fetched.drop()
        self._started.clear()

    def _start(self) -> None:
        while self._left and len(self._started) < _MAX_AHEAD:
            each = self._left.popleft()
            self._started.append((each, self._fetcher.start(self._store, each)))
