"""The options of old jobs: the query string logpull_options, which output_options replaced."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from .errors import JobError
from .settings import TIMESTAMP_FORMATS

__all__ = ["output_options_of"]

_CVE = "CVE-2021-44228"


def output_options_of(logpull_options: str) -> dict[str, Any]:
    """Return logpull_options (a query string, or a URL that has it) as output_options.

    Raises JobError if it has something that output_options cannot say, or names no fields.
    """
    query = parse_qs(logpull_options.rpartition("?")[2])
    fields = [name for names in query.pop("fields", []) for name in names.split(",") if name]
    timestamps = query.pop("timestamps", ["unixnano"])[-1]
    sample = query.pop("sample", [None])[-1]
    cve = query.pop(_CVE, ["false"])[-1]
    try:
        rate = None if sample is None else float(sample)
    except ValueError:
        rate = 0.0
    if not fields or query or timestamps not in TIMESTAMP_FORMATS or (rate is not None and not 0 < rate <= 1):
        raise JobError(
            "job.legacy",
            "the job has old options (logpull_options) that cannot be changed one by one; delete the job and create it "
            "again",
        )
    options: dict[str, Any] = {"field_names": fields, "output_type": "ndjson", "timestamp_format": timestamps}
    if rate is not None and rate != 1:
        options["sample_rate"] = rate
    if cve == "true":
        options[_CVE] = True
    return options
