"""The texts about a conversion to a directory: faults, the summary, what is left."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ..files import Preview, Report
from .directory_progress import size_text
from .report import by_code

__all__ = ["equal_text", "faults_of", "preview_text", "skipped_text", "summary_of"]

#: The number of faults and of names that are shown.
_MAX_SHOWN = 10


def faults_of(report: Report) -> Iterator[str]:
    """Yield a line for each of the first faults and failed tasks, and a line that counts the others."""
    for each in itertools.islice(report.faults, _MAX_SHOWN):
        yield f"{each.input}: {each.reason}"
    if report.fault_count > _MAX_SHOWN:
        yield f"more inputs with faults: {report.fault_count - _MAX_SHOWN} (cfdns-fast status --json lists them)"
    for failure in itertools.islice(report.failures, _MAX_SHOWN):
        yield f"task {failure.task}: {failure.reason}"
    if report.failure_count > _MAX_SHOWN:
        yield f"more tasks that failed: {report.failure_count - _MAX_SHOWN}"


def summary_of(report: Report) -> str:
    """Return what a run did in one line."""
    if not report.tasks and not report.tasks_left and not report.failure_count:
        return f"nothing new{_notes(report)}{_known(report)}"
    rate = round(report.events / max(report.seconds, 1e-9))
    rejects, problems = by_code(Counter(report.rejects), {}), by_code(Counter(report.problems), {})
    left = f", tasks left {report.tasks_left}" if report.tasks_left else ""
    return (
        f"tasks {report.tasks}, objects {report.objects} ({size_text(report.size_bytes)}), events {report.events}, "
        f"blank {report.blank}, problems {problems}, rejects {rejects}, files {report.files} "
        f"({size_text(report.output_bytes)}), {rate} events/s{_notes(report)}{_known(report)}{left}"
    )


def preview_text(found: Preview) -> Iterator[str]:
    """Yield the lines of a dry run."""
    yield f"objects {found.objects} ({size_text(found.size_bytes)}), tasks {found.tasks}{_notes(found)}"
    yield (
        f"left: objects {found.objects_left} ({size_text(found.size_bytes_left)}), tasks {found.tasks_left}; "
        "nothing was written"
    )
    if found.changed:
        yield f"changed since they were planned: {len(found.changed)} ({_names(found.changed)})"


def skipped_text(skipped: Mapping[str, int]) -> str:
    """Return how many objects were skipped, by reason; empty if none were."""
    if not any(skipped.values()):
        return ""
    return f"skipped {by_code(Counter(skipped), {})}"


def equal_text(count: int, examples: Sequence[str]) -> str:
    """Return how many objects have the size and ETag of an earlier one; empty if none have."""
    return f"equal {count} (size and ETag of an earlier object: {_names(examples)})" if count else ""


def _notes(found: Report | Preview) -> str:
    notes = (skipped_text(found.skipped), equal_text(found.equal, found.equal_examples))
    return "".join(f", {note}" for note in notes if note)


def _known(report: Report) -> str:
    return f", faults of earlier runs {report.known_fault_count}" if report.known_fault_count else ""


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(itertools.islice(names, 3))
    return f"{shown}, …" if len(names) > 3 else shown
