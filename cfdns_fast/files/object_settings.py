"""The settings of a bucket for obstore: endpoint, region, and where credentials come from."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .errors import StoreError
from .locations import Location, endpoint_of
from .store import StoreOptions

__all__ = ["BucketSettings", "ProfileCredentials", "bucket_settings"]

#: The instance metadata of AWS, Google Cloud and Azure.
_METADATA_ADDRESS = ("169.254.169.254", 80)
_METADATA_TIMEOUT_S = 1.0
#: How long obstore uses the credentials of a profile before it asks for them again. boto3 refreshes them itself.
_PROFILE_TTL = timedelta(minutes=5)

_TRUE = {"1", "true", "on", "yes"}
#: Variables that name credentials other than keys, which obstore uses itself.
_S3_VARIABLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_GS_VARIABLES = (
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_BEARER_TOKEN",
    "SERVICE_ACCOUNT",
)
_AZ_VARIABLES = (
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_MASTER_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "AZURE_STORAGE_CLIENT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_USE_AZURE_CLI",
    "AZURE_STORAGE_USE_EMULATOR",
    "MSI_ENDPOINT",
    "IDENTITY_ENDPOINT",
)


class BucketSettings(NamedTuple):
    """What obstore needs for a bucket.

    Attributes
    ----------
    config : mapping
        Settings that the environment does not have, or that differ from it.
    client_options : mapping
        Options of HTTP.
    credentials : ProfileCredentials or None
        The source of credentials; None if obstore finds them in the environment.
    """

    config: Mapping[str, Any]
    client_options: Mapping[str, Any]
    credentials: ProfileCredentials | None


def bucket_settings(
    location: Location, options: StoreOptions, environment: Mapping[str, str] = os.environ
) -> BucketSettings:
    """Return the settings of a bucket; raises StoreError if there are no credentials."""
    endpoint = endpoint_of(location, options, environment)
    client_options: dict[str, Any] = {"allow_http": endpoint.startswith("http://")}
    if location.scheme == "s3":
        config, credentials = _s3(location, options, endpoint, environment)
    elif location.scheme == "gs":
        config, credentials = {"base_url": endpoint}, None
        # Logpush stores its objects with Content-Encoding gzip. Without these options the service decompresses them,
        # and obstore does not accept the answers, which have no length (apache/arrow-rs-object-store#774).
        client_options["default_headers"] = {"accept-encoding": "gzip"}
        client_options["http1_only"] = bool(endpoint)
        default = Path.home() / ".config/gcloud/application_default_credentials.json"
        if not options.anonymous and not _has(_GS_VARIABLES, environment) and not default.exists():
            _check_instance(location, "set GOOGLE_APPLICATION_CREDENTIALS", environment)
    else:
        config, credentials = {"endpoint": endpoint}, None
        if not options.anonymous and not _has(_AZ_VARIABLES, environment):
            _check_instance(location, "set AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN", environment)
    if options.anonymous:
        config["skip_signature"] = True
    return BucketSettings({name: value for name, value in config.items() if value}, client_options, credentials)


class ProfileCredentials:
    """Credentials of a profile in ``~/.aws``, by boto3. obstore calls it, on threads of its own.

    Attributes
    ----------
    failure : str
        The name of the last exception of boto3; empty if there was none.
    """

    def __init__(self, session: Any) -> None:
        self.failure = ""
        self.region: str | None = session.region_name
        self._credentials = session.get_credentials()

    @property
    def is_empty(self) -> bool:
        """Whether boto3 has found no credentials."""
        return self._credentials is None

    def __call__(self) -> dict[str, Any]:
        """Return the credentials of the next minutes."""
        try:
            frozen = self._credentials.get_frozen_credentials()
        except Exception as error:
            self.failure = type(error).__name__
            raise
        self.failure = ""
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _PROFILE_TTL,
        }


def _s3(
    location: Location, options: StoreOptions, endpoint: str, environment: Mapping[str, str]
) -> tuple[dict[str, Any], ProfileCredentials | None]:
    credentials = None if options.anonymous else _s3_credentials(location, options, environment)
    region = options.region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    region = region or (credentials.region if credentials else None)
    if not region and endpoint.endswith(".r2.cloudflarestorage.com"):
        region = "auto"
    # Some stores do not have the operation that deletes many objects.
    return {"endpoint": endpoint, "region": region, "disable_bulk_delete": True}, credentials


def _s3_credentials(
    location: Location, options: StoreOptions, environment: Mapping[str, str]
) -> ProfileCredentials | None:
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if options.profile is None:
        if key and secret:
            return None
        if key or secret:
            raise StoreError("store.denied", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must both be set")
        if environment.get("AWS_SKIP_SIGNATURE", "").lower() in _TRUE or _has(_S3_VARIABLES, environment):
            return None
    name = options.profile or environment.get("AWS_PROFILE")
    credentials_file = _aws_file(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials")
    has_files = credentials_file.exists() or _aws_file(environment, "AWS_CONFIG_FILE", "config").exists()
    if name or has_files:
        found = _profile(name, is_needed=bool(name) or credentials_file.exists())
        if found is not None and not found.is_empty:
            return found
        if name:
            raise StoreError("store.denied", f"the profile {name!r} has no credentials")
    _check_instance(
        location, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile (--profile)", environment
    )
    return None


def _profile(name: str | None, *, is_needed: bool) -> ProfileCredentials | None:
    try:
        import boto3
        import botocore.exceptions
    except ImportError:
        if not is_needed:
            return None
        raise StoreError(
            "store.settings", "profiles and files in ~/.aws need the library boto3: pip install boto3"
        ) from None
    try:
        return ProfileCredentials(boto3.Session(profile_name=name))
    except botocore.exceptions.ProfileNotFound:
        raise StoreError("store.settings", f"there is no profile {name!r} in ~/.aws") from None
    except Exception as error:
        # Messages of boto3 may have contents of the files.
        raise StoreError("store.denied", f"boto3 cannot use the files in ~/.aws ({type(error).__name__})") from None


def _aws_file(environment: Mapping[str, str], variable: str, name: str) -> Path:
    return Path(environment.get(variable) or Path.home() / ".aws" / name)


def _has(variables: tuple[str, ...], environment: Mapping[str, str]) -> bool:
    return any(environment.get(name) for name in variables)


def _check_instance(location: Location, advice: str, environment: Mapping[str, str]) -> None:
    """Raise StoreError if no metadata service answers. obstore repeats its question to a missing one for minutes."""
    address = _METADATA_ADDRESS
    with suppress(ValueError):
        parts = urlsplit(environment.get("AWS_METADATA_ENDPOINT", ""))
        if parts.hostname:
            address = parts.hostname, parts.port or 80
    is_disabled = environment.get("AWS_EC2_METADATA_DISABLED", "").lower() in _TRUE
    if not (is_disabled and location.scheme == "s3"):
        with suppress(OSError):
            socket.create_connection(address, timeout=_METADATA_TIMEOUT_S).close()
            return
    public = " (or --anonymous for a public bucket)"
    place = re.sub(r"/*$", "", location.text)
    raise StoreError("store.denied", f"there are no credentials for {place}: {advice}{public}")
