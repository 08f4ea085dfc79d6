"""The kind `file:`: rotating files of NDJSON, plain or gzip, or Parquet; each stored batch is in exactly one file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from .base import Pending, SinkContext, SinkSettingError, Wants
from .encoders import NAMES_OPTION, check_format, wants_of
from .names import check_prefix, checked_template, expanded, fixed_part, name_of
from .publish import (
    Draft,
    disk_fault,
    is_published,
    make_folders,
    owner_of,
    publish,
    remove_stale,
    sync_folder,
)
from .rotating import RotatingSink
from .urls import Info, Option, Target

__all__ = ["INFO", "OPTIONS", "FilesSink", "open"]

_FORMATS = ("ndjson.gz", "ndjson", "parquet")

OPTIONS = (
    Option("format", "choice", "ndjson.gz", "what the files contain", choices=_FORMATS),
    Option("rotate", "duration", "5m", "age at which a file is completed", minimum=1, maximum=86_400),
    Option("rotate_bytes", "size", "256MiB", "size at which a file is completed, at the end of a batch", minimum=1024),
    Option("prefix", "text", "", "beginning of the names of files; the name of the sink if it is not set"),
    NAMES_OPTION,
)


def _wants(options: Mapping[str, Any]) -> Wants:
    return wants_of(options["format"])


def _check(target: Target) -> None:
    if target.host not in ("", "localhost"):
        raise SinkSettingError("a file URL has three slashes before its path: file:///folder/")
    if not target.path.startswith("/") or not target.path.strip("/") or "\0" in target.path:
        raise SinkSettingError("a file URL names a folder by its absolute path: file:///folder/")
    checked_template(target.path)
    check_prefix(target.options["prefix"])
    check_format(target.options["format"])


def _check_place(target: Target) -> None:
    place = fixed_part(target.path.rstrip("/")) or "/"
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise SinkSettingError(f"{place} is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise SinkSettingError(f"{place}: this user may not write there")


INFO = Info(
    wants=_wants,
    guarantee="each event of a stored batch is in exactly one file",
    check=_check,
    check_place=_check_place,
)


def open(target: Target, context: SinkContext) -> FilesSink:
    """Return the sink; files are created with the first event."""
    return FilesSink(target, context)


class FilesSink(RotatingSink):
    """A `Sink` of rotating files. A file contains whole batches, and its name has the first and the last of them.

    The content is written to a hidden file in the part of the folder that has no ``{date}``, and gets its name when it
    is complete. A name that another file has gets a number; no file is replaced.
    """

    def __init__(self, target: Target, context: SinkContext) -> None:
        options = target.options
        self._template = target.path.rstrip("/")
        self._prefix: str = options["prefix"] or context.name
        self._marker: str | None = None
        super().__init__(
            context,
            folder=fixed_part(self._template) or "/",
            suffix=options["format"],
            names=options["names"],
            rotate_s=options["rotate"],
            rotate_bytes=options["rotate_bytes"],
        )

    def _reset(self) -> None:
        super()._reset()
        self._final_folder = ""

    def recover(self, pending: Pending) -> bool:
        """Complete the file that was stored as pending; False if the batches must be written again."""
        if pending.get("kind") != "files" or pending.get("is_lost"):
            return False
        temporary, path = str(pending["temporary"]), str(pending["path"])
        try:
            status = os.stat(temporary)
        except FileNotFoundError:
            return self._was_published(pending)
        except OSError as error:
            raise disk_fault("read", temporary, error) from None
        try:
            if is_published(temporary):
                os.unlink(temporary)
                return True
            if status.st_size != pending["bytes"]:
                os.unlink(temporary)
                return False
            publish(temporary, path, str(pending["suffix"]))
        except OSError as error:
            raise disk_fault("complete", path, error) from None
        return True

    def _new_draft(self) -> Draft:
        make_folders(self._folder)
        if self._marker is None:
            self._marker = f".cfdns-fast-sink-{self._context.name}-{owner_of(self._context.folder)}-"
            remove_stale(self._folder, self._marker)
        draft = Draft(self._folder, self._marker)
        self._final_folder = expanded(self._template, time.time())
        return draft

    def _pending(self, draft: Draft) -> dict[str, Any]:
        path = os.path.join(self._final_folder, name_of(self._prefix, self._first, self._last, self._suffix))
        return {
            "kind": "files",
            "first": self._first,
            "last": self._last,
            "path": path,
            "suffix": self._suffix,
            "temporary": draft.path,
            "bytes": draft.size_bytes,
            "folder": _identity(self._folder),
        }

    def _publish(self, draft: Draft, pending: Pending, store: Callable[[Pending], object]) -> None:
        path = pending["path"]
        try:
            if draft.is_renamed():
                # The file system has no links, and only the sync failed after the file got its name.
                sync_folder(os.path.dirname(path))
                final = path
            else:
                final = publish(draft.path, path, self._suffix)
        except OSError as error:
            if draft.is_removed():
                # The next start must not take the absence of the temporary file for success.
                store({**pending, "is_lost": True})
                raise self._rewind("complete a file in", error) from None
            raise disk_fault("complete", path, error) from None
        draft.close()
        if final != path:
            self._context.warn(f"{path} is another file, so the batches are in {os.path.basename(final)}")

    def _was_published(self, pending: Pending) -> bool:
        """Return whether a missing temporary file has got its name; other programs may have moved it away since."""
        if _identity(os.path.dirname(pending["temporary"])) == pending["folder"]:
            return True
        # This is another folder, for example because a file system is not mounted.
        try:
            return bool(os.stat(pending["path"]).st_size == pending["bytes"])
        except OSError:
            return False


def _identity(folder: str) -> int:
    """Return the inode of a folder, 0 if there is none. Device numbers change between starts of a system."""
    try:
        return os.stat(folder).st_ino
    except OSError:
        return 0
