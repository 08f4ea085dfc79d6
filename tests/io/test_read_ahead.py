"""ReadAhead yields the items of its source, fails where the source fails, and ends its thread."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from cfdns_fast.io.read_ahead import ReadAhead, Stop


def test_read_ahead_yields_everything_in_order() -> None:
    with ReadAhead(iter(range(1000)), depth=2) as items:
        assert list(items) == list(range(1000))


def test_read_ahead_fails_after_the_same_item() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("gone")

    seen = []
    with ReadAhead(source(), depth=4) as items, pytest.raises(OSError, match="gone"):
        for item in items:
            seen.append(item)
    assert seen == [1, 2]


def test_read_ahead_reads_at_most_its_depth() -> None:
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
        # Three items wait, and the thread holds one.
        assert len(taken) == 4


def test_read_ahead_left_early_ends_its_thread() -> None:
    before = threading.active_count()
    for _ in range(20):
        with ReadAhead(iter(range(10_000)), depth=2) as items:
            assert next(iter(items)) == 0
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    # A thread of an earlier test may have ended in between.
    assert threading.active_count() <= before


def test_read_ahead_left_early_keeps_no_item() -> None:
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


def test_read_ahead_stays_exhausted() -> None:
    with ReadAhead(iter(range(3)), depth=2) as items:
        assert [list(items), list(items)] == [[0, 1, 2], []]


def test_read_ahead_reports_idle_once() -> None:
    more = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        more.wait(30)
        yield 2

    with ReadAhead(source(), depth=2, idle=0) as items:
        seen = []
        for item in items:
            seen.append(item)
            if item == 0:
                more.set()
    # A second report may come before the thread reports the end.
    assert seen[:3] == [1, 0, 2] and seen[3:] in ([], [0])


def test_stop_ends_a_wait_for_input() -> None:
    """Items that were read before the request are yielded, and none after it."""
    read_descriptor, write_descriptor = os.pipe()
    os.write(write_descriptor, b"a")
    stop = Stop()

    def source() -> Iterator[bytes]:
        with open(read_descriptor, "rb", buffering=0) as raw:
            while stop.may_read(raw):
                yield raw.read(1)

    seen = []
    with ReadAhead(source(), depth=2, stop=stop) as items:
        for item in items:
            seen.append(item)
            threading.Timer(0.05, stop.request).start()
    os.close(write_descriptor)
    assert (seen, stop.is_early) == ([b"a"], True)
    stop.close()


def test_stop_after_the_end_is_not_early() -> None:
    stop = Stop()

    def source() -> Iterator[int]:
        stop.is_open = True
        yield from range(3)

    with ReadAhead(source(), depth=5, stop=stop) as items:
        seen = [next(iter(items))]
        stop.request()
        seen += list(items)
    assert (seen, stop.is_early) == ([0, 1, 2], False)
    stop.close()
