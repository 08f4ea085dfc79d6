"""The golden cases, on both implementations and through every writer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from golden import CASES, CONSTANTS, DEFAULTS, INTAKE_SAMPLES, SPLITS, Case, Split
from support.records import RAW_LIMIT

from cfdns_fast.errors import PROBLEM_CODES, REJECT_CODES
from cfdns_fast.mapping_tools import mismatches_of

NAME_PARTS = ("top_level_domain", "registered_domain", "subdomain")


def dumps(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_golden_case_gives_the_expected_result(case: Case, implementation: Any) -> None:
    result = implementation.to_dicts(case.data, **case.options)
    written = implementation.to_ndjson(case.data, **case.options)
    mismatches = mismatches_of(case, result, written.output, DEFAULTS)
    assert mismatches == [], f"{case.rule}\n" + "\n".join(mismatches)
    for reject in result.rejects:
        raw = case.data[reject.byte_offset : reject.byte_offset + reject.byte_length]
        assert reject.raw == raw[:RAW_LIMIT]
    assert result.events == len(case.events)

    assert written.output == b"".join(map(dumps, result.output))
    assert written.events == result.events
    assert (written.blank, written.rejects, written.problems) == (result.blank, result.rejects, result.problems)


def test_constants_are_those_of_the_mapping() -> None:
    assert (DEFAULTS.constants, DEFAULTS.raw, DEFAULTS.by_problem) == (CONSTANTS, ("message",), ())


@pytest.mark.parametrize("sample", INTAKE_SAMPLES, ids=lambda sample: str(sample["dns"]["question"].get("type")))
def test_intake_page_sample_gives_the_page_event(sample: dict[str, Any], implementation: Any) -> None:
    event = implementation.parse(sample["message"].encode())
    assert event == sample
    assert dumps(event) == dumps(sample), "the keys have another order than on the page"


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: split.id)
def test_golden_name_splits_into_the_event_parts(split: Split) -> None:
    from cfdns_fast import split_domain

    parts = split_domain(split.name, private_suffixes=split.private_suffixes)
    assert {part: getattr(parts, part) for part in NAME_PARTS} == {part: getattr(split, part) for part in NAME_PARTS}, (
        split.rule
    )


def test_golden_cases_cover_every_reject_code() -> None:
    assert {reject.code for case in CASES for reject in case.rejects} == set(REJECT_CODES)


def test_golden_cases_cover_every_problem_code() -> None:
    assert {key.partition(":")[0] for case in CASES for key in case.problems} == set(PROBLEM_CODES)
