"""Explain the event of one record: what each entry of the mapping gave, or why it gave nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from typing import Any, NamedTuple

from ..errors import PROBLEM_CODES, CfdnsError, RecordError
from ..mapping import NAME_PART_KINDS, Field, load
from ..mapping.kinds import KINDS
from ..options import DEFAULT_SCHEMA, Options
from ..results import Reject
from .events import EventSettings, event_of, key_of, values_of
from .formats import input_records
from .framing import Number, Record
from .signatures import check_signature
from .values import Problems, is_absent, read_field, source_of

__all__ = ["REASONS", "Explanation", "NoRecordError", "Reading", "explain"]

#: Why an entry gives no value: the code, and the words. A problem code (`errors.PROBLEM_CODES`) is a reason too.
REASONS = {
    "absent": "the record has no such key",
    "null": "the value is null",
    "empty": "the value is empty text",
    "unassigned": "the number has no name in the table",
    "no_name": "the name has only dots",
    "no_part": "the name has no such part",
    "no_elements": "no element of the array is left",
    "nothing_collected": "none of its targets has a value",
    "no_problem": "the record has no problem",
    "no_value": "the kind gives no value for this record",
    "alternative": "an earlier entry gives the value of the target",
    "keep_message": "raw records are left out (keep_message=False, --no-message)",
}


class NoRecordError(CfdnsError, LookupError):
    """The input has no record of the number that was asked for."""


class Reading(NamedTuple):
    """What one entry of a mapping gave.

    Attributes
    ----------
    field : Field
        The entry.
    key : str or None
        The key of the record that was read; None for kinds without sources.
    sent : str or None
        The value of the key as JSON, numbers as they were sent; None if the record does not have the key.
    value : object
        The value in the event; None if the entry gives none.
    reason : str or None
        Why it gives no value: a key of `REASONS` or `errors.PROBLEM_CODES`. None if it gives one.
    problems : tuple of str
        The problems that the entry causes, as "code:SourceKey".
    """

    field: Field
    key: str | None
    sent: str | None
    value: Any
    reason: str | None
    problems: tuple[str, ...]

    @property
    def why(self) -> str:
        """`reason` in words; empty if the entry gives a value."""
        if self.reason is None:
            return ""
        return REASONS.get(self.reason) or f"{self.reason}: {PROBLEM_CODES[self.reason]}"

    @property
    def rule(self) -> str:
        """The section of the specification that says how the value is read."""
        return KINDS[self.field.kind].rule


@dataclass(frozen=True, slots=True)
class Explanation:
    """The event of one record, and why it is what it is.

    Attributes
    ----------
    event : dict
        The event, as a `Normalizer` gives it.
    problems : tuple of str
        The problems of the record, sorted.
    readings : tuple of Reading
        The entries of the mapping, in its order.
    unread : tuple of str
        The keys of the record that no entry reads, in the order of the record.
    """

    event: dict[str, Any]
    problems: tuple[str, ...]
    readings: tuple[Reading, ...]
    unread: tuple[str, ...]


def explain(
    data: bytes, schema: str | PathLike[str] = DEFAULT_SCHEMA, *, record: int = 1, **options: Any
) -> Explanation:
    """Explain the event of one record.

    Parameters
    ----------
    data : bytes
        The input, as for `to_dicts`.
    schema, options
        As for `Normalizer`; `on_reject`, `detect` and `on_detection` have no effect.
    record : int
        The number of the record in the input, from 1. Rejects count too.

    Raises
    ------
    RecordError
        The record is a reject.
    NoRecordError
        The input has fewer records.
    InputFormatError, MappingError, TypeError, ValueError
        As for `Normalizer`.
    """
    if record < 1:
        raise ValueError(f"record must be a number from 1 on, not {record}")
    given = Options(schema=schema, **options)
    mapping = load(schema, given.dataset)
    given.check_known(mapping.sources)
    check_signature(data)
    items = input_records(data, set(mapping.sources), given)
    counted = (item for item in items if item is not None)
    found = next(islice(counted, record - 1, None), None)
    if found is None:
        raise NoRecordError(f"the input has fewer than {record} records" if record > 1 else "the input has no record")
    if isinstance(found, Reject):
        raise RecordError(found.line, found.byte_offset, found.byte_length, found.code, found.raw)
    kept = mapping if given.keep_message else mapping.without_raw()
    settings = EventSettings(given.private_suffixes, given.timestamp_unit, kept.fields, kept.tree())
    event, problems = event_of(found, settings)
    return Explanation(
        event,
        tuple(sorted(problems)),
        tuple(_readings(found, mapping.fields, settings)),
        tuple(key for key in found.members if key not in mapping.sources),
    )


def _readings(record: Record, fields: tuple[Field, ...], settings: EventSettings) -> list[Reading]:
    values, _ = values_of(record, settings)
    given: set[str] = set()
    readings = []
    for field in fields:
        problems: Problems = set()
        key, has_value = None, field.to in values
        if field.sources:
            key = source_of(field, record)
            has_value = read_field(field, record, settings, problems) is not None
        reason = None
        if not has_value:
            reason = _reason(field, key, record, problems)
        elif field.to in given:
            reason = "alternative"
        else:
            given.add(field.to)
        value = values[field.to] if reason is None else None
        sent = _json(record.members[key]) if key is not None and key in record.members else None
        readings.append(Reading(field, key, sent, value, reason, tuple(sorted(map(key_of, problems)))))
    return readings


def _reason(field: Field, key: str | None, record: Record, problems: Problems) -> str:
    """Return why a field has no value."""
    if key is None:
        without = {"problems": "no_problem", "raw": "keep_message"}
        return "nothing_collected" if field.of else without.get(field.kind, "no_value")
    value = record.members.get(key)
    if is_absent(value):
        if key not in record.members:
            return "absent"
        return "null" if value is None else "empty"
    if problems:
        return min(code for code, _ in problems)
    if field.list or field.kind == "objects":
        return "no_elements"
    if field.kind in NAME_PART_KINDS:
        return "no_name" if field.kind == "name" else "no_part"
    return "unassigned" if field.kind == "enum" else "no_value"


def _json(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_json, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_json(key)}:{_json(each)}' for key, each in value.items())}}}"
    return value.text if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)
