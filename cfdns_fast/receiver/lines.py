"""Files of lines for what is kept beside the events: rejects and dead letters. They rotate and have a limit."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from ..sinks import SinkFault
from .marks import Mark, Marks, sync_folder

__all__ = ["FILE_BYTES", "LineFiles"]

#: A file that has this size is closed, and the next line begins another one.
FILE_BYTES = 64 << 20

_SUFFIX = ".ndjson"
_TAIL_BYTES = 1 << 16


class LineFiles:
    """A folder of NDJSON files that are written one after the other. All methods may be called from any thread.

    When the files have the maximum size together, `write` raises `SinkFault`, so that the caller waits until an
    operator has moved files away; no line is dropped. A process never appends to a file of an earlier process.

    Parameters
    ----------
    folder : Path
        The folder; the first line creates it.
    max_bytes : int
        The maximum size of all files. Lines that begin below it are written whole.
    file_bytes : int
        The size at which the next file begins.
    """

    def __init__(self, folder: Path, max_bytes: int, file_bytes: int = FILE_BYTES) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._file_bytes = file_bytes
        self._marks = Marks(folder)
        self._lock = threading.Lock()
        self._descriptor = -1
        self._size_bytes = 0
        self._total_bytes = self._count()
        self._is_dirty = False
        self._is_new = False

    def files(self) -> list[Path]:
        """Return the files, the oldest first."""
        return sorted(self.folder.glob(f"[0-9]*{_SUFFIX}"))

    def write(self, pieces: Iterable[bytes]) -> None:
        """Append lines, which come in pieces and end with a newline. After an error none of them is in the files.

        Raises
        ------
        SinkFault
            The files have their maximum size, or the disk is full.
        """
        with self._lock:
            if self._total_bytes >= self._max_bytes:
                self._total_bytes = self._count()
            if self._total_bytes >= self._max_bytes:
                text = f"{self.folder} has its maximum size of {self._max_bytes} bytes: move its files away"
                raise SinkFault("disk", text)
            written = 0
            try:
                self._open()
                for piece in pieces:
                    _write_all(self._descriptor, piece)
                    written += len(piece)
            except BaseException as error:
                if self._descriptor >= 0:
                    os.ftruncate(self._descriptor, self._size_bytes)
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise SinkFault("disk", f"{self.folder}: {error.strerror}") from error
                raise
            self._size_bytes += written
            self._total_bytes += written
            self._is_dirty = True

    def sync(self) -> None:
        """Return when all lines are on disk. After an OSError the process must end, and begin at its cursor again."""
        with self._lock:
            if self._is_dirty:
                os.fsync(self._descriptor)
                self._is_dirty = False
            if self._is_new:
                sync_folder(self.folder)
                sync_folder(self.folder.parent)
                self._is_new = False

    @property
    def is_synced(self) -> bool:
        """Whether all lines are on disk."""
        return not (self._is_dirty or self._is_new)

    def begin_file(self) -> list[Path]:
        """Let the next line begin a file, and return the files before it."""
        with self._lock:
            self._close()
            return self.files()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def mark(self, after: int, stored: int) -> None:
        """Note on disk that the lines so far, which are on disk, belong to batches up to `after`.

        Parameters
        ----------
        stored : int
            Where the cursor of the sink is now.
        """
        self._marks.add(self._mark(after), stored)

    def restart_marks(self, after: int) -> None:
        """Keep all lines, and go on after batch `after`, because later batches are delivered again on purpose."""
        self._marks.replace([self._mark(after)])

    def rewind(self, after: int, next_seq: int | None) -> None:
        """Remove the lines of batches after `after`, which a process that was killed left: they come again.

        Without marks, of a first start for example, all lines are kept. They are also kept if marked batches do not
        come again: the process was killed after it dropped their segment, before it stored the cursor.

        Parameters
        ----------
        next_seq : int or None
            The first batch that comes again; None if there is none.
        """
        marks = self._marks.all()
        found = [each for each in marks if each.after <= after]
        if not found or (found != marks and next_seq != after + 1):
            try:
                self.restart_marks(after)
            except SinkFault:
                # On a full disk. Without lines, the mark can be missing: lines would only come twice after a kill.
                if self.files():
                    raise
            return
        with self._lock:
            self._close()
            _, name, size_bytes = found[-1]
            for path in self.files():
                if path.name > name:
                    path.unlink()
                elif path.name == name and path.stat().st_size > size_bytes:
                    os.truncate(path, size_bytes)
            self._total_bytes = self._count()
            if found != marks:
                self._marks.replace(found)

    def cut_torn_line(self) -> None:
        """Remove the beginning of a line at the end of the last file, which a process that was killed left."""
        with self._lock:
            self._close()
            for path in self.files()[-1:]:
                with path.open("r+b") as file:
                    end = file.seek(0, os.SEEK_END)
                    while end:
                        start = max(0, end - _TAIL_BYTES)
                        file.seek(start)
                        newline = file.read(end - start).rfind(b"\n")
                        end = start if newline < 0 else start + newline + 1
                        if newline >= 0:
                            break
                    file.truncate(end)

    def _open(self) -> None:
        if self._descriptor >= 0 and (
            # A file that an operator removed must not get further lines.
            self._size_bytes >= self._file_bytes or not os.fstat(self._descriptor).st_nlink
        ):
            self._close()
        if self._descriptor < 0:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The numbers of files that an operator removed are not used again.
            names = [path.name for path in self.files()] + [each.name for each in self._marks.all() if each.name]
            number = max((int(name.removesuffix(_SUFFIX)) for name in names), default=0) + 1
            path = self.folder / f"{number:012d}{_SUFFIX}"
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._size_bytes = 0
            self._is_new = True

    def _close(self) -> None:
        if self._descriptor >= 0:
            try:
                if self._is_dirty:
                    os.fsync(self._descriptor)
            finally:
                os.close(self._descriptor)
                self._descriptor = -1
        self._is_dirty = False

    def _mark(self, after: int) -> Mark:
        with self._lock:
            files = self.files()
            return Mark(after, files[-1].name, files[-1].stat().st_size) if files else Mark(after, "", 0)

    def _count(self) -> int:
        return sum(path.stat().st_size for path in self.files())


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
