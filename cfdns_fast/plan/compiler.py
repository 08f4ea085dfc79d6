"""Turn a `Mapping` into the plan that the compiled core executes."""

from __future__ import annotations

from .._core import Plan, SuffixTable, TimeUnit
from ..mapping import Mapping
from .columns import columns_of
from .slots import Readings
from .steps import dict_steps, ndjson_steps
from .suffix_table import suffix_table

__all__ = ["TIMESTAMP_UNITS", "compile_plan"]

TIMESTAMP_UNITS = ("auto", "s", "ms", "us", "ns")


def compile_plan(
    mapping: Mapping,
    *,
    private_suffixes: bool,
    timestamp_unit: str,
    max_record_bytes: int,
    record_delimiter: bytes = b"",
    own_key: str | None = None,
) -> Plan:
    """Compile a mapping. The plan is immutable and may be used by any number of threads.

    `own_key` is a source that the records have from this package and not from their sender: it makes no record known.
    """
    readings = Readings(mapping, own_key)
    patterns, steps = dict_steps(mapping.tree(), readings)
    return Plan(
        sources=readings.sources,
        key_count=readings.key_count,
        inputs=readings.inputs,
        enumerations=readings.enumerations,
        members=readings.members,
        firsts=readings.firsts,
        collections=readings.collections,
        verdicts=readings.verdicts,
        problems_slot=readings.problems_slot,
        slot_count=readings.slot_count,
        steps=ndjson_steps(mapping.tree(), readings),
        dict_patterns=patterns,
        dict_steps=steps,
        columns=columns_of(mapping, readings),
        suffixes=suffix_table(private_suffixes) if readings.wants_name_parts else SuffixTable(b"\0", [], []),
        timestamp_unit=TimeUnit.automatic if timestamp_unit == "auto" else TimeUnit[timestamp_unit],
        max_record_bytes=max_record_bytes,
        record_delimiter=record_delimiter,
    )
