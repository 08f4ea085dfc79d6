"""Parquet files that another program wrote: other types, other names, and times that are out of range."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")

import pyarrow
import pyarrow.parquet
from support.inspected import inspected

from cfdns_fast.inspect import Summary


def summary_of(**columns: Any) -> Summary:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    return inspected(file.getvalue())


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_times_out_of_range_are_absent(unit: str) -> None:
    per_second = {"ms": 10**3, "us": 10**6}[unit]
    times = [2**63 - 1, -(2**63) + 1, 1_767_225_600 * per_second, None]
    summary = summary_of(timestamp=pyarrow.array(times, pyarrow.timestamp(unit, "UTC")))
    assert (summary.events, summary.without_time) == (4, 3)
    assert (summary.first_ns, summary.last_ns) == (1_767_225_600 * 10**9,) * 2
    assert summary.as_dict()["first"] == "2026-01-01T00:00:00.000000000Z"


def test_times_before_1970_are_rounded_down() -> None:
    times = [datetime(1969, 12, 31, 23, 59, 59, 500_000, UTC), datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)]
    rate = summary_of(timestamp=pyarrow.array(times, pyarrow.timestamp("us", "UTC"))).rate
    assert rate is not None and (rate.start_ns, rate.counts) == (-(10**9), ((1, 0, 1),))


@pytest.mark.parametrize(
    "type_",
    [pyarrow.string(), pyarrow.large_string(), pyarrow.dictionary(pyarrow.int32(), pyarrow.string())],
    ids=["text", "large", "dictionary"],
)
def test_types_of_text_are_counted_alike(type_: pyarrow.DataType) -> None:
    names = pyarrow.array(["A.example", None, "a.example"]).cast(type_)
    codes = pyarrow.array(["NXDomain", None, "NXDOMAIN"]).cast(type_)
    summary = summary_of(dns_question_name=names, dns_response_code=codes)
    assert summary.top("names").rows == (("a.example", 2),)
    assert summary.top("response_codes").rows == (("NXDOMAIN", 2),)
    assert [(each.domain, each.queries, each.names) for each in summary.nxdomain] == [("(none)", 2, 1)]


def test_columns_of_other_types_are_left_out() -> None:
    """One column is enough to count by."""
    summary = summary_of(
        timestamp=["2026-01-01"], source_ip=[7], cloudflare_responsecached=["yes"], dns_question_name=["a.example"]
    )
    assert (summary.events, summary.without_time, summary.cached["unknown"]) == (1, 1, 1)
    assert summary.top("clients").total == 0 and summary.top("names").total == 1
