"""JSON of any size, read value by value."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from cfdns_fast.detect.feeds.json_items import Item, json_items

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis makes the examples")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "é"]), inner, max_size=3),
    max_leaves=12,
)


def items(data: bytes, cuts: list[int]) -> list[Item]:
    """Read data in pieces that end at the cuts."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = (data[start:end] for start, end in itertools.pairwise(edges) if start < end)
    return list(json_items(pieces, "feed", 1 << 20, lambda _: False))


@given(values=st.lists(VALUES, max_size=4), cuts=st.lists(st.integers(0, 80), max_size=6))
def test_cuts_of_the_input_change_nothing(values: list[Any], cuts: list[int]) -> None:
    """Numbers, escapes and characters may be cut anywhere."""
    for text in (" ".join(json.dumps(each, ensure_ascii=False) for each in values), "\n".join(map(json.dumps, values))):
        assert [item.value for item in items(text.encode("utf-8", "replace"), cuts)] == json.loads(
            json.dumps(values).encode("utf-8", "replace")
        )


def test_single_bytes_are_joined() -> None:
    data = '[12, 345, "é", true, {"k": [1.5e3, null]}]\n678 9'.encode()
    assert [item.value for item in items(data, list(range(len(data))))] == [json.loads(data[:-6]), 678, 9]
    assert [item.value for item in items(b"678 9", [1, 2, 3, 4])] == [678, 9]


def test_large_values_are_read_by_members() -> None:
    """Every part of the value is in one item, with its path and line."""
    elements = [{"n": number, "text": "x" * 90} for number in range(2_000)]
    data = json.dumps({"first": 1, "objects": elements, "last": {"deep": [1, 2]}}, indent=0).encode()
    pieces = (data[start : start + 50_000] for start in range(0, len(data), 50_000))
    found = list(json_items(pieces, "feed", 1 << 20, lambda path: path in ((), ("objects",))))
    assert [item.value for item in found[:-1]] == elements
    assert {item.path for item in found[:-1]} == {("objects", "*")}
    assert found[-1] == Item((), {"first": 1, "last": {"deep": [1, 2]}}, 1)
    assert [item.line for item in found[:3]] == [4, 8, 12]
