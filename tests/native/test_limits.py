"""What the compiled core refuses when a plan is made, so that its writers need no checks."""

from __future__ import annotations

import pytest

from cfdns_fast.mapping import Field, Mapping
from cfdns_fast.plan.compiler import compile_plan

# Objects that a step opens within the event's own.
MAX_OPEN_OBJECTS = 32


def compile_target(keys: int) -> object:
    field = Field(to=".".join(["key"] * keys), kind="text", sources=("QueryName",))
    mapping = Mapping("test", "test", "test", (field,))
    return compile_plan(mapping, private_suffixes=False, timestamp_unit="auto", max_record_bytes=1024)


def test_plan_accepts_the_deepest_target() -> None:
    assert compile_target(MAX_OPEN_OBJECTS + 1)


@pytest.mark.parametrize("keys", [MAX_OPEN_OBJECTS + 2, 100])
def test_plan_refuses_a_deeper_target(keys: int) -> None:
    with pytest.raises(ValueError, match="too many objects"):
        compile_target(keys)
