"""The settings of a job, their defaults and limits, and the body of the call that creates it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .datasets import Dataset, check_fields
from .destination import Destination
from .errors import JobSettingError
from .filters import check_filter

__all__ = ["LIMITS", "TIMESTAMP_FORMATS", "JobSettings", "check_limit", "check_name", "default_name"]

#: Large batches, because batches of 1,000 records cost a receiver several times the CPU.
DEFAULT_MAX_RECORDS = 100_000
DEFAULT_MAX_SECONDS = 30
#: Nanoseconds as an integer: whole seconds of unix and rfc3339 would lose the order of queries.
DEFAULT_TIMESTAMP_FORMAT = "unixnano"

TIMESTAMP_FORMATS = ("unixnano", "unix", "rfc3339", "rfc3339ms", "rfc3339ns")
#: Cloudflare's page logs/logpush/logpush-job/api-configuration, "Max Upload Parameters". 0 turns a limit off.
LIMITS = {
    "max_upload_bytes": (5_000_000, 1_000_000_000),
    "max_upload_records": (1_000, 1_000_000),
    "max_upload_interval_seconds": (30, 300),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """A job that is to be created. Raises JobSettingError for a value that the API would refuse.

    Attributes
    ----------
    dataset : Dataset
    name : str
        Letters, digits, hyphens and periods. Cloudflare does not require it to be unique.
    fields : tuple of str
        The fields to send; empty for those of the dataset.
    filter : str or None
        JSON of Logpush's filter language.
    sample_rate : float or None
        The part of the records to send, above 0 and at most 1; None sends all.
    max_upload_records, max_upload_interval_seconds, max_upload_bytes : int or None
        When a batch is sent, whichever is reached first; 0 turns a limit off, None leaves it to Cloudflare.
    """

    dataset: Dataset
    name: str
    fields: tuple[str, ...] = ()
    enabled: bool = True
    filter: str | None = None
    timestamp_format: str = DEFAULT_TIMESTAMP_FORMAT
    sample_rate: float | None = None
    max_upload_records: int | None = DEFAULT_MAX_RECORDS
    max_upload_interval_seconds: int | None = DEFAULT_MAX_SECONDS
    max_upload_bytes: int | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        check_fields(self.dataset, self.fields or self.dataset.fields)
        check_output(self.timestamp_format, self.sample_rate)
        for name in LIMITS:
            check_limit(name, getattr(self, name))
        if self.filter is not None:
            object.__setattr__(self, "filter", check_filter(self.filter))

    def body(self, destination: Destination, challenge: str | None = None) -> dict[str, Any]:
        """Return the body of the call that creates the job."""
        output: dict[str, Any] = {
            "field_names": list(self.fields or self.dataset.fields),
            "output_type": "ndjson",
            "timestamp_format": self.timestamp_format,
        }
        if self.sample_rate is not None:
            output["sample_rate"] = self.sample_rate
        body: dict[str, Any] = {
            "name": self.name,
            "dataset": self.dataset.name,
            "enabled": self.enabled,
            "destination_conf": destination.conf,
            "output_options": output,
            "filter": self.filter,
            **{name: getattr(self, name) for name in LIMITS},
            "ownership_challenge": challenge,
        }
        return {key: value for key, value in body.items() if value is not None}


def default_name(dataset: Dataset, destination: Destination) -> str:
    """Return a name made of the dataset and the host or bucket of the destination."""
    place = destination.conf.partition("://")[2].partition("?")[0].partition("/")[0].rpartition("@")[2]
    return re.sub(r"[^A-Za-z0-9.]+", "-", f"{dataset.name}-{place}")[:256].strip("-.")


def check_name(name: str) -> str:
    """Return the name of a job."""
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,512}", name):
        raise JobSettingError("job.name", f"the job name {name!r} may only have letters, digits, hyphens and periods")
    return name


def check_limit(name: str, value: int | None) -> int | None:
    """Return a limit of the size of a batch."""
    low, high = LIMITS[name]
    if value is not None and value != 0 and not low <= value <= high:
        raise JobSettingError("job.limits", f"{name} must be between {low} and {high}, or 0 to turn the limit off")
    return value


def check_output(timestamp_format: str | None, sample_rate: float | None) -> None:
    """Check values of output_options; None leaves a value as it is."""
    if timestamp_format is not None and timestamp_format not in TIMESTAMP_FORMATS:
        raise JobSettingError("job.output", f"timestamp_format must be one of {', '.join(TIMESTAMP_FORMATS)}")
    if sample_rate is not None and not 0 < sample_rate <= 1:
        raise JobSettingError("job.output", "sample_rate must be above 0 and at most 1")
