"""Compile a mapping to the plan that the compiled core executes."""

from __future__ import annotations

from collections.abc import Iterable

from .._core import Plan, SuffixTable, TimeUnit
from ..mapping import Mapping
from .columns import columns_of
from .slots import Readings
from .steps import dict_steps, ndjson_steps
from .suffix_table import suffix_table

__all__ = ["compile_plan"]

#: The targets that conditions compare besides the name, in the order of `matching.FIELDS`, in the terms of ECS and of
#: OCSF. OCSF's captions of response codes are other words, so they are not compared.
_COMPARED_TARGETS = (("dns.question.type", "query.type"), ("dns.response_code",), ("source.ip", "src_endpoint.ip"))
#: The targets that hold the address that asked, and those of the answers.
_ADDRESS_TARGETS = (("source.ip", "src_endpoint.ip"), ("dns.resolved_ip", "answers"))


def compile_plan(
    mapping: Mapping,
    *,
    private_suffixes: bool,
    timestamp_unit: str,
    max_record_bytes: int,
    record_delimiter: bytes = b"",
    own_key: str | None = None,
    is_matched: bool = False,
) -> Plan:
    """Compile a mapping. The plan is immutable and may be used by any number of threads.

    Parameters
    ----------
    mapping : Mapping
        The fields of an event.
    private_suffixes : bool
        Split names by the PRIVATE section of the Public Suffix List too.
    timestamp_unit : str
        One of `TIMESTAMP_UNITS`.
    max_record_bytes : int
        Maximum size of a record in bytes.
    record_delimiter : bytes
        Separates the objects of a line; empty if there is none.
    own_key : str or None
        A source that this package adds to records. It does not make a record known.
    is_matched : bool
        Matchers see the name of each record.
    """
    readings = Readings(mapping, own_key, is_matched=is_matched)
    matched = None
    if readings.matched is not None:
        sources, domain = readings.matched
        # Matchers see the registered domain of the ICANN section, whatever the events have.
        slots = [_first(map(readings.text_slot, targets)) for targets in _COMPARED_TARGETS]
        addresses = [_first(map(readings.texts_slot, targets)) for targets in _ADDRESS_TARGETS]
        matched = (sources, None if private_suffixes else domain, suffix_table(False), slots, addresses)
    patterns, steps = dict_steps(mapping.tree(), readings)
    return Plan(
        sources=readings.sources,
        key_count=readings.key_count,
        inputs=readings.inputs,
        enumerations=readings.enumerations,
        members=readings.members,
        firsts=readings.firsts,
        collections=readings.collections,
        observables=readings.observables,
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
        matched=matched,
    )


def _first(slots: Iterable[int | None]) -> int | None:
    return next((slot for slot in slots if slot is not None), None)
