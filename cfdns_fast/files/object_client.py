"""Clients of buckets by obstore, for stores and for the sinks of objects, which import obstore from here.

Use the synchronous functions of `obstore` on threads: the asynchronous ones end the process at times
(PyO3/pyo3-async-runtimes#40), and none works in a process that was forked after the first call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
)
from obstore.store import AzureStore, GCSStore, S3Store

__all__ = [
    "AlreadyExistsError",
    "BaseError",
    "NotSupportedError",
    "PermissionDeniedError",
    "PreconditionError",
    "obstore",
    "open_client",
]

_STORES = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}


def open_client(
    scheme: str,
    bucket: str,
    config: Mapping[str, Any],
    client_options: Mapping[str, Any],
    retries: Mapping[str, Any],
    credentials: object | None = None,
) -> Any:
    """Return a client of a bucket, for the functions of `obstore`. It sends no request.

    Parameters
    ----------
    scheme : str
        ``"s3"``, ``"gs"`` or ``"az"``.
    config : mapping
        Settings of the provider; an empty value leaves the setting to the environment.
    client_options, retries : mapping
        ``client_options`` and ``retry_config`` of obstore.
    credentials : callable or None
        A credential provider of obstore. None uses the settings and the environment.

    Raises
    ------
    BaseError, ValueError
        A setting cannot be used.
    """
    given = {name: value for name, value in config.items() if value}
    if scheme == "s3" and "endpoint" in given:
        # Otherwise the variable AWS_ENDPOINT_URL_S3 would come before the endpoint of the caller.
        given["aws_endpoint_url_s3"] = given["endpoint"]
    options = {} if credentials is None else {"credential_provider": credentials}
    return _STORES[scheme](
        bucket, config=given, client_options=dict(client_options), retry_config=dict(retries), **options
    )
