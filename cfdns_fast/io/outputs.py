"""Write outputs that change only when all data is complete."""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO

from ..errors import CfdnsError
from .compressors import Compressor, compressor_of
from .paths import STANDARD_STREAM, descriptor_of, real_path, reason_of
from .temporaries import Temporary, system_folder
from .zstd_library import ZstdMissing

__all__ = ["Output", "OutputFault", "publish_all"]


class OutputFault(CfdnsError):
    """An output could not be written.

    Attributes
    ----------
    name : str
        The output, as the caller named it.
    reason : str
        The cause, as text.
    """

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name}: {reason}")


class Output:
    """An output of bytes: a file that changes only when all data is complete, or an open output written directly.

    Call `open`, `write` any number of times, `seal` and `publish`. `discard` ends the output at any time and removes
    data that is not published. The constructor has no effect on files, so that `discard` can be registered first. Use
    an output on one thread.

    A file is replaced by renaming a temporary file in its folder. Where that is impossible (a mounted file, another
    user's file in a sticky folder, a folder that cannot be written) but the file can be written, `publish` rewrites the
    file in place, which is not atomic.

    Parameters
    ----------
    path : str
        The output; ``-`` is standard output.

        - A name that ends in ``.gz`` is written as gzip, and ``.zst`` as zstd. Equal data gives an equal file.
        - Symbolic links are followed.
        - The name of an open descriptor (``/dev/stdout``, ``/dev/fd/3``) is that descriptor at its position.
        - FIFOs and devices are written directly.

    Attributes
    ----------
    name : str
        The name of the output in messages.
    broken_pipe : bool
        Whether the reader of the output closed it.
    """

    def __init__(self, path: str) -> None:
        self.name = "stdout" if path == STANDARD_STREAM else path
        self.broken_pipe = False
        self._path = path
        self._raw: BinaryIO | None = None
        self._closes = True
        self._temporary: Temporary | None = None
        self._target = ""
        self._is_new = False
        self._in_place = False
        self._is_held_back = False  # the compressor holds data that is not written
        self._compressor: Compressor | None = None

    @property
    def temporary_folder(self) -> str | None:
        """The folder of the temporary file; None if the output is written directly."""
        return None if self._temporary is None else self._temporary.folder

    @property
    def is_direct(self) -> bool:
        """Whether data is written directly and cannot be discarded: the open output is not a regular file."""
        return self._temporary is None

    def open(self) -> None:
        """Open the output or its temporary file.

        Raises
        ------
        OutputFault
            The output cannot be written, it is already known that it cannot be published, or a library is missing.
        """
        try:
            self._compressor = compressor_of(self._path)
            self._raw = self._open()
        except OSError as error:
            raise self._fault(error) from error
        except ZstdMissing as error:
            raise OutputFault(self.name, str(error)) from error

    def write(self, data: bytes) -> None:
        """Write all of `data`; raises OutputFault."""
        self._is_held_back |= self._compressor is not None and bool(data)
        self._write(data if self._compressor is None else self._compressor.compress(data))

    def flush(self) -> None:
        """Write all data that the compressor of a direct output holds; raises OutputFault."""
        if self._is_held_back and self.is_direct:
            assert self._compressor is not None
            self._write(self._compressor.flush())
            self._is_held_back = False

    def seal(self) -> None:
        """Complete the data, and sync the data of a file to disk; raises OutputFault."""
        if self._compressor is not None:
            self._write(self._compressor.finish())
        try:
            if self._temporary is not None:
                self._temporary.sync()
            else:
                self._close()
        except OSError as error:
            raise self._fault(error) from error

    def publish(self) -> None:
        """Replace or rewrite the file with the sealed data. Does nothing for a direct output.

        Raises
        ------
        OutputFault
            The file could not be replaced. `keep` can save the data.
        """
        if self._temporary is None:
            return
        failure = None
        if not self._in_place:
            try:
                self._temporary.move_to(self._target, new=self._is_new)
            except OSError as error:
                failure = error
        if self._in_place or failure is not None:
            self._rewrite(self._temporary, failure)
        _sync_folder(os.path.dirname(self._target))
        self.discard()

    def keep(self) -> str | None:
        """Keep sealed data that could not be published and return its path; None if the output is written directly.

        Raises
        ------
        OSError
            The data could not be kept.
        """
        return None if self._temporary is None else self._temporary.keep()

    def discard(self) -> None:
        """Close the output, and remove data that is not published."""
        with suppress(OSError):
            self._close()
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            temporary.discard()

    def _open(self) -> BinaryIO:
        descriptor = descriptor_of(self._path)
        if self._path == STANDARD_STREAM or descriptor == 1:
            # If standard output is closed, an input may have its number.
            if sys.stdout is None:
                raise OSError(errno.EBADF, "is closed")
            self._closes = False
            buffer = sys.stdout.buffer
            return getattr(buffer, "raw", buffer)
        if descriptor is not None:
            return os.fdopen(os.dup(descriptor), "wb", buffering=0)
        self._target = real_path(self._path)
        try:
            status = os.stat(self._target)
        except FileNotFoundError:
            self._is_new = True
            return self._open_temporary(0o666)
        except PermissionError as error:
            folder = os.path.dirname(self._target)
            raise OutputFault(self.name, f"the folder {folder} cannot be searched ({reason_of(error)})") from error
        if not stat.S_ISREG(status.st_mode):
            return os.fdopen(os.open(self._target, os.O_WRONLY), "wb", buffering=0)
        # Renaming needs no write permission for the file, but a protected file must not change.
        _check_writable(self._target)
        self._in_place = not _can_be_replaced(self._target)
        # The temporary file is private, because the file that it replaces may be.
        raw = self._open_temporary(0o600)
        if self._in_place:
            os.close(os.open(self._target, os.O_WRONLY))
        elif sys.platform != "win32":
            with suppress(OSError):
                os.fchown(raw.fileno(), status.st_uid, status.st_gid)
            os.fchmod(raw.fileno(), status.st_mode & 0o777)
        return raw

    def _open_temporary(self, mode: int) -> BinaryIO:
        folder = os.path.dirname(self._target)
        try:
            return self._open_temporary_in(folder, mode)
        except OSError as error:
            reason = f"the folder {folder} cannot be written ({reason_of(error)})"
            if self._is_new or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise OutputFault(self.name, reason) from error
        self._in_place = True
        try:
            return self._open_temporary_in(system_folder(), mode)
        except OSError as error:
            reason += f", nor can the folder for temporary files ({error.strerror})"
            raise OutputFault(self.name, reason) from error

    def _open_temporary_in(self, folder: str, mode: int) -> BinaryIO:
        self._temporary = Temporary(folder, mode)
        self._temporary.open()
        return self._temporary.file

    def _rewrite(self, temporary: Temporary, failure: OSError | None) -> None:
        try:
            descriptor = os.open(self._target, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise self._fault(failure or error) from error
        try:
            os.ftruncate(descriptor, 0)
            temporary.copy_to(descriptor)
            os.fsync(descriptor)
        except OSError as error:
            raise OutputFault(self.name, f"{reason_of(error)}, so the file is incomplete") from error
        finally:
            os.close(descriptor)

    def _write(self, data: bytes) -> None:
        assert self._raw is not None
        rest = memoryview(data)
        try:
            while rest:
                written = self._raw.write(rest)
                if written is None:
                    select.select([], [self._raw], [])
                else:
                    rest = rest[written:]
        except OSError as error:
            raise self._fault(error) from error

    def _close(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None and self._closes:
            raw.close()

    def _fault(self, error: OSError) -> OutputFault:
        self.broken_pipe |= error.errno == errno.EPIPE
        return OutputFault(self.name, reason_of(error))


def publish_all(outputs: Sequence[Output]) -> None:
    """Publish sealed outputs in order. If one fails, its data and the data of the following outputs are kept.

    Raises
    ------
    OutputFault
        An output could not be published. The reason names the kept data and the outputs that are published.
    """
    published: list[str] = []
    for position, output in enumerate(outputs):
        is_file = output.temporary_folder is not None
        try:
            output.publish()
        except OutputFault as fault:
            notes = [f"{fault.reason}; {_kept(output)}"]
            rest = [other for other in outputs[position + 1 :] if other.temporary_folder is not None]
            notes += [f"{other.name} is not published either; {_kept(other)}" for other in rest]
            notes += [f"{name} is published" for name in published]
            raise OutputFault(fault.name, "; ".join(notes)) from fault
        if is_file:
            published.append(output.name)


def _kept(output: Output) -> str:
    try:
        return f"the complete data is kept in {output.keep()}"
    except OSError as error:
        return f"the data could not be kept ({reason_of(error)})"


def _check_writable(path: str) -> None:
    """Raise OSError if an existing file cannot be written."""
    if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        # Open the file only for the error: opening a writable file would notify programs that watch it.
        os.close(os.open(path, os.O_WRONLY))


def _can_be_replaced(path: str) -> bool:
    """Return whether a file can be renamed to an existing regular file. Outside Linux this is assumed."""
    if sys.platform != "linux":
        return True
    try:
        # rmdir never removes a file: Linux first checks the permission to remove the name, then that it is a folder.
        os.rmdir(path)
    except OSError as error:
        if error.errno == errno.EPERM:
            return False
    return _mount_of(path) == _mount_of(os.path.dirname(path))


def _mount_of(path: str) -> bytes | None:
    """Return the id of the mount of a path; None if /proc does not have it."""
    if sys.platform != "linux":
        return None
    with suppress(OSError):
        descriptor = os.open(path, os.O_PATH)
        try:
            with open(f"/proc/self/fdinfo/{descriptor}", "rb") as file:
                return next((line for line in file if line.startswith(b"mnt_id:")), None)
        finally:
            os.close(descriptor)
    return None


def _sync_folder(folder: str) -> None:
    """Sync the names in a folder to disk if the system supports it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
