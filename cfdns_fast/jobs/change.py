"""Changes a job by reading it, changing what is asked for and sending the rest as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .datasets import DATASETS, check_fields
from .destination import Destination
from .filters import check_filter
from .legacy import output_options_of
from .redact import Redactor
from .settings import LIMITS, check_limit, check_name, check_output

__all__ = ["Changes", "changed_body", "changes_shown"]

#: Settings of a job that a call can change. The destination is sent only if it changes, because Cloudflare then
#: validates it again.
_WRITABLE = ("name", "enabled", "filter", "filter_attack_traffic", "frequency", *LIMITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Changes of a job; None leaves a setting as it is. The dataset and the kind of a job cannot be changed.

    An empty `filter` removes the filter. `fields` replaces all fields.
    """

    name: str | None = None
    enabled: bool | None = None
    fields: tuple[str, ...] | None = None
    filter: str | None = None
    timestamp_format: str | None = None
    sample_rate: float | None = None
    max_upload_records: int | None = None
    max_upload_interval_seconds: int | None = None
    max_upload_bytes: int | None = None
    destination: Destination | None = None
    challenge: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            check_name(self.name)
        check_output(self.timestamp_format, self.sample_rate)
        for name in LIMITS:
            check_limit(name, getattr(self, name))
        if self.filter:
            object.__setattr__(self, "filter", check_filter(self.filter))

    @property
    def output_options(self) -> dict[str, Any]:
        """The changed keys of output_options."""
        values = {
            "field_names": None if self.fields is None else list(self.fields),
            "timestamp_format": self.timestamp_format,
            "sample_rate": self.sample_rate,
        }
        return {key: value for key, value in values.items() if value is not None}


def changed_body(job: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Return the body that changes a job.

    Parameters
    ----------
    job : mapping
        The job as the API answered it. All keys of its output_options are kept, also unknown ones, because the call
        replaces output_options as a whole. Options of a job that has only logpull_options become output_options.
    """
    dataset = DATASETS.get(str(job.get("dataset")))
    if changes.fields is not None and dataset is not None:
        check_fields(dataset, changes.fields)
    body = {key: job[key] for key in _WRITABLE if job.get(key) is not None}
    for key in ("name", "enabled", *LIMITS):
        value = getattr(changes, key)
        if value is not None:
            body[key] = value
    if changes.filter is not None:
        # Null removes a filter; an absent key leaves it.
        body["filter"] = changes.filter or None
    options = job.get("output_options")
    if isinstance(options, Mapping) or changes.output_options:
        if not isinstance(options, Mapping):
            options = output_options_of(str(job.get("logpull_options") or ""))
        body["output_options"] = {**options, **changes.output_options}
    elif job.get("logpull_options"):
        body["logpull_options"] = job["logpull_options"]
    if changes.destination is not None:
        body["destination_conf"] = changes.destination.conf
        if changes.challenge is not None:
            body["ownership_challenge"] = changes.challenge
    return body


def changes_shown(job: Mapping[str, Any], body: Mapping[str, Any], redactor: Redactor) -> list[str]:
    """Return a line for each setting that the body changes, without secrets; empty if nothing changes."""
    lines = []
    for key, value in _flat(body).items():
        before = _flat(job).get(key)
        if key != "ownership_challenge" and before != value:
            shown = [json.dumps(redactor.value(each, key), ensure_ascii=False) for each in (before, value)]
            if shown[0] == shown[1]:
                shown[1] += " (another secret)"
            lines.append(f"{key}: {shown[0]} -> {shown[1]}")
    return lines


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in settings.items() if key != "output_options"}
    options = settings.get("output_options")
    if isinstance(options, Mapping):
        found |= {f"output_options.{key}": value for key, value in options.items()}
    return found
