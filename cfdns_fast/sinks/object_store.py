"""Buckets of S3, Google Cloud Storage and Azure, by obstore."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from ..files.object_client import BaseError, PermissionDeniedError, obstore, open_client
from .base import SinkContext, SinkFault, SinkSettingError, Stopped
from .urls import Target

__all__ = ["Bucket"]

#: Parts of an upload. S3 requires 5 MiB at least and allows 10,000 parts.
_PART_BYTES = 8 << 20
_MAX_PARTS_AT_ONCE = 4
#: How long an upload in progress may last when the process must stop; the next start completes it.
_GRACE_S = 10.0
_POLL_S = 0.2

_STATUS = re.compile(r"status code: ([0-9]{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")
#: Words for faults without a status, by what the library says.
_WORDS = (("timed out", "timeout"), ("Connect", "connect"), ("error sending request", "connect"))


class Bucket:
    """A bucket or container. Credentials are those of the URL's options, or the usual environment variables.

    Calls run on a thread of their own, because a call of obstore cannot be cut when the process must stop.
    """

    def __init__(self, target: Target, context: SinkContext) -> None:
        self._context = context
        self._target = target
        self._store = self._opened()

    def size_of(self, key: str) -> int | None:
        """Return the size of an object, or None if there is none, or if the credentials do not allow to look.

        S3 answers 403 for an object that is missing if the credentials do not allow to list the bucket. The caller then
        makes the object again, with the same key.
        """
        try:
            size: int = self._call(lambda: obstore.head(self._store, key), PermissionDeniedError)["size"]
        except (FileNotFoundError, PermissionDeniedError):
            return None
        return size

    def upload(self, key: str, path: str) -> None:
        """Make a file an object, in one step as the readers of the bucket see it."""
        try:
            self._call(
                lambda: obstore.put(
                    self._store, key, Path(path), chunk_size=_PART_BYTES, max_concurrency=_MAX_PARTS_AT_ONCE
                )
            )
        except FileNotFoundError as error:
            if not Path(path).exists():
                raise SinkFault("disk", f"the temporary file {path} was removed") from None
            raise self._fault(error) from None

    def _opened(self) -> Any:
        try:
            return _store_of(self._target)
        except (BaseError, ValueError) as error:
            text = str(error).partition("\n")[0][:200]
            raise SinkSettingError(f"sink {self._target.url}: {text}") from None

    def _call(self, function: Callable[[], Any], *allowed: type[BaseError]) -> Any:
        """Return the result of a call; raises SinkFault, FileNotFoundError, and Stopped if it takes too long.

        Parameters
        ----------
        allowed : types
            Errors that are raised as they are.
        """
        result: list[Any] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                result.append(function())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run, name=f"{self._context.name}-upload", daemon=True)
        thread.start()
        end: float | None = None
        while thread.is_alive():
            thread.join(_POLL_S)
            # The library ends a call whose requests take too long. Until then the process does not hang.
            self._context.counters.add("loops")
            if end is None and self._context.stop.is_set():
                end = time.monotonic() + _GRACE_S
            if end is not None and time.monotonic() > end and thread.is_alive():
                raise Stopped
        if not errors:
            return result[0]
        error = errors[0]
        if isinstance(error, BaseError) and not isinstance(error, allowed):
            raise self._fault(error) from None
        raise error

    def _fault(self, error: BaseException) -> SinkFault:
        """Return a fault with the status and the code of an answer; the library's text is long and has URLs."""
        text = str(error)
        status, code = _STATUS.search(text), _CODE.search(text)
        reason = status[1] if status else next((word for part, word in _WORDS if part in text), "store")
        if reason in ("401", "403"):
            self._renew()
        said = f"{status[1]}{f' ({code[1]})' if code else ''}" if status else ""
        message = f"the store answered {said}" if said else f"no answer of the store ({reason})"
        return SinkFault(reason, f"{message} for {self._target.url}")

    def _renew(self) -> None:
        """Read the secrets again: their files may have others by now."""
        with suppress(SinkSettingError):
            self._store = self._opened()


def _store_of(target: Target) -> Any:
    options = target.options
    endpoint = options["endpoint"]
    client_options = {
        "allow_http": endpoint.startswith("http://"),
        "timeout": timedelta(seconds=options["timeout"]),
        "connect_timeout": timedelta(seconds=10),
    }
    # The caller repeats; a few quick attempts keep a large upload from starting again.
    retries = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}
    if target.scheme == "s3":
        config = {
            "endpoint": endpoint,
            "region": options["region"],
            "access_key_id": _secret(options["access_key"]),
            "secret_access_key": _secret(options["secret_key"]),
        }
    elif target.scheme == "gs":
        config = {"service_account": options["service_account_file"], "base_url": endpoint}
    else:
        key = _secret(options["access_key"])
        config = {"account_name": options["account"], "account_key": key, "endpoint": endpoint}
    return open_client(target.scheme, target.host, config, client_options, retries)


def _secret(secret: Any) -> str:
    return secret.read() if secret else ""
