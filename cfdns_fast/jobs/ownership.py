"""Ownership challenges: a text that Cloudflare writes to a bucket, and that the creation of a job must name."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from .client import Api
from .destination import Destination
from .errors import JobError, JobSettingError

__all__ = ["given_challenge", "prove_ownership"]

#: The limit of what is read: a challenge is a token of some hundred characters.
_MAX_CHALLENGE_BYTES = 1 << 16
_PAUSES_S = (0.0, 1.0, 3.0)


def given_challenge(text: str) -> str:
    """Return a challenge that is given as text, or as ``@FILE``."""
    if text.startswith("@"):
        try:
            with Path(text[1:]).open("rb") as file:
                text = file.read(_MAX_CHALLENGE_BYTES).decode("utf-8", "replace")
        except OSError as error:
            raise JobSettingError("ownership.file", f"{text[1:]}: {error.strerror or 'cannot be read'}") from None
    return _checked(text)


def prove_ownership(api: Api, destination: Destination, *, pauses_s: Sequence[float] = _PAUSES_S) -> str:
    """Let Cloudflare write a challenge to the destination, read it there, and return it.

    Amazon S3 is read by the library obstore, with the credentials that the environment gives to AWS's tools. Raises
    JobError with the name of the file if it cannot be read; then the text must be given.
    """
    filename = api.challenge(destination.conf)
    bucket = destination.bucket
    place = api.redactor.text(filename)
    by_hand = f"Cloudflare wrote the ownership challenge to the file {place}: give its text with --challenge @FILE"
    if bucket is None:
        raise JobError("ownership.read", by_hand)
    try:
        from obstore.store import S3Store
    except ImportError:
        raise JobError(
            "ownership.read", f"{by_hand}, or install the package obstore: pip install 'cfdns-fast[objects]'"
        ) from None
    reason = "it is not there"
    # Without credentials the library asks a service that only machines of AWS have, ten times by default.
    retries: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=20)}
    for pause_s in pauses_s:
        time.sleep(pause_s)
        try:
            store = S3Store(bucket.name, region=bucket.region, retry_config=retries)
            text = bytes(store.get(filename.removeprefix(f"{bucket.name}/")).bytes())[:_MAX_CHALLENGE_BYTES]
        except FileNotFoundError:
            continue
        except Exception as error:
            # Errors of the store name the bucket, the address and what the server answered, and end with a dump.
            reason = api.redactor.text(str(error).partition("\n")[0])[:200]
            break
        return _checked(text.decode("utf-8", "replace"))
    raise JobError("ownership.read", f"{by_hand} (reading it from the bucket failed: {reason})")


def _checked(text: str) -> str:
    text = text.strip()
    if not re.fullmatch(r"[!-~]{1,8192}", text):
        raise JobSettingError("ownership.file", "an ownership challenge is one word of ASCII")
    return text
