"""Several threads give the same bytes and the same positions as one."""

from __future__ import annotations

import os
import random
import sys
import threading
from typing import Any

import pytest
from support.batches import DATA, shuffled_lines
from support.processes import SANITIZED, at_once, run_python, running
from support.records import GOOD
from support.writers import WRITERS

from cfdns_fast import Normalizer, RecordError

#: The writers with the option threads.
every_threaded = pytest.mark.parametrize("method", [name for name in ("to_ndjson", "to_arrow") if name in WRITERS])

#: Size of the piece that a thread converts at a time.
PIECE_BYTES = 128 * 1024


@pytest.mark.parametrize("keep_message", [True, False])
@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_many_threads_equal_one(data: bytes, keep_message: bool) -> None:
    normalizer = Normalizer(keep_message=keep_message)
    expected = normalizer.to_ndjson(data)
    for threads in (2, 3, 16):
        assert normalizer.to_ndjson(data, threads=threads) == expected


@pytest.mark.parametrize("block_bytes", [777, 100_000, 3_000_000])
def test_stream_with_threads_equals_one_call(block_bytes: int) -> None:
    data = DATA["mixed"] + b"\n" + DATA["no newline"]
    normalizer = Normalizer()
    expected = normalizer.to_ndjson(data)
    stream = normalizer.stream(threads=3)
    parts = []
    for start in range(0, len(data), block_bytes):
        parts.append(stream.feed(data[start : start + block_bytes]))
        if start % 3 == 0:
            parts.append(stream.flush())
    parts.append(stream.finish())
    assert b"".join(part.output for part in parts) == expected.output
    assert sum(part.events for part in parts) == expected.events
    assert tuple(reject for part in parts for reject in part.rejects) == expected.rejects


@every_threaded
def test_threads_raise_the_first_reject(method: str) -> None:
    data = GOOD * 5000 + b"first\n" + GOOD * 5000 + b"second\n" * 3000
    for threads in (1, 4):
        with pytest.raises(RecordError) as caught:
            getattr(Normalizer(on_reject="raise"), method)(data, threads=threads)
        assert (caught.value.line, caught.value.raw) == (5001, b"first")


@every_threaded
@pytest.mark.parametrize("threads", [0, -1, 1025, 1.5, True, "2", None])
def test_invalid_thread_count_raises_value_error(threads: Any, method: str) -> None:
    with pytest.raises(ValueError, match="threads must be a whole number from 1 to 1024"):
        getattr(Normalizer(), method)(GOOD, threads=threads)


def test_totals_add_up_while_the_input_changes() -> None:
    """Another thread writes to the input during the conversion."""
    data = bytearray(DATA["mixed"])
    pick = random.Random(7)

    def scribble() -> None:
        data[pick.randrange(len(data))] = pick.choice(b'{}"\\\n x')

    with running(scribble):
        for _ in range(10):
            result = Normalizer().to_ndjson(data, threads=4)
            assert result.output.count(b"\n") == result.events
            assert all(reject.byte_length >= len(reject.raw) > 0 for reject in result.rejects)


def test_simultaneous_callers_get_their_own_results() -> None:
    normalizer = Normalizer()
    inputs = [shuffled_lines(600_000, seed) for seed in range(4)]
    expected = [normalizer.to_ndjson(data) for data in inputs]

    def convert(data: bytes) -> list[Any]:
        return [normalizer.to_ndjson(data, threads=3) for _ in range(5)]

    for results, one in zip(at_once(convert, inputs), expected, strict=True):
        assert results == [one] * 5


# Threads are kept for a while for the next call

KEPT = """
import os, sys
from support.records import GOOD
from cfdns_fast import Normalizer
data = GOOD * 5000
normalizer = Normalizer()
expected = normalizer.to_ndjson(data)
def threads(count):
    assert normalizer.to_ndjson(data, threads=count) == expected
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_threads_are_kept_and_block_signals() -> None:
    """Threads of a call stay for the next call, so that calls in a row need few threads."""
    code = """
for _ in range(20):
    threads(3)
others = set(os.listdir("/proc/self/task")) - {str(os.getpid())}
kept = [open(f"/proc/self/task/{task}/status").read() for task in others]
assert len(kept) == 2, len(kept)
for status in kept:
    blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
    assert blocked >> 1 & 1 and blocked >> 14 & 1, hex(blocked)  # SIGINT and SIGTERM
"""
    run = run_python(KEPT + code)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_idle_threads_end_and_are_made_again() -> None:
    code = """
import time
for _ in range(2):
    threads(3)
    while len(os.listdir("/proc/self/task")) > 1:
        time.sleep(0.1)
"""
    run = run_python(KEPT + code)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
# At the fork another thread may hold the lock of AddressSanitizer's allocator, which the child then never gets.
@pytest.mark.parametrize("busy", [0] if SANITIZED else [0, pytest.param(3, marks=pytest.mark.slow)])
def test_forked_child_makes_its_own_threads(busy: int) -> None:
    code = """
import threading
stop = False
def convert():
    while not stop:
        threads(2)
others = [threading.Thread(target=convert) for _ in range(int(sys.argv[1]))]
for other in others:
    other.start()
threads(3)
for _ in range(20):
    child = os.fork()
    if child == 0:
        threads(3)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop = True
for other in others:
    other.join()
threads(3)
"""
    run = run_python(KEPT + code, str(busy))
    assert run.returncode == 0, run.stderr


def test_shared_iterator_gives_each_event_once() -> None:
    """A simultaneous call raises ValueError: the iterator is for one thread at a time."""
    iterator = Normalizer().iter_dicts(GOOD * 3000)
    taken: list[int] = []
    wrong: list[BaseException] = []

    def take() -> None:
        while True:
            try:
                next(iterator)
                taken.append(1)
                assert 0 < iterator.events <= 3000 and iterator.rejects == ()
            except ValueError:
                continue  # another thread uses the iterator
            except StopIteration:
                return
            except BaseException as error:
                wrong.append(error)
                return

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), wrong, iterator.events) == (3000, [], 3000)
