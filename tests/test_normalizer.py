"""A Normalizer stays as it was made, whoever uses it and how often."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from golden import ALL_GOLDEN, INPUTS
from support import GOOD, MIXED, WRITERS

from cfdns_fast import Normalizer


@pytest.mark.parametrize(
    "name", ["schema", "on_reject", "keep_message", "timestamp_unit", "max_record_bytes", "brand_new", "to_dicts"]
)
def test_normalizer_when_an_attribute_is_set_or_deleted_then_refuses(name: str) -> None:
    normalizer = Normalizer()
    with pytest.raises((AttributeError, TypeError)):
        setattr(normalizer, name, None)
    with pytest.raises((AttributeError, TypeError)):
        delattr(normalizer, name)
    assert normalizer.to_dicts(GOOD) == Normalizer().to_dicts(GOOD)


def test_normalizer_when_made_again_in_place_then_refuses() -> None:
    normalizer = Normalizer()
    with pytest.raises(AttributeError, match="immutable"):
        normalizer.__init__("ecs")  # type: ignore[misc]
    assert normalizer.to_dicts(b"{}") == Normalizer().to_dicts(b"{}")


def test_normalizer_when_used_again_and_again_then_remembers_nothing() -> None:
    normalizer = Normalizer()
    first = normalizer.to_dicts(MIXED)
    normalizer.to_ndjson(ALL_GOLDEN)
    abandoned = normalizer.iter_dicts(MIXED)
    next(abandoned)
    assert normalizer.to_dicts(MIXED) == first


def test_normalizer_when_many_threads_use_one_then_each_gets_what_it_gets_alone() -> None:
    normalizer = Normalizer()
    batches = [b"\n".join(INPUTS[number::8]) for number in range(8)]
    serial = [[write(normalizer, batch) for write in WRITERS.values()] for batch in batches]
    barrier = threading.Barrier(8)
    got: list[Any] = [None] * 8

    def work(number: int) -> None:
        barrier.wait()
        got[number] = [[write(normalizer, batches[number]) for write in WRITERS.values()] for _ in range(3)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [[expected] * 3 for expected in serial]
