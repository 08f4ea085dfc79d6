"""Logpush jobs: create, list, show, update, delete and validate them by Cloudflare's official SDK.

The SDK (extra ``logpush``) is imported when an `Api` is made. `JobSettings` and the functions for destinations make no
call.
"""

from __future__ import annotations

from .change import Changes, changed_body, changes_shown
from .client import Api
from .create import Created, create_job
from .curl import curl_command, request_shown
from .datasets import DATASETS, Dataset, check_name, dataset_of
from .destination import (
    DEFAULT_KEY_HEADER,
    Bucket,
    Destination,
    given_destination,
    r2_destination,
    receiver_destination,
    s3_destination,
    sekoia_url,
)
from .errors import JobError, JobSettingError
from .keys import Secret, access_keys, file_secret, key_of_environment, key_of_file, token_of
from .ownership import given_challenge, prove_ownership
from .permissions import TokenState
from .redact import REDACTED, Redactor, redacted_destination
from .sdk import base_url_of
from .settings import LIMITS, TIMESTAMP_FORMATS, JobSettings, default_name

__all__ = [
    "DATASETS",
    "DEFAULT_KEY_HEADER",
    "LIMITS",
    "REDACTED",
    "TIMESTAMP_FORMATS",
    "Api",
    "Bucket",
    "Changes",
    "Created",
    "Dataset",
    "Destination",
    "JobError",
    "JobSettingError",
    "JobSettings",
    "Redactor",
    "Secret",
    "TokenState",
    "access_keys",
    "base_url_of",
    "changed_body",
    "changes_shown",
    "check_name",
    "create_job",
    "curl_command",
    "dataset_of",
    "default_name",
    "file_secret",
    "given_challenge",
    "given_destination",
    "key_of_environment",
    "key_of_file",
    "prove_ownership",
    "r2_destination",
    "receiver_destination",
    "redacted_destination",
    "request_shown",
    "s3_destination",
    "sekoia_url",
    "token_of",
]
