"""The URLs and paths that name stores and objects."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from ..io.paths import text_of
from .errors import StoreError
from .store import StoreOptions

__all__ = ["Location", "endpoint_of", "parse_location", "redacted"]

#: The hosts of R2, also those of a jurisdiction (``ACCOUNT.eu.r2.cloudflarestorage.com``).
_R2_HOST = re.compile(r"[0-9A-Za-z-]+(\.[a-z]+)?\.r2\.cloudflarestorage\.com")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_BUCKET = re.compile(r"[A-Za-z0-9_.-]+")
#: The beginning of a query, which may have a signature. A pattern for a key with this text has ``[?]``.
_QUERY = re.compile(r"\?[A-Za-z0-9_.-]+=")
_BUCKET_SCHEMES = ("s3", "gs", "az")
_SCHEMES_TEXT = "s3://, gs://, az://, file:// or https://ACCOUNT.r2.cloudflarestorage.com/BUCKET/"


class Location(NamedTuple):
    """The parts of the URL or the path of a store or an object.

    Attributes
    ----------
    scheme : str
        ``"file"``, ``"s3"``, ``"gs"`` or ``"az"``.
    bucket : str
        The bucket or container; empty for files.
    path : str
        The path of a file as the system takes it, or the key in the bucket, without its first slash.
    endpoint_url : str
        The endpoint that the URL names (R2), or an empty text.
    """

    scheme: str
    bucket: str
    path: str
    endpoint_url: str = ""

    @property
    def text(self) -> str:
        """The URL or the path, for messages."""
        if self.scheme == "file":
            return text_of(self.path)
        start = f"{self.endpoint_url}/" if self.endpoint_url else f"{self.scheme}://"
        return text_of(f"{start}{self.bucket}/{self.path.partition('?')[0]}")


def parse_location(url_or_path: str) -> Location:
    """Return the parts of a URL or a path; raises StoreError, whose message has no user name and no query."""
    if not url_or_path:
        raise StoreError("store.settings", "the name of a file or a store is empty")
    if "\0" in url_or_path:
        raise StoreError("store.settings", "the name of a file or a store has a zero byte")
    found = _SCHEME.match(url_or_path)
    if found is None:
        return Location("file", "", url_or_path)
    scheme, rest = found[0][:-3].lower(), url_or_path[found.end() :]
    if scheme == "file":
        host, _, path = rest.partition("/")
        if host not in ("", "localhost"):
            raise StoreError(
                "store.settings", f"{redacted(url_or_path)}: a file URL has three slashes: file:///folder/"
            )
        return Location("file", "", _file_path(path))
    if scheme == "https":
        return _of_r2(url_or_path)
    if scheme not in _BUCKET_SCHEMES:
        raise StoreError("store.settings", f"{redacted(url_or_path)}: use {_SCHEMES_TEXT}")
    bucket, _, path = rest.partition("/")
    if "@" in bucket:
        raise StoreError(
            "store.settings",
            f"{redacted(url_or_path)}: user names and passwords cannot be in a URL; use the environment",
        )
    if not _BUCKET.fullmatch(bucket):
        raise StoreError("store.settings", f"{redacted(url_or_path)}: there is no name of a bucket after {scheme}://")
    if _QUERY.search(path):
        raise StoreError("store.settings", f"{redacted(url_or_path)}: the URL of a store or an object has no query")
    return Location(scheme, bucket, path)


def endpoint_of(location: Location, options: StoreOptions, environment: Mapping[str, str] = os.environ) -> str:
    """Return the endpoint of a bucket without a slash at its end; an empty text is the usual one of the provider."""
    endpoint = location.endpoint_url or options.endpoint_url or ""
    if not endpoint and location.scheme == "s3":
        names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
        endpoint = next((environment[name] for name in names if environment.get(name)), "")
    if not endpoint:
        return ""
    try:
        parts = urlsplit(endpoint)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or "@" in endpoint or parts.query or parts.fragment:
        raise StoreError(
            "store.settings", "the endpoint of a store is a URL such as https://HOST:PORT, without user name and query"
        )
    return endpoint.rstrip("/")


def redacted(url: str) -> str:
    """Return a URL without user name, password, query and fragment; a path is returned as it is."""
    found = _SCHEME.match(url)
    if found is None:
        return text_of(url)
    rest = re.split(r"[?#]", url[found.end() :], maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    # A password that is not encoded may contain a slash.
    return text_of(f"{found[0]}{'(not shown)' if '@' in rest else host + slash + path}")


def _of_r2(url: str) -> Location:
    shown = redacted(url)
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not _R2_HOST.fullmatch(host) or "@" in parts.netloc:
        raise StoreError(
            "store.settings", f"{shown}: use {_SCHEMES_TEXT}; for another store use s3:// with its endpoint"
        )
    if parts.query or parts.fragment:
        raise StoreError("store.settings", f"{shown}: the URL of a store has no query; write ? as %3F and # as %23")
    bucket, _, path = parts.path.removeprefix("/").partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise StoreError("store.settings", f"{shown}: there is no name of a bucket after the host")
    return Location("s3", bucket, unquote(path, errors="surrogateescape"), f"https://{host}")


def _file_path(path: str) -> str:
    path = "/" + unquote(path, errors="surrogateescape")
    if os.name == "nt" and re.match(r"/[A-Za-z]:", path):
        return path[1:]
    return path
