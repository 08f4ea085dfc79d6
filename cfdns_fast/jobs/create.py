"""Creates a job once: looks for it first, makes one call, and looks again if the answer is lost."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .client import Api, LostAnswer
from .destination import base_of, is_same_destination
from .errors import JobError

__all__ = ["Created", "create_job"]

#: When the jobs are listed after a lost answer: at once, and after these pauses.
_PAUSES_S = (0.0, 1.0, 3.0)


@dataclass(frozen=True, slots=True, repr=False)
class Created:
    """A job that exists now: just created, there before, or created by a call whose answer was lost."""

    job: dict[str, Any]
    how: Literal["created", "present", "recovered"]


def create_job(api: Api, body: Mapping[str, Any], *, pauses_s: Sequence[float] = _PAUSES_S) -> Created:
    """Create a job from the body that `JobSettings.body` returns.

    Raises JobError, also if a job with the name and destination has other settings, or if a job with the name sends to
    the same place with other header values: a further job would send every record twice.
    """
    present = api.jobs()
    namesakes = [job for job in present if _is_namesake(job, body)]
    for job in namesakes:
        if is_same_destination(_conf(job), body["destination_conf"]):
            differing = differences(job, body)
            if differing:
                raise JobError(
                    "job.differs",
                    f"the job {job.get('id')} has this name and destination, but another value of "
                    f"{', '.join(differing)}; change it with job update {job.get('id')}",
                )
            return Created(job, "present")
    for job in namesakes:
        if base_of(_conf(job)) == base_of(body["destination_conf"]):
            raise JobError(
                "job.similar",
                f"the job {job.get('id')} of this name sends to the same place with other parameters; change it with "
                f"job update {job.get('id')}, or give another --name",
            )
    try:
        return Created(api.create(body), "created")
    except LostAnswer as error:
        lost = error
    found = _found_later(api, body, pauses_s)
    if found is None:
        raise JobError(
            "job.unknown",
            f"{lost}; no such job is listed, so it was probably not created: run the same command again, which looks "
            "for the job first",
        ) from None
    return Created(found, "recovered")


def differences(job: Mapping[str, Any], body: Mapping[str, Any]) -> list[str]:
    """Return the names of the settings in which a job is not as the body asks."""
    found = []
    for name, value in body.items():
        if name in ("destination_conf", "ownership_challenge"):
            continue
        if name == "output_options":
            options = job.get(name) or {}
            found += [key for key, wanted in value.items() if not _is_equal(key, options.get(key), wanted)]
        elif not _is_equal(name, job.get(name), value):
            found.append(name)
    return found


def _is_equal(name: str, present: Any, wanted: Any) -> bool:
    if name == "field_names":
        return sorted(present or ()) == sorted(wanted)
    if name == "output_type":
        return bool((present or "ndjson") == wanted)
    if name == "timestamp_format":
        return bool((present or "unixnano") == wanted)
    return bool(present == wanted)


def _found_later(api: Api, body: Mapping[str, Any], pauses_s: Sequence[float]) -> dict[str, Any] | None:
    """Return the job if it is listed now; it was not before the call."""
    for pause_s in pauses_s:
        time.sleep(pause_s)
        try:
            jobs = api.jobs()
        except JobError:
            continue
        for job in jobs:
            if _is_namesake(job, body) and is_same_destination(_conf(job), body["destination_conf"]):
                return job
    return None


def _is_namesake(job: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    return job.get("name") == body.get("name") and job.get("dataset") == body["dataset"]


def _conf(job: Mapping[str, Any]) -> str:
    return str(job.get("destination_conf") or "")
