"""Jobs and fields as lines of text. The jobs are redacted before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .report import printable

__all__ = ["field_lines", "job_lines", "job_table"]

_COLUMNS = ("ID", "NAME", "DATASET", "ENABLED", "LAST COMPLETE", "ERROR", "DESTINATION")
_MAX_ERROR_CHARACTERS = 60


def job_table(jobs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line for each job, after a line of headings."""
    rows: list[tuple[str, ...]] = [_COLUMNS]
    for job in jobs:
        error = _word(job.get("error_message"))
        if len(error) > _MAX_ERROR_CHARACTERS:
            error = f"{error[:_MAX_ERROR_CHARACTERS]}…"
        is_enabled = "yes" if job.get("enabled") else "no"
        words = [_word(job.get(key)) for key in ("id", "name", "dataset", "last_complete", "destination_conf")]
        rows.append((*words[:3], is_enabled, words[3], error, words[4]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def job_lines(job: Mapping[str, Any]) -> list[str]:
    """Return a line for each setting of a job, and a line for each setting that loses data or is out of date."""
    flat: dict[str, Any] = {}
    for key, value in job.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": each for inner, each in value.items()}
        else:
            flat[key] = value
    width = max(map(len, flat), default=0)
    lines = [f"{printable(key).ljust(width)}  {_word(value)}" for key, value in flat.items()]
    return lines + [f"note: {note}" for note in notes(job)]


def notes(job: Mapping[str, Any]) -> list[str]:
    """Return sentences on settings of a job that lose data."""
    found = []
    options = job.get("output_options")
    old = str(job.get("logpull_options") or "")
    if not options and old:
        found.append("logpull_options is deprecated; any change of the fields or the timestamps replaces it")
    form = (options or {}).get("timestamp_format") if options else ("unix" if _is_whole_seconds(old) else None)
    if form in ("unix", "rfc3339"):
        found.append(f"timestamps have whole seconds; --timestamp-format unixnano keeps nanoseconds, now it is {form}")
    if isinstance(options, Mapping) and options.get("output_type") == "csv" and not options.get("batch_prefix"):
        found.append("CSV has no header row, so a reader must know the columns")
    if job.get("enabled") is False:
        found.append("the job is not enabled, so it sends nothing")
    records = job.get("max_upload_records")
    if isinstance(records, int) and 0 < records < 10_000:
        found.append("batches of few records cost a receiver much more CPU; 100000 is a good limit")
    return found


def field_lines(fields: Mapping[str, str], chosen: Sequence[str]) -> list[str]:
    """Return a line for each field: whether it is requested by default, its name, type and description."""
    width = max(map(len, fields), default=0)
    return [
        f"{'*' if name in chosen else ' '} {printable(name).ljust(width)}  {printable(' '.join(text.split()))}"
        for name, text in sorted(fields.items())
    ]


def _is_whole_seconds(logpull_options: str) -> bool:
    values = [part.partition("=")[2] for part in logpull_options.split("&") if part.startswith("timestamps=")]
    return values[-1:] in (["unix"], ["rfc3339"])


def _word(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, list):
        return printable(", ".join(map(str, value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(" ".join(str(value).split()))
