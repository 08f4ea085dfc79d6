"""Opens Cloudflare's SDK: imported on first use, for the API at CLOUDFLARE_BASE_URL, with the token only."""

from __future__ import annotations

import functools
import ipaddress
import logging
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .errors import JobError, JobSettingError
from .keys import Secret
from .redact import RedactingFilter, Redactor

__all__ = ["DEFAULT_BASE_URL", "base_url_of", "open_sdk", "with_token_only"]

DEFAULT_BASE_URL = "https://api.cloudflare.com/client/v4"


def base_url_of(environment: Mapping[str, str] = os.environ) -> str:
    """Return the URL of the API: CLOUDFLARE_BASE_URL or Cloudflare's own. Raises JobSettingError if it is not safe."""
    url = environment.get("CLOUDFLARE_BASE_URL") or DEFAULT_BASE_URL
    try:
        parts = urlsplit(url)
        is_local = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        is_local = False
    if not re.match(r"https://[^@/?#]+(/|$)", url) and not (is_local and re.match(r"http://[^@/?#]+(/|$)", url)):
        raise JobSettingError(
            "api.base_url",
            "CLOUDFLARE_BASE_URL must begin with https:// (http:// only for this machine), without a user",
        )
    return url.rstrip("/")


def open_sdk(token: Secret, base_url: str | None, timeout_s: float, redactor: Redactor) -> tuple[Any, Any]:
    """Return a client of the SDK and the SDK's module, whose log lines then hold no secret."""
    try:
        import cloudflare
    except ImportError:
        raise JobError(
            "job.extra", "managing jobs needs the package cloudflare: pip install 'cfdns-fast[logpush]'"
        ) from None
    for name in ("cloudflare", "cloudflare._base_client", "cloudflare._response", "httpx"):
        logger = logging.getLogger(name)
        for old in [each for each in logger.filters if isinstance(each, RedactingFilter)]:
            logger.removeFilter(old)
        logger.addFilter(RedactingFilter(redactor))
    url = base_url_of() if base_url is None else base_url
    # A redirection would repeat the call that creates a job.
    http = cloudflare.DefaultHttpxClient(
        base_url=url, timeout=timeout_s, follow_redirects=False, verify=_certificates()
    )
    return cloudflare.Cloudflare(api_token=token.value, base_url=url, timeout=timeout_s, http_client=http), cloudflare


@functools.lru_cache(maxsize=1)
def _certificates() -> Any:
    """Return the trusted certificates, as the SDK loads them. Loading them takes most of the time of a new client."""
    import httpx

    return httpx.create_ssl_context()


def with_token_only(sdk: Any) -> Any:
    """Forget the keys that a client of the SDK takes from the environment, because it prefers them to the token."""
    sdk.api_key = sdk.api_email = sdk.user_service_key = None
    return sdk
