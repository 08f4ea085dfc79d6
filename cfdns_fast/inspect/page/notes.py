"""What a reader of the page should look at first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..figures import count_text, counted_text, duration_text
from ..summary import Summary

__all__ = ["Note", "notes_of"]

_NS_PER_S = 1_000_000_000
_LINKS = {
    "detections": "Detections",
    "equal": "Equal files",
    "faults": "Inputs with faults",
    "files": "Files",
    "gaps": "Gaps",
    "late": "Late events",
    "names": "Lists",
    "problems": "Examples",
    "rate": "Chart",
}


class Note(NamedTuple):
    """A sentence, the element of the page that has the details, and whether data is missing or may be wrong."""

    text: str
    target: str
    is_serious: bool

    @property
    def link(self) -> str:
        """The text of the link to the element."""
        return _LINKS[self.target]


def notes_of(summary: Summary) -> list[Note]:
    """Return what is unusual in the summary, the most serious first; empty if nothing is."""
    return sorted(_notes(summary), key=lambda note: not note.is_serious)


def _notes(summary: Summary) -> Iterator[Note]:
    files = summary.files
    if not summary.events:
        yield Note("The inputs have no events.", "files", True)
    if files.fault_count:
        yield Note(
            counted_text(files.fault_count, "input") + " with a fault, whose events may be missing.", "faults", True
        )
    if summary.detection_count:
        yield Note(counted_text(summary.detection_count, "detection") + ".", "detections", True)
    if summary.rejects:
        yield Note(counted_text(summary.rejects, "reject") + ": bytes that are no record.", "problems", True)
    if summary.problems:
        yield Note(
            counted_text(summary.problems, "problem") + ": a field was left out of its event.", "problems", False
        )
    if files.gap_count:
        longest_s = max((gap.to_ns - gap.from_ns for gap in files.gaps), default=0) / _NS_PER_S
        text = f"{counted_text(files.gap_count, 'gap')} between files; the longest is {duration_text(longest_s)}."
        yield Note(text, "gaps", True)
    if files.late_files:
        yield Note(
            counted_text(files.late_files, "file") + " with events earlier than the file's name says.", "late", False
        )
    if files.equal_count:
        yield Note(
            counted_text(files.equal_count, "file") + " with the same content as an earlier file.", "equal", True
        )
    if summary.without_time:
        yield Note(counted_text(summary.without_time, "event") + " without a time.", "rate", False)
    if summary.rate is not None and (outside := summary.rate.before + summary.rate.after):
        yield Note(
            counted_text(outside, "event") + " with a time far from the others, not in the chart.", "rate", False
        )
    inexact = [top.title for top in summary.tops if not top.is_exact]
    inexact += [] if summary.nxdomain_is_exact else ["NXDOMAIN by domain"]
    if inexact:
        errors = [top.max_error for top in summary.tops] + [summary.nxdomain_max_error]
        text = f"Approximate counts, at most {count_text(max(errors))} too low: {', '.join(inexact)}."
        yield Note(text, "names", False)
