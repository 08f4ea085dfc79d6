"""The explanation of a record: its values are those of the event, and every entry without a value has a reason."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from golden import CASES
from support import random_mappings
from support.mappings import field, write_mapping

from cfdns_fast import Normalizer, RecordError, parse
from cfdns_fast.mapping import load
from cfdns_fast.mapping.kinds import KINDS
from cfdns_fast.mapping_tools import REASONS, Explanation, NoRecordError, explain
from cfdns_fast.mapping_tools.flatten import flatten


def assert_equals_conversion(found: Explanation, normalizer: Normalizer, data: bytes) -> None:
    result = normalizer.to_dicts(data)
    assert repr(found.event) == repr(result.output[0])
    assert dict.fromkeys(found.problems, 1) == result.problems
    given = {each.field.to: each.value for each in found.readings if each.reason is None}
    assert sorted(map(repr, given.items())) == sorted(map(repr, flatten(result.output[0]).items()))
    assert {problem for each in found.readings for problem in each.problems} | {"record.unknown"} >= set(found.problems)
    for each in found.readings:
        assert (each.reason is None) == (each.value is not None)
        assert bool(each.why) == (each.reason is not None)


def compare(data: bytes, schema: Any, normalizer: Normalizer, **options: Any) -> None:
    """Compare the explanation of each line that is one record."""
    for line in data.split(b"\n"):
        if normalizer.to_dicts(line).events == 1:
            try:
                found = explain(line, schema, **options)
            except RecordError:
                continue  # a reject before the record
            assert_equals_conversion(found, normalizer, line)


@pytest.mark.parametrize("count", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_random_records_equal_the_conversion(count: int, tmp_path: Path) -> None:
    pick = random.Random(random_mappings.SEED + count)
    for normalizer, path in random_mappings.normalizers(pick, tmp_path, count):
        compare(random_mappings.batch(pick, random_mappings.KEYS), path, normalizer)


@pytest.mark.slow
@pytest.mark.parametrize(("schema", "dataset"), random_mappings.BUNDLED)
def test_generated_records_equal_the_conversion(schema: str, dataset: str) -> None:
    pytest.importorskip("hypothesis")
    from hypothesis import given
    from support import strategies

    normalizer = Normalizer(schema, dataset=dataset)

    @given(data=strategies.batches)
    def run(data: bytes) -> None:
        compare(data, schema, normalizer, dataset=dataset)

    run()


@pytest.mark.parametrize(
    ("topic", "schemas"),
    [
        ("values", ["sekoia"]),
        *(pytest.param(topic, ["sekoia", "ecs"], marks=pytest.mark.slow) for topic in ("address", "names", "time")),
    ],
)
def test_golden_records_equal_the_conversion(topic: str, schemas: list[str]) -> None:
    normalizers = {schema: Normalizer(schema) for schema in schemas}
    cases = [case for case in CASES if case.topic == topic and not case.options and len(case.data) < 1000]
    assert cases
    for case in cases:
        for schema, normalizer in normalizers.items():
            compare(case.data, schema, normalizer)


def test_explanation_equals_parse() -> None:
    data = b'{"QueryName":"a.example.com","SourceIP":"x","QueryType":65353}'
    assert explain(data, "ecs").event == parse(data, "ecs")


ALL_REASONS = "".join(
    (
        field(to="raw", kind="raw"),
        field(**{"from": ["A", "B"]}, to="absent", kind="text"),
        field(**{"from": "N"}, to="null", kind="text"),
        field(**{"from": "E"}, to="empty", kind="text"),
        field(**{"from": "T"}, to="unassigned", kind="enum", table="rcode", naming="iana"),
        field(**{"from": "D"}, to="no_name", kind="name"),
        field(**{"from": "C"}, to="no_part", kind="subdomain"),
        field(**{"from": "L"}, to="no_elements", kind="text", list=True),
        field(**{"from": "O"}, to="no_objects", kind="objects", members=["a"]),
        field(**{"from": "C"}, to="first", kind="text"),
        field(**{"from": "C"}, to="first", kind="text", otherwise=True),
        field(to="collected", kind="collect", of=["absent"]),
        field(to="problems", kind="problems"),
    )
)


def test_every_reason_is_given(tmp_path: Path) -> None:
    path = write_mapping(tmp_path, ALL_REASONS)
    record = b'{"N":null,"E":"","T":4000,"D":"..","C":"com","L":[null,""],"O":[{}],"Z":[1.50,{"a":"\\u00e9"}],"Y":1}'
    found = explain(record, path, keep_message=False)
    assert [(each.field.to, each.reason) for each in found.readings] == [
        ("raw", "keep_message"),
        ("absent", "absent"),
        ("null", "null"),
        ("empty", "empty"),
        ("unassigned", "unassigned"),
        ("no_name", "no_name"),
        ("no_part", "no_part"),
        ("no_elements", "no_elements"),
        ("no_objects", "no_elements"),
        ("first", None),
        ("first", "alternative"),
        ("collected", "nothing_collected"),
        ("problems", "no_problem"),
    ]
    assert {each.reason for each in found.readings} | {"no_value"} == {*REASONS, None}
    assert (found.event, found.problems, found.unread) == ({"first": "com"}, (), ("Z", "Y"))


def test_readings_hold_what_was_sent(tmp_path: Path) -> None:
    path = write_mapping(tmp_path, field(**{"from": ["A", "B"]}, to="a", kind="integer", required=True))
    (reading,) = explain(b'{"A":"","B":[1.50,{"a":"\\u00e9"}]}', path).readings
    assert (reading.key, reading.sent, reading.reason) == ("B", '[1.50,{"a":"é"}]', "field.type")
    assert (reading.problems, reading.rule) == (("field.type:B",), "7.3")
    (reading,) = explain(b'{"C":1}', path).readings
    assert (reading.key, reading.sent, reading.reason) == ("A", None, "absent")
    assert reading.problems == ("field.missing:A",)


@pytest.mark.parametrize(("data", "number"), [(b'{"a":1}\nx\n\n{"QueryName":"b"}', 2), (b"x", 1)])
def test_reject_is_an_error(data: bytes, number: int) -> None:
    with pytest.raises(RecordError, match=r"json\.syntax"):
        explain(data, record=number)


def test_records_are_counted_with_rejects() -> None:
    data = b'{"a":1}\nx\n\n{"QueryName":"b"}'
    assert explain(data, record=3).event["dns"]["question"]["name"] == "b"
    with pytest.raises(NoRecordError, match="fewer than 4 records"):
        explain(data, record=4)
    with pytest.raises(NoRecordError, match="no record"):
        explain(b"\n")


def test_other_formats_are_explained() -> None:
    rows = b"QueryName,QueryType\na.com,1\nb.com,28\n"
    assert explain(rows, record=2, input_format="csv").event["dns"]["question"]["type"] == "AAAA"
    document = b'[\n{"QueryName":\n"a.com"}]'
    assert explain(document, input_format="auto").event["dns"]["question"]["name"] == "a.com"


def test_rules_are_sections_of_the_specification() -> None:
    page = Path(__file__).parents[2] / "docs" / "specification.md"
    if not page.exists():
        pytest.skip("no documentation around the tests")
    headings = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    for name, kind in KINDS.items():
        assert any(heading.split()[1].rstrip(".") == kind.rule for heading in headings[1:]), name


def test_reasons_are_documented() -> None:
    page = Path(__file__).parents[2] / "docs" / "codes.md"
    if not page.exists():
        pytest.skip("no documentation around the tests")
    table = page.read_text(encoding="utf-8").partition("| reason | why there is no value |")[2]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(REASONS)


def test_unread_keys_are_those_of_no_entry() -> None:
    found = explain(b'{"Other":1,"QueryName":"a","Other2":{}}')
    assert found.unread == ("Other", "Other2")
    assert not load("sekoia").sources.intersection(found.unread)
