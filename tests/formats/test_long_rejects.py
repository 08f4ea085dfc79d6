"""Streams skip records, lines and values longer than max_record_bytes to their end, and keep every byte."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import example, given
from hypothesis import strategies as st
from support import strategies
from support.format_strategies import any_data, outcome
from support.spill import streamed

from cfdns_fast import Normalizer

sizes = st.lists(st.integers(1, 60), min_size=1, max_size=8)
#: Bytes that repeat within a record, at the start or end of a line, or between records.
fillers = st.sampled_from(
    [
        *(
            b" ",
            b"\t",
            b"\r",
            b"\n",
            b"x",
            b"1",
            b"{",
            b"[",
            b'"',
            b"\\",
            b"\\u00e9",
            b"\xc3\xa9",
            b"\xff",
            b"\xef\xbb\xbf",
        ),
        *(
            b"|",
            b";",
            b",",
            b'"x",',
            b'{"a":',
            b'"a":1,',
            b'{"a":"',
            b"{}",
            b"[{},",
            b'""',
            b'"\n',
            b"\\\n",
            b"]",
            b"}",
            b"-",
        ),
    ]
)


def stretched(data: bytes, places: list[tuple[int, bytes, int]]) -> bytes:
    for place, filler, times in places:
        at = place % (len(data) + 1)
        data = data[:at] + filler * times + data[at:]
    return data


long_data = st.builds(
    stretched,
    st.one_of(any_data, strategies.any_batch),
    st.lists(st.tuples(st.integers(0, 10**6), fillers, st.integers(1, 150)), max_size=3),
)
delimiters = ["|", ";", ",", " ;", "||", "x", "1e", "é", ", ", "  |"]
options: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {"input_format": st.sampled_from(["auto", "json", "ndjson"]), "max_record_bytes": st.integers(1, 200)},
        optional={"record_delimiter": st.sampled_from(delimiters)},
    ),
    st.fixed_dictionaries(
        {"input_format": st.sampled_from(["auto", "csv", "tsv"]), "max_record_bytes": st.integers(1, 200)},
        optional={"columns": st.sampled_from([("QueryName", "Timestamp", "ColoCode"), ("ColoCode", "x")])},
    ),
)


@given(data=long_data, sizes=sizes, with_spill=st.booleans(), threads=st.integers(1, 3), options=options)
@example(
    data=b'{"a":1,' + b" " * 99 + b"x|{}", sizes=[7], with_spill=True, threads=1, options={"record_delimiter": "|"}
)
def test_stream_equals_one_call(
    data: bytes, sizes: list[int], with_spill: bool, threads: int, options: dict[str, Any]
) -> None:
    expected = outcome(lambda: Normalizer(**options).to_ndjson(data))
    assert outcome(lambda: streamed(data, sizes, with_spill=with_spill, threads=threads, **options)) == expected


@given(data=long_data, options=options)
def test_native_equals_reference(native: Any, reference: Any, data: bytes, options: dict[str, Any]) -> None:
    expected = outcome(lambda: reference.to_ndjson(data, **options))
    assert outcome(lambda: native.to_ndjson(data, **options)) == expected
