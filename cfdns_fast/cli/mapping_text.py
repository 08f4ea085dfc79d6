"""What the command ``cfdns-fast mapping`` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .report import printable
from .table import table_lines

if TYPE_CHECKING:
    from .. import MappingError
    from ..mapping_tools import Changes, EventDifferences, Explanation, Reading

__all__ = [
    "change_lines",
    "event_difference_lines",
    "explanation_lines",
    "explanation_members",
    "finding_line",
    "shortened",
]

_MAX_CHARACTERS = 60
_MAX_NAMES = 50


def shortened(value: Any) -> str:
    """Return a value as JSON, cut to the width of a column."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"


def finding_line(severity: str, error: MappingError) -> str:
    """Return a fault as it is, and a warning with that word after the line."""
    if severity == "fault":
        return printable(str(error))
    place = error.file if error.line is None else f"{error.file}:{error.line}"
    return printable(f"{place}: {severity}: {error.entry}: {error.reason}")


def explanation_lines(found: Explanation) -> Iterator[str]:
    """Yield the targets with a value, those without, and what is left of the record."""
    from ..mapping_tools.description import sources_text

    given: list[tuple[str, ...]] = [("TARGET", "VALUE", "KIND", "FROM", "RULE")]
    left_out: list[tuple[str, ...]] = [("LEFT OUT", "WHY", "KIND", "FROM", "SENT", "RULE")]
    for each in found.readings:
        if each.reason is None:
            value = shortened(json.dumps(each.value, ensure_ascii=False))
            row = each.field.to, value, each.field.kind, each.key or "-", each.rule
            given.append(row)
        else:
            sent = "-" if each.sent is None else shortened(each.sent)
            left_out.append((each.field.to, _why(each), each.field.kind, sources_text(each.field), sent, each.rule))
    for rows in (given, left_out):
        if len(rows) > 1:
            yield from table_lines(rows)
            yield ""
    more = len(found.unread) - _MAX_NAMES
    names = [*map(shortened, found.unread[:_MAX_NAMES]), *([f"and {more} more"] if more > 0 else [])]
    yield f"not read: {', '.join(map(printable, names)) or '-'}"
    yield f"problems: {', '.join(map(printable, found.problems)) or '-'}"


def _why(reading: Reading) -> str:
    # The words of a problem begin with its code.
    counted = [problem for problem in reading.problems if not reading.why.startswith(problem.partition(":")[0])]
    return f"{reading.why} ({', '.join(counted)})" if counted else reading.why


def explanation_members(found: Explanation) -> dict[str, Any]:
    """Return an explanation for `json_line`."""
    return {
        "event": found.event,
        "problems": found.problems,
        "targets": [
            {
                "target": each.field.to,
                "value": each.value,
                "kind": each.field.kind,
                "from": each.field.sources,
                "key": each.key,
                "sent": each.sent,
                "rule": each.rule,
                "reason": each.reason,
                "problems": each.problems,
            }
            for each in found.readings
        ],
        "not_read": found.unread,
    }


def change_lines(changes: Changes) -> Iterator[str]:
    """Yield the targets that differ, as a diff."""
    from ..mapping_tools.description import sentence

    for each in changes.targets:
        for sign, fields in (("-", each.before), ("+", each.after)):
            for field in fields:
                yield printable(f"{sign} {field.to}: {sentence(field)}")
    if changes.is_reordered:
        yield "~ the targets that both have are in another order"


def event_difference_lines(found: EventDifferences) -> Iterator[str]:
    """Yield the counts, and the targets that differ with their first values."""
    yield f"events: {found.events:,} compared, {found.different:,} differ"
    if found.unpaired:
        yield f"events: {found.unpaired:,} not compared, because only one of the mappings reads them"
    if not found.targets:
        return
    rows: list[tuple[str, ...]] = [("TARGET", "REMOVED", "ADDED", "CHANGED", "FIRST", "BEFORE", "AFTER")]
    for to, each in found.targets.items():
        counts = (f"{count:,}" for count in (each.removed, each.added, each.changed))
        values = (
            "-" if value is None else shortened(json.dumps(value, ensure_ascii=False))
            for value in (each.before, each.after)
        )
        rows.append((to, *counts, f"event {each.event:,}", *values))
    yield from table_lines(rows)
