"""The kinds ``s3:``, ``gs:`` and ``az:``: objects of NDJSON or Parquet; each stored batch is in exactly one object.

An object is built as a temporary file of the sink, and uploaded when it is complete. Its key is known and stored before
the upload, so that an upload that was cut is repeated to the same key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from .base import Pending, SinkContext, SinkSettingError, Wants
from .encoders import NAMES_OPTION, check_format, wants_of
from .names import check_prefix, checked_template, expanded, name_of
from .option_files import check_file
from .publish import Draft, owner_of, remove_stale
from .rotating import RotatingSink
from .urls import Info, Option, Target

__all__ = ["INFO", "OPTIONS", "ObjectStore", "ObjectsSink", "open"]

_MARKER = ".cfdns-fast-object-"

OPTIONS = (
    Option("format", "choice", "ndjson.gz", "what the objects contain", choices=("ndjson.gz", "parquet")),
    Option("rotate", "duration", "5m", "age at which an object is completed", minimum=1, maximum=86_400),
    Option(
        "rotate_bytes", "size", "128MiB", "size at which an object is completed, at the end of a batch", minimum=1024
    ),
    Option("prefix", "text", "", "beginning of the last part of keys; the name of the sink if it is not set"),
    NAMES_OPTION,
    Option("endpoint", "text", "", "URL of a store that is not the usual one of the provider"),
    Option("region", "text", "", "region of the bucket (s3 only); AWS_REGION if it is not set"),
    Option("access_key", "secret", None, "access key (s3) or account key (az)"),
    Option("secret_key", "secret", None, "secret of the access key (s3)"),
    Option("account", "text", "", "name of the storage account (az); AZURE_STORAGE_ACCOUNT_NAME if it is not set"),
    Option("service_account_file", "text", "", "JSON file of a service account (gs)"),
    Option("timeout", "duration", "60s", "time for one request", minimum=1, maximum=3600),
)


class ObjectStore(Protocol):
    """What a sink uses of a store. Both methods raise SinkFault."""

    def size_of(self, key: str) -> int | None:
        """Return the size of an object, or None if there is none."""

    def upload(self, key: str, path: str) -> None:
        """Make a file an object, in place of an object that has the key."""


class ObjectsSink(RotatingSink):
    """A `Sink` of objects. An object contains whole batches, and its key has the first and the last of them.

    Parameters
    ----------
    context : SinkContext
        What the sink may use of its process; the temporary files are in its folder.
    store : ObjectStore
        Where objects go.
    template : str
        The folders of keys, with ``{date}`` and ``{hour}``.
    prefix, suffix : str
        The beginning and the end of the last part of keys. The suffix ``parquet`` selects Parquet.
    names : str
        The names of the columns of Parquet.
    rotate_s, rotate_bytes
        The age and the size at which an object is completed.
    """

    def __init__(
        self,
        context: SinkContext,
        store: ObjectStore,
        *,
        template: str,
        prefix: str,
        suffix: str,
        rotate_s: float,
        rotate_bytes: int,
        names: str = NAMES_OPTION.default,
    ) -> None:
        self._store = store
        self._template = template.strip("/")
        self._prefix = prefix
        self._owner = ""
        #: What `recover` did not find complete: its batches become this object.
        self._repeated: Pending | None = None
        super().__init__(
            context,
            folder=str(context.folder),
            suffix=suffix,
            names=names,
            rotate_s=rotate_s,
            rotate_bytes=rotate_bytes,
        )

    def recover(self, pending: Pending) -> bool:
        """Upload the object that was stored as pending; False if its batches must be written again."""
        if pending.get("kind") != "objects":
            return False
        key, size_bytes, path = str(pending["key"]), int(pending["bytes"]), str(pending["temporary"])
        if self._store.size_of(key) != size_bytes:
            try:
                is_whole = os.stat(path).st_size == size_bytes
            except OSError:
                is_whole = False
            if not is_whole:
                self._repeated = pending
                return False
            self._store.upload(key, path)
        with suppress(OSError):
            os.unlink(path)
        return True

    def _is_full(self) -> bool:
        return self._has_all_repeated() if self._repeated is not None else super()._is_full()

    def _has_all_repeated(self) -> bool:
        return self._repeated is None or self._last >= int(self._repeated["last"])

    def commit(self, store: Callable[[Pending], object], *, final: bool = False) -> int:
        """Complete the object, upload it, and return the last batch in it."""
        before = self._committed
        # An object that is repeated is complete with its last batch only; the process may end before that.
        if self._has_all_repeated() and super().commit(store, final=final) != before:
            self._repeated = None
        return self._committed

    def _new_draft(self) -> Draft:
        if not self._owner:
            self._owner = owner_of(self._context.folder)
            remove_stale(self._folder, _MARKER)
        return Draft(self._folder, _MARKER)

    def _publish(self, draft: Draft, pending: Pending, store: Callable[[Pending], object]) -> None:
        self._store.upload(pending["key"], draft.path)
        draft.discard()

    def _pending(self, draft: Draft) -> dict[str, Any]:
        if self._repeated is not None and self._repeated["key"].endswith(f".{self._suffix}"):
            key = self._repeated["key"]
        else:
            # The owner keeps two receivers, and a receiver with a new spool, from replacing each other's objects.
            name = name_of(f"{self._prefix}-{self._owner}", self._first, self._last, self._suffix)
            folder = expanded(self._template, self._started_at)
            key = f"{folder}/{name}" if folder else name
        return {
            "kind": "objects",
            "first": self._first,
            "last": self._last,
            "key": key,
            "bytes": draft.size_bytes,
            "temporary": draft.path,
        }


def open(target: Target, context: SinkContext) -> ObjectsSink:
    """Return the sink; connections are made with the first object."""
    from .object_store import Bucket

    options = target.options
    return ObjectsSink(
        context,
        Bucket(target, context),
        template=target.path,
        prefix=options["prefix"] or context.name,
        suffix=options["format"],
        names=options["names"],
        rotate_s=options["rotate"],
        rotate_bytes=options["rotate_bytes"],
    )


def _wants(options: Mapping[str, Any]) -> Wants:
    return wants_of(options["format"])


def _check(target: Target) -> None:
    options = target.options
    if not target.host or target.port is not None:
        raise SinkSettingError(f"the URL names a bucket: {target.scheme}://BUCKET/FOLDER")
    checked_template(target.path)
    if {"", ".", ".."} & set(target.path.strip("/").split("/")) and target.path.strip("/"):
        raise SinkSettingError("the path has an empty part, or one of dots only")
    check_prefix(options["prefix"])
    check_format(options["format"])
    if options["endpoint"] and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", options["endpoint"]):
        raise SinkSettingError("option endpoint: use a URL with http or https, without a user name")
    allowed = {
        "s3": {"endpoint", "region", "access_key", "secret_key"},
        "az": {"endpoint", "access_key", "account"},
        "gs": {"endpoint", "service_account_file"},
    }[target.scheme]
    for name in ("endpoint", "region", "access_key", "secret_key", "account", "service_account_file"):
        if options[name] and name not in allowed:
            raise SinkSettingError(f"option {name} is not for {target.scheme}: URLs")
    if options["service_account_file"]:
        check_file("service_account_file", options["service_account_file"])
    if target.scheme == "s3" and bool(options["access_key"]) != bool(options["secret_key"]):
        raise SinkSettingError("options access_key and secret_key belong together")


INFO = Info(wants=_wants, guarantee="each event of a stored batch is in exactly one object", check=_check)
