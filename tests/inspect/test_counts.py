"""Counts of an inspection, compared with a count by json and Counter alone."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from hypothesis import given
from hypothesis import strategies as st
from support.inspected import batches, expected, inspected, rows_of

from cfdns_fast import Normalizer
from cfdns_fast.files import Layout
from cfdns_fast.files.parquet import ParquetOutput
from cfdns_fast.inspect import Domain, Summary


def check(summary: Summary, lines: Sequence[bytes]) -> None:
    """Compare all counts of events."""
    wanted = expected(lines)
    assert summary.events == wanted.events
    for key, counts in wanted.tops.items():
        top = summary.top(key)
        assert top.rows == rows_of(counts, 1000), key
        assert (top.total, top.missing) == (counts.total(), wanted.events - counts.total()), key
        assert (top.distinct, top.is_exact, top.max_error) == (len(counts), True, 0), key
    assert +Counter(summary.cached) == wanted.cached
    assert +Counter(summary.families) == wanted.families
    assert +Counter(summary.edns) == wanted.edns
    check_rate(summary, wanted.rate)
    assert summary.nxdomain_total == sum(counts.total() for counts in wanted.nxdomain.values())
    assert summary.nxdomain_domains == len({*wanted.nxdomain} - {"(none)"})
    assert {each.domain: each for each in summary.nxdomain} == {
        domain: Domain(domain, counts.total(), len(counts), round(len(counts) / counts.total(), 6))
        for domain, counts in wanted.nxdomain.items()
    }


def check_rate(summary: Summary, wanted: Counter[tuple[int, str]]) -> None:
    rate = summary.rate
    assert (rate is None) == (not wanted)
    if rate is None:
        assert (summary.first_ns, summary.last_ns) == (None, None)
        return
    seconds = [second for second, _ in wanted]
    assert (summary.first_ns, summary.last_ns) == (min(seconds) * 10**9, max(seconds) * 10**9)
    assert (rate.interval_s, rate.start_ns, rate.before, rate.after) == (1, min(seconds) * 10**9, 0, 0)
    found: Counter[tuple[int, str]] = Counter()
    for code, counts in zip(rate.codes, rate.counts, strict=True):
        for number, count in enumerate(counts):
            found[min(seconds) + number, code] += count
    assert +found == wanted
    assert summary.without_time == summary.events - wanted.total()


def parquet_of(lines: Sequence[bytes], names: str, schema: str) -> bytes:
    normalizer = Normalizer(schema, keep_message=False)
    file = io.BytesIO()
    output = ParquetOutput(file, normalizer, Layout(names=names))
    output.write(normalizer.to_arrow(b"\n".join(lines)).output)
    output.close()
    return file.getvalue()


@given(batches(), batches(), st.integers(1, 3))
def test_counts_are_those_of_a_plain_count(one: list[bytes], other: list[bytes], threads: int) -> None:
    lines = [*one, *other]
    summary = inspected(*(b"".join(b"%s\n" % line for line in each) for each in (one, other)), threads=threads)
    check(summary, lines)
    wanted = expected(lines)
    assert summary.blank == wanted.blank
    assert {each.code: each.count for each in summary.problem_examples} == wanted.problems
    assert {each.code: each.count for each in summary.reject_examples} == wanted.rejects
    assert (summary.problems, summary.rejects) == (wanted.problems.total(), wanted.rejects.total())
    assert [file.events for file in summary.files.listed] == [expected(each).events for each in (one, other)]
    assert all(each.example for each in (*summary.problem_examples, *summary.reject_examples))


@pytest.mark.slow
@given(batches(damaged=False), st.sampled_from(("sekoia", "ecs", "ocsf")))
def test_counts_of_events_are_those_of_logs(lines: list[bytes], schema: str) -> None:
    events = Normalizer(schema).to_ndjson(b"\n".join(lines)).output
    summary = inspected(events)
    check(summary, lines)
    assert summary.files.listed[0].kind == ("events" if lines else "logs")


@pytest.mark.slow
@given(
    batches(damaged=False),
    st.sampled_from(("underscore", "nested", "dotted")),
    st.sampled_from(("sekoia", "ecs", "ocsf")),
)
def test_counts_of_parquet_are_those_of_logs(lines: list[bytes], names: str, schema: str) -> None:
    summary = inspected(parquet_of(lines, names, schema), threads=2)
    check(summary, lines)
    assert summary.files.listed[0].kind == "parquet"


@pytest.mark.parametrize("schema", ["ecs", "ocsf"])
def test_problems_of_events_are_counted(schema: str) -> None:
    lines = b'{"QueryName":"example.com","SourceIP":"no","QueryType":"no"}\n{"a":1}\n' * 3
    events = Normalizer(schema).to_ndjson(lines)
    for data in (events.output, parquet_of([lines], "nested", schema)):
        summary = inspected(data)
        assert {each.code: each.count for each in summary.problem_examples} == events.problems
        assert summary.problems == sum(events.problems.values()) >= 15


@pytest.mark.parametrize("schema", ["sekoia", "ecs", "ocsf"])
def test_schema_does_not_change_counts(schema: str) -> None:
    """The schemas spell codes differently; the schema sekoia has no name for types that are not assigned."""
    lines = b"".join(b'{"ResponseCode":%d,"QueryType":%d,"Timestamp":1}\n' % (code, code) for code in range(1, 24))
    summary = inspected(lines + b'{"QueryType":255}\n', normalizer=Normalizer(schema, keep_message=False))
    summaries = [summary, inspected(Normalizer(schema).to_ndjson(lines + b'{"QueryType":255}\n').output)]
    assert summaries[0].tops == summaries[1].tops
    codes = {value for value, _ in summary.top("response_codes").rows}
    assert codes >= {"NXDOMAIN", "BADVERS", "DSOTYPENI"} and all(code == code.upper() for code in codes)
    assert "ANY" in {value for value, _ in summary.top("query_types").rows}


def test_dataset_of_the_gateway_is_counted() -> None:
    line = b'{"QueryName":"a.example.com","QueryTypeName":"aaaa","RCode":3,"SrcIP":"2001:db8::5","Datetime":'
    summary = inspected(line + b'"2026-01-01T00:00:00Z"}\n', normalizer=Normalizer(dataset="gateway_dns"))
    assert summary.top("clients").rows == (("2001:db8::5", 1),)
    assert summary.top("query_types").rows == (("AAAA", 1),)
    assert summary.nxdomain == (Domain("example.com", 1, 1, 1.0),)
