"""What a person is shown of a summary: tables of text, which a terminal and plain text show alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..io import STANDARD_STREAM
from .figures import MIN_RATE, count_text, counted_text, duration_text, moment_text, share_text, size_text
from .sparklines import sparkline
from .summary import Example, Files, Rate, Summary, Top
from .visible import visible_text

__all__ = ["Section", "sections_of"]

#: Columns of a sparkline.
_SPARK_WIDTH = 36
#: Where the names of a section say less than the section itself.
_MAX_GAPS, _MAX_GROUPS, _MAX_FAULTS = 5, 5, 10


@dataclass(frozen=True, slots=True)
class Section:
    """A table.

    Attributes
    ----------
    title : str
    headers : tuple of str
        The headers of the columns; empty texts for a table that needs none.
    rows : sequence of tuple of str
        Printable texts. Columns after the first one that hold numbers are aligned to the right.
    is_text : tuple of bool
        For each column, whether it is text, which is aligned to the left.
    shares : tuple of float
        The length of a bar for each row, 0 to 1; empty without bars.
    note : str
        A sentence below the table, or an empty text.
    """

    title: str
    headers: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    is_text: tuple[bool, ...]
    shares: tuple[float, ...] = ()
    note: str = ""


def sections_of(summary: Summary) -> Iterator[Section]:
    """Return an iterator over all tables, without those that have nothing to say."""
    yield _totals(summary)
    if summary.rate is not None:
        yield _rate(summary.rate)
    for top in summary.tops:
        if top.total:
            yield _top(top, summary.events)
    if summary.events:
        yield _shares(summary)
    if summary.nxdomain:
        yield _nxdomain(summary)
    yield from _files(summary.files)
    yield from _examples("Problems", "problem", summary.problem_examples)
    yield from _examples("Rejects", "reject", summary.reject_examples)
    if summary.detection_count is not None:
        yield from _detections(summary)
    if summary.files.faults:
        faults = [(shown_name(each.name), visible_text(each.reason)) for each in summary.files.faults[:_MAX_FAULTS]]
        more = summary.files.fault_count - len(faults)
        note = f"and {count_text(more)} more" if more else ""
        yield Section("Inputs with faults", ("input", "reason"), faults, (True, True), note=note)


def shown_name(name: str) -> str:
    """Return the name of an input, printable."""
    return "stdin" if name == STANDARD_STREAM else visible_text(name)


def _totals(summary: Summary) -> Section:
    files = summary.files
    rows = [("files", f"{count_text(files.count)}, {size_text(files.size_bytes)}")]
    if files.skipped:
        skipped = ", ".join(f"{reason} {count_text(count)}" for reason, count in files.skipped.items())
        rows.append(("not read", visible_text(skipped)))
    rows.append(("events", count_text(summary.events)))
    if summary.first_ns is not None and summary.last_ns is not None:
        seconds = (summary.last_ns - summary.first_ns) / 10**9
        rows.append(("from", moment_text(summary.first_ns)))
        rows.append(("to", f"{moment_text(summary.last_ns)}  ({duration_text(seconds)})"))
        if seconds >= 1:
            rows.append(("rate", f"{_rate_text((summary.events - summary.without_time) / seconds)} a second"))
    if summary.without_time:
        rows.append(("without time", count_text(summary.without_time)))
    if summary.blank:
        rows.append(("blank lines", count_text(summary.blank)))
    rows.append(("problems", count_text(summary.problems)))
    rows.append(("rejects", count_text(summary.rejects)))
    return Section("Batch", ("", ""), rows, (True, True))


def _rate_text(per_second: float) -> str:
    return f"{per_second:,.1f}" if per_second >= MIN_RATE else f"<{MIN_RATE}"


def _rate(rate: Rate) -> Section:
    rows = []
    totals = [sum(counts) for counts in rate.counts]
    for code, counts, total in zip(rate.codes, rate.counts, totals, strict=True):
        shown = f"{_rate_text(max(counts) / rate.interval_s)}/s"
        line = sparkline(counts, _SPARK_WIDTH)
        rows.append((visible_text(code), line, count_text(total), shown))
    intervals = len(rate.counts[0]) if rate.counts else 0
    note = (
        f"from {moment_text(rate.start_ns)}, {duration_text(intervals * rate.interval_s)} in intervals of "
        f"{duration_text(rate.interval_s)}; each line has a scale of its own"
    )
    if rate.before or rate.after:
        note += f"; {count_text(rate.before)} events before and {count_text(rate.after)} after that are not shown"
    return Section("Events over time", ("code", "", "events", "peak"), rows, (True, True, False, False), note=note)


def _top(top: Top, events: int) -> Section:
    greatest = max((count for _, count in top.rows), default=0) or 1
    rows = [(visible_text(value) or '""', count_text(count), share_text(count, events)) for value, count in top.rows]
    shares = [count / greatest for _, count in top.rows]
    title = f"{top.title} ({'' if top.is_exact else 'at most '}{count_text(top.distinct)} different)"
    notes = []
    if not top.is_exact:
        notes.append(f"counts are too low by at most {count_text(top.max_error)}, because rare values were dropped")
    if top.missing:
        notes.append(f"{count_text(top.missing)} without a value")
    note = "; ".join(notes)
    return Section(title, ("", "events", "share"), rows, (True, False, False), tuple(shares), note)


def _shares(summary: Summary) -> Section:
    rows = []
    parts: Sequence[tuple[str, Mapping[str, int]]] = (
        ("from the cache", summary.cached),
        ("address of the client", summary.families),
        ("EDNS client subnet", summary.edns),
    )
    for title, counts in parts:
        rows += [
            (f"{title}: {key}", count_text(count), share_text(count, summary.events))
            for key, count in counts.items()
            if count
        ]
    shares = tuple(_share_of(row[1], summary.events) for row in rows)
    return Section("Shares", ("", "events", "share"), rows, (True, False, False), shares)


def _share_of(count: str, events: int) -> float:
    return int(count.replace(",", "")) / events


def _nxdomain(summary: Summary) -> Section:
    rows = [
        (
            visible_text(each.domain),
            count_text(each.queries),
            count_text(each.names),
            share_text(each.names, each.queries),
        )
        for each in summary.nxdomain
    ]
    greatest = max(each.queries for each in summary.nxdomain)
    shares = tuple(each.queries / greatest for each in summary.nxdomain)
    notes = [f"{counted_text(summary.nxdomain_total, 'answer')}, {counted_text(summary.nxdomain_domains, 'domain')}"]
    if not summary.nxdomain_is_exact:
        notes.append(
            "rare names were dropped, so numbers of names may be too high, and of queries too low by at most "
            f"{count_text(summary.nxdomain_max_error)}"
        )
    headers = ("", "queries", "names", "names/queries")
    return Section("NXDOMAIN by domain", headers, rows, (True, False, False, False), shares, "; ".join(notes))


def _files(files: Files) -> Iterator[Section]:
    if files.gap_count:
        gaps = sorted(files.gaps, key=lambda gap: gap.from_ns - gap.to_ns)[:_MAX_GAPS]
        rows = [
            (moment_text(gap.from_ns), moment_text(gap.to_ns), duration_text((gap.to_ns - gap.from_ns) / 10**9))
            for gap in gaps
        ]
        usual = duration_text(files.usual_interval_s or 0)
        note = f"{count_text(files.gap_count)} in all; by names, a file usually begins {usual} after the one before"
        yield Section("Times without a file", ("from", "to", "length"), rows, (True, True, False), note=note)
    if files.late_files:
        late = [
            (
                shown_name(file.name),
                count_text(file.late),
                share_text(file.late, file.events),
                duration_text(file.lateness_ns / 10**9),
            )
            for file in files.latest
        ]
        headers = ("file", "events", "share", "up to")
        note = f"{counted_text(files.late_files, 'file')} with events from before the time in the name"
        yield Section("Late events", headers, late, (True, False, False, False), note=note)
    if files.equal_count:
        groups = [(" = ".join(shown_name(name) for name in group),) for group in files.equal[:_MAX_GROUPS]]
        note = f"{counted_text(files.equal_count, 'file')} equal to an earlier one"
        yield Section("Equal files", ("",), groups, (True,), note=note)


def _examples(title: str, header: str, examples: Sequence[Example]) -> Iterator[Section]:
    if examples:
        rows = [(visible_text(each.code), count_text(each.count), _example(each)) for each in examples]
        yield Section(title, (header, "count", "example"), rows, (True, False, True))


def _detections(summary: Summary) -> Iterator[Section]:
    rows = [
        (visible_text(each.code), each.level or "", count_text(each.count), _example(each))
        for each in summary.detections
    ]
    note = f"{counted_text(summary.detection_count or 0, 'detection')}, in logs only"
    if summary.detections_not_kept:
        note += f"; {count_text(summary.detections_not_kept)} more were only counted"
    yield Section("Detections", ("rule", "level", "count", "example"), rows, (True, True, False, True), note=note)


def _example(example: Example) -> str:
    return visible_text(example.example or "")
