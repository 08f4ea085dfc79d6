"""Events of schema ocsf as input: all datasets, and what other programs write."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")

import pyarrow
import pyarrow.parquet
from support.inspected import inspected

from cfdns_fast import Normalizer
from cfdns_fast.files import Layout
from cfdns_fast.files.parquet import ParquetOutput
from cfdns_fast.mapping import load

RECORDS: dict[str, dict[str, Any]] = {
    "dns_logs": {"Timestamp": 1767225600123456789, "SourceIP": "192.0.2.1", "ResponseCode": 3, "ResponseCached": True},
    "dns_firewall_logs": {"Timestamp": 1767225601, "SourceIP": "2001:db8::1", "ResponseCode": 2, "QueryTCP": True},
    "gateway_dns": {"Datetime": "2026-01-01T00:00:00Z", "SrcIP": "192.0.2.1", "RCode": 1, "ResolvedIPs": ["192.0.2.9"]},
}
KEYS = ("events", "tops", "rate", "cached", "families", "edns", "nxdomain", "nxdomain_total", "first", "without_time")


def lines_of(dataset: str) -> bytes:
    """Return records with names of several domains, and one without anything else."""
    names = (
        "www.example.com",
        "A.B.Example.CO.UK",
        'a"\\\\.x.example.org',
        "me.github.io",
        "com",
        "localhost",
        "é.example.com",
    )
    full = [RECORDS[dataset] | {"QueryName": name, "QueryType": 28, "ColoCode": "CDG"} for name in names]
    return b"".join(json.dumps(record).encode() + b"\n" for record in [*full, {"QueryName": "x.example.net"}])


def counts(data: bytes, **options: Any) -> dict[str, Any]:
    summary = inspected(data, normalizer=Normalizer(keep_message=False, input_format="auto", **options)).as_dict()
    return {key: summary[key] for key in KEYS}


def parquet_of(events: Any, normalizer: Normalizer, names: str) -> bytes:
    file = io.BytesIO()
    output = ParquetOutput(file, normalizer, Layout(names=names))
    output.write(events)
    output.close()
    return file.getvalue()


@pytest.mark.parametrize("private_suffixes", [False, True])
@pytest.mark.parametrize("dataset", RECORDS)
def test_counts_are_those_of_logs(dataset: str, private_suffixes: bool) -> None:
    lines = lines_of(dataset)
    options = {"dataset": dataset, "private_suffixes": private_suffixes}
    wanted = counts(lines, **options)
    domains = dict(next(top["rows"] for top in wanted["tops"] if top["key"] == "registered_domains"))
    assert wanted["events"] == 8 and domains["example.co.uk"] == 1
    assert ("me.github.io" in domains) == private_suffixes
    converter = Normalizer("ocsf", dataset=dataset)
    events = converter.to_ndjson(lines).output
    # The mapping of the command need not be that of the events.
    read = {"private_suffixes": private_suffixes}
    assert counts(events, **read) == wanted
    # A blank line lets all lines be read alone.
    assert counts(events + b"\n", **read) == wanted
    assert counts(lines, schema="ocsf", **options) == wanted
    for names in ("underscore", "nested", "dotted"):
        found = counts(parquet_of(converter.to_arrow(lines).output, converter, names), **read)
        # Parquet files have microseconds.
        assert {**found, "first": None} == {**wanted, "first": None}, names


def test_time_in_milliseconds_is_enough() -> None:
    """Events of other programs need not have the profile datetime."""
    event: dict[str, Any] = {"class_uid": 4003, "query": {"hostname": "A.example.com"}, "time": 1767225600123}
    exact = event | {"time_dt": "2026-01-01T00:00:02.000000001Z"}
    bad = event | {"time": "x", "query": 5, "metadata": {"debug": [5, []]}}
    summary = inspected(b"".join(json.dumps(each).encode() + b"\n" for each in (event, exact, bad)))
    assert (summary.events, summary.rejects, summary.without_time) == (3, 0, 1)
    assert (summary.first_ns, summary.last_ns) == (1767225600123000000, 1767225602000000001)
    assert summary.top("registered_domains").rows == (("example.com", 2),)
    table = pyarrow.table({"query.hostname": ["a.example.com"], "time": [1767225600123]})
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    assert inspected(file.getvalue()).first_ns == 1767225600123000000


def test_column_time_alone_is_a_fault() -> None:
    """Its unit is not known."""
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"time": [1767225600]}), file)
    assert inspected(file.getvalue()).files.fault_count == 1


def test_schemas_may_be_mixed_in_lines() -> None:
    line = b'{"QueryName":"www.example.com","ResponseCode":2,"Timestamp":1767225600}\n'
    summary = inspected(b"".join(Normalizer(schema).to_ndjson(line).output for schema in ("ocsf", "sekoia", "ecs")))
    for key, value in (
        ("names", "www.example.com"),
        ("registered_domains", "example.com"),
        ("response_codes", "SERVFAIL"),
    ):
        assert summary.top(key).rows == ((value, 3),)
    assert summary.without_time == 0


@pytest.mark.parametrize("schema", ["sekoia", "ecs", "ocsf", "other"])
@pytest.mark.parametrize("blank", [b"", b"\n", b"{bad\n"])
def test_nested_objects_are_no_events(schema: str, blank: bytes) -> None:
    """Objects in arrays of a line, such as observables and enrichments, are parts of its event."""
    event = (
        {"class_uid": 2004}
        if schema == "other"
        else json.loads(Normalizer(schema).to_ndjson(lines_of("dns_logs").partition(b"\n")[0]).output)
    )
    event["observables"] = event["enrichments"] = [{"name": "a", "type_id": 1, "query": {}}] * 3
    assert inspected(blank + (json.dumps(event).encode() + b"\n") * 4).events == 4


@pytest.mark.parametrize("order", [1, -1])
def test_logs_with_times_out_of_range_are_counted(order: int) -> None:
    """Inputs that are counted together may have their times in other columns: those of year 3000 have only `time`."""
    normalizer = Normalizer("ocsf", keep_message=False, input_format="auto")
    near = b'{"QueryName":"a.example.com","Timestamp":1}\n'
    far = b'{"QueryName":"a.example.com","Timestamp":"3000-01-01T00:00:00Z"}\n'
    summary = inspected(*[near, far][::order], normalizer=normalizer)
    assert (summary.events, summary.without_time, summary.first_ns) == (2, 1, 10**9)


@pytest.mark.parametrize("schema", ["ecs", "ocsf"])
def test_all_problems_of_a_record_are_counted(schema: str) -> None:
    """Their text is longer than values are that are cut."""
    converter = Normalizer(schema, dataset="gateway_dns")
    line = json.dumps({key: {} for key in sorted(load(schema, "gateway_dns").sources)}).encode() + b"\n"
    result = converter.to_ndjson(line)
    assert len(result.problems) > 30
    inputs = [result.output, result.output + b"\n"]
    inputs += [parquet_of(converter.to_arrow(line).output, converter, names) for names in ("underscore", "nested")]
    for each in inputs:
        found = inspected(each).problem_examples
        assert {example.code: example.count for example in found} == result.problems


def test_domains_of_long_names_are_those_of_logs() -> None:
    """A name in which each byte is an escape has four times as many characters as bytes."""
    line = json.dumps({"QueryName": r"\000" * 200 + ".www.example.com"}).encode() + b"\n"
    converter = Normalizer("ocsf")
    for names in ("underscore", "nested"):
        found = inspected(parquet_of(converter.to_arrow(line).output, converter, names))
        assert found.top("registered_domains").rows == (("example.com", 1),)
        assert found.top("names").rows == inspected(line).top("names").rows
