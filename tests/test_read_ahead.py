"""Reading ahead gives what the source gives, fails where it fails, and ends."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from cfdns_fast.read_ahead import ReadAhead


def test_read_ahead_when_used_up_then_gave_everything_in_order() -> None:
    with ReadAhead(iter(range(1000)), depth=2) as items:
        assert list(items) == list(range(1000))


def test_read_ahead_when_the_source_fails_then_fails_behind_the_same_item() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("gone")

    seen = []
    with ReadAhead(source(), depth=4) as items, pytest.raises(OSError, match="gone"):
        for item in items:
            seen.append(item)
    assert seen == [1, 2]


def test_read_ahead_when_items_are_not_used_then_reads_no_more_than_its_depth() -> None:
    taken = []

    def source() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            yield i

    with ReadAhead(source(), depth=3):
        deadline = time.monotonic() + 5
        while len(taken) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        # Three wait, and one is held by the thread.
        assert len(taken) == 4


def test_read_ahead_when_left_early_then_its_thread_ends() -> None:
    before = threading.active_count()
    for _ in range(20):
        with ReadAhead(iter(range(10_000)), depth=2) as items:
            assert next(iter(items)) == 0
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    # Fewer, if a thread of the test before had not ended yet.
    assert threading.active_count() <= before


def test_read_ahead_when_left_early_then_keeps_no_item() -> None:
    class Item:
        pass

    made: list[weakref.ref[Item]] = []

    def source() -> Iterator[Item]:
        for _ in range(100):
            item = Item()
            made.append(weakref.ref(item))
            yield item

    with ReadAhead(source(), depth=4) as items:
        deadline = time.monotonic() + 10
        while len(made) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
    deadline = time.monotonic() + 10
    while any(each() for each in made) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(each() for each in made)
    assert list(items) == []


def test_read_ahead_when_used_up_and_asked_again_then_gives_nothing() -> None:
    with ReadAhead(iter(range(3)), depth=2) as items:
        assert [list(items), list(items)] == [[0, 1, 2], []]
