"""Schema "ocsf" gives events of OCSF's class DNS Activity, by a JSON Schema that is derived from OCSF's own export."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from golden import INPUTS
from support.records import DATASET_RECORDS

from cfdns_fast import Normalizer
from cfdns_fast.mapping import bundled, load

jsonschema = pytest.importorskip("jsonschema")

FOLDER = Path(__file__).parent
DATASETS = [dataset for dataset, schemas in bundled().items() if "ocsf" in schemas]
SCHEMA = json.loads((FOLDER / "ocsf_dns_activity.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
#: Complete records and their events.
ROWS = [json.loads(line) for line in (FOLDER / "ocsf_events.jsonl").read_text(encoding="utf-8").splitlines()]

#: What a record can lack that OCSF requires: a time, a name, and the address of an endpoint.
LACKED = {": required time", "query: required hostname", ": anyOf", "src_endpoint: anyOf", "dst_endpoint: anyOf"}
#: Values that the record has and OCSF's types do not allow. They are kept, because they are what was sent.
UNUSUAL = {"port: minimum", "port: maximum", "email_addr: pattern", "ip: maxLength"}


def faults(event: dict[str, Any]) -> set[str]:
    """Return what the JSON Schema finds in an event, as path and keyword."""
    found = set()
    for error in VALIDATOR.iter_errors(event):
        path = ".".join(str(key) for key in error.absolute_path)
        if error.validator == "required":
            found |= {f"{path}: required {name}" for name in error.validator_value if name not in error.instance}
        else:
            found.add(f"{path}: {error.validator}")
    return found


def unexplained(event: dict[str, Any]) -> set[str]:
    """Return the faults of an event that its record does not explain."""
    found = {fault for fault in faults(event) if fault.rpartition(".")[2] not in UNUSUAL}
    return found - LACKED


@pytest.mark.parametrize("row", ROWS, ids=[row["dataset"] for row in ROWS])
def test_ocsf_event_is_complete_and_valid(row: dict[str, Any], implementation: Any) -> None:
    raw = json.dumps(row["record"])
    (event,) = implementation.to_dicts(raw.encode(), "ocsf", dataset=row["dataset"]).output
    assert event.pop("raw_data") == raw
    assert event == row["event"]
    assert not faults(event)


@pytest.mark.parametrize("dataset", DATASETS)
def test_ocsf_events_of_problem_records_are_valid(dataset: str, implementation: Any) -> None:
    result = implementation.to_dicts("\n".join(DATASET_RECORDS).encode(), "ocsf", dataset=dataset)
    assert len(result.output) == len(DATASET_RECORDS)
    for event in result.output:
        assert not unexplained(event)
        assert not faults(event) or event["metadata"]["debug"], event


@pytest.mark.slow
@pytest.mark.parametrize("dataset", DATASETS)
def test_ocsf_events_of_golden_inputs_are_valid(dataset: str) -> None:
    normalizer = Normalizer("ocsf", dataset=dataset, on_reject="collect")
    for data in INPUTS:
        for event in normalizer.to_dicts(data).output:
            assert not unexplained(event)


try:
    from hypothesis import given
    from hypothesis import strategies as st
    from support import strategies
except ImportError:
    pass
else:

    @pytest.mark.slow
    @given(data=strategies.any_batch, options=strategies.options, dataset=st.sampled_from(DATASETS))
    def test_ocsf_events_of_any_batch_are_valid(data: bytes, options: dict[str, Any], dataset: str) -> None:
        for event in Normalizer("ocsf", dataset=dataset, **options).to_dicts(data).output:
            assert not unexplained(event)


def captions(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each attribute of an event that is a number with captions."""
    for name, value in schema["properties"].items():
        if "x-captions" in value:
            yield f"{path}{name}", value["x-captions"]


@pytest.mark.parametrize("row", ROWS, ids=[row["dataset"] for row in ROWS])
def test_ocsf_texts_are_the_captions_of_numbers(row: dict[str, Any]) -> None:
    event = row["event"]
    compared = 0
    for name, texts in captions(SCHEMA):
        beside = {"activity_id": "activity_name"}.get(name, name.removesuffix("_id").removesuffix("_uid"))
        beside = beside if beside in event else name.replace("_uid", "_name")
        if name in event and event[name] != 99:
            assert texts[str(event[name])] == event[beside]
            compared += 1
    assert compared >= 3
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    assert event["type_name"] == f"{event['class_name']}: {event['activity_name']}"


def ranges_in(description: str) -> set[int]:
    """Return the numbers of a description such as "codes: 12-15, 65535"."""
    numbers: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", description):
        numbers |= set(range(int(first), int(last or first) + 1))
    return numbers


#: As the descriptions of the captions 25 and 24 say.
RESERVED = ranges_in("3841-4095, 65535")
UNASSIGNED = ranges_in("12-15, 24-3840, 4096-65534")


def expected_code(code: int) -> tuple[int, str]:
    number = 25 if code in RESERVED else 24 if code in UNASSIGNED else code
    return number, SCHEMA["properties"]["rcode_id"]["x-captions"][str(number)]


@pytest.mark.parametrize("dataset", DATASETS)
def test_ocsf_knows_every_response_code(dataset: str) -> None:
    fields = {field.to: field for field in load("ocsf", dataset).fields}
    numbers, texts = dict(fields["rcode_id"].names), dict(fields["rcode"].names)
    for code in range(65536):
        found = numbers.get(code, fields["rcode_id"].default), texts.get(code, fields["rcode"].default)
        assert found == expected_code(code)


def test_ocsf_writes_codes_at_the_ends_of_ranges(implementation: Any) -> None:
    codes = [0, 11, 12, 15, 16, 23, 24, 25, 99, 3840, 3841, 4095, 4096, 65534, 65535]
    records = "".join(f'{{"ResponseCode":{code}}}\n' for code in codes)
    events = implementation.to_dicts(records.encode(), "ocsf").output
    assert [(event["rcode_id"], event["rcode"]) for event in events] == [expected_code(code) for code in codes]


@pytest.mark.parametrize("dataset", DATASETS)
def test_ocsf_targets_are_attributes_of_ocsf(dataset: str) -> None:
    profiles = next(field.value for field in load("ocsf", dataset).fields if field.to == "metadata.profiles")
    assert set(profiles) <= set(SCHEMA["title"].partition("profiles ")[2].split(", "))
    for field in load("ocsf", dataset).fields:
        node: dict[str, Any] = SCHEMA
        for key in field.to.split("."):
            node = node["properties"][key] if node.get("properties") else {}
            node = SCHEMA["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        if field.to.startswith("unmapped."):
            continue
        is_array = node["type"] == "array"
        assert is_array == (field.array or field.holds_list or isinstance(field.value, tuple)), field.to
        if not is_array and field.kind != "constant":
            assert node["type"] == {"text": "string"}.get(field.json_class, field.json_class), field.to
            assert ("pattern" in node and "ip" in field.to) == (field.kind == "ip"), field.to


def wanted(schema: dict[str, Any], path: str, targets: set[str]) -> Iterator[tuple[str, bool]]:
    """Yield each attribute that OCSF requires or recommends in what events have, and whether it is given."""
    for name, value in schema["properties"].items():
        to = f"{path}{name}"
        is_given = any(target == to or target.startswith(f"{to}.") for target in targets)
        if value["$comment"] in ("required", "recommended"):
            yield to, is_given
        reference = value.get("$ref") or value.get("items", {}).get("$ref")
        if reference and is_given and name != "unmapped":
            below = targets | {"answers.rdata"}
            yield from wanted(SCHEMA["$defs"][reference.rpartition("/")[2]], f"{to}.", below)


@pytest.mark.parametrize("dataset", DATASETS)
def test_wanted_attributes_are_in_the_documentation(dataset: str) -> None:
    """docs/differences.md has a row for each, which says what it holds, or that it is absent."""
    page = (FOLDER.parents[1] / "docs" / "differences.md").read_text(encoding="utf-8")
    section = page.partition("\n## `ocsf`")[2].partition("\n## ")[0]
    rows = {}
    for line in section.splitlines():
        if line.startswith("| `"):
            names, gives, *_ = (cell.strip() for cell in line.strip("|").split(" | "))
            rows |= dict.fromkeys(re.findall(r"`([^`]+)`", names), gives)
    targets = {field.to for field in load("ocsf", dataset).fields}
    for name, is_given in wanted(SCHEMA, "", targets):
        assert name in rows, name
        if is_given:
            assert rows[name] != "absent", name
